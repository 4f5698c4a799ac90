"""A pod applied with kubectl runs on an edge host, and its status, logs and exec come back."""

import pathlib
import re
import subprocess
import urllib.request

from tests.harness.kubernetes import condition, is_ready
from tests.harness.pods import deployment, pod
from tests.harness.remote_input import check_input_ends
from tests.harness.waiting import wait_until


def test_the_node_is_registered_and_ready(edge, kubectl):
    pressures = ("MemoryPressure", "DiskPressure", "PIDPressure")
    node = wait_until("node Ready, with what slicelet adds and what its host says", lambda: (n := edge.ready_node()) and condition(
        n, "slicelet.io/LinkReady")["status"] == "True" and all(condition(n, one)["status"] != "Unknown" for one in pressures) and n)
    labels = node["metadata"]["labels"]
    assert labels["type"] == "virtual-kubelet"
    assert labels["slicelet.io/hub"] == edge.hub
    assert labels["kubernetes.io/os"] == "linux" and labels["kubernetes.io/arch"] == "amd64"
    assert labels["kubernetes.io/hostname"] == edge.node
    assert {"key": "slicelet.io/slice-node", "value": edge.hub, "effect": "NoSchedule"} in node["spec"]["taints"]
    assert int(node["status"]["capacity"]["pods"]) > 0 and node["status"]["capacity"]["memory"]
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
    assert condition(node, "slicelet.io/LinkReady")["status"] == "True"
    for pressure in pressures:
        assert condition(node, pressure)["status"] == "False"
    leases = edge.kubectl("kube-node-lease")
    lease = wait_until("the lease of this node", lambda: (l := leases.get("lease", edge.node)) and
                       l["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"] and l)
    assert lease["spec"]["holderIdentity"] == edge.node
    mapped = pathlib.Path(f"/proc/{edge.programs['agent'].process.pid}/maps").read_text()
    assert ("slicelet-mqtt" in mapped) == (edge.link_kind == "mqtt"), "who does not need the MQTT client does not load it"
    assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]


def test_a_deployment_of_three_pods_runs_and_is_ready(edge, kubectl):
    kubectl.apply(deployment("trio", replicas=3, args=["print", "hello from trio", "http", "8080"],
                             readiness={"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}))
    pods = wait_until("three pods Ready", lambda: kubectl.ready_pods("trio", 3))
    addresses = set()
    for one in pods:
        status = one["status"]
        assert one["spec"]["nodeName"] == edge.node
        assert status["podIP"].startswith("198.1") and status["podIPs"][0]["ip"] == status["podIP"]
        addresses.add(status["podIP"])
        assert status["hostIP"] and status["startTime"] and status["qosClass"]
        container = status["containerStatuses"][0]
        assert container["containerID"].startswith("containerd://")
        assert "sha256:" in container["imageID"]
        assert container["image"] == "docker.io/slicelet/workload:1"
        assert container["ready"] and container["started"] and container["restartCount"] == 0
        assert container["state"]["running"]["startedAt"]
        for kind in ("Initialized", "ContainersReady", "PodScheduled"):
            assert condition(one, kind)["status"] == "True"
    assert len(addresses) == 3, "each pod has an address of its own"
    wait_until("deployment available", lambda: kubectl.get("deployment", "trio")["status"].get("readyReplicas") == 3)

    kubectl("expose", "deployment", "trio", "--port=8080")
    wait_until("the Service is told that its endpoints are not reachable", lambda: [
        e for e in kubectl.events("trio") if e["involvedObject"]["kind"] == "Service" and e["reason"] == "EndpointsNotReachable"])

    name = pods[0]["metadata"]["name"]
    # What it prints is written to the log by another program than the one that serves.
    wait_until("it has said hello", lambda: "hello from trio" in kubectl("logs", name))
    assert kubectl("exec", name, "--", "/bin/workload", "print", "from inside").strip() == "from inside"
    with subprocess.Popen(kubectl.command("port-forward", name, ":8080"), stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            address = re.search(r"127\.0\.0\.1:\d+", forwarding.stdout.readline())[0]
            assert urllib.request.urlopen(f"http://{address}/healthz", timeout=120).status == 200
        finally:
            forwarding.kill()


def test_logs_follow_tail_and_limits(edge, kubectl):
    kubectl.apply(pod("chatty", args=["lines", "0", "200"]))
    wait_until("running", lambda: is_ready(kubectl.get("pod", "chatty")))
    with kubectl.follow("logs", "-f", "chatty") as lines:
        followed = [next(lines) for _ in range(5)]
    assert [re.fullmatch(r"line \d+", line) is not None for line in followed] == [True] * 5
    wait_until("some lines", lambda: len(kubectl("logs", "chatty").splitlines()) >= 5)
    assert len(kubectl("logs", "--tail=2", "chatty").splitlines()) == 2
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ line \d+", kubectl("logs", "--timestamps", "--tail=1", "chatty"))
    assert len(kubectl("logs", "--limit-bytes=10", "chatty")) == 10
    code, _, err = kubectl("logs", "chatty", "-c", "nosuch", check=False)
    assert code != 0 and "nosuch" in err


def test_logs_go_on_over_a_rotation(edge, kubectl):
    """Nothing is lost and nothing comes twice, whether it is followed or read at once."""
    # Who follows may fall behind by so many files: each takes a few seconds.
    with edge.agent_settings(logMaxBytes=65536, logMaxFiles=20):
        kubectl.apply(pod("writer", args=["lines", "0", "2"]))
        wait_until("running", lambda: is_ready(kubectl.get("pod", "writer")))
        with kubectl.follow("logs", "-f", "writer") as lines:
            number = 0
            while number % 500 != 0 or not edge.rotated_logs(kubectl.namespace, "writer"):
                number += 1
                assert next(lines) == f"line {number}"
            for number in range(number + 1, number + 1001):
                assert next(lines) == f"line {number}", "what was written since then"
        read = kubectl("logs", "writer").splitlines()
        first = int(read[0].removeprefix("line "))
        assert read == [f"line {number}" for number in range(first, first + len(read))] and first + len(read) > number


def test_exec_keeps_streams_exit_code_and_terminal(edge, kubectl):
    kubectl.apply(pod("shell", args=["wait"]))
    wait_until("running", lambda: is_ready(kubectl.get("pod", "shell")))
    code, out, err = kubectl("exec", "shell", "--", "/bin/workload", "print", "to out", "error", "to err", "exit", "7",
                             check=False)
    assert code == 7 and out.strip() == "to out" and "to err" in err
    check_input_ends(lambda *verbs: kubectl.command("exec", "-i", "shell", "--", "/bin/workload", *verbs))
    ours = [edge.binary("slicectl"), "--kubeconfig", edge.plane.kubeconfig, "exec", "-n", kubectl.namespace]
    check_input_ends(lambda *verbs: [*ours, "-i", "shell", "--", "/bin/workload", *verbs])
    typed = kubectl.terminal(["exec", "-it", "shell", "--", "/bin/workload", "echo"], typed="typed\n",
                             wait_for="typed\r\ntyped")
    assert "typed\r\ntyped" in typed  # the terminal's echo, then the program's


def test_environment_volumes_and_downward_references(edge, kubectl):
    kubectl.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
         "data": {"MODE": "fast", "file.txt": "from map"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": "s3cret"}},
        pod("full", args=["cat", "/etc/all/map/file.txt", "cat", "/etc/all/secret/token",
                          "cat", "/etc/all/labels", "print", " end", "wait"],
            env=[{"name": "A", "value": "a"},
                 {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
                 {"name": "B", "value": "$(A)-$(KEY)-$(LATER)-$$(A)"},
                 {"name": "LATER", "value": "later"},
                 {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "MODE"}}},
                 {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                 {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                 {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}],
            env_from=[{"prefix": "S_", "configMapRef": {"name": "settings"}}],
            resources={"limits": {"memory": "48Mi"}},
            mounts=[{"name": "all", "mountPath": "/etc/all"}],
            volumes=[{"name": "all", "projected": {"sources": [
                {"configMap": {"name": "settings", "items": [{"key": "file.txt", "path": "map/file.txt"}]}},
                {"secret": {"name": "keys", "items": [{"key": "token", "path": "secret/token"}]}},
                {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}}]))
    wait_until("running", lambda: is_ready(kubectl.get("pod", "full")))
    text = wait_until("printed", lambda: 'app="full"' in (out := kubectl("logs", "full")) and out)
    environment = kubectl("exec", "full", "--", "/bin/workload", "environ")
    for line in ("A=a", "B=a-s3cret-$(LATER)-$(A)", "KEY=s3cret", "MODE=fast", "POD=full", "LIMIT=48", "S_MODE=fast"):
        assert line in environment.splitlines(), line
    assert re.search(r"^IP=10\.\d+\.\d+\.\d+$", environment, re.M), "inside, podIP is the real one"
    assert "from map" in text and "s3cret" in text


def test_init_containers_and_sidecars_run_in_order(edge, kubectl):
    kubectl.apply(pod("ordered", args=["print", "main", "http", "8080"],
                      init=[{"name": "first", "args": ["print", "first"]},
                            {"name": "side", "args": ["print", "side", "wait"], "restartPolicy": "Always"},
                            {"name": "second", "args": ["print", "second"]}]))
    ready = wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "ordered")) and p)
    statuses = {s["name"]: s for s in ready["status"]["initContainerStatuses"]}
    assert statuses["first"]["state"]["terminated"]["exitCode"] == 0
    assert statuses["second"]["state"]["terminated"]["exitCode"] == 0
    assert statuses["side"]["state"]["running"]["startedAt"] and statuses["side"]["ready"]
    assert statuses["first"]["state"]["terminated"]["finishedAt"] <= statuses["side"]["state"]["running"]["startedAt"]
    assert statuses["side"]["state"]["running"]["startedAt"] <= statuses["second"]["state"]["terminated"]["finishedAt"]


def test_a_crashing_container_backs_off_and_a_finished_one_succeeds(edge, kubectl):
    kubectl.apply(pod("crash", args=["print", "dying", "exit", "3"]),
                  pod("once", args=["print", "done"], restart="Never"))
    finished = wait_until("once Succeeded", lambda: (
        p := kubectl.get("pod", "once"))["status"].get("phase") == "Succeeded" and p)
    terminated = finished["status"]["containerStatuses"][0]["state"]["terminated"]
    assert terminated["exitCode"] == 0 and terminated["reason"] == "Completed"
    crashed = wait_until("CrashLoopBackOff", lambda: (
        p := kubectl.get("pod", "crash"))["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason")
        == "CrashLoopBackOff" and p)
    status = crashed["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 3 and crashed["status"]["phase"] == "Running"
    wait_until("a restart", lambda: kubectl.get("pod", "crash")["status"]["containerStatuses"][0]["restartCount"] >= 1)
    wait_until("what it said before", lambda: "dying" in kubectl("logs", "--previous", "crash"))
    wait_until("event BackOff", lambda: any(e["reason"] == "BackOff" for e in kubectl.events("crash")))


def test_probes_decide_about_readiness_and_restarts(edge, kubectl):
    # On a busy machine nothing fails for being slow: nor at its start, nor later.
    served = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 30}
    sick = pod("sick", args=["write", "/tmp/open", "yes", "http", "8080"],
               readiness={"exec": {"command": ["/bin/workload", "exists", "/tmp/open"]}, "periodSeconds": 1,
                          "failureThreshold": 1, "timeoutSeconds": 30},
               liveness={**served, "failureThreshold": 2})
    sick["spec"]["containers"][0]["startupProbe"] = {**served, "failureThreshold": 120}
    kubectl.apply(sick)
    wait_until("ready", lambda: is_ready(kubectl.get("pod", "sick")))
    kubectl("exec", "sick", "--", "/bin/workload", "remove", "/tmp/open")
    wait_until("not ready", lambda: not is_ready(kubectl.get("pod", "sick")))
    wait_until("event of the command", lambda: any(
        "Readiness probe failed: command exited with 1" in e["message"] for e in kubectl.events("sick")))
    kubectl("exec", "sick", "--", "/bin/workload", "write", "/tmp/open", "yes")
    wait_until("ready again", lambda: is_ready(kubectl.get("pod", "sick")))
    assert kubectl.get("pod", "sick")["status"]["containerStatuses"][0]["restartCount"] == 0
    # Which may end together with its container.
    kubectl("exec", "sick", "--", "/bin/workload", "write", "/tmp/unhealthy", "yes", check=False)
    wait_until("restarted", lambda: kubectl.get("pod", "sick")["status"]["containerStatuses"][0]["restartCount"] >= 1)
    wait_until("ready again", lambda: is_ready(kubectl.get("pod", "sick")))
    wait_until("event Unhealthy", lambda: any(
        "Liveness probe failed" in e["message"] for e in kubectl.events("sick") if e["reason"] == "Unhealthy"))
