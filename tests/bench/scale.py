"""Shim and provider with many nodes and pods: memory, CPU, API requests, time until everything runs.

The hosts are hollow: the agent's own code over real TLS and gRPC, with a scripted container runtime.
"""

import os
import pathlib
import re
import resource
import shutil
import sys
import tempfile
import time

from tests.bench.api_client import ApiClient
from tests.bench.latency import Watched, cpu_seconds, running
from tests.bench.run import pss_kib
from tests.bench.worlds import BenchEdge
from tests.harness.kubernetes import condition, run
from tests.harness.pods import pod
from tests.harness.ports import consecutive_ports, free_ports
from tests.harness.process import Program
from tests.harness.waiting import wait_until


class HollowFleet(BenchEdge):
    """A hub whose hosts run in one process."""

    def up_fleet(self, count):
        # Each program has a file or more open for every host: a shell's 1,024 are too few for many.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.patience = max(900, 2 * count)
        self.plane.up()
        kubectl = self.kubectl("")
        kubectl("apply", "-f", pathlib.Path(__file__).parents[2] / "charts" / "slicelet-hub" / "crds")
        kubectl("apply", "-f", pathlib.Path(__file__).parents[2] / "samples" / "cluster")
        self.agents_port = port = free_ports(1)[0]
        self.slicectl("hub", "init", "--dir", self.hub_directory, "--name", self.hub, "--agent-endpoint", f"127.0.0.1:{port}",
                      "--agent-listen", f"127.0.0.1:{port}", "--shim-address", "127.0.0.1",
                      "--shim-port", consecutive_ports(count + 1), "--shim-ports", count + 1, "--kubeconfig", "REPLACED",
                      configured=False)
        self.own_credentials(kubectl)
        self.tune({"provider": {}, "shim": {}})
        self.names = [f"hollow-{index:04d}" for index in range(count)]
        objects = [self.slicectl("host", "add", name, "--dir", self.hub_directory, configured=False) for name in self.names]
        kubectl("apply", "-f", "-", stdin="---\n".join(objects), timeout=self.patience)
        commands = self.commands()
        for name in ("provider", "shim"):
            self.programs[name] = Program(name, commands[name], self.logs).start()
        files = [self.hub_directory / "hosts" / f"{name}.slicelet" for name in self.names]
        self.fleet = Program("hollow_hosts", [self.bin / "tests" / "bench" / "hollow_hosts", *files], self.logs).start()

        def all_ready():
            nodes = [n for n in kubectl.get("nodes") if n["metadata"]["name"].startswith("hollow-")]
            ready = [n for n in nodes if (c := condition(n, "Ready")) and c["status"] == "True"]
            linked = [n for n in ready if (c := condition(n, "slicelet.io/LinkReady")) and c["status"] == "True"]
            return len(linked) == count

        wait_until(f"{count} nodes Ready", all_ready, timeout=self.patience, interval=max(1, count / 250))

    def down(self):
        if hasattr(self, "fleet"):
            self.fleet.kill()
        super().down()


def api_requests(api, since=None):
    """Requests that the API server has answered about what a hub reads and writes, by verb and resource; minus `since`."""
    counts = {}
    for line in api.text("/metrics").splitlines():
        if line.startswith("apiserver_request_total{") and 'resource="' in line:
            verb = line.split('verb="', 1)[1].split('"', 1)[0]
            resource = line.split('resource="', 1)[1].split('"', 1)[0]
            if resource in ("pods", "nodes", "leases", "events", "configmaps", "secrets", "edgehosts"):
                key = f"{verb} {resource}"
                counts[key] = counts.get(key, 0) + float(line.rsplit(" ", 1)[1])
    return {key: value - (since or {}).get(key, 0) for key, value in counts.items()}


def link_bytes(port):
    """Bytes that all agents have exchanged with the provider so far, both ways, TLS records and all above."""
    out = run(["ss", "-tinH", "state", "established", f"( sport = :{port} )"])[1]
    return sum(int(count) for count in re.findall(r"bytes_(?:sent|received):(\d+)", out))


def daemon_set(name):
    """One pod on every hollow host, from one apply."""
    spec = pod(name, args=["wait"])
    spec["spec"]["automountServiceAccountToken"] = False
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": spec["spec"]}}}


def scale(report, options):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slb-", dir="/tmp"))
    # What is measured is the hub, not how fast the controller manager may create pods.
    world = HollowFleet(directory, kcm_flags="--kube-api-qps=1000 --kube-api-burst=2000")
    try:
        measure_scale(report, options, world)
    except Exception:
        for program in world.programs.values():
            print(f"--- {program.name}\n{program.tail()}", file=sys.stderr)
        raise
    finally:
        world.down()
        shutil.rmtree(directory, ignore_errors=True)


def measure_scale(report, options, world):
    begin = time.monotonic()
    world.up_fleet(options.nodes)
    report.add("nodes_ready", "s", [time.monotonic() - begin])
    world.kubectl("")("create", "namespace", "bench")
    kubectl = world.kubectl("bench")
    wait_until("default service account", lambda: kubectl.get("serviceaccount", "default"))
    api = ApiClient(world.plane)
    pids = {name: world.programs[name].process.pid for name in ("shim", "provider")}

    def sizes(suffix):
        for name, pid in pids.items():
            report.add(f"{name}_pss{suffix}", "KiB", [pss_kib(pid)])
        report.add(f"agent_pss_per_host{suffix}", "KiB", [pss_kib(world.fleet.process.pid) / options.nodes])

    def idle(seconds=60.0):
        time.sleep(options.settle)
        begin, requests, count = time.monotonic(), api_requests(api), link_bytes(world.agents_port)
        cpu = {name: cpu_seconds([pid]) for name, pid in pids.items()}
        time.sleep(seconds)
        took = time.monotonic() - begin
        for name, pid in pids.items():
            report.add(f"{name}_cpu_idle", "ms/s", [(cpu_seconds([pid]) - cpu[name]) * 1000 / took])
        report.add("api_requests_idle", "1/s", [sum(api_requests(api, requests).values()) / took])
        report.add("link_per_idle_host_hour", "KB", [(link_bytes(world.agents_port) - count) / options.nodes * 3.6 / took])

    sizes("_empty")
    watched = Watched(api, "bench")
    before = {name: cpu_seconds([pid]) for name, pid in pids.items()}
    requests = api_requests(api)
    begin = time.monotonic()
    names = [f"p-{index:05d}" for index in range(options.pods)]
    for index, name in enumerate(names):
        watched.create(name, world.names[index % options.nodes], args=["wait"])
    report.add("pods_created", "s", [time.monotonic() - begin])
    seen = watched.until(running, set(names), timeout=world.patience)
    report.add("pods_running", "s", [max(seen.values()) - begin])
    for name, pid in pids.items():
        report.add(f"{name}_cpu_per_pod", "ms", [(cpu_seconds([pid]) - before[name]) * 1000 / options.pods])
    report.add("api_requests_per_pod", "", [sum(api_requests(api, requests).values()) / options.pods])
    sizes("_with_pods")
    idle()

    begin = time.monotonic()
    kubectl.apply(daemon_set("everywhere"))
    seen = watched.until_count(running, "everywhere-", options.nodes, timeout=world.patience)
    report.add("apply_to_all_running", "s", [max(seen.values()) - begin])
    report.add("load_average", "", [os.getloadavg()[0]])
