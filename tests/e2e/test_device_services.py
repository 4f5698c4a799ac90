"""Gateways of every device service and of the full profile, and what they take of their host: ports, a serial line, a directory."""

import contextlib
import ipaddress
import json
import os
import pathlib
import subprocess

import pytest

from tests.e2e.test_kinds import kind, ready
from tests.harness.edge import CONTAINERD
from tests.harness.edgex import http, rule
from tests.harness.kubernetes import run
from tests.harness.modbus import HOLDING, SerialDevice, TcpDevice
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until

# By container, where the published image is not named as that.
OTHERWISE = {"mosquitto": "eclipse-mosquitto", "device-broker": "eclipse-mosquitto", "app-rules-engine": "app-service-configurable"}
CONTAINERS = ["postgres", "mosquitto", "device-broker", "core-metadata", "core-data", "core-command", "device-virtual", "device-mqtt",
              "device-rest", "device-modbus", "support-notifications", "support-scheduler", "app-rules-engine", "ekuiper"]
PATIENCE = 240
REGISTERS = {(HOLDING, 7): 40000}


@pytest.fixture
def north(edge, hub):
    """kubectl in a slice with the images that gateways need."""
    run([CONTAINERD, "gateway", edge.containerd_directory], timeout=600)
    hub.apply(kind("e2e-north", "IotSlice", {"edge": {"nodes": ["gw-1"]}}))
    wait_until("the slice is Ready", lambda: ready(hub, "iotslice", "e2e-north") == "", timeout=60)
    return edge.kubectl("e2e-north")


def gateway(**more):
    return kind("press", "IotGateway", {"slice": "e2e-north", "target": {"host": "gw-1"}, "images": {
        name: f"docker.io/slicelet/stand-in-{OTHERWISE.get(name, name)}:1" for name in CONTAINERS}, **more})


def oven(protocol, resource=None, **properties):
    return kind("oven", "IotDevice", {"gateway": "press", "protocol": protocol, "resources": [{"name": "temperature", **(resource or {})}],
                                      **({"protocolProperties": properties} if properties else {})})


def told(north, word):
    """Why the gateway is not Ready, once that names it."""
    return wait_until(f"{word} is said", lambda: word in (why := ready(north, "iotgateway", "press") or "") and why, timeout=120)


def comes_up(north):
    """The gateway's pod, once it is Ready."""
    wait_until("the gateway is Ready", lambda: ready(north, "iotgateway", "press") == "", timeout=PATIENCE)
    pod, = north.get("pods")
    return pod


def registered(north):
    wait_until("the device is registered", lambda: ready(north, "iotdevice", "oven") == "", timeout=PATIENCE)


def count(north):
    """How many of the device's readings its status has."""
    return (north.get("iotdevice", "oven").get("status") or {}).get("readingCount") or 0


def inside(edge):
    """Where the gateway's services are reached on their host."""
    sandbox, = edge.sandboxes("e2e-north", "press")
    return json.loads(edge.crictl("inspectp", sandbox["id"]))["status"]["network"]["ip"]


def values(edge):
    """The device's readings that core-data holds."""
    status, body = http(f"http://{inside(edge)}:59880/api/v3/reading/device/name/oven?limit=100", "GET")
    assert status == 200
    return [reading["value"] for reading in json.loads(body)["readings"]]


def several(edge):
    """The same, once there are more than one."""
    return wait_until("readings arrive", lambda: len(read := values(edge)) > 1 and read)


class Subscriber:
    """What a broker publishes from now on, as (topic, payload)."""

    def __init__(self, host, topic, *more):
        # Line by line, and telling when it is subscribed.
        self._process = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-d", "-h", host, "-t", topic, "-F", "> %t %p", *more],
                                         stdout=subprocess.PIPE, text=True)
        assert any(line.startswith("Subscribed") for line in self._process.stdout), "the broker is not reached"

    def next(self):
        line = next(line for line in self._process.stdout if line.startswith("> "))
        return tuple(line.rstrip("\n").split(" ", 2)[1:])

    def end(self):
        """What has come and was not asked for yet."""
        self._process.terminate()
        return [tuple(line.split(" ", 2)[1:]) for line in self._process.communicate()[0].splitlines() if line.startswith("> ")]


def publish(host, port, topic, payload):
    run(["mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-t", topic, "-m", payload])


def begin_anew(north):
    """A failed pod is replaced after minutes, or at once when the spec changes."""
    for suspended in (True, False):
        north("patch", "iotgateway", "press", "--type=merge", "-p", json.dumps({"spec": {"suspended": suspended}}))
        wait_until("there is a pod as asked for", lambda suspended=suspended: bool(north.get("pods")) is not suspended, timeout=120)


def policy(edge, *paths, **more):
    """The host's policy allows these paths too."""
    return edge.agent_settings(policy={"hostPathPrefixes": [str(edge.shared), *map(str, paths)], **more})


def test_the_full_profile_comes_up_in_order_and_its_rules_see_readings(edge, north):
    north.apply(gateway(profile="edgex-4.0-full"))
    pod = comes_up(north)
    statuses = {status["name"]: status for status in pod["status"]["containerStatuses"]}
    assert set(statuses) == {"postgres", "mosquitto", "core-metadata", "core-data", "core-command", "device-virtual", "support-notifications",
                             "support-scheduler", "app-rules-engine", "ekuiper"}
    assert all(status["ready"] and status["restartCount"] == 0 for status in statuses.values()), "in this order nobody fails"
    started = {name: status["state"]["running"]["startedAt"] for name, status in statuses.items()}
    order = [entry.strip().split("=") for entry in pod["metadata"]["annotations"]["slicelet.io/depends-on"].split(";")]
    assert {name for name, _ in order} == set(statuses) - {"postgres", "mosquitto"}
    for name, after in order:
        for former in after.split(","):
            assert started[former] <= started[name], f"{name} after {former}"

    address = inside(edge)
    kuiper = f"http://{address}:59720"
    listener = Subscriber(address, "e2e/high", "-W", str(PATIENCE))
    assert http(f"{kuiper}/streams", "POST", json.dumps({"sql": 'create stream demo() WITH (FORMAT="JSON", TYPE="edgex")'}))[0] == 201
    high = rule("high", "SELECT Int32 FROM demo WHERE Int32 > 0", {"edgex": {"connectionSelector": "edgex.mqttMsgBus", "topic": "e2e/high"}})
    assert http(f"{kuiper}/rules", "POST", json.dumps(high)) == (201, "Rule high was created successfully.")
    reading, = json.loads(listener.next()[1])["payload"]["readings"]
    assert reading["resourceName"] == "Int32" and float(reading["value"]) > 0
    listener.end()
    _, body = wait_until("the rule's state is told", lambda: (one := http(f"{kuiper}/rules/high/status", "GET"))[0] == 200 and one)
    assert json.loads(body)["source_demo_0_records_in_total"] > 0


def test_mqtt_devices_publish_at_the_hosts_port(edge, north):
    port, = free_ports(1)
    north.apply(gateway(deviceService="mqtt", devicePort=port))
    north.apply(oven("mqtt", {"valueType": "Float32", "units": "Cel"}))
    pod = comes_up(north)
    registered(north)
    host = pod["status"]["hostIP"]
    bus = Subscriber(inside(edge), "edgex/events/device/device-mqtt/#", "-W", str(PATIENCE))
    outside = Subscriber(host, "#", "-p", str(port))
    publish(host, port, "incoming/data/stranger/temperature", "1.0")
    for value in ("180.5", "181.5", "182.5"):
        publish(host, port, "incoming/data/oven/temperature", value)
    wait_until("they arrive", lambda: sorted(values(edge)) == ["180.5", "181.5", "182.5"])
    topic, payload = bus.next()
    bus.end()
    assert topic == "edgex/events/device/device-mqtt/oven/oven/temperature"
    reading, = json.loads(payload)["payload"]["event"]["readings"]
    assert reading["value"] == "180.5" and reading["units"] == "Cel"
    wait_until("the device's status counts them", lambda: count(north) == 3, timeout=PATIENCE)
    assert north.get("iotdevice", "oven")["status"]["lastReadingTime"] > pod["metadata"]["creationTimestamp"]
    assert [topic.rsplit("/", 1)[0] for topic, _ in outside.end()] == ["incoming/data/stranger"] + ["incoming/data/oven"] * 3, (
        "EdgeX's bus is the pod's own")


def test_rest_devices_post_at_the_hosts_port(edge, north):
    port, = free_ports(1)
    north.apply(gateway(deviceService="rest", devicePort=port))
    north.apply(oven("rest", {"valueType": "Float32"}))
    pod = comes_up(north)
    registered(north)
    resource = f"http://{pod['status']['hostIP']}:{port}/api/v3/resource"
    assert http(f"{resource}/oven/temperature", "POST", "180.5")[0] == 200
    assert http(f"{resource}/stranger/temperature", "POST", "1.0")[0] == 404
    assert http(f"{resource}/oven/temperature", "POST", "hot")[0] == 400
    wait_until("the reading arrives", lambda: values(edge) == ["180.5"])
    wait_until("the device's status counts it", lambda: count(north) == 1, timeout=PATIENCE)


def test_modbus_devices_are_read_over_tcp(edge, north):
    # Where the host is on the network of its pods.
    host = str(next(ipaddress.ip_network((edge.containerd_directory / "subnet").read_text().strip()).hosts()))
    north.apply(gateway(deviceService="modbus"))
    with TcpDevice(REGISTERS) as meter:
        north.apply(oven("modbus", register(), Address=host, Port=str(meter.port), UnitID="1"))
        comes_up(north)
        registered(north)
        assert set(several(edge)) == {"40000"}
        wait_until("the device's status counts them", lambda: count(north) > 0, timeout=PATIENCE)


def test_modbus_devices_are_read_over_a_serial_line_that_the_host_gives(edge, north):
    with SerialDevice(REGISTERS) as meter, link("/dev/slicelet-e2e", meter.path) as line:
        north.apply(gateway(deviceService="modbus", serialDevice=line))
        north.apply(oven("modbus", register(), Address=line, UnitID="1", BaudRate="19200", DataBits="8", StopBits="1", Parity="N"))
        assert "HostPolicyDenied: " in told(north, '"privileged"')
        with policy(edge, privileged=True):
            begin_anew(north)
            why = told(north, '"hostPathPrefixes"')
            assert "HostPolicyDenied: " in why and line in why
        with policy(edge, line, privileged=True):
            begin_anew(north)
            comes_up(north)
            registered(north)
            assert set(several(edge)) == {"40000"}


def test_a_data_path_that_the_host_denies_is_said_until_spec_or_policy_is_another(edge, north, tmp_path):
    north.apply(gateway(dataPath=str(tmp_path)))
    why = told(north, '"hostPathPrefixes"')
    assert "HostPolicyDenied: " in why and str(tmp_path) in why
    assert north.get("iotgateway", "press")["status"]["phase"] == "Error"

    # Another spec: without it.
    north("patch", "iotgateway", "press", "--type=merge", "-p", '{"spec": {"dataPath": null}}')
    comes_up(north)
    north("patch", "iotgateway", "press", "--type=merge", "-p", json.dumps({"spec": {"dataPath": str(tmp_path)}}))
    told(north, '"hostPathPrefixes"')

    # Another policy.
    with policy(edge, tmp_path):
        begin_anew(north)
        comes_up(north)
    data = pathlib.Path(north.get("iotgateway", "press")["status"]["data"])
    assert tmp_path in data.parents and (data / "database").is_dir()
    north("delete", "iotgateway", "press", "--timeout=170s", timeout=180)


def register():
    return {"valueType": "Uint16", "interval": "1s", "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": "7"}}


@contextlib.contextmanager
def link(path, target):
    """A name for a device, as udev gives them."""
    path = f"{path}-{os.getpid()}"
    os.symlink(target, path)
    try:
        yield path
    finally:
        os.unlink(path)
