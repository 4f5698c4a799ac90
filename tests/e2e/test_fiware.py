"""samples/fiware on stand-in images, by its README: two tenants, and a history that outlives every restart."""

import argparse
import base64
import importlib.util
import os
import shutil
import signal

import pytest

from tests.harness.edge import CONTAINERD, container_status
from tests.harness.guide import Guide
from tests.harness.kubernetes import ROOT, is_ready, run
from tests.harness.waiting import wait_until

SAMPLE = ROOT / "samples" / "fiware"
README = "samples/fiware/README.md"
PODS = {"fiware-context": ["mongodb", "orion", "ulagent", "provision"], "fiware-history": ["crate", "quantumleap"]}
CONTAINERS = [(pod, container) for pod, containers in PODS.items() for container in containers]
PATIENCE = 180

_spec = importlib.util.spec_from_file_location("stack", SAMPLE / "scripts" / "stack.py")
stack = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stack)


class Sample(Guide):
    """The README's commands where `samples/fiware` is the sample on stand-ins, its data in a directory that the host allows."""

    def __init__(self, edge, kubectl, directory):
        super().__init__(edge, README, directory)
        self.shell(f"kubectl config set-context --current --namespace={kubectl.namespace}")
        for part, place in (("stack", "samples/fiware"), ("view", "samples/fiware/view")):
            objects = self.shell(f"{SAMPLE}/on-stand-ins.sh {part}").replace("/var/lib/fiware", f"{edge.shared}/fiware")
            (directory / place).mkdir(parents=True)
            (directory / place / "objects.yaml").write_text(objects)
            (directory / place / "kustomization.yaml").write_text("resources: [objects.yaml]\n")

    def change(self, old, new):
        """In the stack's objects, from the next `apply` on."""
        path = self.directory / "samples" / "fiware" / "objects.yaml"
        objects = path.read_text()
        assert objects.count(old) == 1
        path.write_text(objects.replace(old, new))


class Measurements:
    """Every device sends one number after the other; what was sent while all services ran must be stored."""

    def __init__(self, kubectl, directory):
        self.kubectl = kubectl
        self.keys = directory / "keys"
        self.keys.mkdir()
        self.learn_keys()
        self.number = 1000
        self.sent, self.must, self.before = [], [], {}

    def learn_keys(self):
        for name, key in self.kubectl.get("secret", "fiware-group-keys")["data"].items():
            (self.keys / name).write_bytes(base64.b64decode(key))
        self.tenants = stack.tenants(SAMPLE / "tenants", self.keys)

    def begin(self):
        """From here on; what was stored before stays."""
        self.before = {series: self._stored(*series) for series in self._series()}

    def services(self):
        """By the addresses that the pods have on this machine."""
        context, history = (self.kubectl.get("pod", pod) for pod in PODS)
        inside = context["metadata"]["annotations"]["slicelet.io/host-pod-ip"]
        return stack.Stack(argparse.Namespace(
            orion=f"http://{inside}:1026", north=f"http://{inside}:4041", south=f"http://{inside}:7896",
            quantumleap=f"http://{history['status']['hostIP']}:8668"))

    def send(self):
        """One round. Raises where a service does not take it."""
        self.number += 1
        self.sent.append(self.number)
        services = self.services()
        for tenant in self.tenants:
            for device in tenant.devices:
                services.send(tenant, device, {short: self.number for _, _, short, _ in tenant.sends(device)})

    def try_to_send(self):
        """Whether all of the round was taken."""
        try:
            self.send()
        except stack.Unexpected:
            return False
        return True

    def send_safely(self, rounds=2):
        for _ in range(rounds):
            self.send()
            self.must.append(self.number)
        self.check()

    def check(self):
        for series in self._series():
            stored = wait_until(f"{series} holds {self.must[-1]}", lambda: self._whole(series), timeout=60)
            assert stored[:len(self.before[series])] == self.before[series]
            new = stored[len(self.before[series]):]
            assert new == sorted(set(new)), f"{series}: in order, each once"
            assert set(self.must) <= set(new) <= set(self.sent), f"{series}: lost {set(self.must) - set(new)}"

    def _whole(self, series):
        stored = self._stored(*series)
        return stored if self.must[-1] in stored else None

    def _series(self):
        return [(tenant.name, *series) for tenant in self.tenants for series in sorted(tenant.series())]

    def _stored(self, tenant, entity, attribute):
        return self.services().history({"fiware-service": tenant}, entity, attribute)


def all_ready(kubectl):
    return all(is_ready(kubectl.get("pod", pod)) for pod in PODS)


def started(kubectl, pod, container):
    return container_status(kubectl, pod, container)["state"]["running"]["startedAt"]


def crash(edge, kubectl, pod, container, measurements):
    """Kills it, and measures on until it is back."""
    os.kill(edge.main_process(kubectl, pod, container), signal.SIGKILL)

    def is_back():
        status = container_status(kubectl, pod, container)
        ready = status["restartCount"] == 1 and status["ready"] and all_ready(kubectl)
        # It is probed at one of its ports, and takes what is sent at another.
        return measurements.try_to_send() and ready

    wait_until(f"{container} is back", is_back, timeout=PATIENCE)


@pytest.fixture
def nothing_left(edge):
    yield
    shutil.rmtree(edge.shared / "fiware", ignore_errors=True)


def test_the_readme_leads_to_a_history_that_outlives_every_restart(edge, kubectl, tmp_path, nothing_left):
    run([CONTAINERD, "fiware", edge.containerd_directory], timeout=900)
    guide = Sample(edge, kubectl, tmp_path)
    guide.follow("apply")
    assert all(container_status(kubectl, *one)["restartCount"] == 0 for one in CONTAINERS), "in this order nobody fails"
    order = [started(kubectl, "fiware-context", container) for container in PODS["fiware-context"]]
    assert order == sorted(order)
    assert started(kubectl, "fiware-history", "crate") <= started(kubectl, "fiware-history", "quantumleap")
    for step in ("versions", "basic-sense", "measure", "view", "without-history"):
        guide.follow(step)

    measurements = Measurements(kubectl, tmp_path)
    measurements.begin()
    assert measurements.before[("manufracture", "urn:ngsi:bot:1", "foo")] == [3, 4, 5, 6]
    measurements.send_safely()
    for pod, container in CONTAINERS:
        crash(edge, kubectl, pod, container, measurements)
        measurements.send_safely()
    assert all(container_status(kubectl, *one)["restartCount"] == 1 for one in CONTAINERS), "a crash restarts nobody else"

    guide.follow("remove")
    assert guide.followed == list(guide.steps), "every command of the README"
    wait_until("the host runs nothing of it", lambda: not edge.sandboxes(kubectl.namespace, "fiware"), timeout=PATIENCE)
    guide.change("name: IOTA_REGISTRY_TYPE\n      value: mongodb", "name: IOTA_REGISTRY_TYPE\n      value: memory")
    guide.follow("apply")
    measurements.learn_keys()
    measurements.send_safely()
    crash(edge, kubectl, "fiware-context", "ulagent", measurements)
    wait_until("the agent that forgot its devices was told again", measurements.try_to_send, timeout=PATIENCE)
    measurements.send_safely()
