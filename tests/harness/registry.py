"""An image registry on the loopback: what the OCI distribution specification says of pulling, with basic auth.

containerd speaks plain HTTP to registries of the loopback without being configured for it.
"""

import base64
import hashlib
import http.server
import json
import os
import pathlib
import tarfile
import threading

from tests.harness.kubernetes import ROOT, run
from tests.harness.ports import consecutive_ports

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def images_directory():
    """Where the archives of tests/stand-ins are; made when they are not."""
    directory = pathlib.Path(os.environ.get("SLICELET_IMAGE_CACHE", pathlib.Path.home() / ".cache" / "slicelet" / "images"))
    run([ROOT / "tests" / "stand-ins" / "build-image.sh", directory], timeout=1800)
    return directory


class Registry:
    """Serves what was published at `address`; can be taken away and come back there."""

    def __init__(self, user=None, password=None):
        self.port = consecutive_ports(1)
        self.address = f"127.0.0.1:{self.port}"
        # "METHOD PATH STATUS" of every answer, oldest first.
        self.requests = []
        self._wanted = user and "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._blobs, self._tags = {}, {}
        self._server = None

    def publish(self, name, tag="1", **environment):
        """Image `name`:`tag` is the tests' workload with these variables; replaces what had the tag. Returns its reference."""
        with tarfile.open(images_directory() / "workload.tar") as archive:
            files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
        blobs = {"sha256:" + path.rsplit("/", 1)[1]: data for path, data in files.items() if path.startswith("blobs/")}
        manifest = json.loads(blobs[json.loads(files["index.json"])["manifests"][0]["digest"]])
        config = json.loads(blobs[manifest["config"]["digest"]])
        config["config"].setdefault("Env", []).extend(f"{key}={value}" for key, value in environment.items())
        self._blobs.update(blobs)
        data = json.dumps(config).encode()
        manifest |= {"mediaType": MANIFEST, "config": {"mediaType": CONFIG, "digest": self._add(data), "size": len(data)}}
        self._tags[name, tag] = self._add(json.dumps(manifest).encode())
        return f"{self.address}/{name}:{tag}"

    def pulled(self, name):
        """How often the manifest of `name` was asked for and given."""
        return sum(f"/v2/{name}/manifests/" in request and request.endswith(" 200") for request in self.requests)

    def start(self):
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, kind, body = registry._answer(self.path, self.headers.get("Authorization"))
                registry.requests.append(f"{self.command} {self.path} {status}")
                self.send_response(status)
                if status == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="slicelet tests"')
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if kind == MANIFEST:
                    self.send_header("Docker-Content-Digest", digest_of(body))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="registry", daemon=True).start()
        return self

    def stop(self):
        """From now on connections are refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _add(self, data):
        self._blobs[digest_of(data)] = data
        return digest_of(data)

    def _answer(self, path, authorization):
        """(status, content type, body)"""
        if self._wanted and authorization != self._wanted:
            return refusal(401, "UNAUTHORIZED", "these tests want a user name and a password")
        if path.rstrip("/") == "/v2":
            return 200, "application/json", b"{}"
        name, kind, reference = path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests":
            digest = self._tags.get((name, reference), reference)
            return (200, MANIFEST, self._blobs[digest]) if digest in self._blobs else refusal(404, "MANIFEST_UNKNOWN", path)
        if kind == "blobs" and reference in self._blobs:
            return 200, "application/octet-stream", self._blobs[reference]
        return refusal(404, "BLOB_UNKNOWN", path)


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def refusal(status, code, message):
    return status, "application/json", json.dumps({"errors": [{"code": code, "message": message}]}).encode()
