"""The Helm chart: two hubs side by side, each run with its release's own identities and rendered configuration. The first
one's host reaches it over MQTT, through the broker of the release."""

import json
import re
import tarfile
from datetime import datetime, timedelta, timezone

import pytest
import yaml

from tests.harness.admin_rest import Client, users
from tests.harness.documents import blocks
from tests.harness.guide import Guide, sample_guide
from tests.harness.host import Host
from tests.harness.kubernetes import ROOT, condition, is_ready, run
from tests.harness.pods import container
from tests.harness.ports import consecutive_ports, free_ports
from tests.harness.release import Release, broker_image, build_image, helm_directory, helm_homes
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
                      "--provider-endpoint", f"127.0.0.1:{self.port}",
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
            wait_until(f"the node of {hub.name} is Ready", hub.ready_node, timeout=120)
        yield made
    finally:
        for hub in made:
            hub.down()
        edge.kubectl("")("uncordon", edge.node)
        edge.kubectl("")("delete", "node", *[hub.host_name for hub in made], "--ignore-not-found")


def two_hubs_sample():
    return yaml.safe_load((ROOT / "samples" / "two-hubs" / "deployment.yaml").read_text())


def test_two_releases_give_two_nodes_and_the_sample_runs_once_on_each(edge, hubs, kubectl, tmp_path):
    for hub in hubs:
        assert hub.ready_node()["metadata"]["labels"]["slicelet.io/hub"] == hub.name
    guide = sample_guide(edge, "two-hubs", kubectl, tmp_path)
    guide.follow("apply")
    app = two_hubs_sample()["metadata"]["name"]
    pods = wait_until("one pod on each hub", lambda: kubectl.ready_pods(app, 2), timeout=120)
    assert {pod["spec"]["nodeName"] for pod in pods} == {hub.host_name for hub in hubs}
    assert len({pod["status"]["podIP"] for pod in pods}) == 2

    # Scaled to one and back: the pod that stays is not touched.
    kubectl("scale", "deployment", app, "--replicas=1")
    kept, = wait_until("one pod", lambda: kubectl.ready_pods(app, 1))
    kubectl("scale", "deployment", app, "--replicas=2")
    pods = wait_until("two pods", lambda: kubectl.ready_pods(app, 2), timeout=120)
    assert {pod["spec"]["nodeName"] for pod in pods} == {hub.host_name for hub in hubs}
    assert kept["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in pods}
    assert kept["status"]["containerStatuses"] == next(
        pod for pod in pods if pod["metadata"]["uid"] == kept["metadata"]["uid"])["status"]["containerStatuses"]
    wait_until("it says so", lambda: "started" in kubectl("logs", kept["metadata"]["name"]))
    guide.follow("scale")
    assert guide.followed == list(guide.steps), "every command of the README"


def test_the_image_holds_the_systems_certificate_authorities(edge):
    build_image(edge)
    with tarfile.open(edge.directory / "images" / "hub.tar") as archive:
        def blob(descriptor):
            return archive.extractfile("blobs/" + descriptor["digest"].replace(":", "/"))
        index = json.load(archive.extractfile("index.json"))
        files = {}
        for layer in json.load(blob(index["manifests"][0]))["layers"]:
            with tarfile.open(fileobj=blob(layer)) as contents:
                for one in contents:
                    files["/" + one.name.lstrip("./")] = (one, contents.extractfile(one).read() if one.isfile() else None)
    # Where OpenSSL looks, and with it cpprestsdk.
    directory = re.search(r'OPENSSLDIR: "(.*)"', run(["openssl", "version", "-d"])[1])[1]
    bundle, text = files[files[f"{directory}/cert.pem"][0].linkname]
    assert bundle.mode & 0o777 == 0o644 and text.count(b"BEGIN CERTIFICATE") > 50


def test_slicectl_asks_the_provider_of_a_release(edge, hubs):
    last, = [line for block in blocks("charts/slicelet-hub/README.md") for line in block.commands.splitlines() if "--config" in line]
    for hub in hubs:
        # As the README has it, where the port is forwarded.
        line = last.replace("hub/operator.yaml", f"{hub.directory}/operator.yaml").split()

        def is_listed():
            listed = run([edge.binary("slicectl"), *line[1:]])[1]
            assert re.search(rf"^{hub.host_name}\s+yes\s+up", listed, re.M), listed
            return True
        wait_until(f"the host of {hub.name} is connected", is_listed)


# Of the controller's credential: VERB RESOURCE.
SHIM_RIGHTS = {
    "get nodes", "patch nodes", "delete nodes",  # taints, and nodes that were decommissioned
    "get pods", "patch pods",  # whether one is gone, and tolerations
    "get namespaces",  # the cluster's uid
    "get configmaps",  # of fleet nodes
    "create certificatesigningrequests", "get certificatesigningrequests", "update certificatesigningrequests/approval", "approve signers",
    "create tokenreviews", "create subjectaccessreviews",  # callers of the kubelet API
    "get leases", "create leases", "update leases",  # who leads
}


def granted(role):
    return {f"{verb} {resource}" for rule in role["rules"] for verb in rule["verbs"] for resource in rule["resources"]}


def test_identities_hold_no_more_than_they_need(edge, hubs):
    kubectl = edge.kubectl("")
    for kind in ("clusterrole", "role"):
        for role in kubectl.get(kind, selector="app.kubernetes.io/name=slicelet-hub",
                                namespace=None if kind == "clusterrole" else HUBS[0]):
            for rule in role["rules"]:
                for part in ("verbs", "resources", "apiGroups"):
                    assert "*" not in rule[part], f"{role['metadata']['name']} has a wildcard: {rule}"
    # Nor does any of them have somebody else's rights: its own roles, and the one that every API server's client CA is read with.
    own = {role["metadata"]["name"] for kind in ("clusterrole", "role") for role in kubectl.get(
        kind, selector="app.kubernetes.io/name=slicelet-hub", namespace=None if kind == "clusterrole" else HUBS[0])}
    accounts = {f"hub-{part}" for part in ("shim", "provider", "broker")} | {"default"}
    bound = [binding["roleRef"]["name"] for kind, namespaces in (
        ("clusterrolebinding", [None]), ("rolebinding", [HUBS[0], "kube-system"])) for namespace in namespaces
        for binding in kubectl.get(kind, namespace=namespace) for subject in binding.get("subjects", [])
        if subject.get("namespace") == HUBS[0] and subject["name"] in accounts]
    assert "cluster-admin" not in bound and set(bound) <= own | {"extension-apiserver-authentication-reader"} and len(bound) >= 4
    # Two shims never drive a node: the former one ends before the next begins.
    for hub in hubs:
        assert hub.release.kubectl.get("deployment", "hub-shim")["spec"]["strategy"] == {"type": "Recreate"}
        assert hub.release.kubectl.get("statefulset", "hub-provider")["spec"]["replicas"] == 1
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
    for question in ("list nodes", "create nodes", "list pods", "create events", "list certificatesigningrequests"):
        assert not may("shim", *question.split(), "-n", "default"), question
    # Everything that the shim calls with this credential; the rest it does as the node that it is for. Without a chart it is the same.
    files = [one for one in yaml.safe_load_all((ROOT / "samples" / "cluster" / "rbac.yaml").read_text())
             if one["kind"] in ("ClusterRole", "Role") and one["metadata"]["name"] == "slicelet-shim"]
    selector = "app.kubernetes.io/instance=hub,app.kubernetes.io/component=shim"
    for hub in hubs:
        roles = [role for kind in ("clusterrole", "role") for role in kubectl.get(
            kind, selector=selector, namespace=None if kind == "clusterrole" else hub.name)]
        assert {name for role in roles for name in granted(role)} == SHIM_RIGHTS
    assert {name for role in files for name in granted(role)} == SHIM_RIGHTS


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
    documented = set(re.findall(r"slicelet_(?:provider|shim)_\w+", (ROOT / "docs" / "operations.md").read_text()))

    def pages():
        names = set()
        for hub in hubs:
            for part in ("provider", "shim"):
                page = run(["curl", "-sk", "--fail", f"https://127.0.0.1:{hub.metrics_ports[part]}/metrics"])[1]
                names |= {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
        assert documented <= names, f"not shown: {documented - names}"
        return names
    # Some of them are there once a host was heard.
    shown = wait_until("all metrics are shown", pages)
    dashboard = (ROOT / "charts" / "slicelet-hub" / "dashboards" / "slicelet-hub.json").read_text()
    asked = set(re.findall(r"slicelet_\w+", dashboard))
    assert asked and asked <= shown, f"the dashboard asks for {asked - shown}"
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
    wait_until("the slice is Ready", lambda: otto.get("/v1/slices/chart-north").get("status", {}).get("phase") == "Ready", timeout=120)
    gateways = "/v1/slices/chart-north/gateways"
    status, made = otto.ask("POST", gateways, {"name": "press", "spec": {"target": {"host": "nowhere"}, "suspended": True}})
    assert status == 201, made
    assert otto.ask("PATCH", f"{gateways}/press", {"spec": {"images": {"core-data": "x"}}})[0] == 200
    # What really runs is made with the release's own rights too, under its admission policies.
    template = {"spec": {"containers": [container("main", ["print", "made by the release", "wait"])], "terminationGracePeriodSeconds": 1}}
    status, made = otto.ask("POST", gateways, {"name": "lathe", "spec": {
        "profile": "custom", "target": {"host": hub.host_name}, "template": template}})
    assert status == 201, made
    servers = "/v1/slices/chart-north/servers"
    status, made = otto.ask("POST", servers, {"name": "hall", "spec": {"profile": "external", "url": "http://127.0.0.1:1"}})
    assert status == 201, made
    for path in (f"{gateways}/lathe", f"{servers}/hall"):
        wait_until(f"{path} is Ready", lambda: otto.get(path).get("status", {}).get("phase") == "Ready", timeout=120)
    north = edge.kubectl("chart-north")
    lathe, = [one for one in north.get("pods") if is_ready(one)]
    assert lathe["spec"]["nodeName"] == hub.host_name
    wait_until("it prints", lambda: "made by the release\n" in north("logs", lathe["metadata"]["name"]))
    assert [c["metadata"]["name"] for c in hub.host.running_containers() if c["labels"]["io.kubernetes.pod.namespace"] == "chart-north"] == ["main"]
    cluster = {"clusters": [{"name": "far", "cluster": {}}], "contexts": [{"name": "far", "context": {}}],
               "users": [{"name": "u", "user": {}}]}
    status, made = otto.ask("POST", "/compat/v3/api/k8sclusters", {"name": "far", "credentials": cluster})
    assert status == 200, made
    assert otto.ask("DELETE", "/v1/clusters/far")[0] == 202
    for path in (f"{gateways}/press", f"{gateways}/lathe", f"{servers}/hall", "/v1/slices/chart-north"):
        assert otto.ask("DELETE", path)[0] == 202
        wait_until(f"{path} is gone", lambda: otto.get(path) is None, timeout=120)
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


def rendered(edge, values):
    """The chart's objects by kind and name."""
    release = Release(edge, "made", "rendered", values)
    objects = yaml.safe_load_all(release.helm("template", "made", ROOT / "charts" / "slicelet-hub", "-f", "VALUES")[1])
    return {(found["kind"], found["metadata"]["name"]): found for found in objects if found}


def leaves(values, path=()):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def another(path, value):
    """A value that the schema takes too."""
    chosen = {"logLevel": "error", "pullPolicy": "Always", "podCidr": "198.20.0.0/16", "size": "2Gi", "address": "mqtt.example.com:8883",
              "type": "NodePort", "nodePort": 30001, "tolerations": [{"key": "other"}], "pullSecrets": [{"name": "other"}]}
    if path[-1] in chosen:
        return chosen[path[-1]]
    if isinstance(value, (bool, int)):
        return not value if isinstance(value, bool) else value + 1
    if isinstance(value, dict):
        return {"other": "one"}
    return "7s" if re.fullmatch(r"\d+[smh]", value) else "other"


def with_leaf(values, path, value):
    name, *rest = path
    return {**values, name: with_leaf(values.get(name, {}), rest, value) if rest else value}


def check_configs(edge, values):
    """What the chart makes of the values, as the programs read it: fails where they refuse it."""
    made = rendered(edge, {"hub": {"secretName": "s"}, **values})
    for program, more in (("provider", []), ("shim", ["--set", "address=127.0.0.1"])):
        path = edge.directory / f"{program}-check.yaml"
        path.write_text(made["ConfigMap", f"made-{program}"]["data"][f"{program}.yaml"])
        run([edge.binary(f"slicelet-{program}"), "--check-config", "--config", path, *more])


def test_the_schema_takes_what_the_programs_take(edge):
    schema = json.loads((ROOT / "charts" / "slicelet-hub" / "values.schema.json").read_text())["definitions"]
    assert schema["logLevel"]["enum"] == ["debug", "info", "warning", "error", "off"]
    for level in schema["logLevel"]["enum"]:
        check_configs(edge, {"provider": {"logLevel": level}, "shim": {"logLevel": level}})
    for duration in ("30d", "1d12h", "2.5h", "1.h", ".5h", "90000000us", "60000000000ns", "60000ms"):
        check_configs(edge, {"provider": {"heartbeat": duration, "resumeGrace": duration, "orphanConfirm": duration},
                             "shim": {"referentRefresh": duration, "leaderLease": duration}, "mqtt": {"enabled": True, "keepalive": duration},
                             "adminRest": {"enabled": True, "usersSecret": "u", "tokenLifetime": duration}})
    # What a program refuses is refused before it is installed.
    for wrong in ({"logLevel": "warn"}, {"logLevel": False}, {"heartbeat": "1w"}, {"heartbeat": "1.2.3s"}, {"heartbeat": ".s"}, {"heartbeat": "60"},
                  {"heartbeat": ""}):
        with pytest.raises(RuntimeError, match=f"provider/{next(iter(wrong))}"):
            rendered(edge, {"hub": {"secretName": "s"}, "provider": wrong})


def test_a_pod_template_changes_with_every_configmap_that_its_pods_read(edge):
    everything = {"hub": {"secretName": "s"}, "mqtt": {"enabled": True}, "adminRest": {"enabled": True, "usersSecret": "u"}}

    def templates_and_their_maps(values):
        made = rendered(edge, values)
        found = {}
        for (kind, name), workload in made.items():
            if kind in ("Deployment", "StatefulSet"):
                template = workload["spec"]["template"]
                maps = [volume["configMap"]["name"] for volume in template["spec"]["volumes"] if "configMap" in volume]
                found[name] = template, [made["ConfigMap", one]["data"] for one in maps]
        return found
    before = templates_and_their_maps(everything)
    assert {name for name, (_, maps) in before.items() if maps} == {"made-provider", "made-shim"}
    told = {name: set() for name in before}
    for path, value in leaves(yaml.safe_load((ROOT / "charts" / "slicelet-hub" / "values.yaml").read_text())):
        after = templates_and_their_maps(with_leaf(everything, path, another(path, value)))
        for name, (template, maps) in after.items():
            if maps != before[name][1]:
                told[name].add(".".join(path))
                assert template != before[name][0], f"{name} would go on with what it was told before {'.'.join(path)} changed"
    assert {"provider.port", "shim.leaderLease", "hub.name", "metrics.enabled"} <= told["made-shim"]
    assert {"provider.port", "provider.heartbeat", "mqtt.broker.port", "mqtt.address", "adminRest.port", "metrics.enabled"} <= told["made-provider"]


def restarted_at(release):
    """When `kubectl rollout restart` last touched the release's broker, to the second."""
    annotations = release.get("deployment", "plant-7-broker")["spec"]["template"]["metadata"]["annotations"]
    return datetime.fromisoformat(annotations["kubectl.kubernetes.io/restartedAt"].replace("Z", "+00:00"))


def test_the_readmes_commands_do_what_it_says(edge, hubs, tmp_path):
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    text = " ".join((ROOT / "charts" / "slicelet-hub" / "README.md").read_text().split())
    more = {"slicectl hub init": "--mqtt-endpoint mqtt.example.com:8883 --alternative-name plant-7-broker.plant-7.svc",
            "helm install": "--set mqtt.enabled=true"}
    assert all(f"`{options}` to `{command}`" in text for command, options in more.items())

    class ChartGuide(Guide):
        def adapted(self, commands):
            for command, options in more.items():
                commands = commands.replace(f"{command} ", f"{command} {options} ")
            return commands
    guide = ChartGuide(edge, "charts/slicelet-hub/README.md", tmp_path)
    guide.environment.update(helm_homes(tmp_path), PATH=f"{edge.binary('slicectl').parent}:{helm_directory()}:{guide.environment['PATH']}")
    plant = edge.kubectl("plant-7")
    try:
        guide.follow("install")
        assert plant.get("edgehost", "gw-1") and plant.get("deployment", "plant-7-broker") and plant.get("statefulset", "plant-7-provider")
        before = plant.get("secret", "plant-7-hub")["data"]
        guide.follow("revoke")
        after = plant.get("secret", "plant-7-hub")["data"]
        assert {key for key in after if after[key] != before.get(key)} == {"revoked.crl"}
        restarted = restarted_at(plant)
        # kubectl refuses a second restart within one second, which no person types.
        wait_until("the second of the first restart is over", lambda: datetime.now(timezone.utc) >= restarted + timedelta(seconds=1))
        guide.follow("renew")
        renewed = plant.get("secret", "plant-7-hub")["data"]
        assert {key for key in renewed if renewed[key] != after.get(key)} == {"provider.crt", "shim.crt", "mqtt.crt", "mqtt-broker.crt"}
        assert restarted_at(plant) > restarted
        # As a former version's would be.
        path = "/spec/versions/0/schema/openAPIV3Schema/description"
        edge.kubectl("")("patch", "crd", "edgehosts.slicelet.io", "--field-manager=helm", "--type=json",
                         "-p", json.dumps([{"op": "add", "path": path, "value": "of a former version"}]))
        guide.follow("upgrade")
        kinds = yaml.safe_load((ROOT / "charts" / "slicelet-hub" / "crds" / "edgehosts.yaml").read_text())
        assert edge.kubectl("").get("crd", "edgehosts.slicelet.io")["spec"]["versions"][0]["schema"]["openAPIV3Schema"].get(
            "description") == kinds["spec"]["versions"][0]["schema"]["openAPIV3Schema"].get("description")
        assert plant.get("secret", "sh.helm.release.v1.plant-7.v2")["metadata"]["labels"]["status"] == "deployed"
        assert plant.get("deployment", "plant-7-broker"), "what was set stays"
        # Another size is refused, unless the StatefulSet is made anew.
        grow = next(line for line in guide.steps["upgrade"].commands.splitlines() if line.startswith("helm upgrade"))
        grow = f"{grow} --set provider.storage.size=2Gi"
        with pytest.raises(AssertionError, match="Forbidden: updates to statefulset spec"):
            guide.shell(grow)
        command, = re.findall(r"`(kubectl delete statefulset .*?)`", text)
        guide.shell(f"{command.replace('RELEASE', 'plant-7')} --namespace plant-7\n{grow}")
        claim, = plant.get("statefulset", "plant-7-provider")["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
        guide.follow("remove")
        assert plant.get("statefulset", "plant-7-provider") is None and plant.get("edgehost", "gw-1"), "what hosts run is left"
    finally:
        edge.kubectl("")("delete", "namespace", "plant-7", "--ignore-not-found", "--wait=false")
    assert set(guide.followed) == set(guide.steps), "every block of the README is followed"


def test_uninstall_stops_nothing_and_a_new_install_goes_on(edge, hubs, kubectl):
    hub = hubs[0]
    sample = two_hubs_sample()
    kubectl.apply(sample)
    app = sample["metadata"]["name"]
    before = wait_until("pods", lambda: kubectl.ready_pods(app, 2), timeout=120)
    # What former tests have deleted may still be ending on the host.
    wait_until("the host runs nothing else", lambda: {
        one["labels"]["io.kubernetes.pod.namespace"] for one in hub.host.running_containers()} == {kubectl.namespace}, timeout=90)
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
    wait_until("the node is Ready again", hub.ready_node, timeout=120)

    def same():
        now = {pod["metadata"]["uid"]: json.dumps(pod["status"]["containerStatuses"]) for pod in
               kubectl.ready_pods(app, 2) or []}
        return now == {pod["metadata"]["uid"]: json.dumps(pod["status"]["containerStatuses"]) for pod in before}
    wait_until("the same pods, the same containers", same, timeout=120)
    assert {container["id"] for container in hub.host.running_containers()} == running
