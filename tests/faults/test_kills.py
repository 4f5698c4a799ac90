"""kill -9 of every part, alone and in pairs, at random moments: nothing that runs is restarted, lost or doubled."""

import contextlib
import itertools
import os
import threading
import time

import pytest
import yaml

from tests.faults.chance import drawn_for, repeatable
from tests.harness.edge import RECONNECTED
from tests.harness.kubernetes import is_ready
from tests.harness.pods import deployment, pod
from tests.harness.waiting import wait_until

PARTS = ["shim", "provider", "agent", "kube-apiserver", "etcd", "containerd"]
PAIRS = list(itertools.combinations(PARTS, 2))
# How far the work under way has come when the first part is killed; and then so much later, in seconds.
MOMENTS = ["begun", "bound", "sandbox", "running", "ready", "leaving"]
LATER = 0.15


def chosen_pairs():
    """Three pairs, others in every run; all of them with --long."""
    if os.environ.get("SLICELET_LONG"):
        return PAIRS
    return sorted(drawn_for("pairs").sample(PAIRS, 3), key=PAIRS.index)


def identities(edge, namespace):
    """What must not change: container ids and start times of everything that runs."""
    return {c["id"]: c["createdAt"] for c in edge.running_containers(namespace, "")}


def everything_converges(edge, kubectl, before):
    """After the kill: change something through the API and see it happen, and see that nothing else changed."""
    wait_until("steady pods are Ready", lambda: kubectl.ready_pods("steady", 3), timeout=RECONNECTED)
    wait_until("finished job is Succeeded", lambda: kubectl.get("pod", "finished")["status"]["phase"] == "Succeeded", timeout=RECONNECTED)
    kubectl.apply(pod("after", args=["wait"]))
    kubectl("delete", "pod", "during", "--wait=false")
    wait_until("a new pod runs", lambda: is_ready(kubectl.get("pod", "after")), timeout=RECONNECTED)
    wait_until("what was begun is gone", lambda: kubectl.get("pod", "during") is None, timeout=RECONNECTED)
    wait_until("and its container", lambda: edge.sandboxes(kubectl.namespace, "during") == [], timeout=RECONNECTED)
    now = identities(edge, kubectl.namespace)
    for container, created in before.items():
        assert now.get(container) == created, "a running container was restarted by the kill"
    assert len(now) == 4, "the steady ones and exactly the new one"
    for one in kubectl.get("pods", selector="app=steady"):
        assert one["status"]["containerStatuses"][0]["restartCount"] == 0


def prepare(edge, kubectl):
    kubectl.apply(deployment("steady", replicas=3, args=["lines", "0", "1000"]),
                  pod("finished", args=["print", "done"], restart="Never"), pod("leaving", args=["wait"]))
    wait_until("steady pods Ready", lambda: kubectl.ready_pods("steady", 3), timeout=RECONNECTED)
    wait_until("finished", lambda: kubectl.get("pod", "finished")["status"].get("phase") == "Succeeded", timeout=RECONNECTED)
    wait_until("Ready", lambda: is_ready(kubectl.get("pod", "leaving")), timeout=RECONNECTED)
    return {c["id"]: c["createdAt"] for c in edge.running_containers(kubectl.namespace, "steady-")}


def begin(kubectl):
    """One pod is created, another deleted; the API server may be killed meanwhile."""
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod("during", args=["wait"])), check=False)
    kubectl("delete", "pod", "leaving", "--ignore-not-found", "--wait=false", check=False)


@contextlib.contextmanager
def work_under_way(edge, kubectl, moment):
    """Begins it, and is entered once it has come as far as `moment` says; afterwards it is seen to its end."""
    namespace = kubectl.namespace
    reached = {
        "begun": lambda: True,
        "bound": lambda: (p := kubectl.get("pod", "during")) and p["spec"].get("nodeName"),
        "sandbox": lambda: edge.sandboxes(namespace, "during"),
        "running": lambda: edge.running_containers(namespace, "during"),
        "ready": lambda: (p := kubectl.get("pod", "during")) and is_ready(p),
        "leaving": lambda: (p := kubectl.get("pod", "leaving")) is None or "deletionTimestamp" in p["metadata"]}
    worker = threading.Thread(target=begin, args=(kubectl,), name="work")
    worker.start()
    try:
        wait_until(f"the work is at {moment}", reached[moment], timeout=RECONNECTED, interval=0.01)
        yield
    finally:
        worker.join()
    # Again what a dying API server did not take.
    wait_until("the work is taken", lambda: begin(kubectl) or kubectl.get("pod", "during"), timeout=RECONNECTED)
    wait_until("the pod applied during the kill runs", lambda: is_ready(kubectl.get("pod", "during")), timeout=RECONNECTED)
    wait_until("the pod deleted during the kill is gone", lambda: kubectl.get("pod", "leaving") is None, timeout=RECONNECTED)
    wait_until("its container too", lambda: edge.sandboxes(namespace, "leaving") == [], timeout=RECONNECTED)


def kill_at_random(edge, kubectl, parts):
    """The parts one soon after the other, in the middle of work, at a moment that is drawn."""
    draw = drawn_for("+".join(parts))
    parts = draw.sample(parts, len(parts))
    moment = draw.choice(MOMENTS)
    laters = [draw.uniform(0, LATER) for _ in parts]
    with repeatable(f"{' and '.join(parts)} at {moment}, each after {laters} s"):
        before = prepare(edge, kubectl)
        with work_under_way(edge, kubectl, moment):
            begun = edge.running_containers(kubectl.namespace, "during") if moment in ("running", "ready") else []
            for part, later in zip(parts, laters):
                time.sleep(later)  # nothing is awaited by it: every moment is a good one
                edge.kill(part)
            # An API server is not up before etcd is.
            for part in sorted(parts, key=lambda part: part != "etcd"):
                edge.start(part)
        during = edge.running_containers(kubectl.namespace, "during")
        assert len(during) == 1, "what was begun is there once"
        assert not begun or begun[0]["id"] == during[0]["id"], "what was begun and ran was restarted by the kill"
        everything_converges(edge, kubectl, before)


@pytest.mark.parametrize("part", PARTS)
def test_killed_alone(edge, kubectl, part):
    kill_at_random(edge, kubectl, [part])


@pytest.mark.parametrize("first,second", chosen_pairs())
def test_killed_in_pairs(edge, kubectl, first, second):
    kill_at_random(edge, kubectl, [first, second])
