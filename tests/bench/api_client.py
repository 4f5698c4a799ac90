"""A small client of the API server: kubectl's start-up time would hide what is measured."""

import http.client
import json
import queue
import ssl
import threading
import time
import urllib.parse


class ApiClient:
    def __init__(self, plane):
        self._host = urllib.parse.urlparse(plane.url)
        pki = plane.directory / "pki"
        self._context = ssl.create_default_context(cafile=pki / "ca.crt")
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._connection = self._connect()

    def _connect(self, timeout=60):
        return http.client.HTTPSConnection(self._host.hostname, self._host.port, context=self._context, timeout=timeout)

    def request(self, method, path, body=None):
        self._connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        data = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:300]!r}")
        return json.loads(data)

    def text(self, path):
        self._connection.request("GET", path)
        return self._connection.getresponse().read().decode()

    def watch(self, path):
        """A thread that reads the watch; events arrive in a queue as (monotonic time, event)."""
        version = self.request("GET", path)["metadata"]["resourceVersion"]
        connection = self._connect(timeout=3600)
        connection.request("GET", f"{path}?watch=1&resourceVersion={version}")
        response = connection.getresponse()
        events = queue.Queue()

        def read():
            try:
                while line := response.readline():
                    events.put((time.monotonic(), json.loads(line)))
            except (OSError, ValueError, AttributeError):
                pass  # closed

        threading.Thread(target=read, daemon=True).start()
        return connection, events
