"""scripts/bench.sh: figures of the whole system, on real parts."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.bench.api_client import ApiClient  # noqa: E402
from tests.bench.figures import Report  # noqa: E402
from tests.bench.idle_link import idle_bytes_per_hour  # noqa: E402
from tests.bench.latency import Sampler, Watched, measure, running  # noqa: E402
from tests.bench.worlds import BenchEdge, Kubelet  # noqa: E402
from tests.harness.kubernetes import ROOT  # noqa: E402
from tests.harness.waiting import wait_until  # noqa: E402


def with_edge(run, link="grpc"):
    """Runs `run(world)` with a slicelet and a namespace `bench`; if it fails, the ends of the logs are shown."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slb-", dir="/tmp"))
    world = BenchEdge(directory)
    world.link_kind = link
    try:
        world.up()
        make_namespace(world, "bench")
        return run(world)
    except Exception:
        for program in world.programs.values():
            print(f"--- {program.name}\n{program.tail()}", file=sys.stderr)
        raise
    finally:
        world.down()
        shutil.rmtree(directory, ignore_errors=True)


def make_namespace(world, name):
    world.kubectl("")("create", "namespace", name)
    kubectl = world.kubectl(name)
    wait_until("default service account", lambda: kubectl.get("serviceaccount", "default"))


@contextlib.contextmanager
def kubelet_beside(world, wanted):
    """A kubelet on the same control plane, with a namespace `peer`; None if not wanted."""
    if not wanted:
        yield None
        return
    make_namespace(world, "peer")
    kubelet = Kubelet(world.plane, world.directory / "k")
    try:
        yield kubelet.up(world.kubectl(""))
    finally:
        kubelet.down()


def latency(report, options):
    def run(world):
        def sampler(system, namespace):
            return Sampler(system, ApiClient(world.plane), namespace, options.host_network)

        with kubelet_beside(world, not options.alone) as kubelet:
            samplers = [sampler(world, "bench")] + ([sampler(kubelet, "peer")] if kubelet else [])
            loads = measure(samplers, options.rounds, options.bursts)
        peer = samplers[1].samples if kubelet else {}
        for name, values in samplers[0].samples.items():
            report.add(name, "ms", values, peer.get(name))
        report.add("load_average", "", loads)

    with_edge(run)


def pss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no PSS for process {pid}")


def wait_for_call(listener):
    """Accepts one HTTP/2 connection and reads until the head of its first request; returns when that was."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        connection.sendall(b"\0\0\0\4\0\0\0\0\0")  # SETTINGS, empty: clients wait for it
        stream.read(24)  # the preface
        while head := stream.read(9):
            at = time.monotonic()
            if head[3] == 1:  # HEADERS
                return at
            stream.read(int.from_bytes(head[:3], "big"))
    raise RuntimeError("the agent hung up without a call")


def first_call_ms(world):
    """From exec of the agent to its first CRI call, at a socket that answers no call."""
    path = world.directory / "listen.sock"
    settings = (world.agent_directory / "agent.json").read_text()
    config = world.directory / "first-call.json"
    config.write_text(settings.replace(str(world.containerd_directory / "containerd.sock"), str(path)))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)
        listener.settimeout(30)
        begin = time.monotonic()
        agent = subprocess.Popen([world.binary("slicelet-agent"), "--host", world.agent_directory / "host.json", "--config", config],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return (wait_for_call(listener) - begin) * 1000
        finally:
            agent.kill()
            agent.wait()
            path.unlink()


def footprint(report, options):
    with_edge(lambda world: measure_footprint(report, options, world))
    with_edge(lambda world: measure_footprint(report, options, world, prefix="mqtt_"), link="mqtt")


def measure_footprint(report, options, world, prefix=""):
    """The first link's figures stand beside a kubelet's; the other's only differ by the link."""
    first = not prefix
    api = ApiClient(world.plane)
    agent = world.programs["agent"]
    with kubelet_beside(world, first and not options.alone) as kubelet:
        systems = [(agent.process.pid, world.node, Watched(api, "bench"))]
        if kubelet:
            systems.append((kubelet.pids()[0], kubelet.node, Watched(api, "peer")))

        def sample(name):
            samples = [[] for _ in systems]
            for _ in range(options.rounds):
                time.sleep(options.every)
                for index, (pid, _, _) in enumerate(systems):
                    samples[index].append(pss_kib(pid))
            report.add(prefix + name, "KiB", *samples)

        time.sleep(options.settle)
        sample("agent_pss_idle")
        names = {f"ten-{index}" for index in range(10)}
        for _, node, watched in systems:
            for name in names:
                watched.create(name, node, args=["lines", "0", "1000"])
            watched.until(running, names)
        time.sleep(options.settle)
        sample("agent_pss_10_pods")
    for name in ("shim", "provider"):
        report.add(f"{prefix}{name}_pss_10_pods", "KiB", [pss_kib(world.programs[name].process.pid)])
    if options.idle_minutes > 0:
        bytes_per_hour = idle_bytes_per_hour(world, world.dialled_port, options.idle_minutes)
        report.add(prefix + "idle_host_hour", "KB", [bytes_per_hour / 1000])
    agent.stop()
    if first:
        report.add("agent_first_cri_call", "ms", [first_call_ms(world) for _ in range(options.rounds)])
    report.add(prefix + "load_average", "", [os.getloadavg()[0]])


def hot(report, options):
    """google-benchmark's programs; each repetition is a sample of CPU time."""
    for program in ("shim_hot_paths", "provider_hot_paths", "targeting_hot_paths"):
        out = subprocess.run([binaries() / "tests" / "bench" / program, "--benchmark_format=json",
                              f"--benchmark_repetitions={options.rounds}", "--benchmark_min_time=0.05"],
                             check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        samples = {}
        for entry in json.loads(out)["benchmarks"]:
            if entry["run_type"] == "iteration":
                samples.setdefault(entry["name"].removeprefix("BM_"), []).append(entry["cpu_time"] / 1000)
        for name, values in samples.items():
            report.add(name, "us", values)


def binaries():
    return pathlib.Path(os.environ.get("SLICELET_BIN", ROOT / "build" / "release"))


def main():
    parser = argparse.ArgumentParser(
        prog="bench.sh", description="Figures of the whole system, each with n, minimum, median, p90 and maximum.",
        epilog="Example: scripts/bench.sh latency --rounds 30 --json latency.json")
    parser.add_argument("what", choices=["latency", "footprint", "scale", "hot"])
    parser.add_argument("--json", metavar="FILE", help="write the figures as a JSON list")
    parser.add_argument("--rounds", type=int, default=30, help="samples of each figure (default %(default)s)")
    parser.add_argument("--bursts", type=int, default=5, help="bursts of ten pods (default %(default)s)")
    parser.add_argument("--alone", action="store_true", help="latency, footprint: without the kubelet beside it")
    parser.add_argument("--host-network", action="store_true", help="latency: pods on the host's network instead of a bridge")
    parser.add_argument("--settle", type=float, default=90, help="seconds before what is idle is measured (default %(default)s)")
    parser.add_argument("--every", type=float, default=1, help="footprint: seconds between samples (default %(default)s)")
    parser.add_argument("--idle-minutes", type=float, default=16, help="footprint: how long each link's idle traffic is counted, 0 for "
                        "not at all (default %(default)s)")
    parser.add_argument("--nodes", type=int, default=100, help="scale: hosts (default %(default)s)")
    parser.add_argument("--pods", type=int, default=1000, help="scale: pods (default %(default)s)")
    options = parser.parse_args()
    report = Report()
    if options.what == "scale":
        from tests.bench.scale import scale  # needs the hollow hosts of the release build
        scale(report, options)
    else:
        {"latency": latency, "footprint": footprint, "hot": hot}[options.what](report, options)
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
