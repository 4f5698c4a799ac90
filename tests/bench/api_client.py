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
        status, data = self._exchange(method, path, json.dumps(body) if body else None)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {data[:300]!r}")
        return json.loads(data)

    def text(self, path):
        return self._exchange("GET", path)[1].decode()

    def _exchange(self, method, path, body=None):
        try:
            return self._send(method, path, body)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            # The server closes connections that were idle for long, without a word.
            self._connection = self._connect()
            return self._send(method, path, body)

    def _send(self, method, path, body):
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()

    def watch(self, path):
        """A queue into which a thread puts the events of a watch as (monotonic time, event).

        A server that is short of time drops watchers: then the watch goes on where it stopped.
        """
        version = self.request("GET", path)["metadata"]["resourceVersion"]
        events = queue.Queue()

        def read():
            last = version
            while True:
                try:
                    connection = self._connect(timeout=3600)
                    connection.request("GET", f"{path}?watch=1&resourceVersion={last}")
                    response = connection.getresponse()
                    while line := response.readline():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            raise RuntimeError(f"watch of {path}: {event['object'].get('message')}")
                        last = event["object"]["metadata"]["resourceVersion"]
                        events.put((time.monotonic(), event))
                except (OSError, ValueError, http.client.HTTPException):
                    time.sleep(0.1)  # the connection broke, or the control plane is gone for good

        threading.Thread(target=read, daemon=True).start()
        return events
