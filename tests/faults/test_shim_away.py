"""The shim is away for longer than Kubernetes waits for a node: what runs on the host runs on, as the same pods."""

import contextlib
import datetime
import threading

import pytest

from tests.harness.edge import Edge
from tests.harness.kubernetes import condition
from tests.harness.pods import deployment, pod
from tests.harness.waiting import wait_until
from tests.harness.worlds import brought_up

HEALTHY = "elsewhere"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class HealthyNode:
    """A node that is always Ready: were ours the only one, Kubernetes would blame itself and evict nobody."""

    def __init__(self, world):
        self._reader = world.plane.reader
        self._stop = threading.Event()
        world.kubectl("").apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": HEALTHY},
             "spec": {"taints": [{"key": "nobody", "effect": "NoSchedule"}]}},
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": HEALTHY, "namespace": "kube-node-lease"},
             "spec": {"holderIdentity": HEALTHY, "leaseDurationSeconds": 5, "renewTime": now()}})
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self):
        since = f"{now()[:19]}Z"
        while not self._stop.is_set():
            # When one is lost the next is as good; and who was found missing has to say itself that it is back.
            with contextlib.suppress(RuntimeError):
                self._reader.patch("lease", "kube-node-lease", HEALTHY, {"spec": {"renewTime": now()}})
                self._reader.patch("node", "", HEALTHY, part="status", change={"status": {"conditions": [
                    {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": f"{now()[:19]}Z",
                     "lastTransitionTime": since}]}})
            self._stop.wait(1)

    def close(self):
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module")
def world():
    with brought_up(Edge, "shim-away") as edge:
        edge.tune({"shim": {"nodeLease": "6s"}})
        edge.programs["shim"].stop()
        edge.programs["shim"].start()
        yield edge


def be_impatient(plane):
    """Kubernetes misses a node after 8 s; until somebody is to be missed it waits longer, lest a busy machine is taken for it."""
    plane.kill("kube-controller-manager")
    plane.kcm_flags = "--node-monitor-grace-period=8s --node-monitor-period=1s"
    plane.start("kube-controller-manager")


def test_pods_outlive_the_shim_and_come_back_as_themselves(world):
    kubectl = world.kubectl("default")
    wait_until("service account", lambda: kubectl.get("serviceaccount", "default"))
    healthy = HealthyNode(world)
    try:
        def trusted():
            return not [t for t in kubectl.get("node", world.node)["spec"].get("taints", []) if t["key"].startswith("node.kubernetes.io/")]
        # It takes its time to see that a new node is Ready.
        wait_until("Kubernetes has nothing against the node", trusted, timeout=240)
        # Kubernetes evicts this one: its own toleration ends.
        mortal = pod("mortal", ["wait"])
        mortal["spec"]["tolerations"] = mortal["spec"]["tolerations"] + [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
            for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")]
        kubectl.apply(deployment("kept", replicas=2, args=["wait"]), mortal)
        before = wait_until("Ready", lambda: kubectl.ready_pods("mortal", 1) and kubectl.ready_pods("kept", 2), timeout=240)

        def unlimited():
            return all("tolerationSeconds" not in t for p in kubectl.get("pods", selector="app=kept")
                       for t in p["spec"]["tolerations"])
        wait_until("the five minutes are lifted", unlimited, timeout=240)
        containers = {c["id"] for c in world.running_containers("default", "kept-")}
        world.kill("shim")
        be_impatient(world.plane)
        wait_until("the node is not Ready", lambda: condition(
            kubectl.get("node", world.node), "Ready")["status"] == "Unknown", timeout=240)
        wait_until("Kubernetes evicts what tolerates no more",
                   lambda: "deletionTimestamp" in kubectl.get("pod", "mortal")["metadata"], timeout=240)
        assert {p["metadata"]["uid"] for p in kubectl.get("pods", selector="app=kept")} == {
            p["metadata"]["uid"] for p in before}
        assert all("deletionTimestamp" not in p["metadata"] for p in kubectl.get("pods", selector="app=kept"))
        assert {c["id"] for c in world.running_containers("default", "kept-")} == containers

        world.start("shim")
        after = wait_until("Ready again", lambda: kubectl.ready_pods("kept", 2), timeout=240)
        assert {p["metadata"]["uid"] for p in after} == {p["metadata"]["uid"] for p in before}
        assert all(s["restartCount"] == 0 for p in after for s in p["status"]["containerStatuses"])
        assert {c["id"] for c in world.running_containers("default", "kept-")} == containers
        wait_until("the evicted one is gone", lambda: kubectl.get("pod", "mortal") is None, timeout=240)
    finally:
        healthy.close()
