"""One node for many hosts: target conditions, tags, aggregation, logs and exec to one host."""

import pytest

from tests.e2e.test_kinds import ready as ready_by
from tests.harness.edge import RECONNECTED
from tests.harness.fleet import FleetEdge
from tests.harness.guide import sample_guide
from tests.harness.kubernetes import condition, is_ready, run
from tests.harness.pods import job, pod
from tests.harness.waiting import wait_until
from tests.harness.worlds import brought_up

REAL = ["gw-1", "gw-2"]


@pytest.fixture(scope="module")
def edge():
    """A world of its own; the tests' `kubectl` fixture uses it."""
    with brought_up(FleetEdge, "fleet") as world:
        yield world


def targeted(name, where, **fields):
    return pod(name, annotations={"slicelet.io/target-condition": where, **fields.pop("annotations", {})}, **fields)


def test_the_node_stands_for_all_hosts(edge):
    node = wait_until("the node has the size of ten hosts, and says so", lambda: (n := edge.ready_node()) and
                      int(n["status"]["capacity"]["pods"]) >= 10 * 100 and (link := condition(n, "slicelet.io/LinkReady")) and
                      link["message"] == "10 of 10 hosts are connected" and n)
    assert {"key": "slicelet.io/slice-node", "value": edge.hub, "effect": "NoSchedule"} in node["spec"]["taints"]


def test_a_pod_runs_where_its_condition_says_and_follows_the_tags(edge, kubectl):
    edge.tag("gw-1", site="north", ring="1")
    edge.tag("gw-2", site="south", ring="2")
    for number, name in enumerate(edge.hollow):
        edge.tag(name, site="north" if number < 4 else "south", ring=str(number))
    kubectl.apply(targeted("north", "tags.site = 'north' AND tags.ring <= 2", args=["print", "hello", "http", "8080"]))
    ready = wait_until("ready on gw-1 and three hollow hosts", lambda: (p := kubectl.get("pod", "north")) and is_ready(
        p) and "targeted 4, applied 4, ready 4, failed 0, unreachable 0" in edge.summary(p) and p)
    assert ready["status"]["podIP"].startswith("198.18.")
    assert ready["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    wait_until("it runs there", lambda: edge.where(kubectl.namespace, "north") == ["gw-1", "hollow-1", "hollow-2", "hollow-3"])

    edge.tag("gw-2", site="north")
    wait_until("gw-2 too", lambda: edge.where(kubectl.namespace, "north") == [
        "gw-1", "gw-2", "hollow-1", "hollow-2", "hollow-3"])
    wait_until("ready with five", lambda: is_ready(p := kubectl.get("pod", "north")) and "ready 5" in edge.summary(p))
    edge.tag("gw-1", site="moon")
    wait_until("no longer on gw-1", lambda: edge.running_containers(kubectl.namespace, "north") == [])
    wait_until("and that is told", lambda: edge.where(kubectl.namespace, "north") == [
        "gw-2", "hollow-1", "hollow-2", "hollow-3"])
    same = kubectl.get("pod", "north")
    assert same["metadata"]["uid"] == ready["metadata"]["uid"] and same["status"]["phase"] == "Running"

    kubectl("delete", "pod", "north", "--wait=true")
    assert kubectl.get("pod", "north") is None


def test_no_host_matches(edge, kubectl):
    kubectl.apply(targeted("nowhere", "tags.site = 'mars'", args=["wait"]))
    placed = wait_until("says so", lambda: (p := kubectl.get("pod", "nowhere")) and condition(p, "slicelet.io/Placed"))
    assert placed["status"] == "False" and placed["reason"] == "NoHostMatches"
    assert kubectl.get("pod", "nowhere")["status"]["phase"] == "Pending"


def requesting(cpu):
    return {"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": {"memory": "64Mi"}}


def test_a_pod_is_placed_by_what_the_hosts_have_left_and_says_why(edge, kubectl):
    two = "deviceId IN ['hollow-1', 'hollow-2']"
    kubectl.apply(targeted("large", "deviceId = 'hollow-1'", args=["wait"], resources=requesting("3")))
    wait_until("it runs", lambda: edge.where(kubectl.namespace, "large") == ["hollow-1"])
    kubectl.apply(targeted("placed", two, args=["wait"], resources=requesting("2"),
                           annotations={"slicelet.io/placement": "best-fit"}))
    wait_until("where there is room", lambda: edge.where(kubectl.namespace, "placed") == ["hollow-2"])
    why = edge.explain(kubectl.namespace, "placed")
    assert why["hollow-2"]["chosen"] and 0 < why["hollow-2"]["freeCpuMilli"] <= 2000
    assert why["hollow-1"]["reason"].startswith("no room: cpu: needs 2000m, ") and why["hollow-1"]["maxReplicas"] == 0
    assert why["gw-1"]["reason"].startswith(f"condition not met: {two}, but deviceId is")
    table = edge.slicectl("explain", "pod", "placed", "-n", kubectl.namespace)
    assert "node fleet, placement best-fit, 1 host" in table and "WHY NOT" in table
    kubectl.apply(targeted("busiest", two, args=["wait"], annotations={"slicelet.io/placement": "traffic-most"}))
    wait_until("hosts without figures go by name", lambda: edge.where(kubectl.namespace, "busiest") == ["hollow-1"])
    code, _, error = run([edge.binary("slicectl"), "--config", edge.hub_directory / "operator.yaml", "explain", "pod", "nobody",
                          "-n", kubectl.namespace], check=False)
    assert code == 1 and "pod" in error and "kubectl describe pod" in error


@pytest.mark.parametrize("key, value, why", [
    ("slicelet.io/target-condition", "tags.site == 'x'", "column 12"),
    ("slicelet.io/min-ready", "110%", "1% to 100%"),
    ("slicelet.io/placement", "anywhere", "all, worst-fit, best-fit or traffic-most"),
    ("slicelet.io/layered", "maybe", '"true" or "false"'),
    ("slicelet.io/hosts", "3", "slicelet.io/placement"),
    ("slicelet.io/logs", "some", "one or all"),
    ("isEdgeDeployment", "yes", '"true" or "false"'),
])
def test_a_bad_annotation_is_named(edge, kubectl, key, value, why):
    kubectl.apply(pod("bad", annotations={key: value}, args=["wait"]))
    failed = wait_until("refused", lambda: (p := kubectl.get("pod", "bad"))["status"].get("phase") == "Failed" and p)
    assert failed["status"]["reason"] == "InvalidAnnotation"
    for text in (key, value, why):
        assert text in failed["status"]["message"]
    assert condition(failed, "slicelet.io/Placed")["reason"] == "InvalidAnnotation"
    wait_until("event", lambda: any(e["reason"] == "InvalidAnnotation" and key in e["message"]
                                    for e in kubectl.events("bad")))


def test_a_job_is_over_when_it_is_over_on_both_hosts(edge, kubectl):
    made = job("once", args=["print", "done"])
    made["spec"]["template"]["metadata"]["annotations"] = {"slicelet.io/target-condition": "deviceId IN ['gw-1', 'gw-2']"}
    kubectl.apply(made)
    wait_until("complete", lambda: (j := kubectl.get("job", "once")) and j["status"].get("succeeded") == 1)
    ran, = kubectl.get("pods", selector="app=once")
    assert ran["status"]["phase"] == "Succeeded"
    assert ran["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    wait_until("it has succeeded on both", lambda: {host: entry["phase"] for host, entry in edge.pod_hosts(
        kubectl.namespace, ran["metadata"]["name"]).items()} == {"gw-1": "Succeeded", "gw-2": "Succeeded"})


def test_logs_and_exec_reach_one_host_that_is_ready(edge, kubectl):
    kubectl.apply(targeted("both", "deviceId IN ['gw-1', 'gw-2']", args=["print", "hello", "http", "8080"]))
    wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "both")) and "ready 2" in edge.summary(p))
    # It is Ready when it has begun; what it prints comes after that.
    logs = wait_until("it has said hello", lambda: "hello" in (text := kubectl("logs", "both")) and text)
    assert "these are the logs of host gw-1, one of 2" in logs
    assert "PATH=" in kubectl("exec", "both", "--", "/bin/workload", "environ")

    def ctl(verb, *arguments):
        return run([edge.binary("slicectl"), "--kubeconfig", edge.plane.kubeconfig, verb, "both", "-n", kubectl.namespace,
                    *arguments])[1]
    # As with kubectl, on the first one that is ready.
    ctl("exec", "--", "/bin/workload", "write", "/proc/1/fd/1", "only here")
    wait_until("it is in that host's log", lambda: "only here" in ctl("logs", "--host", "gw-1"))
    wait_until("and in no other", lambda: ctl("logs", "--host", "gw-2").splitlines() == ["hello"])
    assert "one of 2" in ctl("logs")


def test_logs_of_all_hosts_are_interleaved(edge, kubectl):
    kubectl.apply(targeted("every", "deviceId IN ['gw-1', 'gw-2']", args=["print", "hello", "http", "8080"],
                           annotations={"slicelet.io/logs": "all"}))
    wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "every")) and "ready 2" in edge.summary(p))
    lines = wait_until("both hosts", lambda: (found := kubectl("logs", "every").splitlines()) and
                       {"gw-1 | hello", "gw-2 | hello"} <= set(found) and found)
    assert all(line.startswith(("gw-1 | ", "gw-2 | ")) for line in lines)


def test_each_host_gets_its_own_keys_of_a_secret(edge, kubectl):
    def keys(first, second):
        kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
                       "stringData": {"gw-1.key": first + "\n", "gw-2.key": second + "\n", "shared": "nobody's"}})

    keys("first", "second")
    kubectl.apply(targeted("divided", "deviceId IN ['gw-1', 'gw-2']", args=["cat", "/keys/key", "http", "8080"],
                           annotations={"slicelet.io/per-host-secrets": "keys", "slicelet.io/logs": "all"},
                           volumes=[{"name": "keys", "secret": {"secretName": "keys"}}], mounts=[{"name": "keys", "mountPath": "/keys"}]))
    wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "divided")) and "ready 2" in edge.summary(p))
    wait_until("each says its own", lambda: sorted(kubectl("logs", "divided").splitlines()) == ["gw-1 | first", "gw-2 | second"])
    for other in ("shared", "gw-1.key", "gw-2.key"):
        assert kubectl("exec", "divided", "--", "/bin/workload", "exists", f"/keys/{other}", check=False)[0] == 1
    keys("changed", "second")
    wait_until("it changes in place", lambda: kubectl("exec", "divided", "--", "/bin/workload", "cat", "/keys/key") == "changed\n")
    assert kubectl.get("pod", "divided")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_broken_image_is_counted_with_its_hosts(edge, kubectl):
    kubectl.apply(targeted("broken", "deviceId IN ['gw-1', 'gw-2']", args=["wait"], image="docker.io/slicelet/nothing:1"))
    wait_until("the summary names both", lambda: "2/2 hosts: ErrImagePull (gw-1, gw-2)" in (
        s := edge.summary(kubectl.get("pod", "broken"))) or "2/2 hosts: ImagePullBackOff (gw-1, gw-2)" in s)
    assert kubectl.get("pod", "broken")["status"]["phase"] == "Pending"


def test_a_host_that_is_away_gets_the_deletion_when_it_comes_back(edge, kubectl):
    kubectl.apply(targeted("away", "deviceId IN ['gw-1', 'gw-2']", args=["wait"]))
    wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "away")) and "ready 2" in edge.summary(p))
    edge.kill("agent-2")
    wait_until("unreachable", lambda: "unreachable 1" in edge.summary(kubectl.get("pod", "away")))
    assert is_ready(kubectl.get("pod", "away"))
    kubectl("delete", "pod", "away", "--wait=true")
    edge.start("agent-2")
    wait_until("gone from gw-2 too", lambda: "away" not in edge.crictl("pods", containerd=edge.other_containerd))


def test_a_host_in_maintenance_keeps_what_it_has_and_gets_nothing_new(edge, kubectl):
    both = "tags.line = 'press'"
    chosen = {"slicelet.io/placement": "worst-fit"}
    for host in REAL:
        edge.tag(host, line="press")
    kubectl.apply(targeted("stays", both, args=["wait"]), targeted("chosen", both, args=["wait"], annotations=chosen))
    wait_until("on both", lambda: edge.where(kubectl.namespace, "stays") == REAL)
    resting, = wait_until("on one", lambda: edge.where(kubectl.namespace, "chosen"))
    working, = set(REAL) - {resting}
    before = edge.running_on(resting, kubectl.namespace, "")
    assert len(before) == 2

    edge.maintain(resting, True)
    try:
        # The pods come to the hub by another way, and could be there first.
        wait_until("the hub knows", lambda: (ready_by(edge.kubectl("slicelet"), "edgehost", resting) or "").startswith("Maintenance: "))
        kubectl.apply(targeted("new", both, args=["wait"]), targeted("newly-chosen", both, args=["wait"], annotations=chosen))
        for name in ("new", "newly-chosen"):
            wait_until(f"{name} avoids it", lambda name=name: edge.where(kubectl.namespace, name) == [working])
            assert edge.explain(kubectl.namespace, name)[resting]["reason"].startswith("in maintenance, takes nothing new")
        wait_until("it is Ready without that host", lambda: is_ready(p := kubectl.get("pod", "new")) and "targeted 1, " in edge.summary(p))
        # Neither a new start of the hub nor one of the host changes that.
        agent = edge.programs["agent" if resting == edge.host else "agent-2"]
        edge.kill("provider")
        agent.restart()
        edge.start("provider")
        wait_until("all are back", lambda: edge.connected() == 10, timeout=RECONNECTED)
        wait_until("both are as they were", lambda: edge.where(kubectl.namespace, "stays") == REAL and
                   edge.where(kubectl.namespace, "chosen") == [resting])
        assert edge.running_on(resting, kubectl.namespace, "") == before

        # Pods of the fleet node leave it by its tags, and who chooses hosts chooses another one.
        edge.tag(resting, line=None)
        wait_until("it is empty", lambda: edge.running_on(resting, kubectl.namespace, "") == set())
        wait_until("the other one has them", lambda: all(
            edge.where(kubectl.namespace, name) == [working] for name in ("stays", "chosen", "new", "newly-chosen")))
        edge.tag(resting, line="press")
        wait_until("it matches and takes nothing", lambda: edge.explain(kubectl.namespace, "stays")[resting]["reason"].startswith(
            "in maintenance"))
    finally:
        edge.maintain(resting, False)
    wait_until("it gets what it missed", lambda: all(edge.where(kubectl.namespace, name) == REAL for name in ("stays", "new")))


def test_the_hub_restarts_and_nothing_else_does(edge, kubectl):
    kubectl.apply(targeted("stays", "deviceId IN ['gw-1', 'gw-2', 'hollow-1']", args=["wait"]))
    before = wait_until("ready", lambda: is_ready(p := kubectl.get("pod", "stays")) and "ready 3" in edge.summary(p) and p)
    ids = {c["id"] for c in edge.running_containers(kubectl.namespace, "stays")}
    edge.kill("provider")
    edge.lose_provider_database()
    edge.start("provider")
    wait_until("all are back", lambda: edge.connected() == 10, timeout=RECONNECTED)
    after = wait_until("still ready", lambda: is_ready(p := kubectl.get("pod", "stays")) and "ready 3" in edge.summary(p) and p)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert {c["id"] for c in edge.running_containers(kubectl.namespace, "stays")} == ids
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def test_what_was_written_for_the_azure_connector_runs_unchanged(edge, kubectl, tmp_path):
    edge.tag("gw-2", building="b43", environment="production")
    guide = sample_guide(edge, "azure-connector", kubectl, tmp_path)
    # No pod comes before its ConfigMaps, which are made after the Deployment. And who reads takes longer than a program: the pod is Ready
    # when it has begun, and prints after that.
    apply, logs, last = "kubectl apply -f samples/azure-connector/", "kubectl logs deployment/temperature", "DESIRED_PROPERTIES="
    adaptations = {apply: f"kubectl cordon {edge.node}\n{apply}\nkubectl uncordon {edge.node}", "--timeout=60s": "--timeout=240s",
                   logs: f"timeout 300 sh -c 'until {logs} | grep {last} >/dev/null; do sleep 0.2; done'\n{logs}"}

    def adapted(commands):
        for one, other in adaptations.items():
            assert commands.count(one) == 1, one
            commands = commands.replace(one, other)
        return commands

    guide.adapted = adapted
    guide.follow("apply")
    assert guide.followed == list(guide.steps), "every command of the README"
    running, = wait_until("ready on gw-1", lambda: kubectl.ready_pods("temperature", 1))
    name = running["metadata"]["name"]
    wait_until("it runs there alone", lambda: edge.where(kubectl.namespace, name) == ["gw-1"])
    routes = wait_until("what is not honoured is told", lambda: condition(kubectl.get("pod", name), "slicelet.io/RoutesIgnored"))
    assert routes["status"] == "True" and "upstream" in routes["message"]
    wait_until("its environment is printed", lambda: "MessageCount=500" in (text := kubectl("logs", name)) and
               'DESIRED_PROPERTIES={"SendInterval":5}' in text)
    wait_until("event for what is not honoured", lambda: any(
        e["reason"] == "FieldsIgnored" and "storeAndForwardConfiguration" in e["message"] for e in kubectl.events(name)))
    edge.tag("gw-2", environment="trial")
    wait_until("gw-2 too", lambda: edge.where(kubectl.namespace, name) == ["gw-1", "gw-2"])


def test_a_bad_configmap_of_the_connector_is_named(edge, kubectl):
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "main"},
                   "data": {"createOptions": '{"HostConfig": {"Privileged": "yes"}}'}},
                  pod("bad", annotations={"isEdgeDeployment": "true", "targetCondition": "*"}, args=["wait"]))
    failed = wait_until("refused", lambda: (p := kubectl.get("pod", "bad"))["status"].get("phase") == "Failed" and p)
    assert failed["status"]["reason"] == "InvalidConfigMap"
    assert 'configmap/main.createOptions.HostConfig.Privileged is "yes"' in failed["status"]["message"]


def test_two_hundred_hosts_run_one_pod(edge, kubectl):
    names = [f"many-{number:03}" for number in range(200)]
    edge.add_hosts(names, crowd="yes")
    edge.start_hollow("many", names)
    wait_until("all are connected", lambda: edge.connected() == 10 + len(names), timeout=RECONNECTED, interval=1)

    def counts():
        return edge.summary(kubectl.get("pod", "crowd"))

    kubectl.apply(targeted("crowd", "tags.crowd = 'yes'", args=["wait"]))
    wait_until("ready on all of them", lambda: "targeted 200, applied 200, ready 200, failed 0, unreachable 0" in counts(), timeout=240)
    wait_until("it runs on all of them", lambda: edge.where(kubectl.namespace, "crowd") == names)
    edge.tag("many-017", crowd="no")
    wait_until("ready on all but one", lambda: "targeted 199, applied 199, ready 199, failed 0, unreachable 0" in counts())
    rest = [name for name in names if name != "many-017"]
    wait_until("and there it has gone", lambda: sorted(edge.pod_hosts(kubectl.namespace, "crowd")) == rest)
    why = edge.explain(kubectl.namespace, "crowd")
    assert sorted(host for host, entry in why.items() if entry["chosen"]) == rest
    assert why["many-017"]["reason"] == "condition not met: tags.crowd = 'yes', but tags.crowd is \"no\""
    wait_until("it is Ready", lambda: is_ready(kubectl.get("pod", "crowd")))
