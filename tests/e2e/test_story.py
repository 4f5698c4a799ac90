"""The README's story: a slice, a Mainflux on an edge host, an EdgeX gateway beside it, a sensor, and its readings at a subscriber."""

import json
import os
import shutil
import signal

import pytest

from tests.e2e.test_attach import attachment, bring_exporter
from tests.e2e.test_kinds import SERVICES, stand_in
from tests.e2e.test_server import CONTAINERS, PATIENCE
from tests.harness.documents import blocks
from tests.harness.edge import CONTAINERD, container_status
from tests.harness.guide import Guide
from tests.harness.iot_server import IotServer
from tests.harness.kubernetes import run
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until

# Who answers and who carries; all of them with --long.
KILLED = CONTAINERS if os.environ.get("SLICELET_LONG") else ["things", "mqtt"]


class Story(Guide):
    """The README, with images, ports and a directory that this machine has."""

    def __init__(self, edge, document, directory):
        super().__init__(edge, document, directory)
        ports = dict(zip(("users", "things", "auth", "access", "mqtt"), free_ports(5)))
        self.options = {
            "server create iot": [f"--data-path {edge.shared / 'servers'}", *(f"--ports-{part} {port}" for part, port in ports.items()),
                                  *(f"--image {one}=docker.io/slicelet/stand-in-mainflux-{one}:1" for one in CONTAINERS)],
            "gateway create press": [f"--image {service}={stand_in(service)}" for service in SERVICES]}

    def adapted(self, commands):
        for command, options in self.options.items():
            assert commands.count(command) == 1, command
            commands = commands.replace(command, " ".join([command, *options]))
        return commands


@pytest.fixture
def guide(edge, tmp_path):
    """The story's surroundings: images that are here, and a kubeconfig. Leaves nothing of it behind."""
    for what in ("gateway", "mainflux"):
        run([CONTAINERD, what, edge.containerd_directory], timeout=1800)
    bring_exporter(edge)
    story = Story(edge, "README.md", tmp_path)
    story.environment["PATH"] = f"{edge.binary('slicectl').parent}:{story.environment['PATH']}"
    yield story
    north = edge.kubectl("north")
    north("delete", "iotdevices,iotgateways,iotservers", "--all", "--wait=false", check=False)
    edge.kubectl("slicelet")("delete", "iotslice", "north", "--ignore-not-found", "--timeout=240s")
    wait_until("nothing of the slice runs", lambda: edge.sandboxes("north", "") == [])
    shutil.rmtree(edge.shared / "servers", ignore_errors=True)


def test_the_story_of_the_readme(edge, guide):
    block, = [one for one in blocks("README.md") if "gateway attach" in one.commands]
    printed = guide.run(block)
    readings = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    assert [pack[0]["bn"] for pack in readings] == ["oven:"]

    # Each of the server's parts dies while the gateway is attached, and comes back: so do the readings, from the same thing.
    north = edge.kubectl("north")
    server = IotServer(north)
    assert made(server) == [1, 1]
    pod = north.get("iotserver", "iot")["status"]["pods"][0]["name"]
    listen = "\n".join(block.commands.splitlines()[-3:])
    for container in KILLED:
        os.kill(edge.main_process(north, pod, container), signal.SIGKILL)
        wait_until(f"{container} is back", lambda container=container: (
            s := container_status(north, pod, container))["restartCount"] == 1 and s["ready"], timeout=PATIENCE)
        wait_until(f"the gateway is attached after {container}'s crash", lambda: attachment(north) == "Attached", timeout=PATIENCE)
        wait_until(f"readings arrive after {container}'s crash", lambda: arrives(guide, listen), timeout=PATIENCE)
    assert made(server) == [1, 1]

    # Detached, the server has forgotten it; taken back, nothing of it runs.
    guide.shell("slicectl gateway detach press --slice north --wait --timeout 10m")
    assert made(server) == [0, 0]
    guide.shell("slicectl device delete oven --slice north; slicectl gateway delete press --slice north; "
                "slicectl server delete iot --slice north; slicectl slice delete north; slicectl host tag gw-1 site-")
    assert edge.kubectl("").get("namespace", "north") is None


def made(server):
    """As soon as the server answers: its parts give each other a second to do so, which is not enough on a busy machine."""
    return wait_until("the server tells what it has", lambda: [server.count(kind) for kind in ("things", "channels")])


def arrives(guide, listen):
    """Whether a subscriber is let in and hears of the sensor within a minute."""
    try:
        return '"oven:"' in guide.shell(listen)
    except AssertionError:
        return False
