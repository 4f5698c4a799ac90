"""A hub with a fleet node: two real hosts, each with its own containerd, and hollow ones in one process."""

import json

import yaml

from tests.harness.edge import CONTAINERD, Edge
from tests.harness.kubernetes import condition, run
from tests.harness.process import Program
from tests.harness.waiting import wait_until


class FleetEdge(Edge):
    """gw-1 and gw-2 run containers, hollow-1 ... only say that they do. One node stands for all of them."""

    node = "fleet"
    other = "gw-2"

    def __init__(self, directory, hollow=8, conditions=None):
        super().__init__(directory)
        self.hollow = [f"hollow-{number}" for number in range(1, hollow + 1)]
        self.conditions = conditions or {"fleet": "*"}
        self.other_directory = self.directory / "agent-2"
        self.other_containerd = self.directory / "d"
        self.other_directory.mkdir(parents=True, exist_ok=True)

    def shim_address(self):
        # The API server's proxy of nodes goes to no loopback address; and those of containerds' bridges go with their tests.
        bridges = tuple(f"10.{number}." for number in range(88, 92))
        return next(one for one in run(["hostname", "-I"])[1].split() if not one.startswith(bridges))

    def tune(self, settings_of):
        provider = {**settings_of.get("provider", {}), "hostNodes": False, "fleetNodes": self.conditions}
        super().tune({**settings_of, "provider": provider})

    def up(self):
        super().up()
        run([CONTAINERD, "up", self.other_containerd], timeout=1800)
        self.add_hosts([self.other, *self.hollow])
        self._agent_configuration(self.other, self.other_directory, self.other_containerd, cgroup="-2")
        self.programs["agent-2"] = Program("agent-2", [
            self.binary("slicelet-agent"), "--host", self.other_directory / "host.json",
            "--config", self.other_directory / "agent.json"], self.logs).start()
        if self.hollow:
            self.start_hollow("hollow", self.hollow)
        wait_until("all hosts are connected", lambda: self.connected() == 2 + len(self.hollow), timeout=240)
        return self

    def down(self):
        super().down()
        run([CONTAINERD, "down", self.other_containerd], check=False, timeout=600)
        for mount in ("volatile", "termination"):
            run(["umount", "-l", self.other_directory / "state" / mount], check=False)

    def add_hosts(self, names, **tags):
        objects = []
        for name in names:
            made = self.slicectl("host", "add", name, "--dir", self.hub_directory, configured=False)
            objects.append(yaml.safe_load(made[made.index("apiVersion:"):]))
            if tags:
                objects[-1]["spec"]["tags"] = tags
        self.kubectl("")("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def start_hollow(self, program, names):
        """Hosts that were added, all in one process."""
        files = [self.hub_directory / "hosts" / f"{name}.slicelet" for name in names]
        self.programs[program] = Program(program, [self.binary("hollow_hosts"), *files], self.logs).start()

    def connected(self):
        return sum(1 for info in json.loads(self.slicectl("host", "list", "-o", "json")) if info["connected"])

    def tag(self, host, **tags):
        """Sets tags of an EdgeHost; None removes one."""
        self.kubectl("slicelet")("patch", "edgehost", host, "--type=merge", "-p", json.dumps({"spec": {"tags": tags}}))

    def pod_hosts(self, namespace, pod):
        """What `slicectl pod hosts` says, by host."""
        try:
            out = self.slicectl("pod", "hosts", pod, "-n", namespace, "-o", "json")
        except RuntimeError:
            return {}
        return {entry["host"]: entry for entry in json.loads(out)}

    def where(self, namespace, pod):
        """The hosts whose instance runs."""
        return sorted(host for host, entry in self.pod_hosts(namespace, pod).items()
                      if entry["state"] == "Targeted" and entry["phase"] == "Running")

    def running_on(self, host, namespace, prefix):
        """Ids of running containers of such pods on gw-1 or gw-2, as its runtime tells."""
        containerd = self.other_containerd if host == self.other else self.containerd_directory
        return {one["id"] for one in self.running_containers(namespace, prefix, containerd)}

    def explain(self, namespace, pod):
        """What `slicectl explain pod` says, by host."""
        out = self.slicectl("explain", "pod", pod, "-n", namespace, "-o", "json")
        return {entry["host"]: entry for entry in json.loads(out)["entries"]}

    @staticmethod
    def summary(pod):
        fleet = pod and condition(pod, "slicelet.io/Fleet")
        return fleet["message"] if fleet else ""
