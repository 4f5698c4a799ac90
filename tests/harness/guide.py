"""Following a document: its commands in a shell where kubectl leads to a test's cluster."""

import contextlib
import os
import shutil
import signal
import subprocess

from tests.harness.documents import blocks

STEP_TIMEOUT = 900


class Guide:
    """The named blocks of `document`, to be run in `directory` one by one."""

    def __init__(self, edge, document, directory):
        self.document = document
        self.steps = {block.name: block for block in blocks(document) if block.name != "none"}
        self.followed = []
        self.directory = directory
        kubeconfig = directory / "kubeconfig"
        shutil.copy(edge.plane.kubeconfig, kubeconfig)
        self.environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": f"{edge.plane.bin}:{os.environ['PATH']}"}

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
