"""Bad input gives the named condition, event or refusal, and nothing else changes."""

import json

import pytest

from tests.harness.kubernetes import condition, is_ready
from tests.harness.pods import pod
from tests.harness.waiting import stays_true, wait_until

BYSTANDERS = "bystanders"


@pytest.fixture(scope="module")
def bystander(edge):
    """A pod that has nothing to do with anything here."""
    admin, kubectl = edge.kubectl(""), edge.kubectl(BYSTANDERS)
    admin("create", "namespace", BYSTANDERS)
    wait_until("default service account", lambda: kubectl.get("serviceaccount", "default"))
    kubectl.apply(pod("bystander", args=["wait"]))
    wait_until("the bystander runs", lambda: is_ready(kubectl.get("pod", "bystander")))
    yield kubectl
    admin("delete", "namespace", BYSTANDERS, "--wait=false")
    kubectl("delete", "pod", "bystander", "--wait=false", "--grace-period=1", check=False)
    wait_until("it is gone", lambda: edge.sandboxes(BYSTANDERS, "") == [])


@pytest.fixture(autouse=True)
def nothing_else_changes(edge, bystander):
    def state():
        one, node = bystander.get("pod", "bystander"), bystander.get("node", edge.node)
        status, = one["status"]["containerStatuses"]
        ready = condition(node, "Ready")
        return {"uid": one["metadata"]["uid"], "ready": is_ready(one), "container": status["containerID"],
                "restarts": status["restartCount"], "state": status["state"], "node": node["metadata"]["uid"],
                "node ready": (ready["status"], ready["lastTransitionTime"]),
                "runtime": [c["id"] for c in edge.running_containers(BYSTANDERS, "")]}

    before = state()
    assert before["ready"] and before["container"] == f"containerd://{before['runtime'][0]}"
    yield
    assert state() == before, "what has nothing to do with it was touched"


def waiting(kubectl, name):
    statuses = kubectl.get("pod", name)["status"].get("containerStatuses", [])
    return statuses[0]["state"].get("waiting", {}) if statuses else {}


def failed(kubectl, name):
    return wait_until(f"{name} Failed", lambda: (
        p := kubectl.get("pod", name))["status"].get("phase") == "Failed" and p)["status"]


def prints(kubectl, text, *log):
    """A container runs before it has printed anything."""
    wait_until(f"{log} prints {text}", lambda: text in kubectl("logs", *log))


def test_an_unknown_config_map_waits_and_says_so_until_it_exists(edge, kubectl):
    kubectl.apply(pod("needs", args=["env", "X", "wait"], env=[
        {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "missing", "key": "x"}}}]))
    waits = wait_until("CreateContainerConfigError", lambda: (w := waiting(kubectl, "needs")).get("reason") ==
                       "CreateContainerConfigError" and w)
    assert "missing" in waits["message"]
    wait_until("event", lambda: any(e["reason"] == "MandatoryConfigMapNotFound" for e in kubectl.events("needs")))
    kubectl("create", "configmap", "missing", "--from-literal=x=found")
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "needs")), timeout=90)
    prints(kubectl, "found", "needs")


def test_a_container_whose_config_map_is_missing_waits_alone(edge, kubectl):
    kubectl.apply(pod("two", args=["print", "main runs", "wait"], extra=[
        {"name": "needy", "args": ["env", "X", "wait"],
         "env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "x"}}}]}]))

    def container(name):
        statuses = kubectl.get("pod", "two")["status"].get("containerStatuses", [])
        return next((s for s in statuses if s["name"] == name), {}).get("state", {})

    wait_until("main runs", lambda: container("main").get("running"))
    prints(kubectl, "main runs", "two", "-c", "main")
    # The API server may refuse the node's first reading: its authorizer learns of the pod a moment later.
    wait_until("needy waits for it", lambda: container("needy").get("waiting") ==
               {"reason": "CreateContainerConfigError", "message": 'configmap "later" not found'})
    wait_until("event", lambda: any(e["reason"] == "MandatoryConfigMapNotFound" for e in kubectl.events("two")))
    started = container("main")["running"]["startedAt"]
    kubectl("create", "configmap", "later", "--from-literal=x=found")
    wait_until("both run", lambda: is_ready(kubectl.get("pod", "two")), timeout=90)
    prints(kubectl, "found", "two", "-c", "needy")
    assert container("main")["running"]["startedAt"] == started, "the other container was not touched"


def test_an_unknown_config_map_volume_is_a_failed_mount(edge, kubectl):
    kubectl.apply(pod("mounts", args=["wait"], mounts=[{"name": "v", "mountPath": "/v"}],
                      volumes=[{"name": "v", "configMap": {"name": "nowhere"}}]))
    wait_until("event", lambda: any(
        e["reason"] == "FailedMount" and "nowhere" in e["message"] for e in kubectl.events("mounts")))
    # The event and the status are written side by side.
    wait_until("ContainerCreating", lambda: waiting(kubectl, "mounts").get("reason") == "ContainerCreating")


def test_an_image_that_cannot_be_pulled(edge, kubectl):
    kubectl.apply(pod("noimage", args=["wait"], image="localhost:1/no/such:image"),
                  pod("never", args=["wait"], image="docker.io/slicelet/absent:1", pull="Never"),
                  pod("invalid", args=["wait"], image="UPPER CASE"))
    wait_until("ErrImagePull", lambda: waiting(kubectl, "noimage").get("reason") in ("ErrImagePull", "ImagePullBackOff"))
    # Between two tries it is ErrImagePull again.
    waits = wait_until("ImagePullBackOff", lambda: (w := waiting(kubectl, "noimage")).get("reason") == "ImagePullBackOff" and w, timeout=90)
    assert "localhost:1/no/such:image" in waits["message"]
    wait_until("ErrImageNeverPull", lambda: waiting(kubectl, "never").get("reason") == "ErrImageNeverPull")
    wait_until("InvalidImageName", lambda: waiting(kubectl, "invalid").get("reason") == "InvalidImageName")


def test_an_unsupported_volume_is_refused_by_name(edge, kubectl):
    kubectl.apply(pod("claims", args=["wait"], nodeName=edge.node, volumes=[
        {"name": "ok", "emptyDir": {}}, {"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}}]))
    status = failed(kubectl, "claims")
    assert "spec.volumes[1].ephemeral" in status["message"] and status["reason"]


def test_a_denied_host_path_names_host_and_rule(edge, kubectl):
    kubectl.apply(pod("reaches", args=["wait"], mounts=[{"name": "etc", "mountPath": "/host"}],
                      volumes=[{"name": "etc", "hostPath": {"path": "/etc"}}]))
    status = failed(kubectl, "reaches")
    assert "HostPolicy" in status["reason"] and "/etc" in status["message"] and edge.host in status["message"]
    assert edge.sandboxes(kubectl.namespace, "reaches") == []


def test_an_allowed_host_path_works(edge, kubectl):
    (edge.shared / "hello.txt").write_text("from the host\n")
    kubectl.apply(pod("allowed", args=["cat", "/host/hello.txt", "wait"], mounts=[{"name": "h", "mountPath": "/host"}],
                      volumes=[{"name": "h", "hostPath": {"path": str(edge.shared), "type": "Directory"}}]))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "allowed")))
    prints(kubectl, "from the host", "allowed")


def with_security(name, security):
    made = pod(name, args=["cat", "/proc/self/status", "wait"])
    made["spec"]["containers"][0]["securityContext"] = security
    return made


def test_a_capability_is_denied_unless_every_container_has_it(edge, kubectl):
    kubectl.apply(with_security("owns", {"capabilities": {"add": ["SYS_MODULE"]}}))
    kubectl.apply(with_security("unconfined", {"seccompProfile": {"type": "Unconfined"}}))
    kubectl.apply(with_security("binds", {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}))
    status = failed(kubectl, "owns")
    assert status["reason"] == "HostPolicyDenied" and "capability SYS_MODULE" in status["message"]
    assert 'rule "unconfined"' in failed(kubectl, "unconfined")["message"]
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "binds")))
    prints(kubectl, "Seccomp:\t", "binds")
    said = dict(line.split(":\t", 1) for line in kubectl("logs", "binds").splitlines() if ":\t" in line)
    assert int(said["CapPrm"], 16) == 1 << 10, "NET_BIND_SERVICE"
    assert said["Seccomp"] == "2", "the runtime's profile, without being asked for"
    assert edge.sandboxes(kubectl.namespace, "owns") == edge.sandboxes(kubectl.namespace, "unconfined") == []


def test_a_config_map_of_one_mebibyte_arrives_whole(edge, kubectl):
    size = 1024 * 1024 - 4096
    kubectl("create", "-f", "-", stdin=f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"big"}},'
                                       f'"data":{{"blob":"{"x" * size}"}}}}')
    kubectl.apply(pod("carries", args=["wait"], mounts=[{"name": "b", "mountPath": "/b"}],
                      volumes=[{"name": "b", "configMap": {"name": "big"}}]))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "carries")))
    assert len(kubectl("exec", "carries", "--", "/bin/workload", "cat", "/b/blob").rstrip("\n")) == size


def files_of(options):
    return [part for option in options.items() for part in option]


def test_an_unknown_field_in_a_configuration_file_is_named(edge, tmp_path):
    for program, file, suffix in (("slicelet-provider", edge.hub_directory / "provider.yaml", "colour: blue\n"),
                                  ("slicelet-shim", edge.hub_directory / "shim.yaml", "colour: blue\n")):
        bad = tmp_path / file.name
        bad.write_text(file.read_text() + suffix)
        code, _, err = edge.run_program(program, "--config", bad, "--check-config")
        assert code != 0 and "colour" in err, err
    files = {"--host": edge.agent_directory / "host.json", "--config": edge.agent_directory / "agent.json"}
    assert edge.run_program("slicelet-agent", *files_of(files), "--check-config")[0] == 0
    for option, file in files.items():
        bad = tmp_path / file.name
        bad.write_text(json.dumps({**json.loads(file.read_text()), "colour": "blue"}))
        code, _, err = edge.run_program("slicelet-agent", *files_of({**files, option: bad}), "--check-config")
        assert code != 0 and f"{bad}: unknown field colour" in err, err


def test_a_caller_without_the_clusters_certificate_is_refused(edge, kubectl):
    kubectl.apply(pod("private", args=["print", "secret words", "wait"]))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "private")))
    url = f"{edge.kubelet_url()}/containerLogs/{kubectl.namespace}/private/main"
    assert edge.curl(url) == 401
    assert edge.curl(url, certificate="other-ca") == 401
    assert edge.curl(url, certificate="kubelet-client") == 200
    assert edge.curl(url + "x", certificate="kubelet-client") == 404
    assert edge.curl(url, certificate="kubelet-client", method="POST") == 405


def test_a_service_account_may_do_what_the_cluster_allows_it(edge, kubectl):
    kubectl.apply(pod("watched", args=["print", "words", "wait"]))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "watched")))
    role = f"scraper-{kubectl.namespace}"
    try:
        kubectl("create", "serviceaccount", "scraper")
        kubectl("create", "clusterrole", role, "--verb=get", "--resource=nodes/pods")
        kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}",
                f"--serviceaccount={kubectl.namespace}:scraper")
        scraper = kubectl("create", "token", "scraper").strip()
        nobody = kubectl("create", "token", "default").strip()
        pods, logs = f"{edge.kubelet_url()}/pods", f"{edge.kubelet_url()}/containerLogs/{kubectl.namespace}/watched/main"
        wait_until("the binding counts", lambda: edge.curl(pods, token=scraper) == 200, timeout=90)
        assert edge.curl(logs, token=scraper) == 403
        assert edge.curl(pods, token=nobody) == 403
        assert edge.curl(pods, token="made-up") == 401
    finally:
        kubectl("delete", "clusterrolebinding,clusterrole", role, "--ignore-not-found")


def test_a_host_with_a_certificate_of_another_hub_is_refused(edge, kubectl):
    epoch, _ = edge.host_info()["generation"]
    stranger = edge.stranger_agent()
    try:
        stays_true("the stranger is never connected", lambda: edge.host_info()["connected"], seconds=3)
        assert edge.host_info()["generation"][0] == epoch, "a stranger opens no epoch"
    finally:
        stranger.stop(timeout=60)
