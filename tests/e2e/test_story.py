"""The README's story: a slice, a Mainflux on an edge host, an EdgeX gateway beside it, a sensor, and its readings at a subscriber."""

import json
import shutil

import pytest

from tests.e2e.test_attach import bring_exporter
from tests.e2e.test_kinds import SERVICES, stand_in
from tests.e2e.test_server import CONTAINERS
from tests.harness.documents import blocks
from tests.harness.edge import CONTAINERD
from tests.harness.guide import Guide
from tests.harness.kubernetes import run
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until


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
        run([CONTAINERD, what, edge.containerd_directory], timeout=900)
    bring_exporter(edge)
    story = Story(edge, "README.md", tmp_path)
    story.environment["PATH"] = f"{edge.binary('slicectl').parent}:{story.environment['PATH']}"
    yield story
    north = edge.kubectl("north")
    north("delete", "iotdevices,iotgateways,iotservers", "--all", "--wait=false", check=False)
    edge.kubectl("slicelet")("delete", "iotslice", "north", "--ignore-not-found", "--timeout=180s")
    wait_until("nothing of the slice runs", lambda: edge.sandboxes("north", "") == [], timeout=90)
    shutil.rmtree(edge.shared / "servers", ignore_errors=True)


def test_the_story_of_the_readme(edge, guide):
    block, = [one for one in blocks("README.md") if "gateway attach" in one.commands]
    printed = guide.run(block)
    readings = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    assert [pack[0]["bn"] for pack in readings] == ["oven:"]

    # Taken back, nothing of the gateway is left at the server, and nothing runs.
    guide.shell("slicectl device delete oven --slice north; slicectl gateway delete press --slice north; "
                "slicectl server delete iot --slice north; slicectl slice delete north")
    assert edge.kubectl("").get("namespace", "north") is None
