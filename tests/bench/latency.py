"""Create -> Running seen, container exit -> status seen, delete -> object gone, CPU per pod life.

Every figure is seen at a watch of the API server, so it spans all three programs and both durable writes.
"""

import os
import signal
import time

from tests.harness.pods import pod


class Watched:
    """Pods of one namespace, as a watch shows them."""

    def __init__(self, api, namespace):
        self.path = f"/api/v1/namespaces/{namespace}/pods"
        self.api = api
        self._connection, self._events = api.watch(self.path)

    def create(self, name, node, **fields):
        body = pod(name, **fields)
        body["spec"]["nodeName"] = node
        body["spec"].pop("nodeSelector")
        self.api.request("POST", self.path, body)

    def delete(self, name):
        self.api.request("DELETE", f"{self.path}/{name}")

    def until(self, wanted, names, timeout=120):
        """For each of `names`: when the watch first showed it in the wanted state."""
        seen = {}
        deadline = time.monotonic() + timeout
        while len(seen) < len(names):
            at, event = self._events.get(timeout=max(0.1, deadline - time.monotonic()))
            name = event["object"]["metadata"]["name"]
            if name in names and name not in seen and wanted(event):
                seen[name] = at
        return seen


def running(event):
    return event["object"].get("status", {}).get("phase") == "Running"


def exited(event):
    statuses = event["object"].get("status", {}).get("containerStatuses", [{}])
    return "terminated" in statuses[0].get("state", {})


def gone(event):
    return event["type"] == "DELETED"


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def measure(world, api, namespace, rounds, bursts, host_network):
    """Milliseconds per figure. `world` has node, pids() and main_pid(namespace, pod)."""
    watched = Watched(api, namespace)
    samples = {"running": [], "running_10": [], "exit": [], "gone": [], "cpu": []}
    extra = {"hostNetwork": True} if host_network else {}
    for index in range(rounds):
        name = f"one-{index}"
        cpu = cpu_seconds(world.pids())
        begin = time.monotonic()
        watched.create(name, world.node, args=["wait"], restart="Never", **extra)
        samples["running"].append((watched.until(running, {name})[name] - begin) * 1000)
        pid = world.main_pid(namespace, name)
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        samples["exit"].append((watched.until(exited, {name})[name] - begin) * 1000)
        watched.delete(name)
        watched.until(gone, {name})
        samples["cpu"].append((cpu_seconds(world.pids()) - cpu) * 1000)
    for index in range(rounds):
        name = f"gone-{index}"
        watched.create(name, world.node, args=["wait"], **extra)
        watched.until(running, {name})
        begin = time.monotonic()
        watched.delete(name)
        samples["gone"].append((watched.until(gone, {name})[name] - begin) * 1000)
    for index in range(bursts):
        names = [f"burst-{index}-{i}" for i in range(10)]
        begins = {}
        for name in names:
            begins[name] = time.monotonic()
            watched.create(name, world.node, args=["wait"], **extra)
        seen = watched.until(running, set(names))
        samples["running_10"].extend((seen[name] - begins[name]) * 1000 for name in names)
        for name in names:
            watched.delete(name)
        watched.until(gone, set(names))
    return samples
