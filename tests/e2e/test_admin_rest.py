"""The admin API over HTTPS, on the real control plane: the way of a slice and its gateway, refusals, and its own document."""

import os
import re

import pytest
import yaml

from tests.harness.admin_rest import PASSWORDS, Client, conforms, users
from tests.harness.documents import blocks
from tests.harness.edge import CONTAINERD
from tests.harness.kubernetes import ROOT, run
from tests.harness.ports import free_ports
from tests.harness.process import Program
from tests.harness.waiting import wait_until

DOCUMENT = "docs/admin-rest.md"
SERVICES = ["postgres", "mosquitto", "core-metadata", "core-data", "core-command", "device-virtual"]


def stand_in(service):
    name = "eclipse-mosquitto" if service == "mosquitto" else service
    return f"docker.io/slicelet/stand-in-{name}:1"


class Admin:
    """The hub's provider, told to serve the admin API."""

    def __init__(self, edge):
        self.edge = edge
        self.port, = free_ports(1)
        self.authority = edge.hub_directory / "ca.crt"
        self.users = edge.hub_directory / "admin-users"
        self.users.write_text(users(edge))
        self.former = (edge.hub_directory / "provider.yaml").read_text()
        edge.kubectl("")("apply", "-f", ROOT / "samples" / "admin-rest" / "rbac.yaml")
        # The API server heeds roles a moment after they are made: one of a namespace, and one of the cluster.
        for kind, namespace in (("iotslices", "slicelet"), ("iotgateways", "default")):
            wait_until(f"the provider may create {kind}", lambda: edge.kubectl(namespace)(
                "auth", "can-i", "create", f"{kind}.slicelet.io", "--as=system:serviceaccount:slicelet:slicelet-provider"))
        edge.tune({"provider": {"adminRest": {
            "listen": f"127.0.0.1:{self.port}", "certificate": str(edge.hub_directory / "provider.crt"),
            "key": str(edge.hub_directory / "provider.key"), "users": str(self.users), "requestsPerSecond": 200}}})
        edge.programs["provider"].restart()

    def client(self, user=None):
        return Client(self.port, self.authority, user)

    def down(self):
        (self.edge.hub_directory / "provider.yaml").write_text(self.former)
        self.edge.programs["provider"].restart()
        self.edge.kubectl("")("delete", "-f", ROOT / "samples" / "admin-rest" / "rbac.yaml", "--ignore-not-found")


@pytest.fixture(scope="module")
def admin(edge):
    made = Admin(edge)
    try:
        yield made
    finally:
        made.down()


@pytest.fixture
def otto(admin):
    return admin.client("otto")


def test_a_slice_with_a_gateway_comes_about_and_goes(edge, admin, otto):
    run([CONTAINERD, "gateway", edge.containerd_directory], timeout=600)
    status, made = otto.ask("POST", "/v1/slices", {"name": "rest-north", "spec": {"edge": {"nodes": [edge.node]}}})
    assert status == 201, made

    def phase(path):
        return (otto.get(path) or {}).get("status", {}).get("phase")
    wait_until("the slice is Ready", lambda: phase("/v1/slices/rest-north") == "Ready", timeout=120)
    gateways = "/v1/slices/rest-north/gateways"
    status, made = otto.ask("POST", gateways, {"name": "press", "spec": {
        "target": {"host": edge.host}, "images": {service: stand_in(service) for service in SERVICES}}})
    assert status == 201 and made["spec"]["slice"] == "rest-north", made
    wait_until("the gateway is Ready", lambda: phase(f"{gateways}/press") == "Ready", timeout=240)
    assert edge.kubectl("rest-north").get("iotgateway", "press")["metadata"]["uid"] == made["uid"]
    status, made = otto.ask("POST", "/v1/slices/rest-north/devices", {"name": "oven", "spec": {
        "gateway": "press", "protocol": "virtual", "resources": [{"name": "temperature", "interval": "1s"}]}})
    assert status == 201, made
    wait_until("the device is registered", lambda: phase("/v1/slices/rest-north/devices/oven") == "Registered", timeout=120)

    pod, = otto.get("/v1/workloads?namespace=rest-north")["items"]
    assert pod["node"] == edge.node and pod["ready"] and pod["owner"] == {"kind": "IotGateway", "name": "press"}
    assert [(host["host"], host["phase"]) for host in pod["hosts"]] == [(edge.host, "Running")]
    placement = otto.get(f"/v1/workloads/rest-north/{pod['name']}/placement")
    host, = placement["hosts"]
    assert (host["host"], host["state"], host["chosen"], host["reason"]) == (edge.host, "Targeted", True, ""), placement
    assert placement["placement"] == "host" and host["freeCpuMilli"] > 0 and placement["cpuMilli"] > 0
    assert otto.get("/v1/deployments?namespace=rest-north")["items"][0]["pods"] == [pod["name"]]

    enabler = "/compat/v3/api/enabler"
    listed, = [one for one in otto.get(f"{enabler}/instanced") if one["vim"] == "rest-north"]
    assert listed["id"] == "rest-north.gateway.press" and listed["status"] == "Ready"
    status, stopped = otto.ask("POST", f"{enabler}/{listed['id']}/terminate")
    assert status == 200 and stopped["suspended"]
    wait_until("nothing runs", lambda: edge.sandboxes("rest-north", "") == [], timeout=90)
    assert otto.ask("DELETE", "/v1/slices/rest-north/devices/oven")[0] == 202
    assert otto.ask("DELETE", f"{enabler}/{listed['id']}")[0] == 200
    wait_until("the gateway is gone", lambda: otto.get(f"{gateways}/press") is None, timeout=120)
    assert otto.ask("DELETE", "/v1/slices/rest-north")[0] == 202
    wait_until("the slice is gone", lambda: otto.get("/v1/slices/rest-north") is None, timeout=120)

    log = edge.programs["provider"].log.read_text()
    assert "admin write user=otto method=POST path=/v1/slices status=201" in log
    for secret in (*PASSWORDS.values(), otto.token):
        assert secret not in log


def test_what_the_api_server_refuses_is_said_with_its_field(otto):
    status, error = otto.ask("POST", "/v1/slices", {"name": "kube-mine", "spec": {}})
    assert status == 422 and "belongs to Kubernetes" in error["error"], error
    status, error = otto.ask("POST", "/v1/clusters", {"name": "a", "spec": {"role": "cloud", "context": "c"}})
    assert status == 422 and error["field"] == "spec" and "kubeconfigSecret" in error["error"], error
    status, error = otto.ask("POST", "/v1/hosts", {"name": "gw-1", "spec": {}})
    assert status == 409 and error["reason"] == "AlreadyExists"
    status, error = otto.ask("POST", "/v1/slices/none/gateways", {"name": "a", "spec": {"target": {"host": "gw-1"}}})
    assert status == 404 and error["error"] == "IotSlice none does not exist"
    host = otto.get("/v1/hosts/gw-1")
    assert otto.ask("PATCH", "/v1/hosts/gw-1", {"spec": {"tags": {"site": "north"}}})[0] == 200
    status, error = otto.ask("PATCH", "/v1/hosts/gw-1", {"spec": {"tags": None}, "resourceVersion": host["resourceVersion"]})
    assert status == 409 and error["reason"] == "Conflict"
    assert otto.ask("PATCH", "/v1/hosts/gw-1", {"spec": {"tags": {"site": None}}})[1]["spec"].get("tags", {}) == {}


def test_a_cluster_is_registered_with_its_kubeconfig_and_goes_with_it(edge, otto):
    path = "/compat/v3/api/k8sclusters"
    kubeconfig = {"clusters": [{"name": "far", "cluster": {"server": "https://192.0.2.1:6443"}}],
                  "contexts": [{"name": "far", "context": {"cluster": "far", "user": "u"}}],
                  "users": [{"name": "u", "user": {"token": "far-away-token"}}]}
    status, made = otto.ask("POST", path, {"name": "far", "credentials": kubeconfig})
    assert status == 200, made
    hub = edge.kubectl("slicelet")
    assert hub.get("secret", "far-kubeconfig")["metadata"]["ownerReferences"][0]["name"] == "far"
    # A slice has its edge there; nobody answers, and that is said.
    assert otto.ask("POST", "/v1/slices", {"name": "rest-far", "spec": {"edge": {"cluster": "far"}}})[0] == 201
    status, error = otto.ask("GET", f"{path}/node/far")
    assert status == 500 and error["reason"] == "ECONNREFUSED" and "IotCluster far cannot be asked" in error["error"], error
    status, error = otto.ask("DELETE", f"{path}/far")
    assert status == 409 and error["reason"] == "InUse" and "rest-far" in error["error"], error
    assert otto.ask("DELETE", f"{path}/far", headers={"force": "true"})[0] == 200
    wait_until("the cluster is gone", lambda: hub.get("iotcluster", "far") is None, timeout=120)
    assert otto.ask("DELETE", "/v1/slices/rest-far?giveUp=true")[0] == 202
    wait_until("the slice is gone", lambda: hub.get("iotslice", "rest-far") is None, timeout=120)
    wait_until("the Secret is gone too", lambda: hub.get("secret", "far-kubeconfig") is None, timeout=180)
    assert "far-away-token" not in edge.programs["provider"].log.read_text()


def test_a_viewer_may_look_and_who_has_no_token_sees_nothing(edge, admin):
    nobody, vera = admin.client(), admin.client("vera")
    for path in ("/v1/hosts", "/v1/nothing", "/openapi.json"):
        status, error = nobody.ask("GET", path)
        assert (status, error["reason"]) == (401, "Unauthenticated")
    assert [host["name"] for host in vera.get("/v1/hosts")["items"]] == ["gw-1"]
    assert vera.ask("DELETE", "/v1/hosts/gw-1")[0] == 403
    assert edge.kubectl("slicelet").get("edgehost", "gw-1")
    # A user that is gone from the file is out.
    former = admin.users.read_text()
    admin.users.write_text("".join(line for line in former.splitlines(True) if not line.startswith("vera:")))
    wait_until("vera is out", lambda: vera.ask("GET", "/v1/hosts")[0] == 401, timeout=90)
    # With the hashes of before: while a password is checked against one, the file may be read again, and another would refuse it.
    admin.users.write_text(former)
    # Tokens end with the process; logins go on.
    otto = admin.client("otto")
    edge.programs["provider"].restart()
    again = admin.client("otto")
    assert otto.ask("GET", "/v1/hosts")[0] == 401 and again.ask("GET", "/v1/hosts")[0] == 200


def test_the_api_server_away_is_said_and_nothing_hangs(edge, otto):
    edge.kill("kube-apiserver")
    try:
        status, error = otto.ask("GET", "/v1/hosts")
        assert status == 503 and error["reason"] == "KubernetesUnavailable", (status, error)
        assert otto.ask("GET", "/compat/v3/api/k8sclusters")[1]["reason"] == "ECONNREFUSED"
        assert otto.ask("GET", "/openapi.json")[0] == 200
    finally:
        edge.start("kube-apiserver")
    wait_until("it is back", lambda: otto.ask("GET", "/v1/hosts")[0] == 200, timeout=90)


def test_every_reason_is_in_the_document():
    told = set(re.findall(r"`(\w+)`", (ROOT / DOCUMENT).read_text()))
    code = "\n".join(path.read_text() for path in (ROOT / "provider" / "rest").glob("*.[ch]*") if not path.stem.endswith("_test"))
    given = set(re.findall(r'(?:\.reason = |RefusePlace\(\s*|kUnreachable\[\] = )"(\w+)"', code))
    assert len(given) > 25 and given - told == set()


def test_the_documents_commands_work(edge, admin, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    (place / "ca.crt").write_text(admin.authority.read_text())
    environment = {"PATH": f"{edge.bin}:{edge.binary('slicelet-provider').parent}:/usr/bin:/bin"}
    for block in blocks(DOCUMENT):
        if block.name == "none":
            continue
        commands = block.commands.replace("hub.example.com:8443", f"127.0.0.1:{admin.port}")
        code, printed, error = run(["bash", "-euo", "pipefail", "-c", f"cd {place}; {commands}"], check=False, environment=environment)
        assert code == 0, f"{commands}\n{printed}{error}"
        missing = block.missing(printed)
        assert missing is None, f"{DOCUMENT} says that this is printed: {missing}\nprinted:\n{printed}"
        if block.name == "users":
            made = (place / "users").read_text()
            assert [line.split(":")[1] for line in made.splitlines()] == ["operator", "viewer"]
            admin.users.write_text(made + users(edge))
            # Sooner than it would read them by itself.
            edge.programs["provider"].restart()
            admin.client()
    admin.client("otto").ask("PATCH", "/v1/hosts/gw-1", {"spec": {"tags": {"site": None}}})


@pytest.fixture
def fuzz_hub(edge, tmp_path):
    """A second provider of the same control plane that brings nothing about, with one object of each kind: what a program makes up
    there concerns nobody."""
    port, agents = free_ports(2)
    directory = tmp_path / "hub"
    edge.slicectl("hub", "init", "--dir", directory, "--name", "fuzz-hub", "--agent-endpoint", f"127.0.0.1:{agents}",
                  "--agent-listen", f"127.0.0.1:{agents}", "--kubeconfig", edge.plane.kubeconfig, configured=False)
    (directory / "users").write_text(users(edge))
    settings = yaml.safe_load((directory / "provider.yaml").read_text())
    settings.update({"namespace": "fuzz", "controllers": False, "kubeconfig": str(edge.plane.kubeconfig), "logLevel": "info",
                     "adminRest": {"listen": f"127.0.0.1:{port}", "certificate": str(directory / "provider.crt"),
                                   "key": str(directory / "provider.key"), "users": str(directory / "users"),
                                   "requestsPerSecond": 10000}})
    (directory / "provider.yaml").write_text(yaml.safe_dump(settings))

    def of(kind, name, spec, namespace="fuzz-north"):
        return {"apiVersion": "slicelet.io/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    labels = {"slicelet.io/hub": "fuzz-hub", "slicelet.io/slice": "fuzz-north"}
    kubectl = edge.kubectl("")
    for namespace, more in (("fuzz", {}), ("fuzz-north", labels)):
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": more}})
    kubectl.apply(of("IotSlice", "fuzz-north", {}, "fuzz"), of("EdgeHost", "fuzz-gw", {}, "fuzz"),
                  of("IotCluster", "home", {"role": "cloud"}, "fuzz"),
                  of("IotGateway", "press", {"slice": "fuzz-north", "target": {"host": "fuzz-gw"}}),
                  of("IotServer", "iot", {"slice": "fuzz-north", "profile": "external", "url": "http://127.0.0.1:1"}),
                  of("IotDevice", "oven", {"gateway": "press", "protocol": "virtual", "resources": [{"name": "t"}]}))
    provider = Program("fuzz-provider", [edge.binary("slicelet-provider"), "--config", directory / "provider.yaml"], edge.logs).start()
    try:
        yield Client(port, directory / "ca.crt", "otto"), directory / "ca.crt", provider
    finally:
        provider.kill()
        for kind in ("iotdevices", "iotgateways", "iotservers"):
            kubectl("delete", kind, "--all", "-n", "fuzz-north", "--timeout=280s", timeout=300)
        kubectl("delete", "namespace", "fuzz", "fuzz-north", "--wait=false")


def test_it_does_what_its_document_says(fuzz_hub, tmp_path):
    client, authority, provider = fuzz_hub
    # It takes all of the time that it is given. On a busy machine that may be too short for all operations: then it is given more.
    for seconds in [600] if os.environ.get("SLICELET_LONG") else [45, 180, 600]:
        code, printed = conforms(client, authority, tmp_path, seconds=seconds)
        assert code == 0, printed
        selected, tested = (re.search(rf"{word}: +(\d+)", printed)[1] for word in ("Selected", "Tested"))
        if tested == selected:
            break
    assert tested == selected, f"the time was too short for all operations: {printed}"
    assert provider.running()
    assert PASSWORDS["otto"] not in provider.log.read_text()
