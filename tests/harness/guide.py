"""Following a document: its commands in a shell."""

import contextlib
import os
import shutil
import signal
import subprocess

from tests.harness.documents import blocks
from tests.harness.kubernetes import ROOT

STEP_TIMEOUT = 1800


class Commands:
    """The named blocks of `document`, to be run in `directory` one by one."""

    def __init__(self, document, directory, environment):
        self.document = document
        self.steps = {block.name: block for block in blocks(document) if block.name != "none"}
        self.followed = []
        self.directory = directory
        self.environment = {**os.environ, **environment}

    def follow(self, name):
        self.run(self.steps[name])
        self.followed.append(name)

    def run(self, block):
        """What its commands print, which is what the document says."""
        printed = self.shell(self.adapted(block.commands))
        missing = block.missing(printed)
        assert missing is None, f"{self.document} says that this is printed: {missing}\nprinted:\n{printed}"
        return printed

    def adapted(self, commands):
        """The commands as they are to be run: with the addresses, say, that are a test's own."""
        return commands

    def shell(self, commands):
        output = self.directory / "output"
        with open(output, "w") as file:
            shell = subprocess.Popen(["bash", "-euo", "pipefail", "-c", commands], cwd=self.directory, env=self.environment,
                                     stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
        try:
            code = shell.wait(timeout=STEP_TIMEOUT)
        finally:
            # Also what a failed step left running.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
        assert code == 0, f"{commands}\nexit {code}:\n{output.read_text()}"
        return output.read_text()


class Guide(Commands):
    """The same where kubectl leads to a test's cluster."""

    def __init__(self, edge, document, directory):
        kubeconfig = directory / "kubeconfig"
        shutil.copy(edge.plane.kubeconfig, kubeconfig)
        super().__init__(document, directory, {"KUBECONFIG": str(kubeconfig), "PATH": f"{edge.plane.bin}:{os.environ['PATH']}"})

    def within(self, namespace):
        """What names no namespace means this one."""
        self.shell(f"kubectl config set-context --current --namespace={namespace}")
        return self


def sample_guide(edge, sample, kubectl, directory):
    """The README of a sample whose files are as they stand in the repository, in a test's namespace."""
    (directory / "samples").symlink_to(ROOT / "samples")
    return Guide(edge, f"samples/{sample}/README.md", directory).within(kubectl.namespace)
