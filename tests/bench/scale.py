"""Shim and provider with many nodes and pods: memory, CPU, API requests, time until everything runs.

The hosts are hollow: the agent's own code over real TLS and gRPC, with a scripted container runtime.
"""

import pathlib
import shutil
import subprocess
import tempfile
import time

import yaml

from tests.bench.api_client import ApiClient
from tests.bench.latency import Watched, cpu_seconds, running
from tests.bench.run import pss_kib
from tests.harness.edge import Edge, consecutive_ports, free_ports
from tests.harness.kubernetes import condition
from tests.harness.process import Program
from tests.harness.waiting import wait_until


class HollowFleet(Edge):
    """A hub whose hosts run in one process."""

    def up_fleet(self, count):
        self.plane.up()
        kubectl = self.kubectl("")
        kubectl("apply", "-f", pathlib.Path(__file__).parents[2] / "charts" / "slicelet-hub" / "crds")
        kubectl("apply", "-f", pathlib.Path(__file__).parents[2] / "samples" / "cluster")
        port, = free_ports(1)
        self.slicectl("hub", "init", "--dir", self.hub_directory, "--name", self.hub, "--agent-endpoint", f"127.0.0.1:{port}",
                      "--agent-listen", f"127.0.0.1:{port}", "--shim-address", "127.0.0.1",
                      "--shim-port", consecutive_ports(count + 1), "--shim-ports", count + 1, "--kubeconfig", "REPLACED",
                      configured=False)
        self.own_credentials(kubectl)
        self.tune({"provider": {"heartbeat": "60s"}, "shim": {"referentRefresh": "60s"}})
        self.names = [f"hollow-{index:04d}" for index in range(count)]
        objects = [self.slicectl("host", "add", name, "--dir", self.hub_directory, configured=False) for name in self.names]
        kubectl("apply", "-f", "-", stdin="---\n".join(objects))
        commands = self.commands()
        for name in ("provider", "shim"):
            self.programs[name] = Program(name, commands[name], self.logs).start()
        files = [self.hub_directory / "hosts" / f"{name}.slicelet" for name in self.names]
        self.fleet = Program("hollow_hosts", [self.binary("hollow_hosts"), *files], self.logs).start()

        def all_ready():
            nodes = [n for n in kubectl.get("nodes") if n["metadata"]["name"].startswith("hollow-")]
            ready = [n for n in nodes if (c := condition(n, "Ready")) and c["status"] == "True"]
            linked = [n for n in ready if (c := condition(n, "slicelet.io/LinkReady")) and c["status"] == "True"]
            return len(linked) == count

        wait_until(f"{count} nodes Ready", all_ready, timeout=300, interval=0.5)

    def down(self):
        if hasattr(self, "fleet"):
            self.fleet.kill()
        super().down()


def api_requests(api, since=None):
    """Requests that the API server has answered to the shim and its nodes, by verb; minus `since`."""
    counts = {}
    text = api.text("/metrics")
    for line in text.splitlines():
        if line.startswith("apiserver_request_total{") and 'resource="' in line:
            verb = line.split('verb="', 1)[1].split('"', 1)[0]
            resource = line.split('resource="', 1)[1].split('"', 1)[0]
            if resource in ("pods", "nodes", "leases", "events", "configmaps", "secrets"):
                key = f"{verb} {resource}"
                counts[key] = counts.get(key, 0) + float(line.rsplit(" ", 1)[1])
    return {key: value - (since or {}).get(key, 0) for key, value in counts.items()}


def scale(report, options):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slb-", dir="/tmp"))
    world = HollowFleet(directory)
    try:
        begin = time.monotonic()
        world.up_fleet(options.nodes)
        report.add("nodes_ready", "s", [time.monotonic() - begin])
        world.kubectl("")("create", "namespace", "bench")
        wait_until("default service account", lambda: world.kubectl("bench").get("serviceaccount", "default"))
        api = ApiClient(world.plane)
        watched = Watched(api, "bench")
        pids = {name: world.programs[name].process.pid for name in ("shim", "provider")}
        before = {name: cpu_seconds([pid]) for name, pid in pids.items()}
        begin = time.monotonic()
        names = [f"p-{index:05d}" for index in range(options.pods)]
        for index, name in enumerate(names):
            watched.create(name, world.names[index % options.nodes], args=["wait"])
        created = time.monotonic()
        seen = watched.until(running, set(names), timeout=900)
        report.add("pods_created", "s", [created - begin])
        report.add("pods_running", "s", [max(seen.values()) - begin])
        for name, pid in pids.items():
            report.add(f"{name}_cpu_per_pod", "ms", [(cpu_seconds([pid]) - before[name]) * 1000 / options.pods])
            report.add(f"{name}_pss", "KiB", [pss_kib(pid)])
        time.sleep(options.settle)
        idle_begin, requests = time.monotonic(), api_requests(api)
        idle_cpu = {name: cpu_seconds([pid]) for name, pid in pids.items()}
        time.sleep(60)
        seconds = time.monotonic() - idle_begin
        for name, pid in pids.items():
            report.add(f"{name}_cpu_idle", "ms/s", [(cpu_seconds([pid]) - idle_cpu[name]) * 1000 / seconds])
        report.add("api_requests_idle", "1/s", [sum(api_requests(api, requests).values()) / seconds])
    finally:
        world.down()
        shutil.rmtree(directory, ignore_errors=True)
