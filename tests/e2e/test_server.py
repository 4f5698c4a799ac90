"""IotServer of profile mainflux-classic: a real Mainflux 0.12 as a pod of a slice node, by samples/mainflux-server/README.md."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import uuid

import pytest
import yaml

from tests.harness.edge import CONTAINERD, RECONNECTED, container_status
from tests.harness.guide import Guide
from tests.harness.iot_server import IotServer
from tests.harness.kubernetes import ROOT, condition, run
from tests.harness.ports import free_ports
from tests.harness.waiting import stays_true, wait_until

README = "samples/mainflux-server/README.md"
SAMPLE = ROOT / "samples" / "mainflux-server"
CONTAINERS = ["postgres", "redis", "nats", "mosquitto", "auth", "users", "things", "mqtt"]
# One of each sort: who stores, who judges, who is talked to.
KILLED = CONTAINERS if os.environ.get("SLICELET_LONG") else ["postgres", "auth", "mqtt"]
DATA = "/var/lib/slicelet-servers"
PATIENCE = 240


@pytest.fixture
def north(edge):
    """kubectl in the sample's slice; leaves nothing of it behind."""
    run([CONTAINERD, "mainflux", edge.containerd_directory], timeout=1800)
    scoped = edge.kubectl("north")
    yield scoped
    scoped("delete", "iotservers", "--all", "--wait=false", check=False)
    edge.kubectl("slicelet")("delete", "iotslices", "--all", "--timeout=240s")
    wait_until("nothing of the slice runs", lambda: edge.sandboxes("north", "") == [])
    shutil.rmtree(edge.shared / "servers", ignore_errors=True)


def sample_on_stand_ins(edge, directory):
    """The README's surroundings: the sample with images that are here, and its data where the host allows it."""
    place = directory / "samples" / "mainflux-server"
    place.mkdir(parents=True)
    shutil.copy(SAMPLE / "slice.yaml", place)
    server = run([SAMPLE / "on-stand-ins.sh"])[1]
    assert server.count(DATA) == 1
    # Other tests may run on this machine at the same time.
    ports = dict(zip(("users", "things", "auth", "access", "mqtt"), free_ports(5)))
    (place / "server.yaml").write_text(server.replace(DATA, str(edge.shared / "servers")) + f"  ports: {json.dumps(ports)}\n")
    return Guide(edge, README, directory)


def reason(kubectl):
    """Why the server is not Ready, as "Reason: message"; "" when it is."""
    ready = condition(kubectl.get("iotserver", "iot"), "Ready")
    if not ready:
        return "nothing has been said"
    return "" if ready["status"] == "True" else f"{ready['reason']}: {ready['message']}"


class Thing(IotServer):
    """A thing and a channel of the server, made with the credentials of its Secret."""

    def __init__(self, kubectl):
        super().__init__(kubectl)
        # Mainflux's parts give each other a second to answer, which is not enough on a busy machine.
        token = wait_until("logging in", self.token)
        self.thing = wait_until("a thing is made", lambda: self._make("things", token))
        self.channel = wait_until("a channel is made", lambda: self._make("channels", token))
        wait_until("they are connected", lambda: self.ask(
            "things", "PUT", f"/channels/{self.channel}/things/{self.thing}", token=token)[0] == 200)
        self.key = wait_until("its key is told", lambda: self.ask("things", "GET", f"/things/{self.thing}", token=token)[1]["key"])

    def is_known(self):
        code, answer, _ = self.ask("things", "GET", f"/things/{self.thing}", token=self.token())
        return code == 200 and answer["key"] == self.key

    def reading_arrives(self):
        """Whether what is published through the adapter reaches a subscriber of the channel."""
        address, port = self.endpoints["mqtt"].removeprefix("tcp://").split(":")
        options = ["-h", address, "-p", port, "-V", "mqttv311", "-u", self.thing, "-P", self.key, "-q", "1",
                   "-t", f"channels/{self.channel}/messages"]
        payload = str(uuid.uuid4())
        try:
            run(["mosquitto_pub", *options, "-r", "-m", payload], timeout=60)
            return payload in run(["mosquitto_sub", *options, "-C", "1", "-W", "10"], timeout=60)[1]
        except subprocess.TimeoutExpired:
            return False

    def _make(self, kind, token):
        code, _, headers = self.ask("things", "POST", f"/{kind}", {"name": "thermometer"}, token)
        assert code == 201, f"making one of {kind}: {code}"
        return headers["Location"].rsplit("/", 1)[1]


def test_the_readme_leads_to_a_server_that_survives_what_happens_to_it(edge, north, tmp_path):
    guide = sample_on_stand_ins(edge, tmp_path)
    guide.follow("server")
    pod, = north.get("pods")
    assert pod["metadata"]["labels"]["slicelet.io/role"] == "server"
    name = pod["metadata"]["name"]
    wait_until("its pod says so", lambda: condition(north.get("pod", name), "slicelet.io/Server")["status"] == "True")
    assert all(container_status(north, name, one)["restartCount"] == 0 for one in CONTAINERS), "in this order nobody fails"
    guide.follow("reading")
    thing = Thing(north)
    wait_until("readings arrive", thing.reading_arrives, timeout=PATIENCE)

    for container in KILLED:
        os.kill(edge.main_process(north, name, container), signal.SIGKILL)
        wait_until(f"{container} is back", lambda container=container: (
            s := container_status(north, name, container))["restartCount"] == 1 and s["ready"], timeout=PATIENCE)
        wait_until(f"the thing is known after {container}'s crash", thing.is_known, timeout=PATIENCE)
        wait_until(f"readings arrive after {container}'s crash", thing.reading_arrives, timeout=PATIENCE)
        # By now that is no word of before the crash.
        wait_until(f"the server is Ready again after {container}'s crash", lambda: reason(north) == "", timeout=PATIENCE)
    for container in set(CONTAINERS) - set(KILLED):
        assert container_status(north, name, container)["restartCount"] == 0, "a crash restarts nobody else"

    if os.environ.get("SLICELET_LONG"):
        edge.reboot_host()
        wait_until("the thing is known after a power cut", thing.is_known, timeout=PATIENCE)
        wait_until("readings arrive after a power cut", thing.reading_arrives, timeout=PATIENCE)
        wait_until("the server is Ready again", lambda: reason(north) == "", timeout=PATIENCE)

    # The provider dies and begins anew: nothing is made twice, and nothing is told to be worse than it is.
    edge.programs["provider"].restart()
    stays_true("the server stays Ready", lambda: reason(north) == "")
    assert [p["metadata"]["name"] for p in north.get("pods")] == [name]
    wait_until("the host is back", lambda: edge.host_info()["connected"], timeout=RECONNECTED)

    guide.follow("suspend")
    wait_until("its data outlives the pod", thing.is_known, timeout=PATIENCE)
    wait_until("readings arrive", thing.reading_arrives, timeout=PATIENCE)

    data = pathlib.Path(north.get("iotserver", "iot")["status"]["data"])
    guide.follow("remove")
    assert set(guide.followed) == set(guide.steps)
    wait_until("the slice's namespace is gone", lambda: edge.kubectl("").get("namespace", "north") is None)
    wait_until("nothing of it runs", lambda: edge.sandboxes("north", "") == [])
    assert (data / "data" / "PG_VERSION").exists(), "what a server knew stays where the README says"


def test_a_host_that_does_not_give_the_directory_says_so(edge, north, tmp_path):
    edge.kubectl("slicelet").apply(yaml.safe_load((SAMPLE / "slice.yaml").read_text()))
    wait_until("there is a namespace", lambda: edge.kubectl("").get("namespace", "north"))
    server = yaml.safe_load(run([SAMPLE / "on-stand-ins.sh"])[1])
    server["spec"]["dataPath"] = str(tmp_path)
    north.apply(server)
    # A pod that was refused is replaced after a while: all is said at once.
    said = wait_until("it is said", lambda: "hostPathPrefixes" in condition(
        one := north.get("iotserver", "iot"), "Ready")["message"] and one)
    ready = condition(said, "Ready")
    assert "HostPolicyDenied" in f"{ready['reason']}: {ready['message']}" and str(tmp_path) in ready["message"]
    assert said["status"]["phase"] == "Error"
    north("delete", "iotserver", "iot", "--timeout=240s")
