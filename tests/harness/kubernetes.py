"""The tests' control plane and kubectl."""

import contextlib
import os
import pathlib
import pty
import re
import select
import subprocess
import time

import yaml

from tests.harness.api_reader import ApiReader

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "control-plane" / "control-plane.sh"


# They end before there is garbage worth collecting: a third of what they cost.
SHORT_LIVED = {"kubectl", "crictl", "helm"}


def run(command, check=True, timeout=300, stdin=None, environment=None, directory=None):
    """Runs a command and returns (exit code, stdout, stderr); with `check`, failure raises RuntimeError."""
    collector = {"GOGC": "off"} if pathlib.Path(command[0]).name in SHORT_LIVED else {}
    result = subprocess.run(
        [str(part) for part in command], input=stdin, capture_output=True, text=True, timeout=timeout, cwd=directory,
        env={**os.environ, **collector, **(environment or {})})
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {result.returncode}: {result.stderr.strip()}")
    return result.returncode, result.stdout, result.stderr


class ControlPlane:
    def __init__(self, directory, kcm_flags=""):
        self.directory = pathlib.Path(directory)
        # Of kube-controller-manager, from its next start on.
        self.kcm_flags = kcm_flags

    def up(self):
        self._script("up", self.directory, timeout=1800)
        settings = dict(
            line.split("=", 1) for line in (self.directory / "settings").read_text().splitlines() if "=" in line)
        self.bin = pathlib.Path(settings["bin"])
        self.kubeconfig = self.directory / "admin.conf"
        server = f"{settings['address']}:{settings['api_port']}"
        self.url = f"https://{server}"
        pki = self.directory / "pki"
        self.reader = ApiReader(server, pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
        return self

    def down(self):
        self._script("down", self.directory)

    def start(self, program):
        self._script("start", self.directory, program)

    def kill(self, program):
        self._script("kill", self.directory, program)

    def stop(self, program):
        self._script("stop", self.directory, program)

    def snapshot(self, file):
        self._script("snapshot", self.directory, file)

    def restore(self, file):
        self._script("restore", self.directory, file)

    def _script(self, command, *arguments, timeout=900):
        run([SCRIPT, command, *arguments], timeout=timeout, environment={"SLICELET_KCM_FLAGS": self.kcm_flags})


class Manifest(yaml.SafeDumper):
    """Quotes what kubectl would take for true and false, and PyYAML would not."""


Manifest.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), list("yYnN"))


class Kubectl:
    def __init__(self, control_plane, namespace):
        self._plane = control_plane
        self.namespace = namespace

    def command(self, *arguments):
        """The command line. Without a namespace of its own each object's is used."""
        scope = ["-n", self.namespace] if self.namespace else []
        return [self._plane.bin / "kubectl", "--kubeconfig", self._plane.kubeconfig, *scope, *arguments]

    def __call__(self, *arguments, check=True, stdin=None, timeout=300):
        """kubectl's standard output."""
        code, out, err = run(self.command(*arguments), check=check, stdin=stdin, timeout=timeout)
        return out if check else (code, out, err)

    def get(self, kind, name=None, selector=None, namespace=None):
        """One object, or the list's items. A missing object is None."""
        return self._plane.reader.get(kind, namespace or self.namespace, name, selector)

    def apply(self, *objects):
        self("apply", "-f", "-", stdin=yaml.dump_all(objects, Dumper=Manifest))

    def events(self, name):
        return [event for event in self.get("events") if event["involvedObject"]["name"] == name]

    def ready_pods(self, app, count):
        """The pods with that app label, if there are exactly `count` that live and all are Ready; else None."""
        pods = [pod for pod in self.get("pods", selector=f"app={app}") if "deletionTimestamp" not in pod["metadata"]]
        return pods if len(pods) == count and all(is_ready(pod) for pod in pods) else None

    def follow(self, *arguments):
        return follow(self.command(*arguments))

    def terminal(self, arguments, typed, wait_for, timeout=120):
        return terminal(self.command(*arguments), typed, wait_for, timeout)


@contextlib.contextmanager
def follow(command):
    """An iterator over the lines that a command prints while it runs."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    try:
        yield (line.rstrip("\n") for line in process.stdout)
    finally:
        process.kill()
        process.wait()


def terminal(command, typed, wait_for, timeout=120):
    """Runs a command on a pseudo terminal, types, and returns what the screen showed once it holds `wait_for`."""
    main, other = pty.openpty()
    process = subprocess.Popen([str(part) for part in command], stdin=other, stdout=other, stderr=other, start_new_session=True)
    os.close(other)
    screen = ""
    sent = False
    deadline = time.monotonic() + timeout
    try:
        while wait_for not in screen and time.monotonic() < deadline:
            if not sent:
                os.write(main, typed.encode())
                sent = True
            readable, _, _ = select.select([main], [], [], 0.5)
            if readable:
                screen += os.read(main, 65536).decode(errors="replace")
        os.write(main, b"\x04")
    except OSError:
        pass  # the command ended
    finally:
        process.kill()
        process.wait()
        os.close(main)
    assert wait_for in screen, f"the terminal shows {screen!r}"
    return screen


def condition(obj, kind):
    """The condition of that type, or None."""
    for entry in obj.get("status", {}).get("conditions", []):
        if entry["type"] == kind:
            return entry
    return None


def is_ready(pod):
    ready = condition(pod, "Ready")
    return pod["status"].get("phase") == "Running" and ready is not None and ready["status"] == "True"
