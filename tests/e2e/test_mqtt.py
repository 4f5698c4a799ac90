"""A host that reaches nothing but its broker: logs come in pieces, everything that needs a stream says why there is none."""

import datetime
import json
import re
import shutil
import subprocess

import pytest

from tests.harness.edge import RECONNECTED
from tests.harness.kubernetes import is_ready, run
from tests.harness.pods import pod
from tests.harness.waiting import wait_until


@pytest.fixture(autouse=True)
def without_tunnels(edge):
    path = edge.agent_directory / "agent.json"
    former = path.read_text()
    settings = json.loads(former)
    settings["link"]["tunnels"] = False
    path.write_text(json.dumps(settings))
    agent = edge.programs["agent"]
    agent.restart()
    yield
    path.write_text(former)
    agent.restart()


def test_logs_come_whole_follow_and_end(edge, kubectl):
    kubectl.apply(pod("chatty", args=["lines", "0", "300"]),
                  pod("long", args=["lines", "20000", "0", "wait"]), pod("once", args=["print", "done"], restart="Never"))
    wait_until("running", lambda: is_ready(kubectl.get("pod", "chatty")))
    with kubectl.follow("logs", "-f", "chatty") as lines:
        followed = [next(lines) for _ in range(5)]
    assert all(re.fullmatch(r"line \d+", line) for line in followed)
    wait_until("written", lambda: kubectl("logs", "--tail=1", "long") == "line 20000\n")
    assert kubectl("logs", "long") == "".join(f"line {number}\n" for number in range(1, 20001))  # 200 KB
    wait_until("finished", lambda: kubectl.get("pod", "once")["status"].get("phase") == "Succeeded")
    assert kubectl("logs", "-f", "once") == "done\n", "following something that has ended, ends"
    assert kubectl("logs", "--tail=2", "long") == "line 19999\nline 20000\n"
    assert len(kubectl("logs", "--limit-bytes=10", "chatty")) == 10
    code, _, err = kubectl("logs", "chatty", "-c", "nosuch", check=False)
    assert code != 0 and "nosuch" in err


def test_what_needs_a_stream_says_that_there_is_none(edge, kubectl):
    kubectl.apply(pod("alone", args=["wait"]))
    wait_until("running", lambda: is_ready(kubectl.get("pod", "alone")))
    code, _, err = kubectl("exec", "alone", "--", "/bin/workload", "print", "hi", check=False)
    assert code != 0 and "only an MQTT link" in err, err
    url = f"{edge.kubelet_url()}/exec/{kubectl.namespace}/alone/main?command=/bin/workload&output=1"
    assert edge.curl(url, certificate="kubelet-client", method="POST", headers=[
        "Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io"]) == 503


def test_a_stolen_host_is_refused_by_the_broker_too(edge, kubectl, tmp_path):
    edge.slicectl("host", "add", "stolen", "--dir", edge.hub_directory)
    credentials = json.loads((edge.hub_directory / "hosts" / "stolen.slicelet").read_text())
    for name in ("ca", "certificate", "key"):
        (tmp_path / name).write_text(credentials[name])

    def is_let_in():
        return subprocess.run(
            ["mosquitto_pub", "-V", "5", "-h", "127.0.0.1", "-p", str(edge.broker_port), "-q", "1", "-i", "stolen",
             "--cafile", tmp_path / "ca", "--cert", tmp_path / "certificate", "--key", tmp_path / "key",
             "-t", f"slicelet/v1/{credentials['hub']}/h/stolen/up", "-m", "x"], capture_output=True, timeout=120).returncode == 0
    assert is_let_in()
    printed = edge.slicectl("hub", "revoke", "stolen", "--dir", edge.hub_directory)
    assert "revoked.crl lists what host stolen was given: 1 certificate\n" in printed
    # The others come back.
    for restarted in ("broker", "agent"):
        edge.programs[restarted].restart()
    assert not is_let_in()
    kubectl.apply(pod("afterwards", args=["wait"]))
    wait_until("running", lambda: is_ready(kubectl.get("pod", "afterwards")), timeout=RECONNECTED)
    assert not is_let_in()


def test_renewed_certificates_count_over_the_broker(edge, kubectl):
    def end(certificate):
        shown = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601"], input=certificate, capture_output=True,
                               text=True, check=True).stdout.strip().removeprefix("notAfter=").replace(" ", "T")
        return datetime.datetime.fromisoformat(shown.replace("Z", "+00:00")).timestamp()

    def told():
        page = run(["curl", "-sk", "--fail", f"https://127.0.0.1:{edge.metrics_port}/metrics"])[1]
        line = re.search(rf'^slicelet_provider_host_certificate_expiry_timestamp_seconds{{host="{edge.host}"}} (\S+)$', page, re.M)
        return line and float(line[1])
    kubectl.apply(pod("stays", args=["wait"]))
    wait_until("running", lambda: is_ready(kubectl.get("pod", "stays")))
    before = kubectl.get("pod", "stays")["status"]["containerStatuses"]
    credentials = edge.hub_directory / "hosts" / f"{edge.host}.slicelet"
    wait_until("the hub tells when it ends", lambda: told() == end(json.loads(credentials.read_text())["certificate"]))
    provider = edge.programs["provider"].process.pid

    printed = edge.slicectl("hub", "renew", "--dir", edge.hub_directory)
    assert "  mqtt.crt\n  mosquitto/mqtt-broker.crt\nnext:\n" in printed
    edge.slicectl("host", "add", edge.host, "--renew", "--dir", edge.hub_directory)
    shutil.copy(credentials, edge.agent_directory / "host.json")
    for restarted in ("broker", "agent"):
        edge.programs[restarted].restart()
    wait_until("the host has shown its new certificate",
               lambda: told() == end(json.loads(credentials.read_text())["certificate"]), timeout=RECONNECTED)
    kubectl.apply(pod("afterwards", args=["wait"]))
    wait_until("running", lambda: is_ready(kubectl.get("pod", "afterwards")), timeout=RECONNECTED)
    wait_until("the other pod is as it was", lambda: kubectl.get("pod", "stays")["status"]["containerStatuses"] == before)
    assert edge.programs["provider"].process.pid == provider
