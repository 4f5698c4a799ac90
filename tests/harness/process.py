"""One program of a test: started, killed and started again by process id, its log kept."""

import os
import pathlib
import signal
import subprocess


class Ended(Exception):
    """A program has ended by itself: what is waited for will not come (`wait_until` lets this one through)."""


class Program:
    def __init__(self, name, command, log_directory, environment=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = pathlib.Path(log_directory) / f"{name}.log"
        self.environment = {**os.environ, **(environment or {})}
        self.process = None

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment,
                start_new_session=True)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def require_running(self):
        if not self.running():
            raise Ended(f"{self.name} has ended with {self.process and self.process.returncode}: {self.tail()}")

    def kill(self):
        """SIGKILL, as by the kernel or a power cut."""
        if self.running():
            self.process.kill()
            self.process.wait(timeout=120)

    def stop(self, timeout=120):
        """SIGTERM; returns the exit code."""
        if not self.running():
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not stop within {timeout} s of SIGTERM; log: {self.tail()}")

    def restart(self):
        self.kill()
        return self.start()

    def said_so_far(self):
        """The length of the log; `said(since)` is what comes after it, `said(0, since)` what came before."""
        return self.log.stat().st_size if self.log.exists() else 0

    def said(self, since=0, until=None):
        return self.log.read_bytes()[since:until].decode(errors="replace")

    def tail(self, lines=30):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"
