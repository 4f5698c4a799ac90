"""What tests/stand-ins/edgex promises: the order, exit codes, ports, answers and topics of EdgeX 4.0's services."""

import base64
import json
import pathlib
import re
import signal
import subprocess
import time

import pytest

from tests.harness.edgex import Gateway, device, ends, modbus_device, over_tcp, post, profile, register, rule, said_by
from tests.harness.modbus import HOLDING, INPUT, SerialDevice, TcpDevice
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as made:
        made.start_all("core-metadata", "core-data", "core-command", "device-virtual", "device-rest", "device-modbus",
                       "support-notifications", "support-scheduler")
        yield made


@pytest.fixture
def alone():
    with Gateway() as made:
        yield made


def heeds(process, how):
    """Whether SIGTERM is among the signals that a process catches (SigCgt) or ignores (SigIgn)."""
    mask = re.search(rf"^{how}:\s*([0-9a-f]+)$", pathlib.Path(f"/proc/{process.pid}/status").read_text(), re.M)[1]
    return int(mask, 16) >> (signal.SIGTERM - 1) & 1


# ---- every service

@pytest.mark.parametrize("name", ["core-metadata", "core-data", "core-command", "device-virtual", "device-rest", "device-modbus",
                                  "support-notifications", "support-scheduler"])
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
    wait_until("it catches SIGTERM", lambda: heeds(process, "SigCgt"))
    process.send_signal(signal.SIGTERM)
    ends(process, 0)


def test_faults_are_there_when_asked_for(gateway):
    ends(gateway.start("core-metadata", STANDIN_CRASH_AFTER_MS=50, DATABASE_PORT=1), 3)
    deaf = gateway.start("core-metadata", STANDIN_IGNORE_SIGTERM="true", DATABASE_PORT=1)
    wait_until("it ignores SIGTERM", lambda: heeds(deaf, "SigIgn"))
    deaf.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        deaf.wait(timeout=0.5)
    deaf.kill()


# ---- the wrong order

def test_core_data_without_core_metadata_ends_with_1_at_once(gateway):
    ends(gateway.start("core-data", CLIENTS_CORE_METADATA_PORT=1, EDGEX_STARTUP_DURATION=600, SERVICE_PORT=0,
                       MESSAGEBUS_OPTIONAL_CLIENTID="early"), 1)


def test_without_what_it_needs_it_ends_after_the_startup_duration(gateway):
    lost = [("core-metadata", "DATABASE_PORT", 1), ("core-metadata", "MESSAGEBUS_PORT", 1), ("core-command", "MESSAGEBUS_PORT", 1),
            ("device-virtual", "CLIENTS_CORE_METADATA_PORT", 2), ("device-virtual", "MESSAGEBUS_PORT", 1),
            ("device-rest", "CLIENTS_CORE_METADATA_PORT", 2), ("device-modbus", "CLIENTS_CORE_METADATA_PORT", 2),
            ("support-notifications", "DATABASE_PORT", 1), ("support-scheduler", "MESSAGEBUS_PORT", 1),
            ("app-service-configurable", "MESSAGEBUS_PORT", 1)]
    began, processes = [], []
    for name, missing, _ in lost:
        began.append(time.monotonic())
        processes.append(gateway.start(name, EDGEX_STARTUP_DURATION=2, EDGEX_PROFILE="mqtt-export", SERVICE_PORT=free_ports(1)[0],
                                       MESSAGEBUS_OPTIONAL_CLIENTID=f"lost-{name}", **{missing: 1}))
    early = set()

    def all_have_ended():
        ended = [process.poll() is not None for process in processes]
        # Read before the start and after the end: whatever stands still in between makes nobody end early.
        now = time.monotonic()
        early.update(of[:2] for of, since, end in zip(lost, began, ended) if end and now - since < 2)
        return all(ended)

    wait_until("they give up", all_have_ended)
    assert not early, "they try so long"
    assert [(*of[:2], process.returncode) for of, process in zip(lost, processes)] == lost


def test_a_port_opens_only_when_the_dependencies_have_answered(alone):
    alone.start("core-metadata", EDGEX_STARTUP_DURATION=600)
    wait_until("it waits", lambda: "waiting for database" in (alone.directory / "log").read_text())
    assert alone.ask("core-metadata", "ping")[0] == 0
    alone.start_database()
    alone.start_broker(alone.broker_port)
    wait_until("it answers", lambda: alone.ask("core-metadata", "ping")[0] == 200)


# ---- core-metadata

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
    listener = gateway.subscribe("edgex/system-events/core-metadata/device/+/device-virtual/told", messages=2)
    post(gateway, "deviceprofile", profile("told"))
    post(gateway, "device", device("told"))
    gateway.ask("core-metadata", "device/name/told", "DELETE")
    gateway.ask("core-metadata", "deviceprofile/name/told", "DELETE")
    lines = listener.communicate(timeout=120)[0].splitlines()
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
    line = gateway.subscribe("edgex/events/device/#", messages=1, seconds=10).communicate()[0]
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
    listener = gateway.subscribe("edgex/events/device/device-mqtt/#", messages=1, seconds=10)

    def told():
        # It answers before the broker knows what it wants to hear.
        gateway.publish("incoming/data/stranger/Temperature", "1.0")
        gateway.publish("incoming/data/probe/Temperature", "2.5")
        return listener.poll() is not None

    wait_until("one is taken", told, interval=0.2)
    topic, payload = listener.communicate()[0].split(" ", 1)
    assert topic == "edgex/events/device/device-mqtt/probe/probe/Temperature"
    assert json.loads(payload)["payload"]["event"]["readings"][0]["value"] == "2.5"


def test_device_rest_takes_posted_readings_that_fit(gateway):
    post(gateway, "deviceprofile", profile("oven"))
    post(gateway, "device", device("oven", service="device-rest"))
    listener = gateway.subscribe("edgex/events/device/device-rest/#", messages=1, seconds=10)
    path = "/api/v3/resource/"
    assert gateway.http("device-rest", "POST", path + "stranger/Temperature", "1") == (404, "Device 'stranger' not found")
    assert gateway.http("device-rest", "POST", path + "thermo/Temperature", "1")[0] == 404, "another service's device"
    assert gateway.http("device-rest", "POST", path + "oven/Colour", "1") == (404, "Resource 'Colour' not found")
    assert gateway.http("device-rest", "POST", path + "oven/Temperature") == (400, "no request body provided")
    assert gateway.http("device-rest", "POST", path + "oven/Temperature", "hot")[0] == 400
    assert gateway.http("device-rest", "GET", path + "oven/Temperature")[0] == 405
    assert gateway.http("device-rest", "POST", path + "oven/Temperature", "180.5") == (200, "")
    topic, payload = listener.communicate()[0].split(" ", 1)
    assert topic == "edgex/events/device/device-rest/oven/oven/Temperature"
    assert json.loads(payload)["payload"]["event"]["readings"][0]["value"] == "180.5"


# ---- modbus

REGISTERS = {(HOLDING, 7): 40000, (INPUT, 8): 0xFFFE, (HOLDING, 10): 0x4048, (HOLDING, 11): 0xF5C3}


def test_device_modbus_reads_registers_over_tcp(gateway):
    with TcpDevice(REGISTERS) as meter:
        listener = gateway.subscribe("edgex/events/device/device-modbus/#", messages=2, seconds=10)
        modbus_device(gateway, "meter", over_tcp(meter.port), register(7), interval="1500ms")
        events = [json.loads(line.split(" ", 1)[1])["payload"]["event"] for line in listener.communicate()[0].splitlines()]
        assert [event["readings"][0]["value"] for event in events] == ["40000", "40000"], "as often as its autoEvents say"
        # The first one may come late, and the next is due that much sooner after it.
        assert events[1]["origin"] - events[0]["origin"] > 500 * 10**6

        modbus_device(gateway, "signed", over_tcp(meter.port), register(8, "Int16", "INPUT_REGISTERS"))
        modbus_device(gateway, "wide", over_tcp(meter.port), register(10, "Float32"))
        modbus_device(gateway, "beyond", over_tcp(meter.port), register(99))
        modbus_device(gateway, "coil", over_tcp(meter.port), register(1, "Bool", "COILS"))
        modbus_device(gateway, "silent", over_tcp(meter.port, UnitID="9", Timeout="1"), register(7))
        modbus_device(gateway, "no-unit", {"modbus-tcp": {"Address": "127.0.0.1", "Port": str(meter.port)}}, register(7))
        assert said_by(gateway, "signed") == "-2"
        assert float(said_by(gateway, "wide")) == pytest.approx(3.14)
        assert "exception 2" in said_by(gateway, "beyond") and "exception 1" in said_by(gateway, "coil")
        assert "did not answer in time" in said_by(gateway, "silent")
        assert "UnitID" in said_by(gateway, "no-unit")
        assert gateway.ask("core-command", "device/name/meter/Value", "PUT", {"Value": "1"})[0] == 500
    assert "refused" in said_by(gateway, "signed"), "the device is gone"


def test_device_modbus_reads_registers_over_a_serial_line_that_it_may_open(gateway):
    with SerialDevice(REGISTERS) as meter:
        line = {"modbus-rtu": {"Address": meter.path, "UnitID": "1", "BaudRate": "19200", "DataBits": "8", "StopBits": "1", "Parity": "N",
                               "Timeout": "5s", "IdleTimeout": "1s"}}
        modbus_device(gateway, "rtu", line, register(7))
        modbus_device(gateway, "rtu-beyond", line, register(99))
        modbus_device(gateway, "no-line", {"modbus-rtu": {**line["modbus-rtu"], "Address": "/dev/none"}}, register(7))
        modbus_device(gateway, "no-baud", {"modbus-rtu": {**line["modbus-rtu"], "BaudRate": "17"}}, register(7))
        assert said_by(gateway, "rtu") == "40000"
        assert "exception 2" in said_by(gateway, "rtu-beyond")
        assert "/dev/none" in said_by(gateway, "no-line") and "baud rate 17" in said_by(gateway, "no-baud")


def test_a_primary_table_that_device_modbus_does_not_know_ends_it_with_2(gateway):
    port = free_ports(1)[0]
    process = gateway.start("device-modbus", EDGEX_SERVICE_KEY="device-modbus-2", SERVICE_PORT=port)
    gateway.ports["device-modbus-2"] = port
    wait_until("it answers", lambda: gateway.ask("device-modbus-2", "ping")[0] == 200)
    modbus_device(gateway, "odd", over_tcp(1), register(7, table="SHELF"))
    gateway.ask("core-metadata", "device", "PATCH", [{"device": {"name": "odd", "serviceName": "device-modbus-2", "autoEvents": [
        {"interval": "100ms", "sourceName": "Value"}]}}])
    ends(process, 2)


# ---- rules

def test_rules_see_what_app_rules_engine_publishes(gateway, tmp_path):
    publisher = gateway.ready("app-service-configurable", EDGEX_PROFILE="rules-engine")
    assert gateway.ask("app-service-configurable", "ping")[1]["serviceName"] == "app-rules-engine"
    line = gateway.subscribe("edgex/rules-events", messages=1, seconds=10).communicate()[0]
    assert "readings" in json.loads(line.split(" ", 1)[1])["payload"], "the event itself"

    kuiper = gateway.start_kuiper(tmp_path)
    assert json.loads(gateway.http("ekuiper", "GET", "/")[1])["version"].startswith("2.3")
    stream = 'create stream demo() WITH (FORMAT="JSON", TYPE="edgex")'
    assert gateway.make_at_kuiper("/rules", **rule("early", "SELECT * FROM demo"))[0] == 400
    assert gateway.make_at_kuiper("/streams", sql=stream) == (201, "Stream demo is created.")
    status, body = gateway.make_at_kuiper("/streams", sql=stream)
    assert status == 400 and json.loads(body)["error"] == 1000 and "already exists" in body
    assert gateway.make_at_kuiper("/streams", sql="create pond demo()")[0] == 400
    listener = gateway.subscribe("seen/#", messages=1, seconds=20)
    for_low = rule("low", "SELECT Int8 FROM demo WHERE Int8 < 0", {"edgex": {"connectionSelector": "edgex.mqttMsgBus", "topic": "seen/low"}})
    assert gateway.make_at_kuiper("/rules", **for_low) == (201, "Rule low was created successfully.")
    assert gateway.make_at_kuiper("/rules", **for_low)[0] == 400
    for wrong in (rule("", "SELECT * FROM demo"), rule("x", "SELECT"), rule("x", "SELECT * FROM demo", {"mqtt": {}})):
        assert gateway.make_at_kuiper("/rules", **wrong)[0] == 400
    assert json.loads(gateway.http("ekuiper", "GET", "/rules")[1]) == [{"id": "low", "status": "running"}]
    reading, = json.loads(listener.communicate()[0].split(" ", 1)[1])["payload"]["readings"]
    assert reading["resourceName"] == "Int8" and float(reading["value"]) < 0

    def counts():
        status = json.loads(gateway.http("ekuiper", "GET", "/rules/low/status")[1])
        assert status["status"] == "running"
        return status["source_demo_0_records_in_total"], status["sink_edgex_0_0_records_out_total"]

    wait_until("others are left out", lambda: counts()[0] > counts()[1] > 0)

    kuiper.kill()
    kuiper.wait()
    kuiper = gateway.start_kuiper(tmp_path)
    assert json.loads(gateway.http("ekuiper", "GET", "/rules/low")[1]) == for_low, "what it keeps outlives it"
    assert gateway.http("ekuiper", "DELETE", "/streams/demo")[0] == 400
    assert gateway.http("ekuiper", "DELETE", "/rules/low") == (200, "Rule low is dropped.")
    assert gateway.http("ekuiper", "DELETE", "/rules/low")[0] == 404 and gateway.http("ekuiper", "GET", "/rules/low/status")[0] == 404
    assert gateway.http("ekuiper", "DELETE", "/streams/demo") == (200, "Stream demo is dropped.")
    for process in (kuiper, publisher):
        process.terminate()
        ends(process, 0)


def test_kuiper_serves_without_a_broker_but_not_without_a_place_to_write(gateway, tmp_path):
    alone = gateway.start_kuiper(tmp_path, EDGEX__DEFAULT__PORT=1)
    alone.terminate()
    ends(alone, 0)
    ends(gateway.start_kuiper(tmp_path, EDGEX__DEFAULT__TYPE="redis"), 1)
    (tmp_path / "data" / "kept.json.new").mkdir()
    ends(gateway.start_kuiper(tmp_path), 1)


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
    ends(gateway.start("app-service-configurable", EDGEX_PROFILE="http-export"), 1)
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
        "registration", {}).get("status") == "UP")
