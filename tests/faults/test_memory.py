"""Parts that forget or go back in time: cold boots, lost databases, a restored API server."""

import json
import os
import pathlib
import re

import pytest

from tests.harness.edge import RECONNECTED
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
    wait_until("three containers run again", lambda: len(edge.running_containers(kubectl.namespace, "boots-")) == 3, timeout=240)
    stays_true("the finished job is not run again",
               lambda: edge.running_containers(kubectl.namespace, "report-") == [], seconds=3)

    edge.link.heal()
    wait_until("Ready again, and the restart is shown", lambda: (pods := kubectl.ready_pods("boots", 3)) and all(
        one["status"]["containerStatuses"][0]["restartCount"] == 1 for one in pods), timeout=RECONNECTED)
    again = kubectl.get("pods", selector="app=report")
    assert [p["metadata"]["uid"] for p in again] == [uid] and again[0]["status"]["phase"] == "Succeeded"


def truncate(database):
    """A third of the file is left, and nothing of what was not yet in it."""
    for path in database.parent.glob(f"{database.name}-*"):
        path.unlink()
    os.truncate(database, database.stat().st_size // 3)


def made_anew(program, database, since):
    """After `since` the program's log says that the file was damaged; where it was put aside."""
    found = re.search(rf"store is damaged, made a new one path={re.escape(str(database))} kept=(\S+) why=\S+", program.said(since))
    return found and pathlib.Path(found[1])


@pytest.mark.parametrize("becomes", ["lost", "truncated"])
def test_a_provider_without_its_database_restarts_nothing(edge, kubectl, becomes):
    kubectl.apply(deployment("kept", replicas=3, args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 3))
    before = {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")}
    epoch, _ = edge.host_info()["generation"]
    provider, database = edge.programs["provider"], edge.hub_directory / "provider.db"
    edge.kill("provider")
    since = provider.said_so_far()
    if becomes == "lost":
        edge.lose_provider_database()
        edge.start("provider")
    else:
        truncate(database)
        edge.start("provider")
        edge.programs["agent"].restart()  # it would wait before it dials again, longer each time
    kubectl.apply(pod("later", args=["wait"]))
    wait_until("a new pod runs", lambda: is_ready(kubectl.get("pod", "later")), timeout=RECONNECTED)
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == before
    wait_until("what was kept is Ready", lambda: kubectl.ready_pods("kept", 3))
    assert f"host proved a manifest that the hub had forgotten, opening a new epoch host={edge.host} " in provider.said(since)
    assert edge.host_info()["generation"][0] > epoch
    kept = made_anew(provider, database, since)
    assert kept.is_file() if becomes == "truncated" else kept is None, provider.said(since)


def test_a_truncated_agent_database_keeps_what_runs(edge, kubectl):
    kubectl.apply(deployment("kept", replicas=2, args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 2))
    before = {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")}
    agent, provider = edge.programs["agent"], edge.programs["provider"]
    edge.kill("agent")
    said = agent.said_so_far()
    heard = provider.said_so_far()
    database = edge.agent_directory / "state" / "agent.db"
    truncate(database)
    edge.start("agent")
    kubectl.apply(pod("later", args=["wait"]))
    wait_until("a new pod runs", lambda: is_ready(kubectl.get("pod", "later")), timeout=RECONNECTED)
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")} == before
    kept = made_anew(agent, database, said)
    assert kept and kept.is_file() and kept.name.startswith("agent.db.damaged"), agent.said(said)
    assert f"host lost its store host={edge.host}" in provider.said(heard)


def test_an_api_server_restored_from_an_old_snapshot_kills_nothing(edge, kubectl, tmp_path):
    snapshot = tmp_path / "etcd.snapshot"
    edge.plane.snapshot(snapshot)
    kubectl.apply(deployment("young", replicas=4, args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("young", 4))
    before = {c["id"] for c in edge.running_containers(kubectl.namespace, "young-")}
    assert len(before) == 4

    edge.plane.restore(snapshot)
    held = wait_until("the node says that pods are held", lambda: (
        c := condition(kubectl.get("node", edge.node), "slicelet.io/PodsHeld")) and c["status"] == "True" and c, timeout=240)
    # The API server may have counted on beyond what was seen of it, before it is listed again.
    why = {"ClusterRestored": r"the API server's (pod list|node lease) went back from resourceVersion \d+ to \d+",
           "PodsVanished": r"\d+ of \d+ pods are missing from the API server's list without having been deleted"}[held["reason"]]
    assert re.fullmatch(why + r"; they keep running until `slicectl orphans keep\|remove` decides", held["message"])
    stays_true("everything runs on",
               lambda: {c["id"] for c in edge.running_containers(kubectl.namespace, "young-")} == before, seconds=5)

    def orphans():
        listed = json.loads(edge.slicectl("orphans", "list", "-o", "json"))
        return {o["uid"]: o["state"] for o in listed if o["namespace"] == kubectl.namespace}

    def running(count):
        return lambda: len(edge.running_containers(kubectl.namespace, "young-")) == count

    wait_until("all four are held", lambda: list(orphans().values()) == ["Held"] * 4)
    first, second, *others = orphans()
    assert edge.slicectl("orphans", "keep", first) == "kept 1\n"
    assert edge.slicectl("orphans", "remove", second) == "removed 1\n"
    code, out, why = edge.run_program("slicectl", "--config", edge.hub_directory / "operator.yaml", "orphans", "keep", first, "no-uid")
    assert (code, out) == (1, "kept 1\n") and "neither orphaned nor held: no-uid" in why
    wait_until("the removed one stops", running(3))
    # The others of the node at once.
    assert int(edge.slicectl("orphans", "keep", "--node", edge.node).removeprefix("kept ")) >= len([first, *others])
    wait_until("nothing is held any more", lambda: condition(
        kubectl.get("node", edge.node), "slicelet.io/PodsHeld")["status"] == "False")
    wait_until("the removed one is listed no more", lambda: set(orphans()) == {first, *others})
    assert running(3)()
    code, _, why = edge.run_program("slicectl", "--config", edge.hub_directory / "operator.yaml", "orphans", "remove", "--node", "nowhere")
    assert code == 1 and "node nowhere is none of this hub's" in why
    assert int(edge.slicectl("orphans", "remove", "--node", edge.node).removeprefix("removed ")) >= len([first, *others])
    wait_until("the kept ones stop too", running(0))
    wait_until("none is left", lambda: orphans() == {})
