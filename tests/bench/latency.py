"""Create -> Running seen, container exit -> status seen, delete -> object gone, CPU per pod life.

Every figure is seen at a watch of the API server, so it spans all three programs and both durable writes. Where there is
a peer, each sample of ours is followed by one of the peer's: what else the machine does troubles both alike.
"""

import itertools
import os
import queue
import signal
import time

from tests.harness.pods import pod

#: So that one sample does not pay for what the one before it left behind.
PAUSE = 0.7


class Watched:
    """Pods of one namespace, as a watch shows them."""

    def __init__(self, api, namespace):
        self.path = f"/api/v1/namespaces/{namespace}/pods"
        self.api = api
        self._events = api.watch(self.path)

    def create(self, name, node, **fields):
        body = pod(name, **fields)
        body["spec"]["nodeName"] = node
        body["spec"].pop("nodeSelector")
        # Else the kubelet mounts a token into every pod, and slicelet does not.
        body["spec"]["automountServiceAccountToken"] = False
        self.api.request("POST", self.path, body)

    def delete(self, name):
        self.api.request("DELETE", f"{self.path}/{name}")

    def until(self, wanted, names, timeout=120):
        """For each of `names`: when the watch first showed it in the wanted state."""
        return self._collect(wanted, names.__contains__, len(names), timeout)

    def until_count(self, wanted, prefix, count, timeout=120):
        """The same for `count` pods whose names begin with `prefix`."""
        return self._collect(wanted, lambda name: name.startswith(prefix), count, timeout)

    def _collect(self, wanted, belongs, count, timeout):
        seen = {}
        deadline = time.monotonic() + timeout
        while len(seen) < count:
            try:
                at, event = self._events.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise RuntimeError(f"after {timeout} s {len(seen)} of {count} pods {wanted.__name__}") from None
            name = event["object"]["metadata"]["name"]
            if belongs(name) and name not in seen and wanted(event):
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
    """CPU time of whole processes since they began, in nanosecond steps."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


class Sampler:
    """Measures one system. `world` has node, pids() and containers."""

    def __init__(self, world, api, namespace, host_network):
        self._world = world
        self._watched = Watched(api, namespace)
        self._extra = {"hostNetwork": True} if host_network else {}
        self._number = itertools.count()
        self.samples = {"running": [], "running_10": [], "exit": [], "gone": [], "cpu": []}

    def life(self):
        """One pod from its creation over the death of its container to its end."""
        name = f"one-{next(self._number)}"
        cpu = cpu_seconds(self._world.pids())
        self._record("running", self._start(name, restart="Never"))
        pid = self._world.containers.main_pid(name)
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self._record("exit", self._watched.until(exited, {name})[name] - begin)
        self._watched.delete(name)
        self._watched.until(gone, {name})
        self._record("cpu", cpu_seconds(self._world.pids()) - cpu)

    def removal(self):
        """A pod that runs is deleted; its container ends as soon as it is asked to."""
        name = f"gone-{next(self._number)}"
        self._start(name)
        begin = time.monotonic()
        self._watched.delete(name)
        self._record("gone", self._watched.until(gone, {name})[name] - begin)

    def burst(self):
        """Ten pods at once."""
        number = next(self._number)
        names = [f"burst-{number}-{i}" for i in range(10)]
        begins = {}
        for name in names:
            begins[name] = time.monotonic()
            self._create(name)
        seen = self._watched.until(running, set(names))
        for name in names:
            self._record("running_10", seen[name] - begins[name])
            self._watched.delete(name)
        self._watched.until(gone, set(names))

    def _create(self, name, **fields):
        self._watched.create(name, self._world.node, args=["wait"], **self._extra, **fields)

    def _start(self, name, **fields):
        begin = time.monotonic()
        self._create(name, **fields)
        return self._watched.until(running, {name})[name] - begin

    def _record(self, figure, seconds):
        self.samples[figure].append(seconds * 1000)


def measure(samplers, rounds, bursts):
    """Fills the samples of all `samplers`, taking turns; returns the load averages of the run."""
    loads = []

    def turns(step, count):
        for index in range(count):
            # The order changes, so that none always comes after the same.
            for sampler in samplers if index % 2 == 0 else samplers[::-1]:
                step(sampler)
                time.sleep(PAUSE)
            loads.append(os.getloadavg()[0])

    turns(Sampler.life, 2)
    for sampler in samplers:
        for values in sampler.samples.values():
            values.clear()
    turns(Sampler.life, rounds)
    turns(Sampler.removal, rounds)
    turns(Sampler.burst, bursts)
    return loads
