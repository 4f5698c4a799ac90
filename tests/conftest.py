"""Fixtures of the end-to-end and fault tests."""

import itertools
import os
import pathlib
import re
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tests.harness.edge import Edge  # noqa: E402  (the path above comes first)
from tests.harness.mainflux import Mainflux  # noqa: E402
from tests.harness.postgres import remove  # noqa: E402
from tests.harness.waiting import wait_until  # noqa: E402
from tests.harness.worlds import brought_up  # noqa: E402


# Whoever ends a run ends with it what the tests have started, also where Ctrl-C was ignored from the beginning.
for _signal in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_signal, signal.default_int_handler)

NUMBERS = itertools.count(1)
# What only a link over MQTT has: collected with SLICELET_LINK=mqtt.
collect_ignore = [] if os.environ.get("SLICELET_LINK") == "mqtt" else ["e2e/test_mqtt.py", "faults/test_broker.py"]
# Too slow for every change: collected with SLICELET_LONG, or when they are named.
if not os.environ.get("SLICELET_LONG"):
    collect_ignore += ["e2e/test_device_services.py", "e2e/test_fleet_attach.py", "e2e/test_two_clusters.py"]


@pytest.fixture(scope="session")
def edge():
    """One slicelet for all tests of a run; each test has a namespace of its own."""
    with brought_up(Edge, f"programs-{os.environ.get('SLICELET_SUITE', 'pytest')}") as world:
        yield world


@pytest.fixture
def kubectl(edge, request):
    """kubectl in a namespace made for this test and removed after it, with everything in it."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:45].rstrip("-")
    namespace = f"t{next(NUMBERS)}-{name}"
    admin = edge.kubectl("")
    admin("create", "namespace", namespace)
    scoped = edge.kubectl(namespace)
    wait_until("default service account", lambda: scoped.get("serviceaccount", "default"))
    yield scoped
    for part, program in edge.programs.items():
        if not program.running():
            program.start()
    admin("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")
    scoped("delete", "deployments,jobs", "--all", "--wait=false", check=False)
    scoped("delete", "pods", "--all", "--wait=false", "--grace-period=1", check=False)
    wait_until(f"nothing of {namespace} runs", lambda: edge.sandboxes(namespace, "") == [], timeout=240)


@pytest.fixture
def hub(edge):
    """kubectl in the hub's namespace; leaves no slice behind."""
    scoped = edge.kubectl("slicelet")
    yield scoped
    for one in ("iotdevices", "iotgateways", "iotservers"):
        scoped("delete", one, "--all", "-n", "e2e-north", "--ignore-not-found", "--wait=false")
    scoped("delete", "iotslices", "--all", "--timeout=280s")
    wait_until("nothing of the slice runs", lambda: edge.sandboxes("e2e-north", "") == [], timeout=240)


@pytest.fixture(scope="module")
def mainflux():
    """A real Mainflux 0.12 on ports of this machine."""
    # pytest's own directories are root's alone, and PostgreSQL does not run as root.
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slicelet-mainflux-"))
    try:
        with Mainflux(directory) as server:
            yield server
    finally:
        remove(directory)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of the programs' logs."""
    report = (yield).get_result()
    world = item.funcargs.get("edge") if hasattr(item, "funcargs") else None
    if report.failed and world is not None:
        for name, program in world.programs.items():
            report.sections.append((f"log of {name}", program.tail(60)))
