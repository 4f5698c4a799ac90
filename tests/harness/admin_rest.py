"""A provider's admin API: users, a client, and schemathesis, which tests it against its own document."""

import json
import os
import pathlib
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from tests.harness.kubernetes import ROOT, run
from tests.harness.waiting import wait_until

SCHEMATHESIS = "4.32.5"
# What it makes its requests with; another version makes others.
HYPOTHESIS = "6.170.15"
SETTINGS = ROOT / "tests" / "e2e" / "schemathesis.toml"
PASSWORDS = {"vera": "vera-may-look", "otto": "otto-may-change"}
ROLES = {"vera": "viewer", "otto": "operator"}


def users(edge):
    """The users file's text; the hashes are made as a person would make them."""
    lines = []
    for name, password in PASSWORDS.items():
        hashed = subprocess.run([edge.binary("slicelet-provider"), "--hash-password"], input=f"{password}\n", text=True,
                                capture_output=True, check=True).stdout.strip()
        lines.append(f"{name}:{ROLES[name]}:{hashed}\n")
    return "".join(lines)


class Client:
    """One user of the API at https://127.0.0.1:PORT."""

    def __init__(self, port, authority, user=None):
        self.url = f"https://127.0.0.1:{port}"
        self._context = ssl.create_default_context(cafile=authority)
        self.token = ""
        wait_until("the admin API answers", lambda: self.get("/healthz", missing=None))
        if user:
            status, answer = self.ask("POST", "/v1/login", {"username": user, "password": PASSWORDS[user]})
            assert status == 200, answer
            self.token = answer["token"]

    def ask(self, method, path, body=None, headers=None):
        """(status, what was answered as JSON or None)."""
        request = urllib.request.Request(self.url + path, method=method, headers={
            **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
            **({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})},
            data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, context=self._context, timeout=120) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text else None

    def get(self, path, missing=404):
        """What is there; None for a status of `missing`, or when nobody answers and that is None."""
        try:
            status, answer = self.ask("GET", path)
        except OSError:
            if missing is None:
                return None
            raise
        assert status in (200, missing), (path, status, answer)
        return answer if status == 200 else None


def schemathesis():
    """The program in an environment of its own, apart from the repository; installed once."""
    cache = pathlib.Path(os.environ.get("SLICELET_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "slicelet")
    place = cache / f"schemathesis-{SCHEMATHESIS}"
    program = place / "bin" / "schemathesis"
    installed = place / "installed"
    if not installed.exists():
        run([sys.executable, "-m", "venv", "--clear", place], timeout=900)
        run([place / "bin" / "pip", "-q", "install", f"schemathesis=={SCHEMATHESIS}", f"hypothesis=={HYPOTHESIS}"], timeout=1800)
        installed.touch()
    return program


def conforms(client, authority, directory, seconds):
    """Runs schemathesis against the API for so long at most; (exit code, what it printed)."""
    code, out, error = run([
        schemathesis(), "--config-file", SETTINGS, "run", f"{client.url}/openapi.json", "--header",
        f"Authorization: Bearer {client.token}", "--tls-verify", authority, "--no-color", "--max-time", seconds],
        check=False, timeout=seconds + 900, environment={"HYPOTHESIS_STORAGE_DIRECTORY": str(directory / "hypothesis")},
        directory=directory)  # where it keeps what it has found
    return code, out + error
