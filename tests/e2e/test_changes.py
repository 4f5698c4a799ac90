"""What changes in Kubernetes changes on the host, and after each change the API and crictl agree."""

import os
import pathlib
import signal

from tests.harness.kubernetes import condition, is_ready, run
from tests.harness.pods import deployment, pod
from tests.harness.waiting import stays_true, wait_until


def agreed(edge, kubectl, name):
    """A pod's running containers {name: (id, starts, image)}, about which the API and the runtime agree."""
    told = {s["name"]: (s["containerID"].removeprefix("containerd://"), s["restartCount"] + 1, s["imageID"])
            for s in kubectl.get("pod", name)["status"]["containerStatuses"] if "running" in s["state"]}
    seen = {c["metadata"]["name"]: (c["id"], c["metadata"]["attempt"] + 1, c["imageRef"])
            for c in edge.running_containers(kubectl.namespace, name)}
    assert told == seen
    return told


def test_scale_to_zero_and_back(edge, kubectl):
    kubectl.apply(deployment("scaled", replicas=3, args=["wait"]))
    wait_until("three Ready", lambda: kubectl.ready_pods("scaled", 3))
    wait_until("three containers", lambda: len(edge.running_containers(kubectl.namespace, "scaled-")) == 3)
    kubectl("scale", "deployment/scaled", "--replicas=0")
    wait_until("no pods", lambda: kubectl.get("pods", selector="app=scaled") == [])
    wait_until("no sandboxes", lambda: edge.sandboxes(kubectl.namespace, "scaled-") == [])
    kubectl("scale", "deployment/scaled", "--replicas=2")
    wait_until("two Ready", lambda: kubectl.ready_pods("scaled", 2))
    wait_until("two containers", lambda: len(edge.running_containers(kubectl.namespace, "scaled-")) == 2)


def test_an_image_change_in_place_restarts_only_that_container(edge, kubectl):
    kubectl.apply(pod("inplace", args=["wait"], extra=[{"name": "other", "args": ["wait"]}]))
    before = wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "inplace")) and p)
    edge.tag_image("docker.io/slicelet/workload:1", "docker.io/slicelet/workload:2")
    kubectl("set", "image", "pod/inplace", "main=docker.io/slicelet/workload:2")
    after = wait_until("new image runs", lambda: is_ready(p := kubectl.get("pod", "inplace")) and next(
        s for s in p["status"]["containerStatuses"] if s["name"] == "main")["image"].endswith(":2") and p)
    old = {s["name"]: s for s in before["status"]["containerStatuses"]}
    new = {s["name"]: s for s in after["status"]["containerStatuses"]}
    assert new["main"]["containerID"] != old["main"]["containerID"] and new["main"]["restartCount"] == 1
    assert new["other"]["containerID"] == old["other"]["containerID"] and new["other"]["restartCount"] == 0
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert agreed(edge, kubectl, "inplace").keys() == {"main", "other"}
    assert "workload:2" in edge.crictl("inspect", new["main"]["containerID"].removeprefix("containerd://"))

    # One that can not be had: what runs goes on, and a condition says so, until the change is taken back.
    def current():
        return condition(kubectl.get("pod", "inplace"), "slicelet.io/ImagesCurrent")
    assert current() is None
    kubectl("set", "image", "pod/inplace", "main=127.0.0.1:1/nothing:1")
    told = wait_until("it is told", lambda: (c := current()) and c["reason"] == "ImagePullBackOff" and c)
    assert told["status"] == "False"
    assert told["message"].startswith("main runs docker.io/slicelet/workload:2 until 127.0.0.1:1/nothing:1 is there: Back-off pulling")
    kubectl("set", "image", "pod/inplace", "main=docker.io/slicelet/workload:2")
    wait_until("it is over", lambda: current()["status"] == "True")
    assert is_ready(kubectl.get("pod", "inplace"))
    assert agreed(edge, kubectl, "inplace")["main"][1] == 2


def test_an_edited_config_map_changes_the_file_without_a_restart(edge, kubectl):
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "live"}, "data": {"text": "old"}},
                  pod("reader", args=["wait"], mounts=[{"name": "live", "mountPath": "/live"}],
                      volumes=[{"name": "live", "configMap": {"name": "live"}}]))
    before = wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "reader")) and p)
    ran = agreed(edge, kubectl, "reader")
    read = ("exec", "reader", "--", "/bin/workload", "cat", "/live/text")
    assert kubectl(*read).strip() == "old"
    kubectl("patch", "configmap", "live", "-p", '{"data": {"text": "new"}}')
    wait_until("the file changed", lambda: kubectl(*read).strip() == "new", timeout=90)
    status = kubectl.get("pod", "reader")["status"]["containerStatuses"][0]
    assert status["containerID"] == before["status"]["containerStatuses"][0]["containerID"]
    assert status["restartCount"] == 0
    assert agreed(edge, kubectl, "reader") == ran
    # As the host itself sees it.
    process = edge.main_process(kubectl, "reader", "main")
    assert pathlib.Path(f"/proc/{process}/root/live/text").read_text() == "new"


def test_delete_honours_the_grace_period_and_ends_with_the_last_container(edge, kubectl):
    # One ends by itself 2 s after it is told to; the other one when this test ends it, however long looking takes.
    kubectl.apply(pod("polite", args=["linger", "-1", "print", "lingers", "wait"], grace=300,
                      extra=[{"name": "brief", "args": ["linger", "2000", "print", "lingers", "wait"]}]))
    wait_until("ready", lambda: is_ready(kubectl.get("pod", "polite")))
    for name in ("main", "brief"):
        wait_until(f"{name} knows how long it lingers", lambda: "lingers" in kubectl("logs", "polite", "-c", name))
    process = edge.main_process(kubectl, "polite", "main")
    kubectl("delete", "pod", "polite", "--wait=false")
    assert kubectl.get("pod", "polite")["metadata"]["deletionGracePeriodSeconds"] == 300

    def running():
        return [one["metadata"]["name"] for one in edge.running_containers(kubectl.namespace, "polite")]
    wait_until("the brief one has ended", lambda: running() == ["main"])
    stays_true("it still lingers", lambda: running() == ["main"] and kubectl.get("pod", "polite"), seconds=2)
    # Gone with the last one, not after the 300 s of grace.
    os.kill(process, signal.SIGKILL)
    wait_until("object gone", lambda: kubectl.get("pod", "polite") is None, timeout=120)
    wait_until("nothing left", lambda: edge.sandboxes(kubectl.namespace, "polite") == [])


def test_a_stubborn_container_is_killed_after_the_grace(edge, kubectl):
    kubectl.apply(pod("stubborn", args=["linger", "-1", "wait"], grace=2))
    wait_until("ready", lambda: is_ready(kubectl.get("pod", "stubborn")))
    kubectl("delete", "pod", "stubborn", "--wait=false")
    wait_until("object gone", lambda: kubectl.get("pod", "stubborn") is None, timeout=60)
    wait_until("nothing left", lambda: edge.sandboxes(kubectl.namespace, "stubborn") == [])


def test_force_delete_removes_the_object_now_and_the_container_soon(edge, kubectl):
    kubectl.apply(pod("forced", args=["linger", "-1", "wait"], grace=2))
    wait_until("ready", lambda: is_ready(kubectl.get("pod", "forced")))
    kubectl("delete", "pod", "forced", "--force", "--grace-period=0")
    assert kubectl.get("pod", "forced") is None
    wait_until("nothing left", lambda: edge.sandboxes(kubectl.namespace, "forced") == [], timeout=60)


def test_the_same_name_again_is_another_pod(edge, kubectl):
    kubectl.apply(pod("again", args=["wait"]))
    first = wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "again")) and p)
    kubectl("delete", "pod", "again", "--force", "--grace-period=0")
    kubectl.apply(pod("again", args=["wait"]))
    second = wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "again")) and p)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    wait_until("one container", lambda: len(edge.running_containers(kubectl.namespace, "again")) == 1)


def test_a_deleted_node_object_comes_back(edge, kubectl):
    kubectl.apply(pod("keeps", args=["wait"]))
    before = wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "keeps")) and p)
    uid = kubectl.get("node", edge.node)["metadata"]["uid"]
    kubectl("delete", "node", edge.node)
    wait_until("node back", lambda: (node := edge.ready_node()) and node["metadata"]["uid"] != uid)
    stays_true("the container runs on", lambda: edge.running_containers(kubectl.namespace, "keeps"), seconds=2)
    assert kubectl.get("pod", "keeps")["metadata"]["uid"] == before["metadata"]["uid"]


def test_a_decommissioned_node_leaves_the_cluster(edge, kubectl):
    admin = edge.kubectl("")
    made = edge.slicectl("host", "add", "gw-2", "--dir", edge.hub_directory, configured=False)
    admin("apply", "-f", "-", stdin=made[made.index("apiVersion:"):])
    wait_until("the second node", lambda: admin.get("node", "gw-2"))
    code, _, why = run([edge.binary("slicectl"), "--config", edge.hub_directory / "operator.yaml",
                        "node", "decommission", "gw-2"], check=False)
    assert code == 1 and "EdgeHost gw-2 is approved" in why
    admin("delete", "edgehost", "gw-2", "-n", "slicelet")
    # The provider hears of the deletion a moment later.
    wait_until("decommissioned", lambda: edge.slicectl("node", "decommission", "gw-2"))
    wait_until("the Node object is gone", lambda: admin.get("node", "gw-2") is None)
    stays_true("it does not come back", lambda: admin.get("node", "gw-2") is None)
    assert edge.ready_node(), "the other node stays"


def test_a_node_is_decommissioned_also_while_the_shim_is_away(edge, kubectl):
    admin = edge.kubectl("")
    made = edge.slicectl("host", "add", "gw-3", "--dir", edge.hub_directory, configured=False)
    admin("apply", "-f", "-", stdin=made[made.index("apiVersion:"):])
    wait_until("the third node", lambda: admin.get("node", "gw-3"))
    edge.kill("shim")
    admin("delete", "edgehost", "gw-3", "-n", "slicelet")
    wait_until("decommissioned", lambda: edge.slicectl("node", "decommission", "gw-3"))
    edge.kill("provider")
    edge.start("provider")
    edge.start("shim")
    wait_until("the Node object is gone", lambda: admin.get("node", "gw-3") is None, timeout=120)
    wait_until("the other node is Ready", edge.ready_node)
