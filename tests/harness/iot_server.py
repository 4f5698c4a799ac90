"""What runs as an IotServer of profile mainflux-classic, talked to through its endpoints with the credentials of its Secret."""

import base64
import json
import urllib.error
import urllib.request
from http.client import HTTPException


def ask(url, method, body=None, token=""):
    """(status, JSON or None, headers); status 0 when nobody answers."""
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json", **({"Authorization": token} if token else {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as refused:
        return refused.code, None, refused.headers
    except (OSError, HTTPException):
        return 0, None, {}


class IotServer:
    """`name` in the namespace of `kubectl`."""

    def __init__(self, kubectl, name="iot"):
        status = kubectl.get("iotserver", name)["status"]
        self.endpoints = status["endpoints"]
        secret = kubectl.get("secret", status["credentialsSecret"])["data"]
        self.login = {key: base64.b64decode(secret[key]).decode() for key in ("email", "password")}

    def token(self):
        code, answer, _ = self.ask("users", "POST", "/tokens", self.login)
        assert code == 201, f"logging in: {code}"
        return answer["token"]

    def count(self, kind):
        """How many things or channels the user has."""
        code, answer, _ = self.ask("things", "GET", f"/{kind}?limit=1", token=self.token())
        assert code == 200, f"counting {kind}: {code}"
        return answer["total"]

    def ask(self, part, method, path, body=None, token=""):
        return ask(self.endpoints[part] + path, method, body, token)
