"""The README's story: a slice, a Mainflux on an edge host, an EdgeX gateway beside it, a sensor, and its readings at a subscriber."""

import json
import pathlib
import shutil

import pytest

from tests.e2e.test_kinds import SERVICES, stand_in
from tests.e2e.test_server import CONTAINERS
from tests.harness.documents import blocks
from tests.harness.edge import CONTAINERD, free_ports
from tests.harness.guide import Guide
from tests.harness.kubernetes import ROOT, run
from tests.harness.waiting import wait_until


@pytest.fixture
def shell(edge, tmp_path):
    """The story's surroundings: images that are here, and a kubeconfig. Leaves nothing of it behind."""
    for what in ("gateway", "mainflux"):
        run([CONTAINERD, what, edge.containerd_directory], timeout=900)
    output = pathlib.Path(edge.directory) / "images"
    run([ROOT / "scripts/images.sh", "--build", edge.bin, "--output", output, "senml-export"], timeout=300)
    for name in ("senml-export", "senml-export-idle"):
        run([CONTAINERD, "ctr", edge.containerd_directory, "images", "import", output / f"{name}.tar"], timeout=120)
    guide = Guide(edge, "README.md", tmp_path)
    guide.environment["PATH"] = f"{edge.binary('slicectl').parent}:{guide.environment['PATH']}"
    yield guide.shell
    north = edge.kubectl("north")
    north("delete", "iotdevices,iotgateways,iotservers", "--all", "--wait=false", check=False)
    edge.kubectl("slicelet")("delete", "iotslice", "north", "--ignore-not-found", "--timeout=180s")
    wait_until("nothing of the slice runs", lambda: edge.sandboxes("north", "") == [], timeout=90)
    shutil.rmtree(edge.shared / "servers", ignore_errors=True)


def here(edge, commands):
    """The same commands with images, ports and a directory that this machine has."""
    ports = dict(zip(("users", "things", "auth", "access", "mqtt"), free_ports(5)))
    server = [f"--data-path {edge.shared / 'servers'}", *(f"--ports-{part} {port}" for part, port in ports.items()),
              *(f"--image {one}=docker.io/slicelet/stand-in-mainflux-{one}:1" for one in CONTAINERS)]
    gateway = [f"--image {service}={stand_in(service)}" for service in SERVICES]
    for command, options in (("server create iot", server), ("gateway create press", gateway)):
        assert commands.count(command) == 1, command
        commands = commands.replace(command, " ".join([command, *options]))
    return commands


def test_the_story_of_the_readme(edge, shell):
    block, = [one for one in blocks("README.md") if "gateway attach" in one.commands]
    printed = shell(here(edge, block.commands))
    missing = block.missing(printed)
    assert missing is None, f"README.md says that this is printed: {missing}\nprinted:\n{printed}"
    readings = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    assert [pack[0]["bn"] for pack in readings] == ["oven:"]

    # Taken back, nothing of the gateway is left at the server, and nothing runs.
    shell("slicectl device delete oven --slice north; slicectl gateway delete press --slice north; slicectl server delete iot --slice north; "
          "slicectl slice delete north")
    assert edge.kubectl("").get("namespace", "north") is None
