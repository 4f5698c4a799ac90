"""A hub without a cluster: Kubernetes manifests in a directory, and slicectl in the place of kubectl."""

import json

import yaml

from tests.harness.edge import CONTAINERD, Edge
from tests.harness.kubernetes import condition, run
from tests.harness.ports import consecutive_ports, free_ports
from tests.harness.process import Program
from tests.harness.waiting import wait_until


class Standalone(Edge):
    """Hub, one host and its containerd; there is no control plane."""

    def up(self):
        self.link_kind = "grpc"
        run([CONTAINERD, "up", self.containerd_directory], timeout=1800)
        endpoint = f"127.0.0.1:{free_ports(1)[0]}"
        self.slicectl("hub", "init", "--dir", self.hub_directory, "--name", self.hub, "--agent-endpoint", endpoint,
                      "--agent-listen", endpoint, "--shim-address", "127.0.0.1", "--shim-port", consecutive_ports(4), "--shim-ports", 4,
                      configured=False)
        self.slicectl("host", "add", self.host, "--dir", self.hub_directory, configured=False)
        self._agent_configuration(cgroup="-alone")
        for name, command in self.commands().items():
            self.programs[name] = Program(f"alone-{name}", command, self.logs).start()
        wait_until("the node is Ready", self.ready_node, timeout=240)
        return self

    def down(self):
        self.end_programs()

    @property
    def manifests(self):
        return self.hub_directory / "manifests"

    def apply(self, name, *objects):
        """Into the file of that name, all at once."""
        new = self.directory / name
        new.write_text(yaml.safe_dump_all(objects))
        new.rename(self.manifests / name)

    def command(self, *arguments):
        """slicectl's command line."""
        return [self.binary("slicectl"), "--config", self.hub_directory / "operator.yaml", *arguments]

    def get(self, kind, name):
        """The object, or None."""
        items = json.loads(self.slicectl("get", kind, "-o", "json"))["items"]
        return next((item for item in items if item["metadata"]["name"] == name), None)

    def ready_node(self):
        node = self.get("nodes", self.node)
        return node if node and condition(node, "Ready")["status"] == "True" else None

    def kill_container(self, pod):
        """As a crash would: the first process of a pod's only container."""
        container = self.get("pods", pod)["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        tasks = run([CONTAINERD, "ctr", self.containerd_directory, "tasks", "ls"])[1]
        run(["kill", "-KILL", next(line.split()[1] for line in tasks.splitlines() if line.startswith(container))])
