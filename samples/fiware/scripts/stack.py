"""The services of the stack as the scripts use them: requests that name what they expect, tenants, provisioning."""

import http.client
import json
import os
import pathlib
import sys
import time
import urllib.parse

REQUEST_TIMEOUT = 30
# How far back a history is read.
HISTORY_LENGTH = 1000


class Unexpected(Exception):
    """An answer that was not expected, or none."""


class Service:
    """One HTTP service below a base URL, such as http://localhost:1026 or https://gateway/orion."""

    def __init__(self, name, base):
        self.name = name
        parts = urllib.parse.urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unexpected(f"{name}: '{base}' is no URL of the form http://HOST:PORT")
        self._connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._place = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self.base = base.rstrip("/")

    def ask(self, method, path, headers=None, body=None, expect=(200,)):
        """(status, answer): the answer is JSON where it can be, else text. A status not in `expect` is Unexpected."""
        kind = "text/plain" if isinstance(body, str) else "application/json"
        data = body if body is None or isinstance(body, str) else json.dumps(body)
        sent = dict(headers or {}, **({"Content-Type": kind} if data is not None else {}))
        connection = self._connection(self._place, timeout=REQUEST_TIMEOUT)
        try:
            connection.request(method, self._prefix + path, data, sent)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Unexpected(f"{self.name}: {method} {self.base}{path}: no answer: {error}") from error
        finally:
            connection.close()
        if answer.status not in expect:
            wanted = " or ".join(map(str, expect))
            raise Unexpected(f"{self.name}: {method} {self.base}{path} answered {answer.status}, not {wanted}: {text[:300]}")
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text


class Tenant:
    """A provisioning document with the key of its device group."""

    def __init__(self, document, key):
        self.name = document["tenant"]
        self.key = key
        self.group = {**document["group"], "apikey": key}
        self.devices = document["devices"]
        self.measures = document["measures"]
        self.headers = {"fiware-service": self.name}
        self.area = {**self.headers, "fiware-servicepath": document["path"]}

    def sends(self, device):
        """[(entity, attribute, short name, value)]: what `measures` lets this device send."""
        names = {attribute["object_id"]: attribute["name"] for attribute in device["attributes"]}
        return [(device["entity_name"], names[short], short, value)
                for short, value in self.measures.get(device["device_id"], {}).items()]

    def series(self):
        """{(entity, attribute)} that its devices measure."""
        return {(entity, attribute) for device in self.devices for entity, attribute, _, _ in self.sends(device)}


def tenants(documents, keys):
    """Those of a directory of documents. The group's key of TENANT.json is the content of file TENANT in `keys`."""
    found = []
    for path in sorted(pathlib.Path(documents).glob("*.json")):
        key = pathlib.Path(keys) / path.stem
        if not key.is_file():
            raise Unexpected(f"{path.stem}: no group key {key}")
        found.append(Tenant(json.loads(path.read_text()), key.read_text().strip()))
    if not found:
        raise Unexpected(f"no provisioning document in {documents}")
    return found


class Stack:
    """Orion, the UltraLight agent's two ports, and QuantumLeap."""

    def __init__(self, options):
        self.orion = Service("orion", options.orion)
        self.north = Service("ulagent", options.north)
        self.south = Service("ulagent", options.south)
        self.quantumleap = Service("quantumleap", options.quantumleap)

    @staticmethod
    def add_options(parser):
        """Base URLs; the defaults are right inside pod fiware-context."""
        parser.add_argument("--orion", default="http://localhost:1026", metavar="URL")
        parser.add_argument("--north", default="http://localhost:4041", metavar="URL", help="the agent's provisioning port")
        parser.add_argument("--south", default="http://localhost:7896", metavar="URL", help="the agent's port for measures")
        parser.add_argument("--quantumleap", default=os.environ.get("QUANTUMLEAP", "http://localhost:8668"), metavar="URL")

    @staticmethod
    def add_provisioning_options(parser):
        parser.add_argument("--notify", default="", metavar="URL",
                            help="Orion's way to QuantumLeap, should it not be --quantumleap with /v2/notify")
        parser.add_argument("--documents", default="/etc/fiware/tenants", metavar="DIR", help="provisioning documents")
        parser.add_argument("--keys", default="/etc/fiware/keys", metavar="DIR", help="one file with the group's key per tenant")

    def provision(self, tenant):
        """Group and devices, those that are missing. Afterwards the agent lists all of them."""
        self.north.ask("POST", "/iot/services", tenant.area, {"services": [tenant.group]}, expect=(201, 409))
        groups = self.north.ask("GET", "/iot/services", tenant.area)[1]["services"]
        if not any(group["apikey"] == tenant.key for group in groups):
            raise Unexpected(f"ulagent: the group of {tenant.name} is not listed; does another tenant have its key?")
        # One by one: the agent refuses a whole list for one device that exists.
        known = self._devices(tenant)
        for device in tenant.devices:
            if device["device_id"] not in known:
                self.north.ask("POST", "/iot/devices", tenant.area, {"devices": [device]}, expect=(201, 409))
        missing = {device["device_id"] for device in tenant.devices} - self._devices(tenant)
        if missing:
            raise Unexpected(f"ulagent: {tenant.name} has no device {', '.join(sorted(missing))}")

    def _devices(self, tenant):
        return {device["device_id"] for device in self.north.ask("GET", "/iot/devices?limit=1000", tenant.area)[1]["devices"]}

    def subscribe(self, tenant, notify=""):
        """QuantumLeap hears of every change in the tenant. An equal subscription is looked up first, because a second
        one would store every value twice. Without fiware-servicepath, which would leave out what lies below it."""
        subject = [{"idPattern": ".*"}]
        target = notify or f"{self.quantumleap.base}/v2/notify"

        def equal():
            return [made for made in self.orion.ask("GET", "/v2/subscriptions?limit=1000", tenant.headers)[1]
                    if [{k: v for k, v in entity.items() if k != "type" or v} for entity in made["subject"]["entities"]] == subject
                    and made["notification"].get("http", {}).get("url") == target]

        if not equal():
            self.orion.ask("POST", "/v2/subscriptions", tenant.headers,
                           {"subject": {"entities": subject}, "notification": {"http": {"url": target}}}, expect=(201,))
        if len(equal()) != 1:
            raise Unexpected(f"orion: {tenant.name} has {len(equal())} subscriptions for {target}, not 1")

    def send(self, tenant, device, values):
        """One UltraLight measure of {short name: value}."""
        body = "|".join(f"{short}|{value}" for short, value in values.items())
        self.south.ask("POST", f"/iot/d?k={tenant.key}&i={device['device_id']}", body=body)

    def history(self, headers, entity, attribute):
        """The last HISTORY_LENGTH stored values, oldest first; [] when there are none."""
        path = f"/v2/entities/{entity}/attrs/{attribute}?lastN={HISTORY_LENGTH}"
        status, answer = self.quantumleap.ask("GET", path, headers, expect=(200, 404))
        if status == 404:
            return []
        if len(answer["index"]) != len(answer["values"]):
            raise Unexpected(f"quantumleap: {entity} {attribute}: {len(answer['index'])} times for {len(answer['values'])} values")
        # An update that did not carry the attribute is a row without it.
        return [value for value in answer["values"] if value is not None]


def wait_for(what, probe, seconds):
    """Calls `probe` until it returns something true; after `seconds` `what()` is Unexpected."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Unexpected(f"after {seconds:g} s: {what()}")
        time.sleep(0.2)


def run(main):
    """Runs a script; the first answer that is not as expected ends it with 1 and one line."""
    name = pathlib.Path(sys.argv[0]).name
    try:
        main()
    except Unexpected as unexpected:
        sys.exit(f"{name}: {unexpected}")
    except (KeyError, TypeError, IndexError) as missing:
        sys.exit(f"{name}: an answer or a document is not of the expected form: {missing!r}")
