"""A slice with its edge in another cluster, at a second API server that lets the hub do what docs/kinds.md says it needs, and no more."""

import base64
import json

import pytest
import yaml

from tests.e2e.test_kinds import features, kind, ready, state
from tests.harness.kubernetes import ControlPlane, Kubectl, condition
from tests.harness.waiting import stays_true, wait_until

REGISTRATION = [{"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
                {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
SLICES = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch", "create", "delete"]},
          {"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["list", "watch", "create", "patch", "delete"]}]

STORAGE = [{"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["list"]}]


class Cluster:
    """A second control plane, with a user for the hub."""

    def __init__(self, directory):
        self.plane = ControlPlane(directory).up()
        self.admin = Kubectl(self.plane, "")
        self.admin("create", "serviceaccount", "hub", "-n", "default")
        self.admin("create", "clusterrolebinding", "hub", "--clusterrole=hub", "--serviceaccount=default:hub")

    def allow(self, rules):
        """The hub may do this, and nothing else."""
        self.admin.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "hub"}, "rules": rules})

    def kubeconfig(self, server=None):
        authority = base64.b64encode((self.plane.directory / "pki" / "ca.crt").read_bytes()).decode()
        token = self.admin("create", "token", "hub", "-n", "default", "--duration=24h").strip()
        return yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server or self.plane.url, "certificate-authority-data": authority}}],
            "users": [{"name": "u", "user": {"token": token}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]})

    def quota(self):
        """What the slice's quota limits there; None without one."""
        made = self.admin.get("resourcequota", "slicelet-slice", namespace="e2e-far")
        return made and made["spec"]["hard"]

    def of_hubs(self):
        return [one["metadata"]["name"] for one in self.admin.get("namespaces", selector="slicelet.io/hub")]


@pytest.fixture(scope="module")
def other(edge):
    cluster = Cluster(edge.directory / "other")
    yield cluster
    cluster.plane.down()


@pytest.fixture
def clusters(edge, hub, other):
    """The hub's own cluster and the other one, registered with rights for that alone; leaves none."""
    other.allow(REGISTRATION)
    access(hub, other.kubeconfig())
    hub.apply(kind("core", "IotCluster", {"role": "cloud"}))
    hub.apply(kind("plant", "IotCluster", {"role": "edge", "kubeconfigSecret": "plant-access"}))
    wait_until("both are registered", lambda: [state(hub, name) for name in ("core", "plant")] == ["Enabled Enabled"] * 2)
    yield hub
    hub("annotate", "iotslices", "--all", "slicelet.io/give-up=true")
    hub("delete", "iotslices", "--all", "--timeout=240s")
    hub("delete", "iotclusters", "--all", "--timeout=240s")
    hub("delete", "secret", "plant-access")


def access(hub, kubeconfig):
    hub.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plant-access"}, "stringData": {"kubeconfig": kubeconfig}})


def far(**quota):
    return kind("e2e-far", "IotSlice", {"edge": {"cluster": "plant"}, "cloud": {"cluster": "core"}, **({"quota": quota} if quota else {})})


def slice_says(hub):
    return ready(hub, "iotslice", "e2e-far")


def test_a_slice_has_a_namespace_and_a_quota_in_both_clusters(edge, clusters, other):
    hub, admin = clusters, edge.kubectl("")
    status = hub.get("iotcluster", "plant")["status"]
    assert status["uid"] == other.admin.get("namespace", "kube-system")["metadata"]["uid"] != hub.get("iotcluster", "core")["status"]["uid"]

    # What the cluster has for its users is told as far as the kubeconfig's user may read it, and holds nothing up.
    assert features(hub, "plant") == {"DefaultStorageClass": "Unknown AccessDenied", "NetworkPlugin": "Unknown NoNodes"}
    other.admin.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "example.com/disk", "metadata": {
        "name": "disk", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}})
    other.admin.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}})
    other.admin("patch", "node", "worker", "--subresource=status", "-p", json.dumps({"status": {"conditions": [
        {"type": "NetworkUnavailable", "status": "True", "reason": "NoRouteCreated", "message": "no route"}]}}))

    # Rights for the registration are not enough, and which ones are missing is said.
    hub.apply(far(pods=20, memory="4Gi"))
    said = wait_until("what is missing is said", lambda: (says := slice_says(hub) or "").startswith("AccessDenied: ") and says)
    assert "namespaces is forbidden" in said
    other.allow(REGISTRATION + SLICES + STORAGE)
    # What was refused is tried again less and less often.
    wait_until("the slice is Ready", lambda: slice_says(hub) == "", timeout=330)
    labels = other.admin.get("namespace", "e2e-far")["metadata"]["labels"]
    assert labels["slicelet.io/slice"] == "e2e-far" and labels["slicelet.io/hub"] == edge.hub
    assert other.quota() == {"pods": "20", "requests.memory": "4Gi"}
    assert admin.get("namespace", "e2e-far") and hub.get("iotslice", "e2e-far")["status"]["clusters"] == ["plant"]
    assert hub.get("iotslice", "e2e-far")["status"]["nodes"] == 0, "this hub's nodes are in its own cluster"

    # Its quota changes there, goes and comes back; what somebody else made of it is mended.
    hub.apply(far(pods=30))
    wait_until("the quota is changed", lambda: other.quota() == {"pods": "30"})
    hub("patch", "iotslice", "e2e-far", "--type=json", "-p", '[{"op": "remove", "path": "/spec/quota"}]')
    wait_until("the quota is removed", lambda: other.quota() is None)
    hub.apply(far(pods=30))
    wait_until("there is one again", lambda: other.quota() == {"pods": "30"})
    other.admin("delete", "resourcequota", "slicelet-slice", "-n", "e2e-far")
    wait_until("it is made anew", lambda: other.quota() == {"pods": "30"})

    # The API server there dies. What changes meanwhile arrives later, also at a hub that began anew.
    other.plane.kill("kube-apiserver")
    hub.apply(far(pods=40))
    wait_until("that is said", lambda: slice_says(hub))
    edge.programs["provider"].restart()
    wait_until("the cluster is missed", lambda: state(hub, "plant") == "Degraded Unreachable", timeout=330)
    wait_until("and waited for", lambda: slice_says(hub).startswith("ClusterNotReached: "))
    other.plane.start("kube-apiserver")
    wait_until("the quota is changed", lambda: other.quota() == {"pods": "40"}, timeout=330)
    wait_until("the slice is Ready again", lambda: slice_says(hub) == "", timeout=330)
    wait_until("and the cluster Enabled", lambda: state(hub, "plant") == "Enabled Enabled", timeout=330)
    wait_until("with what it has", lambda: features(hub, "plant") == {
        "DefaultStorageClass": "True Found", "NetworkPlugin": "False NetworkUnavailable"})

    # Deleted while the other cluster is away: neither side goes before it is back.
    other.plane.kill("kube-apiserver")
    hub("delete", "iotslice", "e2e-far", "--wait=false")
    wait_until("it waits", lambda: (slice_says(hub) or "") != "")
    stays_true("it waits", lambda: admin.get("namespace", "e2e-far"))
    other.plane.start("kube-apiserver")
    wait_until("the slice is gone", lambda: hub.get("iotslice", "e2e-far") is None, timeout=330)
    wait_until("nothing is left there", lambda: other.of_hubs() == [] and other.admin.get("namespace", "e2e-far") is None)
    assert admin.get("namespace", "e2e-far") is None


def test_a_kubeconfig_that_points_nowhere_is_said(edge, clusters, other):
    hub = clusters
    other.allow(REGISTRATION + SLICES)
    hub.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "nowhere"},
               "stringData": {"kubeconfig": other.kubeconfig("https://127.0.0.1:1")}})
    hub.apply(kind("lost", "IotCluster", {"role": "edge", "kubeconfigSecret": "nowhere"}))
    try:
        wait_until("nobody answers", lambda: state(hub, "lost") == "Pending Unreachable")
        assert "127.0.0.1:1" in condition(hub.get("iotcluster", "lost"), "Ready")["message"]
        hub.apply(kind("e2e-lost", "IotSlice", {"edge": {"cluster": "lost"}}))
        wait_until("the slice says so", lambda: (ready(hub, "iotslice", "e2e-lost") or "").startswith("ClusterNotReady: "))
        assert edge.kubectl("").get("namespace", "e2e-lost") is None, "nothing is made while a check fails"
        hub("delete", "iotslice", "e2e-lost", "--timeout=240s")
    finally:
        hub("delete", "secret", "nowhere")
