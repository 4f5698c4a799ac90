"""Manifests that the hub never signed, that were changed, or that it signed long ago: the host refuses them by name and runs
what it has, until it is given the right one."""

import contextlib
import re
import shutil
import sqlite3

import pytest
import yaml

from tests.harness.edge import RECONNECTED
from tests.harness.kubernetes import condition, is_ready
from tests.harness.pods import TOLERATIONS, deployment, pod
from tests.harness.process import Program
from tests.harness.waiting import wait_until

# In a stored HostRecord: the key's id and the signature's 64 bytes, as SignedManifest has them.
SIGNATURE = re.compile(rb"\x12\x10[0-9a-f]{16}\x1a\x40", re.S)

# Of pods that tolerate less the shim corrects the specification after a while, and the hub signs a new manifest for it.
FOR_EVER = [*TOLERATIONS, *({"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute"}
                            for state in ("not-ready", "unreachable"))]


@pytest.fixture(autouse=True)
def healed(edge):
    yield
    edge.link.heal()
    edge.renew_agent()


@pytest.fixture
def kept(edge, kubectl):
    """What runs and may not be touched: container ids."""
    kubectl.apply(deployment("kept", replicas=2, args=["wait"], tolerations=FOR_EVER))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 2))
    return running(edge, kubectl)


def running(edge, kubectl):
    return {c["id"] for c in edge.running_containers(kubectl.namespace, "kept-")}


def refused(edge, kubectl, reason, waits):
    """The node and the pod that waits for it name the reason."""
    found = wait_until(f"the node says {reason}", lambda: (
        c := condition(kubectl.get("node", edge.node), "slicelet.io/ManifestAccepted")) and c["status"] == "False" and c,
                       timeout=RECONNECTED)
    assert found["reason"] == reason and "the host refuses its manifest and runs the former one: " in found["message"], found
    wait_until(f"so does pod {waits}", lambda: (c := condition(kubectl.get("pod", waits), "slicelet.io/Placed")) and
               (c["status"], c["reason"]) == ("False", reason))


def takes_again(edge, kubectl, kept, *names):
    for name in names:
        wait_until(f"pod {name} runs", lambda n=name: is_ready(kubectl.get("pod", n)), timeout=RECONNECTED)
    wait_until("the node says so", lambda: condition(
        kubectl.get("node", edge.node), "slicelet.io/ManifestAccepted")["status"] == "True")
    assert running(edge, kubectl) == kept, "no restart"


def accepted(said):
    return re.findall(r"manifest accepted host=\S+ gen=(\S+)", said)


def on_its_way(agent, provider, since):
    """What the hub has signed and the host may still be about to take: almost always nothing."""
    def number(generation):
        return tuple(map(int, generation.split(".")))
    held = accepted(agent.said(0, since))[-1]
    return {one for one in re.findall(r"manifest signed host=\S+ gen=(\S+)", provider.said()) if number(one) > number(held)}


def test_a_manifest_signed_by_another_hub_is_refused(edge, kubectl, kept, tmp_path):
    agent, provider, configuration = edge.programs["agent"], edge.programs["provider"], edge.hub_directory / "provider.yaml"
    edge.slicectl("hub", "init", "--dir", tmp_path / "hub", "--name", edge.hub, "--agent-endpoint", "127.0.0.1:1", "--agent-listen",
                  "127.0.0.1:1", configured=False)
    right, other = configuration.read_text(), yaml.safe_load((tmp_path / "hub" / "provider.yaml").read_text())
    edge.kill("provider")
    since = agent.said_so_far()
    genuine = on_its_way(agent, provider, since)
    try:
        configuration.write_text(yaml.safe_dump({
            **yaml.safe_load(right), **{key: other[key] for key in ("manifestKey", "keyCertificates")}}))
        edge.start("provider")
        kubectl.apply(pod("later", args=["wait"], tolerations=FOR_EVER))
        refused(edge, kubectl, "UnknownKey", waits="later")
        assert "code=UNKNOWN_KEY" in agent.said(since) and set(accepted(agent.said(since))) <= genuine
        assert running(edge, kubectl) == kept and edge.sandboxes(kubectl.namespace, "later") == []
    finally:
        configuration.write_text(right)
        edge.programs["provider"].restart()
    takes_again(edge, kubectl, kept, "later")


def record_of(edge, database):
    (record,), = database.execute("SELECT record FROM hosts WHERE host = ?", (edge.host,))
    return record


def test_a_manifest_that_was_changed_is_refused(edge, kubectl, kept):
    agent, provider, file = edge.programs["agent"], edge.programs["provider"], edge.hub_directory / "provider.db"
    over_mqtt = edge.link_kind == "mqtt"
    # A broker that lives keeps the genuine one for the host, which then has it before the changed one.
    edge.kill("broker") if over_mqtt else edge.link.cut()
    since = agent.said_so_far()
    genuine = on_its_way(agent, provider, since)
    kubectl.apply(pod("later", args=["wait"], tolerations=FOR_EVER))
    uid = kubectl.get("pod", "later")["metadata"]["uid"].encode()

    def signed():
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", timeout=60, uri=True)) as database:
            return uid in record_of(edge, database)
    wait_until("the hub has signed a manifest with it", signed)
    edge.kill("provider")
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        record = record_of(edge, database)
        at, = (found.end() for found in SIGNATURE.finditer(record))
        changed = record[:at] + bytes([record[at] ^ 1]) + record[at + 1:]
        database.execute("UPDATE hosts SET record = ? WHERE host = ?", (changed, edge.host))
    edge.start("provider")
    edge.start("broker") if over_mqtt else edge.link.heal()
    refused(edge, kubectl, "BadSignature", waits="later")
    assert "code=BAD_SIGNATURE" in agent.said(since) and set(accepted(agent.said(since))) <= genuine
    assert running(edge, kubectl) == kept and edge.sandboxes(kubectl.namespace, "later") == []
    kubectl.apply(pod("newest", args=["wait"], tolerations=FOR_EVER))
    takes_again(edge, kubectl, kept, "later", "newest")


def copy(database, directory):
    """The database and what is not yet in it."""
    directory.mkdir()
    for path in database.parent.glob(f"{database.name}*"):
        if path.name in (database.name, f"{database.name}-wal"):
            shutil.copy(path, directory)


def test_a_manifest_of_the_past_is_refused(edge, kubectl, kept, tmp_path):
    agent, provider, database = edge.programs["agent"], edge.programs["provider"], edge.hub_directory / "provider.db"
    edge.kill("provider")
    for name in ("restored", "replayed"):
        copy(database, tmp_path / name)
    edge.start("provider")
    kubectl.apply(pod("later", args=["wait"], tolerations=FOR_EVER))
    wait_until("pod later runs", lambda: is_ready(kubectl.get("pod", "later")), timeout=RECONNECTED)
    later = edge.running_containers(kubectl.namespace, "later")
    epoch = edge.host_info()["generation"][0]
    edge.kill("provider")

    since = agent.said_so_far()
    genuine = on_its_way(agent, provider, since)
    if edge.link_kind == "grpc":  # over MQTT the attacker of test_broker.py does it
        # Whoever has the hub's certificate and what it once signed, genuine or with a bit changed.
        settings = yaml.safe_load((edge.hub_directory / "provider.yaml").read_text())["agents"]
        for options, answer in (((), lambda: f"STALE_GENERATION the host holds {accepted(agent.said())[-1]}"),
                                (("--changed",), lambda: "BAD_SIGNATURE ")):
            replaying = Program("replaying-hub", [
                edge.binary("replaying_hub"), settings["listen"], settings["ca"], settings["certificate"], settings["key"], edge.hub,
                tmp_path / "replayed" / database.name, *options], edge.logs)
            said = replaying.said_so_far()
            replaying.start()
            agent.restart()  # it would wait before it dials again, longer each time
            try:
                wait_until(f"the host answers {answer()}", lambda: replaying.require_running() or
                           f"{edge.host} {answer()}" in replaying.said(said), timeout=RECONNECTED)
                assert f"{edge.host} accepted" not in replaying.said(said)
            finally:
                replaying.kill()
        assert set(accepted(agent.said(since))) <= genuine
        assert running(edge, kubectl) == kept and edge.running_containers(kubectl.namespace, "later") == later

    # The hub itself goes back in time: it asks the host first.
    heard = provider.said_so_far()
    edge.lose_provider_database()
    for path in (tmp_path / "restored").iterdir():
        shutil.copy(path, database.parent)
    edge.start("provider")
    agent.restart()
    kubectl.apply(pod("newest", args=["wait"], tolerations=FOR_EVER))
    takes_again(edge, kubectl, kept, "later", "newest")
    assert f"host proved a manifest that the hub had forgotten, opening a new epoch host={edge.host} " in provider.said(heard)
    assert edge.running_containers(kubectl.namespace, "later") == later, "what the copy did not know runs on"
    assert edge.host_info()["generation"][0] > epoch
