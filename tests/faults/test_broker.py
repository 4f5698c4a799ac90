"""The broker of an MQTT link dies and forgets everything: pods run on, and the host converges without it remembering."""

import pytest

from tests.harness.kubernetes import condition, is_ready
from tests.harness.pods import deployment, pod
from tests.harness.waiting import wait_until


@pytest.fixture(autouse=True)
def over_mqtt(edge):
    if edge.link_kind != "mqtt":
        pytest.skip("the link is not MQTT: set SLICELET_LINK=mqtt")


def link_is(edge, status):
    return condition(edge.kubectl("").get("node", edge.node), "slicelet.io/LinkReady")["status"] == status


def test_a_change_made_while_the_broker_is_dead_arrives_after_it_is_back(edge, kubectl):
    kubectl.apply(deployment("kept", replicas=2, args=["wait"]), pod("removed", args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 2) and is_ready(kubectl.get("pod", "removed")))
    kept = {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")}

    edge.kill("broker")
    kubectl("delete", "pod", "removed", "--wait=false")
    kubectl.apply(pod("added", args=["print", "made without a broker", "wait"]))
    wait_until("the node says its link is away", lambda: link_is(edge, "False"), timeout=120)
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == kept

    edge.start("broker")  # it keeps nothing on disk
    wait_until("the added pod runs", lambda: is_ready(kubectl.get("pod", "added")), timeout=180)
    wait_until("the removed pod is gone", lambda: kubectl.get("pod", "removed") is None, timeout=120)
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == kept, "no restart"
    assert "made without a broker" in kubectl("logs", "added")


def test_broker_and_provider_die_together(edge, kubectl):
    kubectl.apply(deployment("kept", replicas=1, args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 1))
    kept = {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")}
    for part in ("broker", "provider"):
        edge.kill(part)
    for part in ("provider", "broker"):  # the provider first: it has to wait for its broker
        edge.start(part)
    kubectl.apply(pod("later", args=["wait"]))
    wait_until("a new pod runs", lambda: is_ready(kubectl.get("pod", "later")), timeout=240)
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == kept, "no restart"
