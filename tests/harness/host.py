"""One more edge host: an agent with a containerd of its own."""

import json
import os
import pathlib

from tests.harness.edge import CONTAINERD, CRICTL_PATIENCE
from tests.harness.kubernetes import run
from tests.harness.process import Program


class Host:
    """Paths, containerd and agent of host `name`, whose credentials lie in `hub_directory`."""

    def __init__(self, edge, name, hub_directory, **agent_settings):
        self.name = name
        self.edge = edge
        self.hub_directory = pathlib.Path(hub_directory)
        # Short, because containerd's sockets have at most 107 characters.
        self.directory = edge.directory / f"h-{name}"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._settings = agent_settings
        self.agent = None

    @property
    def containerd_directory(self):
        return self.directory / "c"

    def up(self):
        run([CONTAINERD, "up", self.containerd_directory], timeout=1800)
        (self.directory / "boot_id").write_text("boot-1\n")
        (self.directory / "agent.json").write_text(json.dumps({
            "runtimeSocket": str(self.containerd_directory / "containerd.sock"),
            "root": str(self.directory / "state"),
            "logRoot": str(self.directory / "pods"),
            "logLevel": "debug",
            "cgroupParent": f"/slicelet-{os.getpid()}-{self.name}",
            "bootIdFile": str(self.directory / "boot_id"), **self._settings}, indent=2))
        self.agent = Program(f"agent-{self.name}", [
            self.edge.binary("slicelet-agent"), "--host", self.hub_directory / "hosts" / f"{self.name}.slicelet",
            "--config", self.directory / "agent.json"], self.edge.logs).start()
        return self

    def down(self):
        if self.agent:
            self.agent.kill()
        run([CONTAINERD, "down", self.containerd_directory], check=False, timeout=600)
        for mount in ("volatile", "termination"):  # the agent leaves its tmpfs to the next agent
            run(["umount", "-l", self.directory / "state" / mount], check=False)

    def running_containers(self):
        """Running containers, as the runtime tells."""
        endpoint = f"unix://{self.containerd_directory}/containerd.sock"
        _, out, _ = run([self.edge.plane.bin / "crictl", "--timeout", CRICTL_PATIENCE, "--runtime-endpoint", endpoint, "--image-endpoint",
                         endpoint, "ps", "-o", "json", "--state", "Running"])
        return json.loads(out)["containers"]
