"""Parts that forget or go back in time: cold boots, lost databases, a restored API server."""

import json

from tests.harness.kubernetes import condition, is_ready
from tests.harness.pods import deployment, job, pod
from tests.harness.waiting import stays_true, wait_until


def test_a_reboot_without_a_network_starts_everything_but_finished_jobs(edge, kubectl):
    kubectl.apply(deployment("boots", replicas=3, args=["lines", "0", "1000"]),
                  job("report", args=["print", "report written"]))
    wait_until("Ready", lambda: kubectl.ready_pods("boots", 3))
    finished = wait_until("job done", lambda: [
        p for p in kubectl.get("pods", selector="app=report") if p["status"].get("phase") == "Succeeded"])
    uid = finished[0]["metadata"]["uid"]

    edge.link.cut()
    edge.reboot_host()  # every container dies, containerd and the agent start again, no hub in sight
    wait_until("three containers run again", lambda: len(edge.running_containers(kubectl.namespace, "boots-")) == 3)
    stays_true("the finished job is not run again",
               lambda: edge.running_containers(kubectl.namespace, "report-") == [], seconds=3)

    edge.link.heal()
    wait_until("Ready again, and the restart is shown", lambda: (pods := kubectl.ready_pods("boots", 3)) and all(
        one["status"]["containerStatuses"][0]["restartCount"] == 1 for one in pods), timeout=120)
    again = kubectl.get("pods", selector="app=report")
    assert [p["metadata"]["uid"] for p in again] == [uid] and again[0]["status"]["phase"] == "Succeeded"


def test_a_lost_provider_database_restarts_nothing(edge, kubectl):
    kubectl.apply(deployment("kept", replicas=3, args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 3))
    before = {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")}
    edge.kill("provider")
    edge.lose_provider_database()
    edge.start("provider")
    kubectl.apply(pod("later", args=["wait"]))
    wait_until("a new pod runs", lambda: is_ready(kubectl.get("pod", "later")), timeout=120)
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == before
    assert kubectl.ready_pods("kept", 3)


def test_a_truncated_agent_database_keeps_what_runs(edge, kubectl):
    kubectl.apply(deployment("kept", replicas=2, args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 2))
    before = {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")}
    edge.kill("agent")
    edge.truncate_agent_database()
    edge.start("agent")
    kubectl.apply(pod("later", args=["wait"]))
    wait_until("a new pod runs", lambda: is_ready(kubectl.get("pod", "later")), timeout=120)
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == before


def test_an_api_server_restored_from_an_old_snapshot_kills_nothing(edge, kubectl, tmp_path):
    snapshot = tmp_path / "etcd.snapshot"
    edge.plane.snapshot(snapshot)
    kubectl.apply(deployment("young", replicas=4, args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("young", 4))
    before = {c["id"] for c in edge.running_containers(kubectl.namespace, "young-")}
    assert len(before) == 4

    edge.plane.restore(snapshot)
    held = wait_until("the node says that pods are held", lambda: (
        c := condition(kubectl.get("node", edge.node), "slicelet.io/PodsHeld")) and c["status"] == "True" and c, timeout=120)
    assert held["reason"] and held["message"]
    stays_true("everything runs on",
               lambda: {c["id"] for c in edge.running_containers(kubectl.namespace, "young-")} == before, seconds=5)
    orphans = json.loads(edge.slicectl("orphans", "list", "-o", "json"))
    young = [o for o in orphans if o["namespace"] == kubectl.namespace]
    assert len(young) == 4
    edge.slicectl("orphans", "keep", young[0]["uid"])
    edge.slicectl("orphans", "remove", *[o["uid"] for o in young[1:]])
    wait_until("the removed ones stop",
               lambda: len(edge.running_containers(kubectl.namespace, "young-")) == 1, timeout=60)
    edge.slicectl("orphans", "remove", young[0]["uid"])
    wait_until("the last one stops", lambda: edge.running_containers(kubectl.namespace, "young-") == [], timeout=60)
    wait_until("nothing is held any more", lambda: condition(
        kubectl.get("node", edge.node), "slicelet.io/PodsHeld")["status"] == "False", timeout=60)
