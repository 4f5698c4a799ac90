"""samples/edgex-gateway on stand-in images: its services start in order, readings arrive at the server, and each
service may crash."""

import json
import os
import signal
import subprocess

import pytest
import yaml

from tests.harness.edge import CONTAINERD, container_status
from tests.harness.guide import Guide
from tests.harness.kubernetes import ROOT, condition, run
from tests.harness.pods import pod
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until

README = "samples/edgex-gateway/README.md"
SAMPLE = ROOT / "samples" / "edgex-gateway"
SERVICES = ["postgres", "mosquitto", "core-metadata", "core-data", "core-command", "device-virtual", "app-mqtt-export"]


def sample(part, port):
    """The sample's objects for any namespace, with the server's port replaced."""
    text = subprocess.run([SAMPLE / "on-stand-ins.sh", part], check=True, capture_output=True, text=True).stdout
    objects = list(yaml.safe_load_all(text.replace("18830", str(port))))
    for made in objects:
        del made["metadata"]["namespace"]
    return objects


class SampleGuide(Guide):
    """The sample's README in a test's namespace, where its files have stand-in images and a free port."""

    def __init__(self, edge, kubectl, directory):
        super().__init__(edge, README, directory)
        self.within(kubectl.namespace)
        port, = free_ports(1)
        here = directory / SAMPLE.relative_to(ROOT)
        here.mkdir(parents=True)
        for part, file in (("server", "server.yaml"), ("gateway", "pod.yaml")):
            (here / file).write_text(yaml.safe_dump_all(sample(part, port)))


def gateway_condition(kubectl):
    return condition(kubectl.get("pod", "edgex-gateway"), "slicelet.io/Gateway") or {}


def is_back(kubectl, name):
    """Whether that service runs again and the gateway is Ready with it: by one look, so that neither is of before."""
    pod = kubectl.get("pod", "edgex-gateway")
    service, = [one for one in pod["status"]["containerStatuses"] if one["name"] == name]
    return service["restartCount"] == 1 and service["ready"] and condition(pod, "slicelet.io/Gateway")["status"] == "True"


def received(kubectl):
    """How many events the server-side broker has passed on."""
    return len(kubectl("logs", "iot-server", "-c", "listener").splitlines())


def more_arrive(kubectl, count=1):
    before = received(kubectl)
    wait_until("more readings arrive", lambda: received(kubectl) >= before + count, timeout=180)


def test_the_gateway_starts_in_order_exports_and_survives_every_crash(edge, kubectl, tmp_path):
    run([CONTAINERD, "gateway", edge.containerd_directory], timeout=1800)
    guide = SampleGuide(edge, kubectl, tmp_path)
    guide.follow("apply")
    waiting = wait_until("a service waits for another", lambda: (is_so := gateway_condition(kubectl)).get("status") == "False" and is_so)
    assert waiting["reason"] == "ServiceNotReady" and waiting["message"]
    wait_until("the gateway is Ready", lambda: gateway_condition(kubectl)["status"] == "True", timeout=300)
    wait_until("the server is Ready", lambda: condition(kubectl.get("pod", "iot-server"), "slicelet.io/Server")["status"] == "True")

    statuses = {s["name"]: s for s in kubectl.get("pod", "edgex-gateway")["status"]["containerStatuses"]}
    assert set(statuses) == set(SERVICES)
    assert all(s["ready"] and s["restartCount"] == 0 for s in statuses.values()), "in this order nobody fails"
    started = {name: s["state"]["running"]["startedAt"] for name, s in statuses.items()}
    assert max(started["postgres"], started["mosquitto"]) <= started["core-metadata"]
    assert started["core-metadata"] <= min(started["core-data"], started["core-command"], started["app-mqtt-export"])
    assert started["core-data"] <= started["device-virtual"]
    more_arrive(kubectl, 3)
    guide.follow("readings")
    assert guide.followed == list(guide.steps), "the README's every step was followed"
    line = kubectl("logs", "iot-server", "-c", "listener", "--tail", "1").strip()
    topic, payload = line.split(" ", 1)
    event = json.loads(payload)
    assert topic == "channels/gw-1/messages" and event["readings"][0]["resourceName"] == event["sourceName"]

    wait_until("the IoT devices are applied", lambda: condition(kubectl.get("pod", "edgex-gateway"), "slicelet.io/Devices")[
        "status"] == "True")
    wait_until("the IoT device's readings arrive", lambda: '"greenhouse"' in kubectl("logs", "iot-server", "-c", "listener"))

    for name in SERVICES:
        os.kill(edge.main_process(kubectl, "edgex-gateway", name), signal.SIGKILL)
        wait_until(f"{name} was restarted", lambda: container_status(kubectl, "edgex-gateway", name)["restartCount"] == 1)
        wait_until(f"Ready again after {name}'s crash", lambda: is_back(kubectl, name), timeout=180)
        more_arrive(kubectl)
    counts = {s["name"]: s["restartCount"] for s in kubectl.get("pod", "edgex-gateway")["status"]["containerStatuses"]}
    assert counts == dict.fromkeys(SERVICES, 1), "a crash restarts nobody else"


@pytest.mark.parametrize("value,says", [
    ("main=side; side=main", "main -> side -> main"), ("main=sde", '"sde" is no container of this pod'), ("main", '"main" should be')])
def test_a_start_order_that_can_not_be_kept_is_refused_by_name(edge, kubectl, value, says):
    wrong = pod("wrong", args=["wait"], extra=[{"name": "side", "args": ["wait"]}])
    wrong["metadata"].setdefault("annotations", {})["slicelet.io/depends-on"] = value
    kubectl.apply(wrong)
    failed = wait_until("refused", lambda: (p := kubectl.get("pod", "wrong"))["status"].get("phase") == "Failed" and p)
    assert failed["status"]["reason"] == "InvalidAnnotation"
    assert "slicelet.io/depends-on" in failed["status"]["message"] and f'"{value}"' in failed["status"]["message"]
    assert says in failed["status"]["message"]
