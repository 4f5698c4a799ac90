"""senml-export against a real Mainflux: readings of a gateway's bus arrive at a subscriber of the channel."""

import json
import os
import pathlib
import re
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from tests.harness.kubernetes import ROOT
from tests.harness.ports import free_ports
from tests.harness.process import Program
from tests.harness.waiting import wait_until

EXPORT = pathlib.Path(os.environ.get("SLICELET_BIN", ROOT / "build/release")).resolve() / "edge-agent/senml-export/senml-export"


class Export:
    """A bus, the exporter on it, and a subscriber of the channel with a session that the server keeps.

    `values` is what that subscriber got. Its connection ends with the adapter's, and what was under way to it comes again;
    `published` is what the exporter brought to the broker behind the adapter, seen over a connection that stays.
    """

    def __init__(self, server, directory):
        self.server, self.directory = server, pathlib.Path(directory)
        self.token = server.login()
        self.thing = server.create("things", "gw-1", self.token)
        self.channel = server.create("channels", "gw-1", self.token)
        self.key = server.request("things", "GET", f"/things/{self.thing}", None, self.token)[1]["key"]
        self.bus_port, self.probes_port = free_ports(2)
        self.values, self.published = [], []
        self.readers, self.subscribers, self.stopping = [], [], threading.Event()

    def connect(self, method="PUT"):
        return self.server.request("things", method, f"/channels/{self.channel}/things/{self.thing}", None, self.token)[0]

    def start(self):
        configuration = self.directory / "bus.conf"
        configuration.write_text(f"listener {self.bus_port} 127.0.0.1\nallow_anonymous true\nuser root\n")
        self.bus = Program("bus", ["mosquitto", "-c", configuration], self.directory).start()
        self.topic = f"channels/{self.channel}/messages"
        self.subscribe(self.values, str(self.server.ports["mqtt"]), "-V", "mqttv311", "-u", self.thing, "-P", self.key, "-c",
                       "-i", f"reader-{self.thing}")
        self.subscribe(self.published, str(self.server.ports["broker"]))
        self.export = Program("senml-export", [EXPORT], self.directory, {
            "SENML_SERVER": f"tcp://127.0.0.1:{self.server.ports['mqtt']}", "SENML_USERNAME": self.thing, "SENML_PASSWORD": self.key,
            "SENML_CLIENT_ID": "gw-1", "SENML_TOPIC": self.topic, "SENML_STORE": str(self.directory / "outbox.db"),
            "SENML_LISTEN": f"127.0.0.1:{self.probes_port}", "MESSAGEBUS_HOST": "127.0.0.1",
            "MESSAGEBUS_PORT": str(self.bus_port)}).start()
        wait_until("the exporter is ready", lambda: self.page("/readyz")[0] == 200)
        # A session at the bus and a subscription at the server, both in place.
        wait_until("a reading arrives", lambda: self.publish([-1]) or -1 in self.values and -1 in self.published, interval=0.5)
        # Behind all of those that were tried.
        self.publish([-2])
        wait_until("no such reading is under way any more", lambda: -2 in self.values and -2 in self.published)
        return self

    def subscribe(self, values, port, *options):
        def read():
            # A server that is short of time also refuses those that it knows, and mosquitto_sub does not ask again.
            while not self.stopping.is_set():
                subscriber = subprocess.Popen(["mosquitto_sub", "-p", port, *options, "-q", "1", "-t", self.topic],
                                              stdout=subprocess.PIPE, text=True)
                self.subscribers.append(subscriber)
                for line in subscriber.stdout:
                    values.extend(record["v"] for record in json.loads(line))
                subscriber.wait()
                self.stopping.wait(0.5)

        self.readers.append(threading.Thread(target=read, daemon=True))
        self.readers[-1].start()

    def publish(self, values):
        """Every message of the bus is acknowledged when this returns."""
        lines = "".join(json.dumps({"payload": {"event": {
            "deviceName": "press-1", "origin": 1_700_000_000_000_000_000 + value,
            "readings": [{"resourceName": "count", "valueType": "Int32", "value": str(value)}]}}}) + "\n" for value in values)
        ended = subprocess.run(["mosquitto_pub", "-p", str(self.bus_port), "-q", "1", "-t", "edgex/events/device/s/p/press-1/count", "-l"],
                               input=lines, text=True, check=False)
        assert ended.returncode == 0, "the bus takes nothing"

    def page(self, path):
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self.probes_port}{path}", timeout=60, context=trusting) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def connections(self):
        """How often the exporter has been connected to the server."""
        return len(re.findall("(?<!not )connected to the server", self.export.said()))

    def stop(self):
        self.stopping.set()
        while any(reader.is_alive() for reader in self.readers):
            for subscriber in list(self.subscribers):
                subscriber.kill()
            self.readers[0].join(0.1)
        for program in (self.export, self.bus):
            program.kill()


@pytest.fixture
def export(mainflux, tmp_path):
    made = Export(mainflux, tmp_path)
    assert made.connect() == 200
    made.start()
    yield made
    made.stop()


def test_every_reading_arrives_over_restarts_of_the_adapter(mainflux, export):
    export.publish(range(200))
    wait_until("the first readings arrive", lambda: {*range(10)} <= {*export.values})
    mainflux.programs["mqtt"].kill()
    export.publish(range(200, 400))
    mainflux.programs["mqtt"].start()
    wait_until("all readings arrive", lambda: {*range(400)} <= {*export.values}, timeout=300)
    wait_until("the broker has passed on all readings", lambda: {*range(400)} <= {*export.published})
    published = [value for value in export.published if value >= 0]
    # When the adapter was killed, and whenever else it hung up: it does where its own questions are not answered within a second.
    assert len(published) - 400 <= 64 * max(1, export.connections() - 1), "more came twice than was under way"


def test_a_refusal_is_seen_before_there_are_readings(mainflux, export):
    """Each connection is tried with a pack without records, which brings no reading to anybody."""
    before = len(export.values)
    assert export.connect("DELETE") == 204
    mainflux.programs["mqtt"].kill()
    mainflux.programs["mqtt"].start()
    wait_until("the refusal is shown", lambda: "took nothing" in export.page("/readyz")[1])
    assert export.connect() == 200
    wait_until("the exporter is ready again", lambda: export.page("/readyz")[0] == 200, timeout=300)
    wait_until("readings arrive", lambda: export.publish([7]) or 7 in export.values, interval=0.5)
    # What was under way to the subscriber before may come again.
    assert {value for value in export.values[before:] if value >= 0} == {7}


def test_a_thing_that_is_cut_off_its_channel_is_told_apart(export):
    assert export.connect("DELETE") == 204
    export.publish(range(10))
    shown = wait_until("the refusal is shown", lambda: "took nothing" in (page := export.page("/readyz"))[1] and page)
    assert shown[0] == 503
    assert not [value for value in export.values if value >= 0]
    assert export.connect() == 200
    wait_until("what was kept arrives", lambda: {*range(10)} <= {*export.values}, timeout=300)
    wait_until("the exporter is ready again", lambda: export.page("/readyz")[0] == 200)
