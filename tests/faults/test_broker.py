"""The broker of an MQTT link dies, forgets, drops, repeats and lies: pods run on, nothing of it is believed, and the host
converges all the same."""

import base64
import contextlib
import json
import os
import re

import pytest

from tests.harness.broker import Intruder, metric
from tests.harness.edge import RECONNECTED
from tests.harness.kubernetes import condition, is_ready
from tests.harness.pods import deployment, pod
from tests.harness.process import Program
from tests.harness.waiting import stays_true, wait_until


@pytest.fixture(autouse=True)
def healed(edge):
    yield
    edge.link.heal()
    for program in edge.programs.values():
        if not program.running():
            program.start()
    edge.renew_agent()


@pytest.fixture
def intruder(edge):
    one = Intruder(edge)
    yield one
    one.close()


def link_is(edge, status):
    return condition(edge.kubectl("").get("node", edge.node), "slicelet.io/LinkReady")["status"] == status


def containers(edge, kubectl, prefix="kept-"):
    return {c["id"] for c in edge.running_containers(kubectl.namespace, prefix)}


def keep_something(edge, kubectl):
    """A deployment that nothing may restart; its containers."""
    kubectl.apply(deployment("kept", replicas=2, args=["wait"]))
    wait_until("Ready", lambda: kubectl.ready_pods("kept", 2), timeout=240)
    return containers(edge, kubectl)


def works_on(edge, kubectl, kept, name="after"):
    """A new pod starts, and what ran before was not touched."""
    kubectl.apply(pod(name, args=["print", f"{name} runs", "wait"]))
    wait_until(f"pod {name} runs", lambda: is_ready(kubectl.get("pod", name)), timeout=RECONNECTED)
    assert containers(edge, kubectl) == kept, "no restart"
    wait_until("its log can be read", lambda: f"{name} runs" in kubectl("logs", name))


@contextlib.contextmanager
def broker_with(edge, **settings):
    """The broker has other settings meanwhile. It keeps nothing on disk: each start is that of another broker."""
    former = edge.broker_configuration.read_text()
    lines = [line for line in former.splitlines() if line.partition(" ")[0] not in settings]
    edge.broker_configuration.write_text("\n".join([*lines, *(f"{key} {value}" for key, value in settings.items()), ""]))
    edge.programs["broker"].restart()
    edge.renew_agent()
    try:
        yield
    finally:
        edge.broker_configuration.write_text(former)
        edge.programs["broker"].restart()
        edge.renew_agent()


def test_a_change_made_while_the_broker_is_dead_arrives_after_it_is_back(edge, kubectl):
    kept = keep_something(edge, kubectl)
    kubectl.apply(pod("removed", args=["wait"]))
    wait_until("Ready", lambda: is_ready(kubectl.get("pod", "removed")))

    edge.kill("broker")
    kubectl("delete", "pod", "removed", "--wait=false")
    kubectl.apply(pod("added", args=["print", "made without a broker", "wait"]))
    wait_until("the node says its link is away", lambda: link_is(edge, "False"), timeout=240)
    assert containers(edge, kubectl) == kept

    edge.start("broker")  # it keeps nothing on disk
    wait_until("the added pod runs", lambda: is_ready(kubectl.get("pod", "added")), timeout=RECONNECTED)
    wait_until("the removed pod is gone", lambda: kubectl.get("pod", "removed") is None, timeout=240)
    assert containers(edge, kubectl) == kept, "no restart"
    wait_until("its log can be read", lambda: "made without a broker" in kubectl("logs", "added"))


def test_broker_and_provider_die_together(edge, kubectl):
    kept = keep_something(edge, kubectl)
    for part in ("broker", "provider"):
        edge.kill(part)
    for part in ("provider", "broker"):  # the provider first: it has to wait for its broker
        edge.start(part)
    works_on(edge, kubectl, kept)


def test_what_a_full_queue_loses_is_made_good(edge, kubectl):
    kept = keep_something(edge, kubectl)
    with broker_with(edge, max_queued_messages=1, max_inflight_messages=1):
        edge.link.half_open()  # to the broker the host is connected, and takes nothing
        for number in range(6):
            kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"content-{number}"},
                           "data": {"text": f"content {number}"}},
                          pod(f"queued-{number}", args=["cat", "/etc/c/text", "wait"],
                              mounts=[{"name": "c", "mountPath": "/etc/c"}],
                              volumes=[{"name": "c", "configMap": {"name": f"content-{number}"}}]))
        wait_until("the node says its link is away", lambda: link_is(edge, "False"), timeout=240)
        edge.link.heal()
        for number in range(6):
            wait_until(f"queued-{number} runs", lambda n=number: is_ready(kubectl.get("pod", f"queued-{n}")), timeout=RECONNECTED)
        assert containers(edge, kubectl) == kept, "no restart"


def test_a_broker_that_takes_only_small_packets_is_enough(edge, kubectl):
    kept = keep_something(edge, kubectl)
    with broker_with(edge, max_packet_size=8192):
        text = "".join(f"{number:07d}\n" for number in range(20_000))  # 160 KB
        kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": {"text": text}},
                      pod("reader", args=["cat", "/etc/c/text", "wait"], mounts=[{"name": "c", "mountPath": "/etc/c"}],
                          volumes=[{"name": "c", "configMap": {"name": "large"}}]))
        wait_until("the pod runs", lambda: is_ready(kubectl.get("pod", "reader")), timeout=240)
        wait_until("the whole log comes back", lambda: text in kubectl("logs", "reader"), timeout=240)
        assert containers(edge, kubectl) == kept, "no restart"


def test_what_the_broker_kept_may_be_cleared(edge, kubectl, intruder):
    kept = keep_something(edge, kubectl)

    def clear():
        for topic in (intruder.topic("birth"), intruder.topic("desired"), intruder.hub_topic):
            intruder.publish(topic, b"", retain=True)
    edge.kill("agent")
    clear()
    edge.start("agent")
    works_on(edge, kubectl, kept, "host-came-back")
    edge.kill("provider")
    clear()
    edge.start("provider")
    works_on(edge, kubectl, kept, "hub-came-back")


def test_a_late_will_harms_no_newer_connection(edge, kubectl, intruder):
    kept = keep_something(edge, kubectl)
    intruder.listen()
    edge.kill("agent")
    will = wait_until("the broker publishes the will", lambda: next(
        (payload for topic, payload in intruder.heard() if topic == intruder.topic("will")), None), timeout=240)
    wait_until("the node says its link is away", lambda: link_is(edge, "False"), timeout=240)
    edge.start("agent")
    wait_until("the link is up", lambda: link_is(edge, "True"), timeout=RECONNECTED)
    intruder.publish(intruder.topic("will"), will)
    stays_true("the link is up", lambda: link_is(edge, "True"), seconds=5)
    works_on(edge, kubectl, kept)


def test_two_agents_with_one_identity_disturb_each_other_and_nothing_else(edge, kubectl):
    kept = keep_something(edge, kubectl)
    broker = edge.programs["broker"]
    # A disk was copied: the same credentials, on a machine where no container runtime answers.
    directory = edge.directory / "clone"
    directory.mkdir()
    settings = json.loads((edge.agent_directory / "agent.json").read_text())
    settings.update(root=str(directory / "state"), logRoot=str(directory / "pods"), runtimeSocket=str(directory / "none.sock"))
    (directory / "agent.json").write_text(json.dumps(settings))
    since = broker.said_so_far()
    clone = Program("clone", [edge.binary("slicelet-agent"), "--host", edge.agent_directory / "host.json",
                              "--config", directory / "agent.json"], edge.logs).start()
    try:
        wait_until("one takes the other's place", lambda: "Client gw-1 already connected" in broker.said(since), timeout=240)
        stays_true("what runs runs on", lambda: containers(edge, kubectl) == kept, seconds=5)
    finally:
        clone.kill()
    works_on(edge, kubectl, kept)


def generations(program, what):
    """Of a host's manifests, in the order in which a program's log says `what` of them."""
    text = program.log.read_text(errors="replace")
    return [tuple(map(int, found)) for found in re.findall(rf"{what} host=\S+ gen=(\d+)\.(\d+)", text)]


def secrets_of(text):
    """How a secret may look in what an intruder reads."""
    raw = text.encode()
    return [raw, base64.b64encode(raw).rstrip(b"=")[:-1], raw.hex().encode()]


def test_an_attacker_with_all_rights_of_the_broker_changes_and_learns_nothing(edge, kubectl, intruder):
    kept = keep_something(edge, kubectl)
    intruder.listen()
    secret = f"hunter-{os.urandom(8).hex()}"
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": secret}},
        pod("careful", args=["print", "$(TOKEN)", "wait"],
            env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}],
            mounts=[{"name": "keys", "mountPath": "/etc/keys"}], volumes=[{"name": "keys", "secret": {"secretName": "keys"}}]))
    wait_until("the pod runs", lambda: is_ready(kubectl.get("pod", "careful")), timeout=240)
    wait_until("its log can be read", lambda: secret in kubectl("logs", "careful"))
    assert secret in kubectl("exec", "careful", "--", "/bin/workload", "print", f"--token={secret}")
    wait_until("the host's word came over the broker", lambda: link_is(edge, "True"))

    # Reads.
    def hears():
        heard = intruder.heard()
        leaves = {topic.rpartition(f"/{edge.host}/")[2].partition("/")[0] for topic, _ in heard}
        return {"up", "down", "desired"} <= leaves and heard
    heard = wait_until("the intruder hears both sides", hears)
    everything = b"".join(payload for _, payload in heard)
    assert not any(form in everything for form in secrets_of(secret)), "what is secret is sealed"

    agent, provider = edge.programs["agent"], edge.programs["provider"]

    def log(program):
        return program.log.read_text(errors="replace")

    def served():
        return log(agent).count("serving a stream")

    def refused():
        return metric(edge, "slicelet_provider_mqtt_refused_total")

    def refused_by_host():
        return metric(edge, "slicelet_provider_host_refused_total", host=edge.host)
    streams, before, host_before = served(), refused(), refused_by_host()
    pods = {c["id"] for c in edge.running_containers(kubectl.namespace, "")}

    # Repeats: everything where it was, and the newest of each kind wherever else it could count.
    newest = {}
    for topic, payload in heard:
        newest[topic.rpartition("/")[2]] = (topic, payload)
        if payload and not topic.endswith("/will"):
            intruder.publish(topic, payload)
    places = [intruder.topic(leaf) for leaf in ("birth", "up", "down", "desired", "blob/00")] + [
        intruder.topic("up", "another"), intruder.topic("birth", "another"), intruder.hub_topic]
    for topic, payload in newest.values():
        for place in places:
            if payload and place != topic:
                intruder.publish(place, payload)
    # Invents: changed, cut short, or out of nothing; some of it kept by the broker.
    for place in places:
        for topic, payload in list(newest.values())[:4]:
            if len(payload) > 40:
                intruder.publish(place, payload[:-9] + bytes([payload[-9] ^ 1]) + payload[-8:])
                intruder.publish(place, payload[:len(payload) // 2], retain=place.endswith(("birth", "desired", "hub")))
        intruder.publish(place, b"\xff" * 100)
    # A will is nobody's signature: it may make the host look away until it speaks again, and no more.
    intruder.publish(intruder.topic("will"), b"\x0a\x04evil")

    wait_until("the hub counts it", lambda: refused() > before + 20)
    for reason in ("forged", "replayed", "misplaced"):
        wait_until(f"also {reason} ones", lambda why=reason: metric(edge, "slicelet_provider_mqtt_refused_total", reason=why) > 0)
    wait_until("the host counts it, and the hub hears of that", lambda: refused_by_host() > host_before + 20, timeout=240)
    for program in (agent, provider):
        assert "message from the broker refused" in log(program), program.name
        assert secret not in log(program), program.name
    assert served() == streams, "no command ran again"
    accepted = generations(agent, "manifest accepted")
    assert accepted == sorted(accepted) and set(accepted) <= set(generations(provider, "manifest signed")), "the hub's, none twice"
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "")} == pods
    works_on(edge, kubectl, kept)
    # What was left at the broker does not hinder who comes next.
    for part in ("agent", "provider"):
        edge.kill(part)
        edge.start(part)
    works_on(edge, kubectl, kept, "much-later")
