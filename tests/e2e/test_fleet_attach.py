"""A gateway on a fleet node is attached to a real Mainflux on each of its hosts: an identity, a channel and a connection for every host, and
nothing left behind."""

import contextlib
import ipaddress
import json
import subprocess

import pytest

from tests.e2e.test_attach import VERSION, Subscriber, bring_exporter
from tests.e2e.test_kinds import kind, ready
from tests.harness.edge import CONTAINERD, RECONNECTED
from tests.harness.fleet import FleetEdge
from tests.harness.kubernetes import condition, run
from tests.harness.mainflux import ADMIN
from tests.harness.ports import free_ports
from tests.harness.process import Program
from tests.harness.waiting import wait_until
from tests.harness.worlds import brought_up

HOSTS = ["gw-1", "gw-2"]
EXPORTER = f"docker.io/slicelet/senml-export:{VERSION}"


@pytest.fixture(scope="module")
def edge():
    """A world of its own with two hosts."""
    with brought_up(lambda directory: FleetEdge(directory, hollow=0), "fleet-attach") as world:
        yield world


class Bus:
    """One broker for the gateways of both hosts. Each reads events below its own address, so that one host's are told from the other's."""

    def __init__(self, edge, directory):
        self.edge = edge
        # Where the hosts' pods reach this machine.
        self.machine = str(next(ipaddress.ip_network((edge.containerd_directory / "subnet").read_text().strip()).hosts()))
        self.port, = free_ports(1)
        configuration = directory / "bus.conf"
        configuration.write_text(f"listener {self.port}\nallow_anonymous true\nuser root\n")
        self.program = Program("bus", ["mosquitto", "-c", configuration], directory).start()

    def exporter(self):
        """The container that reads it."""
        own = [{"name": f"MESSAGEBUS_{name}", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
               for name in ("BASETOPICPREFIX", "OPTIONAL_CLIENTID")]
        env = [{"name": "MESSAGEBUS_HOST", "value": self.machine}, {"name": "MESSAGEBUS_PORT", "value": str(self.port)}, *own]
        return {"name": "senml-export", "image": EXPORTER, "imagePullPolicy": "IfNotPresent", "env": env}

    def publish(self, host, device, value):
        containerd = self.edge.other_containerd if host == self.edge.other else self.edge.containerd_directory
        running = self.edge.running_on(host, "e2e-north", "press-")
        assert len(running) == 1, f"{len(running)} containers on {host}"
        container, = running
        inspected = json.loads(self.edge.crictl("inspect", container, containerd=containerd))
        prefix, = [one["value"] for one in inspected["info"]["config"]["envs"] if one["key"] == "MESSAGEBUS_BASETOPICPREFIX"]
        event = {"payload": {"event": {"deviceName": device, "origin": 1_700_000_000_000_000_000 + value, "readings": [
            {"resourceName": "count", "valueType": "Int32", "value": str(value)}]}}}
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", f"{prefix}/events/device/s/p/{device}/count", "-m",
                        json.dumps(event)], check=True, timeout=120)


@pytest.fixture
def bus(edge, tmp_path):
    made = Bus(edge, tmp_path)
    yield made
    made.program.kill()


class Server:
    """What a Mainflux holds more than before."""

    def __init__(self, mainflux):
        self.mainflux = mainflux
        self.token = mainflux.login()
        self.before = [mainflux.count(what, self.token) for what in ("things", "channels")]

    def made(self):
        return [self.mainflux.count(what, self.token) - before for what, before in zip(("things", "channels"), self.before)]

    def channels_of(self, thing):
        return [one["id"] for one in self.mainflux.request("things", "GET", f"/things/{thing}/channels", None, self.token)[1]["channels"]]


@pytest.fixture
def north(edge, hub, mainflux, bus):
    """kubectl in a slice with the fleet node and the IotServer."""
    bring_exporter(edge)
    for name in ("senml-export", "senml-export-idle"):
        run([CONTAINERD, "ctr", edge.other_containerd, "images", "import", edge.directory / "images" / f"{name}.tar"], timeout=600)
    hub.apply(kind("e2e-north", "IotSlice", {"edge": {"nodes": ["fleet"]}}))
    wait_until("the slice is Ready", lambda: ready(hub, "iotslice", "e2e-north") == "")
    scoped = edge.kubectl("e2e-north")
    at = {name: f"http://{bus.machine}:{mainflux.ports[port]}" for name, port in (
        ("users", "users"), ("things", "things"), ("auth", "auth"), ("access", "identify"))}
    scoped.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": dict(zip(("email", "password"), ADMIN))},
        kind("iot", "IotServer", {"slice": "e2e-north", "profile": "external", "url": f"http://{bus.machine}", "credentialsSecret": "login",
                                  "endpoints": {**at, "mqtt": f"tcp://{bus.machine}:{mainflux.ports['mqtt']}"}}))
    wait_until("the server is Ready", lambda: ready(scoped, "iotserver", "iot") == "")
    return scoped


def attachment(kubectl):
    """Such as "Attached 2/2"; "" without any."""
    told = (kubectl.get("iotgateway", "press").get("status") or {}).get("attachment") or {}
    return " ".join(filter(None, (told.get("state"), told.get("hosts"))))


def keys(kubectl):
    """What each host's exporter is told."""
    made = kubectl.get("secret", "press-export-hosts")
    told = {}
    for key, value in (made["data"] if made else {}).items():
        host, _, name = key.partition(".")
        told.setdefault(host, {})[name] = value
    return told


def test_every_host_of_a_fleets_gateway_has_an_identity_of_its_own(edge, hub, north, mainflux, bus):
    server = Server(mainflux)
    for host in HOSTS:
        edge.tag(host, line="press")
    north.apply(kind("press", "IotGateway", {
        "slice": "e2e-north", "target": {"node": "fleet", "targetCondition": "tags.line = 'press'"}, "attachTo": "iot", "profile": "custom",
        "template": {"spec": {"terminationGracePeriodSeconds": 1, "containers": [bus.exporter()]}}}))
    # The provider dies in the middle of it.
    wait_until("something is at the server", lambda: server.made() != [0, 0], interval=0.02)
    edge.programs["provider"].restart()
    wait_until("it is attached on both", lambda: attachment(north) == "Attached 2/2", timeout=RECONNECTED)
    assert server.made() == [2, 2]
    records = north.get("iotgateway", "press")["status"]["attachments"]
    assert sorted(records) == ["gw-1.iot", "gw-2.iot"]
    assert len({records[one][of] for one in records for of in ("identity", "channel")}) == 4
    for record in records.values():
        assert server.channels_of(record["identity"]) == [record["channel"]], "each publishes to its own channel alone"
    told = wait_until("each host's exporter is told", lambda: sorted(told := keys(north)) == HOSTS and told)
    assert told["gw-1"]["SENML_PASSWORD"] != told["gw-2"]["SENML_PASSWORD"]
    assert "2 hosts" in condition(north.get("iotgateway", "press"), "Attached")["message"]

    with contextlib.ExitStack() as end:
        readers = {}
        for host in HOSTS:
            readers[host] = Subscriber(mainflux, {"data": told[host]})
            end.callback(readers[host].end)

        def arrives(host, reader=None):
            bus.publish(host, f"meter-{host}", 1)
            return (reader or readers[host]).of(f"meter-{host}:count")

        for host in HOSTS:
            wait_until(f"readings of {host} arrive", lambda host=host: arrives(host), interval=0.5)
        for host, other in (HOSTS, HOSTS[::-1]):
            assert not readers[host].of(f"meter-{other}:count"), "each in the channel of its own host"

        # A host that leaves is detached, and the other one publishes on.
        edge.tag("gw-2", line=None)
        wait_until("gw-2 is detached", lambda: server.made() == [1, 1] and attachment(north) == "Attached 1/1")
        assert edge.running_on("gw-2", "e2e-north", "press-") == set()
        wait_until("nobody is told of it any more", lambda: keys(north) == {"gw-1": told["gw-1"]})
        # One that joins is attached, as somebody new.
        edge.tag("gw-2", line="press")
        wait_until("gw-2 is attached again", lambda: attachment(north) == "Attached 2/2" and server.made() == [2, 2])
        again = wait_until("it is told", lambda: sorted(again := keys(north)) == HOSTS and again)
        assert again["gw-1"] == told["gw-1"] and again["gw-2"]["SENML_USERNAME"] != told["gw-2"]["SENML_USERNAME"]
        readers["gw-2"].end()
        late = Subscriber(mainflux, {"data": again["gw-2"]})
        end.callback(late.end)
        wait_until("its readings arrive", lambda: arrives("gw-2", late), interval=0.5)

    # Detached: the same pod with an exporter that does nothing, and a server that has forgotten all of it.
    pod, = north.get("pods")
    north("patch", "iotgateway", "press", "--type=merge", "-p", '{"spec": {"attachTo": null}}')
    wait_until("it is detached", lambda: attachment(north) == "" and server.made() == [0, 0])
    left, = north.get("pods")
    assert left["metadata"]["uid"] == pod["metadata"]["uid"] and left["spec"]["containers"][0]["image"] == f"{EXPORTER}-idle"
    wait_until("nobody is told anything", lambda: keys(north) == {} and not north.get("iotgateway", "press")["status"].get("attachments"))

    # Deleted while it is attached and one of its hosts is away: that host's is taken back once it says that nothing is sent.
    north("patch", "iotgateway", "press", "--type=merge", "-p", '{"spec": {"attachTo": "iot"}}')
    wait_until("it is attached once more", lambda: attachment(north) == "Attached 2/2")
    edge.kill("agent-2")
    north("delete", "iotgateway", "press", "--wait=false")
    wait_until("gw-1 is detached", lambda: server.made() == [1, 1])
    edge.start("agent-2")
    wait_until("the gateway is gone", lambda: north.get("iotgateway", "press") is None)
    assert server.made() == [0, 0]
    wait_until("nobody is told anything", lambda: keys(north) == {})
    for host in HOSTS:
        wait_until(f"nothing runs on {host}", lambda host=host: edge.running_on(host, "e2e-north", "") == set())
