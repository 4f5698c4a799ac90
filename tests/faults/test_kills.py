"""kill -9 of every part, alone and in pairs, at random moments: nothing that runs is restarted, lost or doubled."""

import itertools
import os
import random

import pytest

from tests.harness.kubernetes import is_ready
from tests.harness.pods import deployment, pod
from tests.harness.waiting import wait_until

PARTS = ["shim", "provider", "agent", "kube-apiserver", "etcd", "containerd"]
PAIRS = list(itertools.combinations(PARTS, 2))


def chosen_pairs():
    """Three pairs, another choice for each seed (SLICELET_SEED, default by day); all of them with --long."""
    if os.environ.get("SLICELET_LONG"):
        return PAIRS
    seed = int(os.environ.get("SLICELET_SEED", "1"))
    return sorted(random.Random(seed).sample(PAIRS, 3))


def identities(edge, namespace):
    """What must not change: container ids and start times of everything that runs."""
    return {c["id"]: c["createdAt"] for c in edge.running_containers(namespace, "")}


def everything_converges(edge, kubectl, before):
    """After the kill: change something through the API and see it happen, and see that nothing else changed."""
    kubectl.apply(pod("after", args=["wait"]))
    wait_until("a new pod runs", lambda: is_ready(kubectl.get("pod", "after")), timeout=120)
    wait_until("steady pods are Ready", lambda: kubectl.ready_pods("steady", 3), timeout=120)
    wait_until("finished job is Succeeded", lambda: kubectl.get("pod", "finished")["status"]["phase"] == "Succeeded")
    now = identities(edge, kubectl.namespace)
    for container, created in before.items():
        assert now.get(container) == created, "a running container was restarted by the kill"
    assert len(now) == len(before) + 1, "exactly the new pod was added"
    for one in kubectl.get("pods", selector="app=steady"):
        assert one["status"]["containerStatuses"][0]["restartCount"] == 0
    kubectl("delete", "pod", "after", "--wait=false")
    wait_until("the new pod is gone", lambda: kubectl.get("pod", "after") is None, timeout=120)
    wait_until("and its container", lambda: edge.sandboxes(kubectl.namespace, "after") == [], timeout=120)


def prepare(edge, kubectl):
    kubectl.apply(deployment("steady", replicas=3, args=["lines", "0", "1000"]),
                  pod("finished", args=["print", "done"], restart="Never"))
    wait_until("steady pods Ready", lambda: kubectl.ready_pods("steady", 3), timeout=90)
    wait_until("finished", lambda: kubectl.get("pod", "finished")["status"].get("phase") == "Succeeded")
    return identities(edge, kubectl.namespace)


@pytest.mark.parametrize("part", PARTS)
def test_killed_alone(edge, kubectl, part):
    before = prepare(edge, kubectl)
    edge.kill(part)
    edge.start(part)
    everything_converges(edge, kubectl, before)


@pytest.mark.parametrize("first,second", chosen_pairs())
def test_killed_in_pairs(edge, kubectl, first, second):
    before = prepare(edge, kubectl)
    # In the middle of work, not in quiet: a pod is being created and another deleted.
    kubectl.apply(pod("during", args=["wait"]))
    edge.kill(first)
    edge.kill(second)
    edge.start(second)
    edge.start(first)
    wait_until("the pod applied during the kills runs", lambda: is_ready(kubectl.get("pod", "during")), timeout=120)
    kubectl("delete", "pod", "during", "--wait=false")
    wait_until("and goes", lambda: kubectl.get("pod", "during") is None, timeout=120)
    wait_until("its container too", lambda: edge.sandboxes(kubectl.namespace, "during") == [], timeout=120)
    everything_converges(edge, kubectl, before)
