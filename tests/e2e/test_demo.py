"""scripts/demo.sh --once shows what it promises and leaves nothing behind."""

import pathlib
import re
import shutil
import tempfile

import pytest

from tests.harness.kubernetes import ROOT, ControlPlane, Kubectl, run

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
    kubectl = Kubectl(cluster, "")
    assert kubectl.get("nodes") == [] and kubectl.get("pods", namespace="default") == []
    assert kubectl.get("edgehosts", namespace="slicelet") == []
    # A second one is not in the way of what is left there.
    kubectl("create", "configmap", "greeting", "-n", "default")
    code, _, err = run([DEMO, "--once", "--sample", "minimal", "--kubeconfig", cluster.kubeconfig], check=False, environment={"PATH": path})
    assert code != 0 and "your cluster already has configmap/greeting" in err
