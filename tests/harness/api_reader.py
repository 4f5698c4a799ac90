"""Reads objects from the API server: what `kubectl get -o json` prints, without a process for each look.

Tests look ten times a second while they wait; a kubectl for each would take half of a core.
"""

import http.client
import json
import ssl
import threading
import urllib.parse

# All kinds of all groups in one answer each, which a server that is older refuses.
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_TIMEOUT = 60


class ApiReader:
    """Speaks to `server` (host:port) as whom the certificate names. A server that does not answer is a RuntimeError."""

    def __init__(self, server, authority, certificate, key):
        self._server = server
        self._context = ssl.create_default_context(cafile=authority)
        self._context.load_cert_chain(certificate, key)
        self._local = threading.local()
        self._kinds = {}

    def get(self, kind, namespace, name=None, selector=None):
        """One object, or the list's items. A missing object is None, of a missing namespace too."""
        path, namespaced, item_kind = self._kind(kind)
        prefix, _, plural = path.rpartition("/")
        path = f"{prefix}/namespaces/{namespace or 'default'}/{plural}" if namespaced else path
        if name:
            status, answer = self._request(f"{path}/{name}")
        else:
            query = f"?{urllib.parse.urlencode({'labelSelector': selector})}" if selector else ""
            status, answer = self._request(path + query)
        if status == 404:
            return None
        if status != 200:
            raise RuntimeError(f"GET {path}: {status}: {answer.get('message', '')}")
        if name:
            return answer
        return [{"apiVersion": answer["apiVersion"], "kind": item_kind, **item} for item in answer["items"]]

    def refusal(self, kind, namespace, made):
        """(status, message) of the answer to making this object, of which nothing stays: unknown fields are refused too."""
        path, _, _ = self._kind(kind)
        prefix, _, plural = path.rpartition("/")
        status, answer = self._request(f"{prefix}/namespaces/{namespace}/{plural}?dryRun=All&fieldValidation=Strict", made=made)
        return status, answer.get("message", "")

    def patch(self, kind, namespace, name, change, part=""):
        """Merges `change` into an object, or into that `part` of it."""
        path, namespaced, _ = self._kind(kind)
        prefix, _, plural = path.rpartition("/")
        path = f"{prefix}/namespaces/{namespace}/{plural}/{name}" if namespaced else f"{path}/{name}"
        path = f"{path}/{part}" if part else path
        status, answer = self._request(path, made=change, method="PATCH", kind="application/merge-patch+json")
        if status != 200:
            raise RuntimeError(f"PATCH {path}: {status}: {answer.get('message', '')}")

    def _kind(self, name):
        """(path of all objects, namespaced, kind) of a resource by any of its names."""
        if name not in self._kinds:
            self._discover()
        if name not in self._kinds:
            raise RuntimeError(f"the server has no resource {name}")
        return self._kinds[name]

    def _discover(self):
        for root in ("/api", "/apis"):
            status, answer = self._request(root, _DISCOVERY)
            if status != 200:
                raise RuntimeError(f"GET {root}: {status}")
            for group in answer["items"]:
                group_name = group["metadata"].get("name", "")
                version = group["versions"][0]
                prefix = f"/apis/{group_name}/{version['version']}" if group_name else f"/api/{version['version']}"
                for resource in version.get("resources", []):
                    found = (f"{prefix}/{resource['resource']}", resource["scope"] == "Namespaced", resource["responseKind"]["kind"])
                    names = [resource["resource"], resource.get("singularResource"), *resource.get("shortNames", [])]
                    for one in filter(None, names):
                        # As with kubectl the core group's comes first.
                        self._kinds.setdefault(one, found)
                        self._kinds.setdefault(f"{one}.{group_name}", found)

    def _request(self, path, accept="application/json", made=None, method="POST", kind="application/json"):
        """(status, JSON) of a GET, or of sending what is `made`. A connection that the server closed meanwhile is made anew."""
        method = "GET" if made is None else method
        body = None if made is None else json.dumps(made)
        for kept in (True, False):
            connection = getattr(self._local, "connection", None) if kept else None
            if kept and connection is None:
                continue
            try:
                if connection is None:
                    connection = http.client.HTTPSConnection(self._server, timeout=_TIMEOUT, context=self._context)
                    self._local.connection = connection
                connection.request(method, path, body, {"Accept": accept, "Content-Type": kind})
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                connection.close()
                self._local.connection = None
                if not kept:
                    raise RuntimeError(f"{method} https://{self._server}{path}: {error!r}") from error
        raise AssertionError("not reached")
