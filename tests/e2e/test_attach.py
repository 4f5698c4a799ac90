"""samples/attach by its README, at a real Mainflux: readings reach a subscriber, none is lost while the server is away, and nothing is left there."""

import base64
import ipaddress
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

import pytest
import yaml

from tests.e2e.test_kinds import SERVICES, ready, stand_in
from tests.harness.edge import CONTAINERD, container_status
from tests.harness.edgex import http
from tests.harness.guide import Guide
from tests.harness.kubernetes import ROOT, run
from tests.harness.waiting import wait_until

README = "samples/attach/README.md"
SAMPLE = ROOT / "samples" / "attach"
VERSION = yaml.safe_load((ROOT / "charts/slicelet-hub/Chart.yaml").read_text())["appVersion"]
PORTS = {"8180": "users", "8182": "things", "8189": "auth", "8989": "identify", "1883": "mqtt"}


class AttachGuide(Guide):
    """The README's commands, with the sample on stand-ins and its server at the one of this test."""

    def __init__(self, edge, mainflux, directory):
        super().__init__(edge, README, directory)
        self.mainflux = mainflux
        # Where the host's pods reach this machine.
        self.machine = str(next(ipaddress.ip_network((edge.containerd_directory / "subnet").read_text().strip()).hosts()))
        place = directory / "samples" / "attach"
        place.mkdir(parents=True)
        for path in SAMPLE.glob("*.yaml"):
            objects = list(yaml.safe_load_all(self.adapted(path.read_text())))
            for one in objects:
                if one["kind"] == "IotGateway":
                    one["spec"]["images"] = {service: stand_in(service) for service in SERVICES}
            (place / path.name).write_text(yaml.safe_dump_all(objects))

    def adapted(self, commands):
        for port, service in PORTS.items():
            commands = commands.replace(f"mainflux.example.com:{port}", f"{self.machine}:{self.mainflux.ports[service]}")
            commands = commands.replace(f"-h mainflux.example.com -p {port}", f"-h {self.machine} -p {self.mainflux.ports[service]}")
        return commands.replace("mainflux.example.com", self.machine)


def bring_exporter(edge):
    """The exporter's images, as this build makes them, on the edge's host."""
    output = pathlib.Path(edge.directory) / "images"
    run([ROOT / "scripts/images.sh", "--build", edge.bin, "--output", output, "senml-export"], timeout=300)
    for name in ("senml-export", "senml-export-idle"):
        run([CONTAINERD, "ctr", edge.containerd_directory, "images", "import", output / f"{name}.tar"], timeout=120)


class Subscriber:
    """Reads the channel of a gateway as its own thing, in a session that the server keeps; `of` tells when each reading of a name was made."""

    def __init__(self, server, secret):
        data = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
        self.times = {}
        self.process = subprocess.Popen(
            ["mosquitto_sub", "-p", str(server.ports["mqtt"]), "-V", "mqttv311", "-u", data["SENML_USERNAME"], "-P", data["SENML_PASSWORD"],
             "-c", "-i", f"reader-{data['SENML_USERNAME']}", "-q", "1", "-t", data["SENML_TOPIC"]], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            pack = json.loads(line)
            for record in pack:
                name = pack[0].get("bn", "") + record.get("n", "")
                self.times.setdefault(name, set()).add(round(pack[0].get("bt", 0) + record.get("t", 0), 6))

    def of(self, name):
        return sorted(self.times.get(name, ()))

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def guide(edge, mainflux, tmp_path):
    run([CONTAINERD, "gateway", edge.containerd_directory], timeout=600)
    bring_exporter(edge)
    yield AttachGuide(edge, mainflux, tmp_path)
    north = edge.kubectl("north")
    north("delete", "iotdevices,iotgateways,iotservers", "--all", "--wait=false", check=False)
    edge.kubectl("slicelet")("delete", "iotslice", "north", "--ignore-not-found", "--timeout=120s")
    wait_until("nothing of the slice runs", lambda: edge.sandboxes("north", "") == [], timeout=90)


def attachment(kubectl):
    """Its state, or "" without any."""
    return ((kubectl.get("iotgateway", "press").get("status") or {}).get("attachment") or {}).get("state", "")


def readings(edge):
    """When the gateway has made each reading of its sensor that core-data holds."""
    sandbox, = edge.sandboxes("north", "press")
    address = json.loads(edge.crictl("inspectp", sandbox["id"]))["status"]["network"]["ip"]
    status, body = http(f"http://{address}:59880/api/v3/reading/device/name/oven?limit=1000", "GET")
    assert status == 200, f"core-data answers {status}"
    return sorted(round(reading["origin"] / 10 ** 9, 6) for reading in json.loads(body)["readings"])


def test_the_sample_does_what_its_readme_says(edge, guide, mainflux):
    token = mainflux.login()
    held = [mainflux.count(what, token) for what in ("things", "channels")]

    def made():
        return [mainflux.count(what, token) - before for what, before in zip(("things", "channels"), held)]

    north = edge.kubectl("north")
    for step in ("slice", "server", "gateway"):
        guide.follow(step)
    # The provider dies in the middle of it.
    wait_until("something is at the server", lambda: made() != [0, 0], timeout=120, interval=0.02)
    edge.programs["provider"].restart()
    wait_until("the gateway's services run", lambda: ready(north, "iotgateway", "press") == "", timeout=240)
    wait_until("the sensor is known", lambda: ready(north, "iotdevice", "oven") == "", timeout=120)
    for step in ("attached", "readings"):
        guide.follow(step)
    assert made() == [1, 1]
    pod, = north.get("pods")

    # The server's broker goes and comes back: every reading of the meantime arrives.
    subscriber = Subscriber(mainflux, north.get("secret", "press-export"))
    try:
        wait_until("readings arrive", lambda: subscriber.of("oven:temperature"), timeout=120)
        mainflux.programs["mqtt"].kill()
        gone = time.time()
        last = subscriber.of("oven:temperature")[-1]
        wait_until("that is shown", lambda: attachment(north) == "Degraded", timeout=120)
        assert ready(north, "iotgateway", "press") == "", "the gateway itself is well"
        wait_until("it goes on reading", lambda: readings(edge)[-1] > gone)
        mainflux.programs["mqtt"].start()
        back = time.time()
        wait_until("the gateway is attached again", lambda: attachment(north) == "Attached", timeout=120)
        wait_until("readings go on", lambda: (times := subscriber.of("oven:temperature"))[-1] > back and
                   len([t for t in times if t > last]) >= 3, timeout=120)
        # Not by the gaps between them: a busy machine reads later than after 5 s.
        times = subscriber.of("oven:temperature")
        due = [t for t in wait_until("core-data answers", lambda: readings(edge)) if times[0] <= t <= times[-1]]
        assert any(gone < t < back for t in due)
        wait_until("every reading arrives", lambda: set(due) <= set(subscriber.of("oven:temperature")))
    finally:
        subscriber.end()

    # The same pod, an exporter that does nothing, and a server that has forgotten it.
    guide.follow("detach")
    wait_until("the gateway is detached", lambda: attachment(north) == "" and made() == [0, 0], timeout=120)
    left, = north.get("pods")
    assert left["metadata"]["uid"] == pod["metadata"]["uid"]
    name = pod["metadata"]["name"]
    assert container_status(north, name, "senml-export")["image"] == f"docker.io/slicelet/senml-export:{VERSION}-idle"
    assert container_status(north, name, "postgres")["restartCount"] == 0
    assert north.get("secret", "press-export") is None

    # Attached again, and deleted while it is.
    north("patch", "iotgateway", "press", "--type=merge", "-p", '{"spec": {"attachTo": "iot"}}')
    wait_until("the gateway is attached once more", lambda: attachment(north) == "Attached", timeout=180)
    assert made() == [1, 1]
    guide.follow("remove")
    assert made() == [0, 0]
    assert set(guide.followed) == set(guide.steps), "every block of the README is followed"
