"""What tests/stand-ins/edgex promises: the order, exit codes, ports, answers and topics of EdgeX 4.0's services."""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pytest

from tests.harness.kubernetes import ROOT
from tests.harness.ports import free_ports
from tests.harness.postgres import USER, make_database, server_command
from tests.harness.waiting import wait_until


class Gateway:
    """Services as plain processes, on a database and a broker of their own."""

    def __init__(self):
        # pytest's own directories are root's alone, and PostgreSQL does not run as root.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="slicelet-stand-ins-"))
        self.directory.chmod(0o755)
        self.images = pathlib.Path(os.environ.get("SLICELET_IMAGE_CACHE", pathlib.Path.home() / ".cache/slicelet/images"))
        subprocess.run([ROOT / "tests/stand-ins/build-gateway-images.sh", self.images], check=True)
        self.database_port, self.broker_port, self.target_port = free_ports(3)
        self.ports = dict(zip(("core-keeper", "core-metadata", "core-data", "core-command", "device-virtual", "device-mqtt",
                               "app-service-configurable"), free_ports(7)))
        self.processes = []

    def start_database(self):
        data = self.directory / "database"
        make_database(data, "postgres", ["edgex_db"])
        return self.keep(server_command(data, self.database_port), cwd="/", **USER)

    def start_broker(self, port):
        configuration = self.directory / f"mosquitto-{port}.conf"
        configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
        return self.keep(["mosquitto", "-c", configuration])

    def keep(self, command, **options):
        with open(self.directory / "log", "ab") as log:
            process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, **options)
        self.processes.append(process)
        return process

    def start(self, name, *flags, **settings):
        environment = {
            "PATH": "/bin", "EDGEX_SECURITY_SECRET_STORE": "false", "EDGEX_STARTUP_DURATION": "20",
            "SERVICE_PORT": str(self.ports.get(name, 0)), "DATABASE_PORT": str(self.database_port),
            "MESSAGEBUS_PORT": str(self.broker_port), "CLIENTS_CORE_METADATA_PORT": str(self.ports["core-metadata"]),
            "STANDIN_INTERVAL_MS": "500", **{key: str(value) for key, value in settings.items()}}
        return self.keep([self.images / "edgex", name, *flags], env=environment)

    def ready(self, name, **settings):
        process = self.start(name, **settings)
        wait_until(f"{name} answers", lambda: self.ask(name, "ping")[0] == 200)
        return process

    def ask(self, name, path, method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}/api/v3/{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null")
        except OSError:
            return 0, None

    def subscribe(self, topic, port=None, *more):
        return subprocess.Popen(["mosquitto_sub", "-p", str(port or self.broker_port), "-t", topic, "-F", "%t %p", *more],
                                stdout=subprocess.PIPE, text=True)

    def publish(self, topic, payload):
        subprocess.run(["mosquitto_pub", "-p", str(self.broker_port), "-t", topic, "-m", payload], check=True)

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.directory)


@pytest.fixture(scope="module")
def gateway():
    made = Gateway()
    try:
        made.start_database()
        made.start_broker(made.broker_port)
        made.ready("core-metadata")
        made.ready("core-data")
        made.ready("core-command")
        made.ready("device-virtual")
        yield made
    finally:
        made.close()


@pytest.fixture
def alone():
    made = Gateway()
    yield made
    made.close()


def ends(process, code, within=15):
    assert process.wait(timeout=within) == code


# ---- every service

@pytest.mark.parametrize("name", ["core-metadata", "core-data", "core-command", "device-virtual"])
def test_answers_ping_version_and_config_and_nothing_else(gateway, name):
    status, body = gateway.ask(name, "ping")
    assert status == 200 and body["apiVersion"] == "v3" and body["serviceName"] == name and body["timestamp"] > 0
    assert gateway.ask(name, "version")[1]["version"].startswith("4.0")
    assert gateway.ask(name, "config")[1]["config"]["Service"]["Port"] == gateway.ports[name]
    assert gateway.ask(name, "metrics")[0] == 404 and gateway.ask(name, "nothing")[0] == 404


@pytest.mark.parametrize("flags,settings,says", [
    (["-cc=/nowhere.yaml"], {}, "/nowhere.yaml"),
    (["--colour=red"], {}, "-colour"),
    (["-cp=consul.http://edgex:8500"], {}, "consul"),
    ([], {"EDGEX_SECURITY_SECRET_STORE": "true"}, "EDGEX_SECURITY_SECRET_STORE"),
    ([], {"SERVICE_PORT": "many"}, "many")])
def test_wrong_use_ends_with_1_and_says_why(gateway, flags, settings, says):
    ends(gateway.start("core-metadata", *flags, **settings), 1)
    assert says in (gateway.directory / "log").read_text()


def test_all_flags_are_taken(gateway, tmp_path):
    common = tmp_path / "common.yaml"
    common.write_text("all-services: {}\n")
    process = gateway.start("core-command", "-cp=none", f"-cc={common}", "-cd", "./res", "-cf=configuration.yaml", "-p", "x", "-o",
                            "-d", SERVICE_PORT=free_ports(1)[0], MESSAGEBUS_OPTIONAL_CLIENTID="another")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.kill()


def test_sigterm_ends_with_0_also_during_startup(gateway):
    process = gateway.start("core-metadata", DATABASE_PORT=1, SERVICE_PORT=0)
    time.sleep(0.3)  # somewhere in its waiting
    process.send_signal(signal.SIGTERM)
    ends(process, 0)


def test_faults_are_there_when_asked_for(gateway):
    ends(gateway.start("core-metadata", STANDIN_CRASH_AFTER_MS=50, DATABASE_PORT=1), 3)
    deaf = gateway.start("core-metadata", STANDIN_IGNORE_SIGTERM="true", DATABASE_PORT=1)
    time.sleep(0.3)
    deaf.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        deaf.wait(timeout=0.5)
    deaf.kill()


# ---- the wrong order

def test_core_data_without_core_metadata_ends_with_1_at_once(gateway):
    ends(gateway.start("core-data", CLIENTS_CORE_METADATA_PORT=1, EDGEX_STARTUP_DURATION=600, SERVICE_PORT=0,
                       MESSAGEBUS_OPTIONAL_CLIENTID="early"), 1)


@pytest.mark.parametrize("name,missing,code", [
    ("core-metadata", "DATABASE_PORT", 1), ("core-metadata", "MESSAGEBUS_PORT", 1), ("core-command", "MESSAGEBUS_PORT", 1),
    ("device-virtual", "CLIENTS_CORE_METADATA_PORT", 2), ("device-virtual", "MESSAGEBUS_PORT", 1),
    ("app-service-configurable", "MESSAGEBUS_PORT", 1)])
def test_without_what_it_needs_it_ends_after_the_startup_duration(gateway, name, missing, code):
    began = time.monotonic()
    process = gateway.start(name, EDGEX_STARTUP_DURATION=2, EDGEX_PROFILE="mqtt-export", SERVICE_PORT=free_ports(1)[0],
                            MESSAGEBUS_OPTIONAL_CLIENTID=f"lost-{name}", **{missing: 1})
    ends(process, code)
    assert time.monotonic() - began >= 2


def test_a_port_opens_only_when_the_dependencies_have_answered(alone):
    alone.start("core-metadata")
    time.sleep(0.5)
    assert alone.ask("core-metadata", "ping")[0] == 0
    alone.start_database()
    alone.start_broker(alone.broker_port)
    wait_until("it answers", lambda: alone.ask("core-metadata", "ping")[0] == 200)


# ---- core-metadata

def post(gateway, path, *items):
    status, body = gateway.ask("core-metadata", path, "POST", list(items))
    assert status == 207
    return [item["statusCode"] for item in body]


def profile(name):
    return {"apiVersion": "v3", "profile": {"name": name, "deviceResources": [
        {"name": "Temperature", "properties": {"valueType": "Float64", "readWrite": "R"}}]}}


def device(name, profile_name=None, service="device-virtual"):
    return {"apiVersion": "v3", "device": {
        "name": name, "profileName": profile_name or name, "serviceName": service, "adminState": "UNLOCKED",
        "operatingState": "UP", "protocols": {"mqtt": {"CommandTopic": f"command/{name}"}}}}


def test_items_are_judged_one_by_one_and_the_status_is_207(gateway):
    assert post(gateway, "deviceprofile", profile("thermo"), profile("thermo"), {"profile": {}}) == [201, 409, 400]
    assert post(gateway, "device", device("thermo"), device("thermo"), device("t2", "no-profile"),
                device("t3", "thermo", "no-service")) == [201, 409, 400, 400]
    assert gateway.ask("core-metadata", "device/name/thermo")[1]["device"]["profileName"] == "thermo"
    assert gateway.ask("core-metadata", "device/all?limit=1")[1]["totalCount"] >= 2
    assert "device-virtual" in [s["name"] for s in gateway.ask("core-metadata", "deviceservice/all")[1]["services"]]
    assert gateway.ask("core-metadata", "device", "PATCH", [{"device": {"name": "thermo", "adminState": "LOCKED"}},
                                                            {"device": {"name": "nobody"}}])[1][1]["statusCode"] == 404
    assert gateway.ask("core-metadata", "device/name/thermo")[1]["device"]["adminState"] == "LOCKED"
    assert gateway.ask("core-metadata", "deviceprofile/name/thermo", "DELETE")[0] == 409
    assert gateway.ask("core-metadata", "device/name/thermo", "DELETE")[0] == 200
    assert gateway.ask("core-metadata", "device/name/thermo", "DELETE")[0] == 404
    assert gateway.ask("core-metadata", "deviceprofile/name/thermo", "DELETE")[0] == 200
    assert gateway.ask("core-metadata", "device", "POST", {"device": {}})[0] == 400


def test_each_device_change_is_told_on_the_bus(gateway):
    listener = gateway.subscribe("edgex/system-events/core-metadata/device/+/device-virtual/told", None, "-C", "2")
    time.sleep(0.5)
    post(gateway, "deviceprofile", profile("told"))
    post(gateway, "device", device("told"))
    gateway.ask("core-metadata", "device/name/told", "DELETE")
    gateway.ask("core-metadata", "deviceprofile/name/told", "DELETE")
    lines = listener.communicate(timeout=10)[0].splitlines()
    assert [line.split(" ", 1)[0].removeprefix("edgex/system-events/core-metadata/") for line in lines] == [
        "device/add/device-virtual/told", "device/delete/device-virtual/told"]
    assert json.loads(lines[0].split(" ", 1)[1])["payload"]["details"]["name"] == "told"


def test_a_restarted_core_metadata_still_knows_its_devices(gateway):
    other = free_ports(1)[0]
    gateway.ports["second"] = other
    process = gateway.start("core-metadata", SERVICE_PORT=other, MESSAGEBUS_OPTIONAL_CLIENTID="second")
    wait_until("it answers", lambda: gateway.ask("second", "ping")[0] == 200)
    assert gateway.ask("second", "device/name/Random-Integer-Device")[0] == 200
    process.kill()


# ---- data

def test_data_flows_from_device_to_bus_to_core_data(gateway):
    line = gateway.subscribe("edgex/events/device/#", None, "-C", "1", "-W", "10").communicate()[0]
    topic, payload = line.split(" ", 1)
    levels = topic.split("/")
    assert levels[:5] == ["edgex", "events", "device", "device-virtual", "Random-Integer-Device"]
    envelope = json.loads(payload)
    assert {"apiVersion", "receivedTopic", "correlationID", "requestID", "errorCode", "payload", "contentType"} <= set(envelope)
    event = envelope["payload"]["event"]
    assert [event["profileName"], event["deviceName"], event["sourceName"]] == levels[4:]
    reading, = event["readings"]
    assert isinstance(reading["value"], str) and reading["valueType"] == event["sourceName"]
    assert isinstance(event["origin"], int) and event["origin"] > 1e18
    before = gateway.ask("core-data", "event/count")[1]["Count"]
    wait_until("the count grows", lambda: gateway.ask("core-data", "event/count")[1]["Count"] > before)
    assert gateway.ask("core-data", "reading/count")[1]["Count"] >= before
    assert len(gateway.ask("core-data", "event/all?limit=1")[1]["events"]) == 1
    of_device = "device/name/Random-Integer-Device"
    count = gateway.ask("core-data", "reading/count/" + of_device)[1]["Count"]
    newest = gateway.ask("core-data", "reading/" + of_device + "?offset=0&limit=1")[1]
    assert newest["totalCount"] >= count > 0
    assert newest["readings"][0]["deviceName"] == "Random-Integer-Device" and newest["readings"][0]["origin"] >= reading["origin"]
    assert len(gateway.ask("core-data", "reading/" + of_device + "?limit=2")[1]["readings"]) <= 2
    status, nothing = gateway.ask("core-data", "reading/device/name/nobody?limit=1")
    assert status == 200 and nothing["totalCount"] == 0 and nothing["readings"] == []


def test_core_data_drops_what_does_not_match_its_topic(gateway):
    def event(name, source):
        return {"event": {"apiVersion": "v3", "id": "00000000-0000-4000-8000-%012d" % len(source + name), "deviceName": name,
                          "profileName": "p", "sourceName": source, "origin": 9 * 10**18, "readings": [{"value": "1"}]}}

    def send(topic, payload):
        gateway.publish(topic, json.dumps({"apiVersion": "v3", "payload": payload, "contentType": "application/json"}))

    send("edgex/events/device/s/p/other/source", event("d", "source"))
    send("edgex/events/device/d/source", event("d", "source"))
    send("edgex/events/device/s/p/d%20d/my%2Fsource", event("d d", "my/source"))
    encoded = base64.b64encode(json.dumps(event("dd", "old-form")).encode()).decode()
    send("edgex/events/device/s/p/dd/old-form", encoded)
    wait_until("the good ones are there", lambda: {"my/source", "old-form"} <= {
        e["sourceName"] for e in gateway.ask("core-data", "event/all?limit=5")[1]["events"]})
    assert "source" not in {e["sourceName"] for e in gateway.ask("core-data", "event/all?limit=5")[1]["events"]}


def test_commands_go_over_the_bus(gateway):
    status, body = gateway.ask("core-command", "device/name/Random-Integer-Device/Int8")
    assert status == 200 and len(body["event"]["readings"]) == 1 and body["event"]["sourceName"] == "Int8"
    assert gateway.ask("core-command", "device/name/Random-Integer-Device/Int8", "PUT", {"Int8": "5"})[0] == 200
    assert gateway.ask("core-command", "device/name/nobody/Int8")[0] == 404
    assert gateway.ask("core-command", "device/name/Random-Integer-Device/Colour")[0] == 500


def test_device_mqtt_takes_readings_of_known_devices_only(gateway):
    gateway.ready("device-mqtt", MQTTBROKERINFO_PORT=gateway.broker_port, MQTTBROKERINFO_CLIENTID="device-mqtt-data")
    post(gateway, "deviceprofile", profile("probe"))
    post(gateway, "device", device("probe", service="device-mqtt"))
    listener = gateway.subscribe("edgex/events/device/device-mqtt/#", None, "-C", "1", "-W", "10")
    time.sleep(0.5)
    gateway.publish("incoming/data/stranger/Temperature", "1.0")
    gateway.publish("incoming/data/probe/Temperature", "2.5")
    topic, payload = listener.communicate()[0].split(" ", 1)
    assert topic == "edgex/events/device/device-mqtt/probe/probe/Temperature"
    assert json.loads(payload)["payload"]["event"]["readings"][0]["value"] == "2.5"


# ---- export

EXPORT = "WRITABLE_PIPELINE_FUNCTIONS_MQTTEXPORT_PARAMETERS_"


def test_the_exporter_forwards_bare_events_and_stores_them_while_the_target_is_away(gateway):
    target = gateway.target_port
    gateway.ready("app-service-configurable", EDGEX_PROFILE="mqtt-export", WRITABLE_STOREANDFORWARD_ENABLED="true",
                  WRITABLE_STOREANDFORWARD_RETRYINTERVAL="500ms", WRITABLE_STOREANDFORWARD_MAXRETRYCOUNT="1000",
                  **{EXPORT + "BROKERADDRESS": f"tcp://localhost:{target}", EXPORT + "TOPIC": "channels/7/messages",
                     EXPORT + "CLIENTID": "gw-7", EXPORT + "PERSISTONERROR": "true", EXPORT + "QOS": "1"})
    gateway.publish("edgex/events/device/s/p/d/kept", json.dumps({"apiVersion": "v3", "payload": {"event": {"sourceName": "kept"}}}))
    gateway.start_broker(target)
    listener = None

    def subscribed():
        nonlocal listener
        listener = gateway.subscribe("channels/#", target)
        return listener.poll() is None and listener.stdout.readline()

    topic, payload = wait_until("an event arrives", subscribed).split(" ", 1)
    assert topic == "channels/7/messages" and "payload" not in json.loads(payload)
    listener.kill()


def test_the_exporter_refuses_profiles_and_modes_it_does_not_know(gateway):
    ends(gateway.start("app-service-configurable", EDGEX_PROFILE="rules-engine"), 1)
    ends(gateway.start("app-service-configurable", EDGEX_PROFILE="mqtt-export", **{EXPORT + "AUTHMODE": "magic"},
                       MESSAGEBUS_OPTIONAL_CLIENTID="magic"), 1)


# ---- core-keeper

def test_core_keeper_keeps_keys_and_asks_registered_services(gateway):
    gateway.ready("core-keeper")
    assert gateway.ask("core-keeper", "kvs/key/edgex/v4/a/X", "PUT", {"value": "1"})[0] == 200
    assert gateway.ask("core-keeper", "kvs/key/edgex/v4/a/Y", "PUT", {"value": "two"})[0] == 200
    found = gateway.ask("core-keeper", "kvs/key/edgex/v4/a?plaintext=true")[1]["response"]
    assert [(f["key"], f["value"]) for f in found] == [("edgex/v4/a/X", "1"), ("edgex/v4/a/Y", "two")]
    encoded = gateway.ask("core-keeper", "kvs/key/edgex/v4/a/Y")[1]["response"][0]["value"]
    assert base64.b64decode(encoded) == b"two"
    assert gateway.ask("core-keeper", "kvs/key/edgex/v4/a", "DELETE")[0] == 200
    assert gateway.ask("core-keeper", "kvs/key/edgex/v4/a/X")[0] == 404

    provider = f"-cp=keeper.http://localhost:{gateway.ports['core-keeper']}"
    ends(gateway.start("core-common-config-bootstrapper", provider, ALL_SERVICES_DATABASE_HOST="db"), 0)
    key = "edgex/v4/core-common-config-bootstrapper/all-services/Database/Host"
    assert gateway.ask("core-keeper", f"kvs/key/{key}?plaintext=true")[1]["response"][0]["value"] == "db"

    port = free_ports(1)[0]
    gateway.start("core-command", provider, "--registry", SERVICE_PORT=port, MESSAGEBUS_OPTIONAL_CLIENTID="registered")
    wait_until("registered and UP", lambda: gateway.ask("core-keeper", "registry/serviceId/core-command")[1].get(
        "registration", {}).get("status") == "UP", timeout=30)
