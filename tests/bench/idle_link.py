"""What an idle host's link costs, counted by the kernel: payload, acknowledgements and headers."""

import json
import re
import time

from tests.harness.edge import Edge
from tests.harness.kubernetes import condition, run
from tests.harness.waiting import wait_until

# IPv4, TCP, and the timestamp option that every segment carries.
SEGMENT_HEADERS = 20 + 20 + 12


def wire_bytes(pid, port):
    """Of the one connection of process `pid` to `port`: (its local address, bytes both ways with TCP and IP)."""
    lines = run(["ss", "-tinpHO", "state", "established", f"( dport = :{port} )"])[1].splitlines()
    line, = [line for line in lines if f"pid={pid}," in line]

    def count(name):
        found = re.search(rf"\b{name}:(\d+)", line)
        return int(found[1]) if found else 0
    total = count("bytes_sent") + count("bytes_received") + SEGMENT_HEADERS * (count("segs_out") + count("segs_in"))
    return line.split()[2], total


def use_low_data(world):
    """The settings that docs/operations.md gives for a link that is paid by the byte."""
    Edge.tune(world, {"provider": {"profile": "low-data"}})
    path = world.agent_directory / "agent.json"
    agent = json.loads(path.read_text())
    agent["link"]["profile"] = "low-data"
    path.write_text(json.dumps(agent))
    for program in ("agent", "provider"):
        world.programs[program].stop()
    for program in ("provider", "agent"):
        world.programs[program].start()
    began = time.time()
    wait_until("the host is connected", lambda: world.host_info()["connected"] and time.time() > began + 5 and condition(
        world.kubectl("").get("node", world.node), "slicelet.io/LinkReady")["status"] == "True", timeout=120)


def idle_bytes_per_hour(world, port, minutes):
    """Of a host with ten pods to which nothing happens, in the low-data settings; extrapolated from some minutes."""
    use_low_data(world)
    time.sleep(60)  # the first full status, and what follows a new session
    pid = world.programs["agent"].process.pid
    address, before = wire_bytes(pid, port)
    begin = time.monotonic()
    time.sleep(minutes * 60)
    again, after = wire_bytes(pid, port)
    assert again == address, "the connection broke meanwhile"
    return (after - before) * 3600 / (time.monotonic() - begin)
