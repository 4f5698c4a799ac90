"""What tests/stand-ins/fiware promises, and what the scripts of samples/fiware notice."""

import json
import os
import pathlib
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from tests.harness.kubernetes import ROOT
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until

SAMPLE = ROOT / "samples" / "fiware"
KEYS = {"manufracture": "k1", "smithereens": "k2"}
FLOOR = {"fiware-service": "manufracture", "fiware-servicepath": "/floor1"}
SMITHEREENS = {"fiware-service": "smithereens", "fiware-servicepath": "/"}
# Of each service, what answers once it is up.
HEALTH = {"mongo": "/", "crate": "/", "orion": "/version", "iotagent-ul": "/iot/about", "quantumleap": "/health", "grafana": "/api/health"}


class Stack:
    """The services as plain processes."""

    def __init__(self, directory):
        self.directory = directory
        self.images = pathlib.Path(os.environ.get("SLICELET_IMAGE_CACHE", pathlib.Path.home() / ".cache/slicelet/images"))
        subprocess.run([ROOT / "tests/stand-ins/build-fiware-images.sh", self.images], check=True)
        self.ports = dict(zip((*HEALTH, "south"), free_ports(len(HEALTH) + 1)))
        self.processes = {}
        for name in ("mongo", "crate", "keys"):
            (directory / name).mkdir()
        for tenant, key in KEYS.items():
            (directory / "keys" / tenant).write_text(key)
        port = self.ports
        self.arguments = {
            "mongo": ["--bind_ip_all", "--port", port["mongo"], "--dbpath", directory / "mongo"],
            "crate": [f"-Chttp.port={port['crate']}", f"-Cpath.data={directory / 'crate'}"],
            "orion": ["-fg", "-dbURI", f"mongodb://localhost:{port['mongo']}", "-port", port["orion"]],
            "quantumleap": ["--bind", f"0.0.0.0:{port['quantumleap']}"]}
        self.settings = {
            "iotagent-ul": {"IOTA_CB_PORT": port["orion"], "IOTA_MONGO_PORT": port["mongo"], "IOTA_NORTH_PORT": port["iotagent-ul"],
                            "IOTA_HTTP_PORT": port["south"], "IOTA_AUTOCAST": "true", "IOTA_TIMESTAMP": "true",
                            "IOTA_REGISTRY_TYPE": "mongodb"},
            "quantumleap": {"CRATE_HOST": "localhost", "CRATE_PORT": port["crate"]},
            "grafana": {"GF_SERVER_HTTP_PORT": port["grafana"]}}
        # The sample's documents name the broker's port within the pod.
        self.documents = directory / "tenants"
        self.documents.mkdir()
        for path in (SAMPLE / "tenants").glob("*.json"):
            (self.documents / path.name).write_text(path.read_text().replace("localhost:1026", f"localhost:{port['orion']}"))

    def launch(self, name, arguments=None, **settings):
        environment = {"PATH": "/bin", **self.settings.get(name, {}), **settings}
        command = [self.images / "fiware", name, *(self.arguments.get(name, []) if arguments is None else arguments)]
        with open(self.directory / "log", "ab") as log:
            return subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                    env={key: str(value) for key, value in environment.items()})

    def start(self, *names, **settings):
        for name in names:
            self.processes[name] = self.launch(name, **settings)
            wait_until(f"{name} answers", lambda: self.ask(name, "GET", HEALTH[name])[0] == 200)
            if name == "iotagent-ul":
                wait_until("devices may measure", lambda: self.ask("south", "GET", "/")[0] != 0)
        return self

    def stop(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(how)
        return process.wait(timeout=90)

    def restart(self, name, **settings):
        self.stop(name)
        self.start(name, **settings)

    def ask(self, name, method, path, headers=None, body=None):
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}{path}", data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                self.location = answer.headers.get("Location")
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null")
        except OSError:
            return 0, None

    def measure(self, key, device, body, more=""):
        return self.ask("south", "POST", f"/iot/d?k={key}&i={device}{more}", body=body)[0]

    def history(self, tenant, entity, attribute):
        status, answer = self.ask("quantumleap", "GET", f"/v2/entities/{entity}/attrs/{attribute}", {"fiware-service": tenant})
        assert status in (200, 404)
        return answer["values"] if status == 200 else []

    def script(self, name, *arguments):
        """(exit code, what it printed) of a script of the sample."""
        port = self.ports
        urls = ["--orion", f"http://localhost:{port['orion']}", "--north", f"http://localhost:{port['iotagent-ul']}",
                "--south", f"http://localhost:{port['south']}", "--quantumleap", f"http://localhost:{port['quantumleap']}"]
        own = [] if name == "versions" else ["--documents", self.documents, "--keys", self.directory / "keys"]
        result = subprocess.run([str(part) for part in (SAMPLE / "scripts" / name, *urls, *own, *arguments)],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        return result.returncode, result.stdout

    def sense(self, *arguments):
        return self.script("basic-sense", "--rounds", "2", "--pause", "0", *arguments)

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def empty(tmp_path):
    made = Stack(tmp_path)
    yield made
    made.close()


@pytest.fixture
def stack(empty):
    return empty.start("mongo", "crate", "orion", "iotagent-ul", "quantumleap")


# ---- every service

def test_every_service_ends_with_0_on_sigterm(stack):
    stack.start("grafana")
    assert {name: stack.stop(name, signal.SIGTERM) for name in HEALTH} == dict.fromkeys(HEALTH, 0)


@pytest.mark.parametrize("name,arguments,code", [
    ("orion", None, 1), ("quantumleap", None, 1), ("iotagent-ul", None, 1),
    # Options of older versions.
    ("orion", ["-dbhost", "localhost"], 1), ("mongo", ["--smallfiles"], 2)])
def test_a_service_ends_at_once_without_its_database_or_with_an_option_of_another_version(empty, name, arguments, code):
    assert empty.launch(name, arguments).wait(timeout=60) == code


def test_the_script_reads_three_versions_and_names_who_does_not_answer(stack):
    code, printed = stack.script("versions")
    assert code == 0 and [line.split()[0] for line in printed.splitlines()] == ["orion", "quantumleap", "ulagent"]
    stack.stop("quantumleap")
    code, printed = stack.script("versions")
    assert code == 1 and "quantumleap: GET" in printed and "no answer" in printed


def test_quantumleap_is_unhealthy_while_its_database_is_away(stack):
    stack.stop("crate")
    assert stack.ask("quantumleap", "GET", "/health")[0] == 424
    assert stack.ask("quantumleap", "GET", "/version")[0] == 200
    stack.start("crate")
    assert stack.ask("quantumleap", "GET", "/health")[0] == 200


# ---- the agent

def group(key):
    return {"services": [{"apikey": key, "entity_type": "Bot", "resource": "/iot/d"}]}


def device(name, entity):
    return {"devices": [{"device_id": name, "entity_name": entity, "entity_type": "Bot", "attributes": [
        {"object_id": "f", "name": "foo", "type": "Integer"}]}]}


def test_groups_and_devices_belong_to_a_tenant_and_path_and_exist_once(stack):
    for headers, key in ((FLOOR, "k1"), (SMITHEREENS, "k2")):
        assert stack.ask("iotagent-ul", "POST", "/iot/services", headers, group(key))[0] == 201
        assert stack.ask("iotagent-ul", "POST", "/iot/devices", headers, device("d", "e"))[0] == 201
    assert stack.ask("iotagent-ul", "POST", "/iot/services", FLOOR, group("k1"))[0] == 409
    assert stack.ask("iotagent-ul", "POST", "/iot/services", FLOOR, group("k2"))[0] == 409, "another tenant's key"
    assert stack.ask("iotagent-ul", "POST", "/iot/devices", FLOOR, device("d", "other"))[0] == 409
    listed = stack.ask("iotagent-ul", "GET", "/iot/services", FLOOR)[1]
    assert listed["count"] == 1 and listed["services"][0]["apikey"] == "k1"
    assert stack.ask("iotagent-ul", "GET", "/iot/devices", {**FLOOR, "fiware-servicepath": "/"})[1]["count"] == 0
    assert stack.ask("iotagent-ul", "GET", "/iot/devices", {"fiware-service": "manufracture"})[0] == 400
    assert stack.ask("iotagent-ul", "POST", "/iot/devices", FLOOR, {"devices": [{}]})[0] == 400
    assert stack.ask("iotagent-ul", "POST", "/iot/devices", FLOOR, "no JSON")[0] == 400


def test_a_measure_is_mapped_cast_and_forwarded_to_its_tenant(stack):
    assert stack.script("provision")[0] == 0
    for body, name, value in (("f|3", "foo", 3), ("f|-2.5", "foo", -2.5), ("f|3 kg", "foo", "3 kg"), ("f|true", "foo", True),
                              ("x|1", "x", 1), ("f|1#f|2", "foo", 2)):
        assert stack.measure("k1", "foodev", body) == 200
        found = stack.ask("orion", "GET", "/v2/entities/urn:ngsi:bot:1", FLOOR)[1]
        assert found[name]["value"] == value and found["category"]["value"] == "sensor" and found["TimeInstant"]["value"][-1] == "Z"
    assert stack.ask("orion", "GET", "/v2/entities/urn:ngsi:bot:1", SMITHEREENS)[0] == 404
    assert stack.measure("k1", "foodev", "2026-01-31T10:00:00Z|f|3") == 200
    found = stack.ask("orion", "GET", "/v2/entities/urn:ngsi:bot:1", FLOOR)[1]
    assert found["TimeInstant"]["value"] == "2026-01-31T10:00:00Z"
    assert stack.measure("nokey", "foodev", "f|3") == 404 and stack.measure("k1", "nodev", "f|3") == 404
    assert stack.measure("k2", "foodev", "f|3") == 404, "a device of another tenant"
    for malformed in ("", "f", "f|1|b", "|1", "foodev@turn|left"):
        assert stack.measure("k1", "foodev", malformed) == 400
    stack.stop("orion")
    assert stack.measure("k1", "foodev", "f|4") == 500, "the device hears that nobody has its measure"


def test_a_registry_in_memory_is_forgotten_on_restart_and_provisioned_again(stack):
    stack.restart("iotagent-ul", IOTA_REGISTRY_TYPE="memory")
    assert stack.script("provision")[0] == 0
    assert stack.measure("k1", "foodev", "f|3") == 200
    stack.restart("iotagent-ul", IOTA_REGISTRY_TYPE="memory")
    assert stack.measure("k1", "foodev", "f|4") == 404
    assert stack.script("provision")[0] == 0
    assert stack.measure("k1", "foodev", "f|5") == 200
    assert stack.history("manufracture", "urn:ngsi:bot:1", "foo") == [3, 5]


def test_what_a_service_has_taken_outlives_every_restart(stack):
    assert stack.script("provision")[0] == 0
    for number, name in enumerate(("mongo", "crate", "orion", "iotagent-ul", "quantumleap")):
        assert stack.measure("k1", "foodev", f"f|{number}") == 200
        stack.restart(name)
        assert stack.history("manufracture", "urn:ngsi:bot:1", "foo") == list(range(number + 1)), name
    assert len(stack.ask("orion", "GET", "/v2/subscriptions", FLOOR)[1]) == 1


# ---- the broker and the history

def update(stack, headers, entity, **values):
    body = {"id": entity, "type": "Bot", **{name: {"type": "Number", "value": value} for name, value in values.items()}}
    return stack.ask("orion", "POST", "/v2/entities?options=upsert", headers, body)[0]


def test_a_path_is_its_own_level_and_a_tree_ends_with_a_hash(stack):
    assert update(stack, FLOOR, "a", foo=1) == 201 and update(stack, FLOOR, "a", bar=2) == 204

    def at(path):
        area = {"fiware-servicepath": path} if path else {}
        return [e["id"] for e in stack.ask("orion", "GET", "/v2/entities", {"fiware-service": "manufracture", **area})[1]]

    assert at("/floor1") == at("/floor1/#") == at("/#") == at("") == ["a"]
    assert at("/") == at("/floor") == at("/floor1/hall") == []
    assert update(stack, {**FLOOR, "fiware-servicepath": "/"}, "a", foo=5) == 201, "another area's entity of that name"
    assert stack.ask("orion", "GET", "/v2/entities/a", {"fiware-service": "manufracture"})[0] == 409
    assert stack.ask("orion", "GET", "/v2/entities/a", FLOOR)[1]["bar"]["value"] == 2
    assert stack.ask("orion", "GET", "/v2/entities", {"fiware-service": "Upper Case"})[0] == 400


def test_a_subscription_covers_its_pattern_in_its_tenant(stack):
    target = f"http://localhost:{stack.ports['quantumleap']}/v2/notify"
    body = {"subject": {"entities": [{"idPattern": "^hot"}]}, "notification": {"http": {"url": target}}}
    status, _ = stack.ask("orion", "POST", "/v2/subscriptions", {"fiware-service": "manufracture"}, body)
    location = stack.location
    assert status == 201 and location.startswith("/v2/subscriptions/")
    assert update(stack, FLOOR, "hot", foo=1) == 201 and update(stack, FLOOR, "hot", foo=1) == 204, "no change, no notification"
    update(stack, FLOOR, "cold", foo=2)
    update(stack, SMITHEREENS, "hot", foo=3)
    update(stack, FLOOR, "hotter", foo=4)
    assert stack.history("manufracture", "hot", "foo") == [1] and stack.history("manufracture", "hotter", "foo") == [4]
    assert stack.history("manufracture", "cold", "foo") == stack.history("smithereens", "hot", "foo") == []
    listed, = stack.ask("orion", "GET", "/v2/subscriptions", {"fiware-service": "manufracture"})[1]
    assert listed["notification"]["timesSent"] == 2
    assert location == f"/v2/subscriptions/{listed['id']}"
    assert stack.ask("orion", "GET", "/v2/subscriptions", SMITHEREENS)[1] == []
    assert stack.ask("orion", "POST", "/v2/subscriptions", FLOOR, {"subject": {}})[0] == 400


def test_the_history_is_in_the_order_of_its_times(stack):
    assert stack.script("provision")[0] == 0
    for time, value in (("10:00:01Z", 2), ("10:00:00.500Z", 1), ("10:00:01.250Z", 3), ("10:00:00Z", 0)):
        assert stack.measure("k1", "foodev", f"2026-01-31T{time}|f|{value}") == 200
    answer = stack.ask("quantumleap", "GET", "/v2/entities/urn:ngsi:bot:1/attrs/foo", {"fiware-service": "manufracture"})[1]
    assert answer["values"] == [0, 1, 2, 3] and answer["index"][0] == "2026-01-31T10:00:00.000+00:00"
    last = stack.ask("quantumleap", "GET", "/v2/entities/urn:ngsi:bot:1/attrs/foo?lastN=2", {"fiware-service": "manufracture"})[1]
    assert last["values"] == [2, 3]


# ---- the scripts

def test_provisioning_and_sensing_can_be_repeated(stack):
    for _ in range(2):
        code, printed = stack.script("provision")
        assert code == 0 and printed.count("the subscription") == 2, printed
        code, printed = stack.sense()
        assert code == 0, printed
        assert "manufracture: sees nothing of smithereens" in printed
    for headers in (FLOOR, SMITHEREENS):
        assert len(stack.ask("orion", "GET", "/v2/subscriptions", {"fiware-service": headers["fiware-service"]})[1]) == 1
    assert stack.history("manufracture", "urn:ngsi:bot:2", "bar") == [7, 8, 7, 8]
    assert stack.history("smithereens", "urn:ngsi:bot:2", "bar") == [4, 5, 4, 5]
    assert stack.history("smithereens", "urn:ngsi:bot:2", "foo") == [9, 10, 9, 10]


def test_sensing_notices_a_lost_a_doubled_and_a_leaked_value(stack):
    assert stack.sense()[0] == 0
    stack.stop("quantumleap")
    code, printed = stack.sense()
    assert code == 1 and "quantumleap" in printed and "no answer" in printed
    stack.start("quantumleap")

    target = f"http://127.0.0.1:{stack.ports['quantumleap']}/v2/notify"
    second = {"subject": {"entities": [{"idPattern": ".*"}]}, "notification": {"http": {"url": target}}}
    stack.ask("orion", "POST", "/v2/subscriptions", {"fiware-service": "smithereens"}, second)
    code, printed = stack.sense()
    assert code == 1 and "smithereens urn:ngsi:bot:2" in printed and "is stored" in printed, "every value came twice"

    leak = {"subscriptionId": "x", "data": [{"id": "urn:ngsi:bot:1", "type": "Bot", "foo": {"type": "Integer", "value": 3}}]}
    assert stack.ask("quantumleap", "POST", "/v2/notify", {"fiware-service": "smithereens"}, leak)[0] == 200
    # Without the doubled subscription, which is found first.
    (stack.directory / "mongo" / "orion").unlink()
    stack.restart("orion")
    code, printed = stack.sense()
    assert code == 1 and "smithereens reads manufracture's urn:ngsi:bot:1 foo" in printed, printed


def test_sensing_notices_text_in_place_of_numbers_and_a_lost_measure(stack):
    stack.restart("iotagent-ul", IOTA_AUTOCAST="false")
    code, printed = stack.sense("--patience", "1")
    assert code == 1 and "is stored" in printed and "'3'" in printed, printed
    stack.restart("iotagent-ul")
    stack.stop("crate")
    code, printed = stack.sense("--patience", "1")
    assert code == 1 and "after 1 s: quantumleap: manufracture urn:ngsi:bot:1 foo: [3, 4] was sent, [] is stored" in printed, printed


def test_a_tenant_without_a_key_is_named(stack):
    (stack.directory / "keys" / "smithereens").unlink()
    code, printed = stack.script("provision")
    assert code == 1 and "smithereens: no group key" in printed
