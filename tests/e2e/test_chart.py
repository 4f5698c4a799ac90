"""The Helm chart: two hubs side by side, each run with its release's own identities and rendered configuration. The first
one's host reaches it over MQTT, through the broker of the release."""

import json
import re

import pytest
import yaml

from tests.harness.admin_rest import Client, users
from tests.harness.host import Host
from tests.harness.kubernetes import ROOT, condition, run
from tests.harness.ports import consecutive_ports, free_ports
from tests.harness.release import Release, broker_image, build_image
from tests.harness.waiting import wait_until

HUBS = ("plant-1", "plant-2")


class Hub:
    """A release, its hub directory and one host."""

    def __init__(self, edge, name, number, over_mqtt):
        self.name = name
        self.edge = edge
        self.host_name = f"{name}-gw"
        self.directory = edge.directory / "hubs" / name
        self.over_mqtt = over_mqtt
        self.with_admin_api = number == 0
        self.agents_port, self.port, self.broker_port, self.admin_port, *metrics = free_ports(6)
        self.metrics_ports = dict(zip(("provider", "shim"), metrics))
        image, tag = build_image(edge).rsplit(":", 1)
        mqtt = {"enabled": False}
        if over_mqtt:
            repository, broker_tag = broker_image(edge).rsplit(":", 1)
            mqtt = {"enabled": True, "broker": {"port": self.broker_port, "service": {"type": "ClusterIP"},
                                                "image": {"repository": repository, "tag": broker_tag}}}
        self.release = Release(edge, "hub", name, {
            "mqtt": mqtt,
            "adminRest": {"enabled": self.with_admin_api, "usersSecret": "admin-users", "port": self.admin_port},
            "hub": {"name": name, "secretName": f"{name}-hub", "podCidr": f"198.19.{number}.0/24"},
            "image": {"repository": image, "tag": tag},
            "provider": {"port": self.port, "metricsPort": metrics[0], "agents": {"port": self.agents_port, "service": {"type": "ClusterIP"}},
                         "heartbeat": "2s", "resumeGrace": "3s", "orphanConfirm": "3s", "logLevel": "debug"},
            "shim": {"metricsPort": metrics[1], "ports": {"first": consecutive_ports(10), "count": 10}, "leaderLease": "5s", "logLevel": "debug"}})
        self.host = None

    def up(self):
        edge = self.edge
        edge.slicectl("hub", "init", "--dir", self.directory, "--name", self.name,
                      "--agent-endpoint", f"127.0.0.1:{self.agents_port}",
                      "--alternative-name", f"hub-provider.{self.name}.svc",
                      "--alternative-name", f"hub-broker.{self.name}.svc",
                      *(["--mqtt-endpoint", f"127.0.0.1:{self.broker_port}"] if self.over_mqtt else []),
                      "--kubeconfig", "unused", configured=False)
        edge.kubectl("")("create", "namespace", self.name)
        secret = edge.slicectl("hub", "secret", "--dir", self.directory, "--name", f"{self.name}-hub",
                               "--namespace", self.name, configured=False)
        edge.kubectl("")("apply", "-f", "-", stdin=secret)
        if self.with_admin_api:
            edge.kubectl(self.name).apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "admin-users"},
                                           "stringData": {"users": users(edge)}})
        self.release.install()
        made = edge.slicectl("host", "add", self.host_name, "--dir", self.directory, "--namespace", self.name,
                             configured=False)
        edge.kubectl("")("apply", "-f", "-", stdin=made[made.index("apiVersion:"):])
        self.release.start()
        link = {"kind": "mqtt", "module": str(edge.binary("slicelet-mqtt.so"))} if self.over_mqtt else {}
        self.host = Host(edge, self.host_name, self.directory, link=link).up()
        return self

    def down(self):
        self.release.stop()
        if self.host:
            self.host.down()

    def ready_node(self):
        node = self.edge.kubectl("").get("node", self.host_name)
        ready = node and condition(node, "Ready")
        return node if ready and ready["status"] == "True" else None


@pytest.fixture(scope="module")
def hubs(edge):
    made = [Hub(edge, name, number, over_mqtt=number == 0) for number, name in enumerate(HUBS)]
    edge.kubectl("")("cordon", edge.node)  # the third hub of this cluster stays out
    try:
        for hub in made:
            hub.up()
        for hub in made:
            wait_until(f"the node of {hub.name} is Ready", hub.ready_node, timeout=60)
        yield made
    finally:
        for hub in made:
            hub.down()
        edge.kubectl("")("uncordon", edge.node)
        edge.kubectl("")("delete", "node", *[hub.host_name for hub in made], "--ignore-not-found")


def two_hubs_sample():
    return yaml.safe_load((ROOT / "samples" / "two-hubs" / "deployment.yaml").read_text())


def test_two_releases_give_two_nodes_and_the_sample_runs_once_on_each(edge, hubs, kubectl):
    for hub in hubs:
        assert hub.ready_node()["metadata"]["labels"]["slicelet.io/hub"] == hub.name
    sample = two_hubs_sample()
    kubectl.apply(sample)
    app = sample["metadata"]["name"]
    pods = wait_until("one pod on each hub", lambda: kubectl.ready_pods(app, 2), timeout=60)
    assert {pod["spec"]["nodeName"] for pod in pods} == {hub.host_name for hub in hubs}
    assert len({pod["status"]["podIP"] for pod in pods}) == 2

    # Scaled to one and back: the pod that stays is not touched.
    kubectl("scale", "deployment", app, "--replicas=1")
    kept, = wait_until("one pod", lambda: kubectl.ready_pods(app, 1))
    kubectl("scale", "deployment", app, "--replicas=2")
    pods = wait_until("two pods", lambda: kubectl.ready_pods(app, 2), timeout=60)
    assert {pod["spec"]["nodeName"] for pod in pods} == {hub.host_name for hub in hubs}
    assert kept["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in pods}
    assert kept["status"]["containerStatuses"] == next(
        pod for pod in pods if pod["metadata"]["uid"] == kept["metadata"]["uid"])["status"]["containerStatuses"]
    assert "started" in kubectl("logs", kept["metadata"]["name"])


def test_identities_hold_no_more_than_they_need(edge, hubs):
    kubectl = edge.kubectl("")
    for kind in ("clusterrole", "role"):
        for role in kubectl.get(kind, selector="app.kubernetes.io/name=slicelet-hub",
                                namespace=None if kind == "clusterrole" else HUBS[0]):
            for rule in role["rules"]:
                for part in ("verbs", "resources", "apiGroups"):
                    assert "*" not in rule[part], f"{role['metadata']['name']} has a wildcard: {rule}"
    account = f"system:serviceaccount:{HUBS[0]}:hub"

    def may(identity, *question):
        code, out, _ = kubectl("auth", "can-i", *question, f"--as={account}-{identity}", check=False)
        return out.strip() == "yes"
    assert may("provider", "list", "edgehosts.slicelet.io", "-n", HUBS[0])
    assert not may("provider", "list", "edgehosts.slicelet.io", "-n", HUBS[1])
    assert not may("provider", "get", "pods", "-n", "default")
    # By name: kubeconfigs of IotClusters, logins of IoT servers.
    assert may("provider", "get", "secrets", "-n", HUBS[0])
    assert not may("provider", "list", "secrets", "-n", HUBS[0])
    assert not may("shim", "get", "secrets", "-n", HUBS[0])
    assert not may("shim", "delete", "pods", "-n", "default")


def test_tolerations_of_an_unreachable_shim_are_unlimited_or_autonomy(edge, hubs, kubectl):
    lost = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}

    def tolerations(name, annotations, key="slicelet.io/slice-node", more=()):
        kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations},
                       "spec": {"containers": [{"name": "main", "image": "docker.io/slicelet/none:1"}],
                                "nodeSelector": {"no-such": "node"},
                                "tolerations": [{"key": key, "operator": "Exists"},
                                                {"key": "other", "operator": "Exists"}, *more]}})
        found = kubectl.get("pod", name)["spec"]["tolerations"]
        assert {"key": "other", "operator": "Exists"} in found
        return {t["key"]: t.get("tolerationSeconds") for t in found if t["key"] in lost}
    assert tolerations("forever", {}) == dict.fromkeys(lost)
    assert tolerations("two-hours", {"slicelet.io/autonomy": "2h"}) == dict.fromkeys(lost, 7200)
    assert tolerations("own", {}, more=[{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                                         "tolerationSeconds": 60}]) == {
        "node.kubernetes.io/not-ready": 60, "node.kubernetes.io/unreachable": None}
    assert tolerations("elsewhere", {}, key="another.example/taint") == dict.fromkeys(lost, 300)


def test_the_dashboard_shows_metrics_that_exist(edge, hubs):
    shown = set()
    for hub in hubs:
        for part in ("provider", "shim"):
            page = run(["curl", "-sk", "--fail", f"https://127.0.0.1:{hub.metrics_ports[part]}/metrics"])[1]
            shown |= {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    dashboard = (ROOT / "charts" / "slicelet-hub" / "dashboards" / "slicelet-hub.json").read_text()
    asked = set(re.findall(r"slicelet_\w+", dashboard))
    assert asked and asked <= shown, f"the dashboard asks for {asked - shown}"
    documented = set(re.findall(r"slicelet_(?:provider|shim)_\w+", (ROOT / "docs" / "operations.md").read_text()))
    assert documented == shown
    objects = yaml.safe_load_all(hubs[0].release.helm(
        "template", "hub", ROOT / "charts" / "slicelet-hub", "-f", "VALUES", "--set", "metrics.podMonitor.enabled=true",
        "--set", "metrics.dashboard.enabled=true")[1])
    kinds = {found["kind"]: found for found in objects if found}
    port = kinds["PodMonitor"]["spec"]["podMetricsEndpoints"][0]["port"]
    for kind in ("Deployment", "StatefulSet"):
        ports = kinds[kind]["spec"]["template"]["spec"]["containers"][0]["ports"]
        assert port in {entry["name"] for entry in ports}


def test_the_admin_api_of_a_release_may_do_what_it_offers_and_no_more(edge, hubs):
    hub, other = hubs
    otto = Client(hub.admin_port, hub.directory / "ca.crt", "otto")
    status, made = otto.ask("POST", "/v1/slices", {"name": "chart-north", "spec": {}})
    assert status == 201 and made["namespace"] == hub.name, made
    wait_until("the slice is Ready", lambda: otto.get("/v1/slices/chart-north").get("status", {}).get("phase") == "Ready", timeout=60)
    gateways = "/v1/slices/chart-north/gateways"
    status, made = otto.ask("POST", gateways, {"name": "press", "spec": {"target": {"host": "nowhere"}, "suspended": True}})
    assert status == 201, made
    assert otto.ask("PATCH", f"{gateways}/press", {"spec": {"images": {"core-data": "x"}}})[0] == 200
    cluster = {"clusters": [{"name": "far", "cluster": {}}], "contexts": [{"name": "far", "context": {}}],
               "users": [{"name": "u", "user": {}}]}
    status, made = otto.ask("POST", "/compat/v3/api/k8sclusters", {"name": "far", "credentials": cluster})
    assert status == 200, made
    assert otto.ask("DELETE", "/v1/clusters/far")[0] == 202
    for path in (f"{gateways}/press", "/v1/slices/chart-north"):
        assert otto.ask("DELETE", path)[0] == 202
        wait_until(f"{path} is gone", lambda: otto.get(path) is None, timeout=90)
    assert [host["name"] for host in otto.get("/v1/hosts")["items"]] == [hub.host_name]
    kubectl = edge.kubectl("")
    for release, may in ((hub, "yes"), (other, "no")):
        account = f"--as=system:serviceaccount:{release.name}:hub-provider"
        assert kubectl("auth", "can-i", "create", "iotgateways.slicelet.io", "-n", "default", account, check=False)[1].strip() == may
    secret = ["create", "secret", "generic", "stranger", "-n", hub.name, "--as=system:serviceaccount:plant-1:hub-provider"]
    code, _, error = kubectl(*secret, check=False)
    assert code != 0 and "the provider may change nothing outside" in error


def test_bad_values_are_refused_by_name(edge, hubs):
    def refusal(values):
        release = Release(edge, "bad", "bad-values", values)
        code, _, error = release.helm("template", "bad", ROOT / "charts" / "slicelet-hub", "-f", "VALUES", check=False)
        assert code != 0
        return error
    assert "hub.secretName" in refusal({})
    assert "provider" in refusal({"hub": {"secretName": "s"}, "provider": {"heartbeat": "soon"}})
    assert "hub" in refusal({"hub": {"secretName": "s", "name": "Plant_7"}})
    assert "shim" in refusal({"hub": {"secretName": "s"}, "shim": {"ports": {"first": 0}}})
    assert "mqtt" in refusal({"hub": {"secretName": "s"}, "mqtt": {"address": "no-port"}})
    assert "adminRest.usersSecret" in refusal({"hub": {"secretName": "s"}, "adminRest": {"enabled": True}})
    assert "adminRest" in refusal({"hub": {"secretName": "s"}, "adminRest": {"requestsPerSecond": 0}})
    assert "colour" in refusal({"hub": {"secretName": "s"}, "colour": "blue"})


def test_uninstall_stops_nothing_and_a_new_install_goes_on(edge, hubs, kubectl):
    hub = hubs[0]
    sample = two_hubs_sample()
    kubectl.apply(sample)
    app = sample["metadata"]["name"]
    before = wait_until("pods", lambda: kubectl.ready_pods(app, 2), timeout=60)
    running = {container["id"] for container in hub.host.running_containers()}
    assert running
    hub.release.stop()
    hub.release.uninstall()
    admin = edge.kubectl("")
    assert admin.get("node", hub.host_name), "the node stays"
    assert hub.release.kubectl.get("edgehost", hub.host_name), "the EdgeHost stays"
    assert admin.get("crd", "edgehosts.slicelet.io"), "the kind stays"
    assert admin.get("clusterrole", selector="app.kubernetes.io/instance=hub") != [], "the other hub keeps its roles"
    assert {container["id"] for container in hub.host.running_containers()} == running
    hub.release.install().start()
    wait_until("the node is Ready again", hub.ready_node, timeout=60)

    def same():
        now = {pod["metadata"]["uid"]: json.dumps(pod["status"]["containerStatuses"]) for pod in
               kubectl.ready_pods(app, 2) or []}
        return now == {pod["metadata"]["uid"]: json.dumps(pod["status"]["containerStatuses"]) for pod in before}
    wait_until("the same pods, the same containers", same, timeout=60)
    assert {container["id"] for container in hub.host.running_containers()} == running
