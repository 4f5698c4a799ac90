"""scripts/bench.sh: figures of the whole system, on real parts."""

import argparse
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.bench.api_client import ApiClient  # noqa: E402
from tests.bench.figures import Report  # noqa: E402
from tests.bench.latency import measure  # noqa: E402
from tests.harness.edge import Edge  # noqa: E402
from tests.harness.pods import pod  # noqa: E402
from tests.harness.waiting import wait_until  # noqa: E402

UNITS = {"running": "ms", "running_10": "ms", "exit": "ms", "gone": "ms", "cpu": "ms"}


def with_edge(run):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slb-", dir="/tmp"))
    world = Edge(directory)
    try:
        world.up()
        kubectl = world.kubectl("bench")
        world.kubectl("")("create", "namespace", "bench")
        wait_until("default service account", lambda: kubectl.get("serviceaccount", "default"))
        return run(world, kubectl)
    finally:
        world.down()
        shutil.rmtree(directory, ignore_errors=True)


def latency(report, options):
    def run(world, _):
        samples = measure(world, ApiClient(world.plane), "bench", options.rounds, options.bursts, options.host_network)
        for name, values in samples.items():
            report.add(name, UNITS[name], values)

    with_edge(run)


def pss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no PSS for process {pid}")


def first_call_ms(world):
    """From exec of the agent to the first bytes of its first CRI call, at a socket that only listens."""
    path = world.directory / "listen.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(8)
    seen = []

    def accept():
        connection, _ = listener.accept()
        connection.recv(1)
        seen.append(time.monotonic())
        connection.close()

    thread = threading.Thread(target=accept)
    thread.start()
    settings = (world.agent_directory / "agent.json").read_text()
    config = world.directory / "first-call.json"
    config.write_text(settings.replace(str(world.containerd_directory / "containerd.sock"), str(path)))
    begin = time.monotonic()
    agent = subprocess.Popen([world.binary("slicelet-agent"), "--host", world.agent_directory / "host.json", "--config", config],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    thread.join(30)
    agent.kill()
    agent.wait()
    listener.close()
    path.unlink()
    return (seen[0] - begin) * 1000


def footprint(report, options):
    def run(world, kubectl):
        agent = world.programs["agent"]
        time.sleep(options.settle)
        report.add("agent_pss_idle", "KiB", [pss_kib(agent.process.pid)])
        for index in range(10):
            kubectl.apply(pod(f"ten-{index}", args=["lines", "0", "1000"]))
        wait_until("ten pods run", lambda: len(world.running_containers("bench", "ten-")) == 10)
        samples = []
        for _ in range(options.rounds):
            time.sleep(max(1.0, options.settle / 10))
            samples.append(pss_kib(agent.process.pid))
        report.add("agent_pss_10_pods", "KiB", samples)
        for name in ("shim", "provider"):
            report.add(f"{name}_pss_10_pods", "KiB", [pss_kib(world.programs[name].process.pid)])
        agent.stop()
        report.add("agent_first_cri_call", "ms", [first_call_ms(world) for _ in range(options.rounds)])

    with_edge(run)


def main():
    parser = argparse.ArgumentParser(
        prog="bench.sh", description="Figures of the whole system, each with n, minimum, median, p90 and maximum.",
        epilog="Example: scripts/bench.sh latency --rounds 30 --json latency.json")
    parser.add_argument("what", choices=["latency", "footprint", "scale"])
    parser.add_argument("--json", metavar="FILE", help="write the figures as a JSON list")
    parser.add_argument("--rounds", type=int, default=30, help="samples of each figure (default %(default)s)")
    parser.add_argument("--bursts", type=int, default=5, help="bursts of ten pods (default %(default)s)")
    parser.add_argument("--host-network", action="store_true", help="pods on the host's network instead of a bridge")
    parser.add_argument("--settle", type=float, default=10, help="seconds before the idle figure (default %(default)s)")
    parser.add_argument("--nodes", type=int, default=100, help="scale: hosts (default %(default)s)")
    parser.add_argument("--pods", type=int, default=1000, help="scale: pods (default %(default)s)")
    options = parser.parse_args()
    report = Report()
    if options.what == "scale":
        from tests.bench.scale import scale  # needs the hollow hosts of the release build
        scale(report, options)
    else:
        {"latency": latency, "footprint": footprint}[options.what](report, options)
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
