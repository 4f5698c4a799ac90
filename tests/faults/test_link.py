"""A link that is cut, half-open or slow: pods run on, and the host converges to the newest desired state."""

import pytest

from tests.harness.edge import RECONNECTED
from tests.harness.kubernetes import condition, is_ready
from tests.harness.pods import deployment, pod
from tests.harness.waiting import wait_until


@pytest.fixture(autouse=True)
def healed(edge):
    yield
    edge.link.heal()
    edge.renew_agent()


@pytest.mark.parametrize("fault", ["cut", "half_open"])
def test_a_change_made_while_the_link_is_away_arrives_after_it_returns(edge, kubectl, fault):
    kubectl.apply(deployment("kept", replicas=2, args=["wait"]), pod("removed", args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 2) and is_ready(kubectl.get("pod", "removed")))
    kept = {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")}

    getattr(edge.link, fault)()
    # Two changes in a row: only the newest counts.
    kubectl("delete", "pod", "removed", "--wait=false")
    kubectl.apply(pod("added", args=["wait"]))
    wait_until("the node says its link is away", lambda: condition(
        kubectl.get("node", edge.node), "slicelet.io/LinkReady")["status"] == "False", timeout=120)
    node = kubectl.get("node", edge.node)
    assert condition(node, "Ready")["status"] == "True", "the node stays: its lease is the shim's"
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == kept
    assert edge.running_containers(kubectl.namespace, "removed"), "nothing reached the host"
    assert kubectl.get("pod", "removed") is not None, "the API does not claim what nobody saw"

    edge.link.heal()
    wait_until("the added pod runs", lambda: is_ready(kubectl.get("pod", "added")), timeout=RECONNECTED)
    wait_until("the removed pod is gone", lambda: kubectl.get("pod", "removed") is None, timeout=120)
    wait_until("and its container", lambda: edge.sandboxes(kubectl.namespace, "removed") == [])
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == kept, "no restart"


def test_logs_of_a_host_that_is_away_are_what_the_hub_has_kept(edge, kubectl):
    kubectl.apply(pod("ended", args=["print", "first words", "print", "last words", "exit", "3"], restart="Never"),
                  pod("runs", args=["print", "alive", "wait"], annotations={"slicelet.io/log-tail": "1m"}),
                  pod("secret", args=["print", "hush", "exit", "3"], restart="Never",
                      annotations={"slicelet.io/log-tail": "off"}))
    wait_until("secret has ended", lambda: (kubectl.get("pod", "secret") or {})["status"]["phase"] == "Failed")
    uids = {name: kubectl.get("pod", name)["metadata"]["uid"] for name in ("ended", "runs", "secret")}
    for name, words in (("ended", "last words"), ("runs", "alive")):
        # What was not yet there when it was read first is read a minute later.
        wait_until(f"{name} is kept", lambda n=name, w=words: w in edge.kept_logs().get((uids[n], "main"), ""), timeout=400)

    edge.link.cut()
    away = "slicelet: host gw-1 is not reachable; this end of the log was read at 20"
    # Whether or not it is noticed yet.
    first, *lines = kubectl("logs", "ended").splitlines()
    assert first.startswith(away) and first.endswith(" ago") and lines == ["first words", "last words"]
    wait_until("the node says its link is away", lambda: condition(
        kubectl.get("node", edge.node), "slicelet.io/LinkReady")["status"] == "False", timeout=120)
    assert kubectl("logs", "ended", "--tail=1").splitlines()[1:] == ["last words"]
    first, *lines = kubectl("logs", "runs", "-f").splitlines()
    assert first.startswith(away) and lines == ["alive"], "nothing is followed"
    # kubectl has words of its own for a 503.
    with pytest.raises(RuntimeError, match="ServiceUnavailable"):
        kubectl("logs", "secret")
    edge.kill("provider")
    edge.start("provider")
    wait_until("the hub is back", lambda: "last words" in kubectl("logs", "ended", check=False)[1], timeout=240)

    edge.link.heal()
    wait_until("the host itself answers", lambda: kubectl("logs", "ended", check=False)[1].splitlines() ==
               ["first words", "last words"], timeout=RECONNECTED)
    kubectl("delete", "pod", "ended", "--wait=false")
    wait_until("it goes with its pod", lambda: (uids["ended"], "main") not in edge.kept_logs())
    assert (uids["secret"], "main") not in edge.kept_logs()


def test_a_link_with_600_ms_of_delay_still_works(edge, kubectl):
    edge.link.delay(0.6)
    kubectl.apply(pod("far", args=["print", "far away", "wait"]))
    wait_until("Ready", lambda: is_ready(kubectl.get("pod", "far")), timeout=240)
    wait_until("its log can be read", lambda: "far away" in kubectl("logs", "far"))
    assert kubectl("exec", "far", "--", "/bin/workload", "print", "hi").strip() == "hi"
    kubectl("delete", "pod", "far", "--wait=false")
    wait_until("gone", lambda: kubectl.get("pod", "far") is None, timeout=240)
