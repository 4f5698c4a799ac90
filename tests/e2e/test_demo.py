"""scripts/demo.sh --once shows what it promises and leaves nothing behind."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from tests.harness.edge import CONTAINERD
from tests.harness.kubernetes import ROOT, ControlPlane, Kubectl, run
from tests.harness.waiting import wait_until

DEMO = ROOT / "scripts" / "demo.sh"
# Most of it is a build, if the programs are out of date.
TIMEOUT = 1800


@pytest.fixture
def cluster():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sltk-", dir="/tmp"))
    plane = ControlPlane(directory)
    try:
        yield plane.up()
    finally:
        plane.down()
        shutil.rmtree(directory, ignore_errors=True)


def show(*options, path=None):
    environment = {"PATH": path} if path else {}
    before = set(pathlib.Path("/tmp").glob("slicelet-demo.*"))
    code, out, err = run([DEMO, "--once", *options], check=False, timeout=TIMEOUT, environment=environment)
    assert code == 0 and "It works." in out, f"exit {code}\n{out}\n{err}"
    assert set(pathlib.Path("/tmp").glob("slicelet-demo.*")) <= before, "everything is removed"
    return out


def test_without_a_cluster():
    assert "hello from the edge\nline 1\n" in show("--sample", "minimal")


def test_over_mqtt():
    out = show("--sample", "minimal", "--link", "mqtt")
    assert "over MQTT" in out and "hello from the edge\nline 1\n" in out
    code, _, err = run([DEMO, "--once", "--link", "pigeon"], check=False)
    assert code == 2 and "no link 'pigeon'" in err


def test_a_gateway_whose_services_become_ready_in_turn_and_whose_readings_arrive():
    out = show()
    order = re.findall(r"^ +\d+ s +([a-z-]+) +Ready$", out, re.M)
    assert sorted(order[:2]) == ["mosquitto", "postgres"] and order[2] == "core-metadata" and len(order) == 7
    assert order.index("core-data") < order.index("device-virtual")
    assert len(re.findall(r"^  Random-Integer-Device  Int\d+ = -?\d+$", out, re.M)) >= 2, "before the crash and after it"


def test_in_ones_own_cluster(cluster):
    path = f"{cluster.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    out = show("--sample", "minimal", "--kubeconfig", cluster.kubeconfig, path=path)
    assert "$ kubectl get nodes" in out
    assert "Your cluster is as it was before" in out
    kubectl = Kubectl(cluster, "")
    kinds = ("nodes", "namespaces", "pods", "leases", "clusterroles", "clusterrolebindings", "roles", "rolebindings", "serviceaccounts",
             "certificatesigningrequests", "customresourcedefinitions", "validatingadmissionpolicies", "validatingadmissionpolicybindings")

    def of_the_hub():
        return {line for line in kubectl("get", ",".join(kinds), "-A", "-o", "name").split()
                if "slicelet" in line or line.endswith("/gw-1") or line.startswith("pod/")}

    def is_left(expected):
        # Kubernetes collects what belongs to a node, its lease, a moment after the node.
        assert of_the_hub() == expected
        return True
    wait_until("nothing is left", lambda: is_left(set()))

    def refusal():
        code, _, err = run([DEMO, "--once", "--sample", "minimal", "--kubeconfig", cluster.kubeconfig], check=False, timeout=TIMEOUT,
                           environment={"PATH": path})
        assert code != 0
        return err
    # What was there stays as it was, also the hosts of a hub in another namespace.
    kubectl("apply", "-f", ROOT / "charts" / "slicelet-hub" / "crds")
    kubectl("create", "namespace", "plant-9")
    host = {"apiVersion": "slicelet.io/v1alpha1", "kind": "EdgeHost", "metadata": {"name": "gw-9"}, "spec": {"approved": True}}
    # A kind is served a moment after it is made.
    wait_until("the host is made", lambda: Kubectl(cluster, "plant-9").apply(host) is None)
    kubectl("create", "clusterrole", "slicelet-shim", "--verb=get", "--resource=pods")
    before = of_the_hub()
    show("--sample", "minimal", "--kubeconfig", cluster.kubeconfig, path=path)
    wait_until("what was there is left", lambda: is_left(before))
    assert [one["metadata"]["name"] for one in kubectl.get("edgehosts", namespace="plant-9")] == ["gw-9"]
    assert kubectl.get("clusterrole", "slicelet-shim")["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]

    # Nobody is in the way of anybody.
    kubectl("create", "configmap", "greeting", "-n", "default")
    assert "your cluster already has configmap/greeting" in refusal()
    kubectl("delete", "configmap", "greeting", "-n", "default")
    kubectl("create", "namespace", "slicelet")
    slices = {"apiVersion": "slicelet.io/v1alpha1", "kind": "IotSlice", "metadata": {"name": "north"}, "spec": {"edge": {"nodes": ["gw-9"]}}}
    for one in (host, slices):
        Kubectl(cluster, "slicelet").apply(one)
        told = refusal()
        assert f"{one['kind'].lower()}.slicelet.io/{one['metadata']['name']} in namespace slicelet: a hub of yours lives there" in told
        assert "--kube" in told
        kubectl("delete", one["kind"], one["metadata"]["name"], "-n", "slicelet")


@pytest.mark.skipif(not os.environ.get("SLICELET_LONG"), reason="--long: it starts a control plane of its own")
def test_with_a_cluster_made_for_it():
    out = show("--kube", "--sample", "minimal")
    directory = re.search(r"export KUBECONFIG=(\S+)/plane/admin.conf PATH=\S+", out)[1]
    assert "$ kubectl get nodes" in out and "hello from the edge\nline 1\n" in out
    assert "kubectl get pods -w" not in out, "with --once there is nothing left to try"
    assert mounts_below(directory) == []
    wait_until("no process is left", lambda: processes_of(directory) == [])


def test_who_is_not_root_is_told_so():
    # Where everybody may read it.
    place = pathlib.Path(tempfile.mkdtemp(prefix="sltk-", dir="/tmp"))
    try:
        shutil.copytree(ROOT / "scripts", place / "scripts")
        place.chmod(0o755)
        code, out, err = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", place / "scripts" / "demo.sh", "--once",
                              "--sample", "minimal"], check=False)
        assert code != 0 and f"containerd needs root. Run: sudo {place}/scripts/demo.sh --once --sample minimal\n" in out + err
    finally:
        shutil.rmtree(place)


def processes_of(directory):
    """Command lines that name it."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


def mounts_below(directory):
    return [line for line in pathlib.Path("/proc/mounts").read_text().splitlines() if f" {directory}/" in line]


def networks_of(directory):
    """Files of the network namespaces of its containerd's containers."""
    ctr = [CONTAINERD, "ctr", directory / "c"]
    found = set()
    for container in run([*ctr, "containers", "ls", "-q"])[1].split():
        spec = json.loads(run([*ctr, "containers", "info", "--spec", container])[1])
        found |= {pathlib.Path(one["path"]) for one in spec["linux"]["namespaces"] if one["type"] == "network" and one.get("path")}
    return {path for path in found if "netns" in path.parts}


def test_ctrl_c_in_the_middle_leaves_nothing(tmp_path):
    before = set(pathlib.Path("/tmp").glob("slicelet-demo.*"))
    with open(tmp_path / "out", "w", encoding="utf-8") as out:
        demo = subprocess.Popen([DEMO, "--sample", "minimal"], stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        def made():
            assert demo.poll() is None or pytest.fail((tmp_path / "out").read_text())
            return set(pathlib.Path("/tmp").glob("slicelet-demo.*")) - before
        directory, = wait_until("the demo has begun", made, timeout=TIMEOUT)
        networks = wait_until("its pod has a network", lambda: made() and networks_of(directory), timeout=TIMEOUT)
        assert processes_of(directory) and mounts_below(directory) and all(path.exists() for path in networks)
        os.killpg(demo.pid, signal.SIGINT)  # as the terminal does
        assert demo.wait(timeout=300) == 130, (tmp_path / "out").read_text()
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGTERM)
            demo.wait(timeout=300)
    assert "cleaning up" in (tmp_path / "out").read_text()
    assert not directory.exists() and mounts_below(directory) == []
    assert [path for path in networks if path.exists()] == [], "no network namespace"
    wait_until("no process is left", lambda: processes_of(directory) == [])
