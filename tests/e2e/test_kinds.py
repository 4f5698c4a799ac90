"""The kinds of slicelet.io/v1alpha1: a slice, a gateway on stand-in images with an IoT device, guards and the way back."""

import json
import pathlib

import yaml

from tests.harness.edge import CONTAINERD, RECONNECTED
from tests.harness.kubernetes import condition, is_ready, run
from tests.harness.pods import deployment, pod
from tests.harness.waiting import stays_true, wait_until

SERVICES = ["postgres", "mosquitto", "core-metadata", "core-data", "core-command", "device-virtual"]


def kind(name, of, spec):
    return {"apiVersion": "slicelet.io/v1alpha1", "kind": of, "metadata": {"name": name}, "spec": spec}


def stand_in(service):
    name = "eclipse-mosquitto" if service == "mosquitto" else service  # as the published images are named
    return f"docker.io/slicelet/stand-in-{name}:1"


def gateway(name="press", **more):
    return kind(name, "IotGateway", {"slice": "e2e-north", "target": {"host": "gw-1"},
                                     "images": {service: stand_in(service) for service in SERVICES}, **more})


def ready(kubectl, of, name):
    """Why it is not Ready, as "Reason: message"; "" when it is; None when nothing has been said."""
    made = kubectl.get(of, name)
    found = made and condition(made, "Ready")
    if not found:
        return None
    return "" if found["status"] == "True" else f"{found['reason']}: {found['message']}"


def made_at(kubectl):
    return kubectl.get("iotgateway", "press")["metadata"]["creationTimestamp"]


def test_a_slice_with_a_gateway_and_a_device_comes_about_and_goes(edge, hub):
    run([CONTAINERD, "gateway", edge.containerd_directory], timeout=1800)
    hub.apply(kind("e2e-north", "IotSlice", {"edge": {"nodes": ["gw-1"]}, "quota": {"pods": 5}}))
    wait_until("the slice is Ready", lambda: ready(hub, "iotslice", "e2e-north") == "")
    assert edge.kubectl("").get("node", "gw-1")["metadata"]["labels"]["slicelet.io/slice"] == "e2e-north"
    north = edge.kubectl("e2e-north")
    north.apply(gateway())
    north.apply(kind("oven", "IotDevice", {"gateway": "press", "protocol": "virtual", "resources": [
        {"name": "temperature", "valueType": "Float32", "units": "Cel", "interval": "1s"}]}))
    wait_until("the gateway is Ready", lambda: ready(north, "iotgateway", "press") == "", timeout=240)
    wait_until("the device is registered", lambda: ready(north, "iotdevice", "oven") == "")
    status = wait_until("a reading is known of", lambda: ((s := north.get("iotdevice", "oven")["status"]).get("readingCount") or 0) > 0 and
                        s["lastReadingTime"] and s)
    assert made_at(north) < status["lastReadingTime"] and status["readingCountTime"]
    for names in ("iotgateways,iotdevices", "igw,idv", "slicelet"):
        listed = north("get", names)
        assert "6/6" in listed and "oven" in listed and "gw-1" in listed, names
    assert "The IotServer of this namespace" in north("explain", "igw.spec.attachTo")
    made, = north.get("pods")

    # The provider dies and begins anew: nothing is made twice.
    edge.programs["provider"].restart()
    wait_until("the host is back", lambda: edge.host_info()["connected"], timeout=RECONNECTED)
    wait_until("the device is still registered", lambda: ready(north, "iotdevice", "oven") == "")
    assert [p["metadata"]["uid"] for p in north.get("pods")] == [made["metadata"]["uid"]]

    # A slice in use stays.
    hub("delete", "iotslice", "e2e-north", "--wait=false")
    wait_until("the slice says why it stays", lambda: (ready(hub, "iotslice", "e2e-north") or "").startswith("InUse: "))
    north("delete", "iotdevice", "oven", "--timeout=240s")
    north("delete", "iotgateway", "press", "--timeout=240s")
    wait_until("slice and namespace are gone", lambda: hub.get("iotslice", "e2e-north") is None and
               edge.kubectl("").get("namespace", "e2e-north") is None)
    wait_until("nothing runs", lambda: edge.sandboxes("e2e-north", "") == [])
    wait_until("the node belongs to no slice", lambda: edge.kubectl("").get("node", "gw-1")["metadata"]["labels"][
        "slicelet.io/slice"] == "default")


def test_a_gateway_is_handed_over_to_its_next_revision(edge, hub):
    run([CONTAINERD, "gateway", edge.containerd_directory], timeout=1800)
    hub.apply(kind("e2e-north", "IotSlice", {"edge": {"nodes": ["gw-1"]}}))
    wait_until("the slice is Ready", lambda: ready(hub, "iotslice", "e2e-north") == "")
    north = edge.kubectl("e2e-north")
    update = {"strategy": "hand-over", "rollbackAfter": "10m"}
    north.apply(gateway(update=update))
    wait_until("the gateway is Ready", lambda: ready(north, "iotgateway", "press") == "", timeout=240)
    former, = north.get("pods")
    north.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull"}, "type": "kubernetes.io/dockerconfigjson",
                 "stringData": {".dockerconfigjson": '{"auths": {}}'}})
    north.apply(gateway(update=update, imagePullSecrets=["pull"]))

    seen = []

    def taken_over():
        seen.append([one["metadata"]["uid"] for one in north.get("pods")])
        return len(seen[-1]) == 1 and former["metadata"]["uid"] not in seen[-1] and ready(north, "iotgateway", "press") == ""

    wait_until("the next revision has taken over", taken_over, timeout=240)
    assert all(seen), "the former pod goes last"
    status = north.get("iotgateway", "press")["status"]
    assert status["update"]["state"] == "Ready" and {"HandOver": "Done"}.items() <= {s["name"]: s["state"] for s in status["steps"]}.items()
    north("delete", "iotgateway", "press", "--timeout=240s")


def test_a_suspended_gateway_keeps_its_database_where_it_has_a_place_for_it(edge, hub):
    run([CONTAINERD, "gateway", edge.containerd_directory], timeout=1800)
    hub.apply(kind("e2e-north", "IotSlice", {"edge": {"nodes": ["gw-1"]}}))
    wait_until("the slice is Ready", lambda: ready(hub, "iotslice", "e2e-north") == "")
    north = edge.kubectl("e2e-north")
    north.apply(gateway(dataPath=str(edge.shared / "gateways")))
    north.apply(kind("oven", "IotDevice", {"gateway": "press", "protocol": "virtual", "resources": [
        {"name": "temperature", "valueType": "Float32", "interval": "1s"}]}))
    wait_until("the gateway is Ready", lambda: ready(north, "iotgateway", "press") == "", timeout=240)

    def status():
        return north.get("iotdevice", "oven").get("status") or {}

    wait_until("readings are counted", lambda: (status().get("readingCount") or 0) > 5, timeout=240)
    assert (edge.shared / "gateways") in pathlib.Path(north.get("iotgateway", "press")["status"]["data"]).parents
    north("patch", "iotgateway", "press", "--type=merge", "-p", '{"spec": {"suspended": true}}')
    wait_until("there is no pod", lambda: north.get("pods") == [])
    wait_until("the device is not registered any more", lambda: status()["registered"] is False)
    before = status()
    assert before["readingCount"] > 5 and before["lastReadingTime"], "what was told stays"
    north("patch", "iotgateway", "press", "--type=merge", "-p", '{"spec": {"suspended": false}}')
    # What is told first may be of before: the database was kept, and the next reading is still to be taken.
    wait_until("something new is told", lambda: (now := status())["readingCountTime"] != before["readingCountTime"] and
               now["readingCount"] > before["readingCount"] and now["lastReadingTime"] > before["lastReadingTime"], timeout=240)


def test_what_cannot_be_is_said(edge, hub, kubectl):
    hub.apply(kind("e2e-north", "IotSlice", {"namespace": kubectl.namespace}))
    wait_until("a namespace is not taken over", lambda: "already exists" in (ready(hub, "iotslice", "e2e-north") or ""))
    kubectl.apply(kind("press", "IotGateway", {"slice": "e2e-north", "target": {"host": "gw-1"}}))
    wait_until("a namespace of no slice", lambda: (ready(kubectl, "iotgateway", "press") or "").startswith("NotInASlice: "))
    kubectl.apply(kind("oven", "IotDevice", {"gateway": "none", "protocol": "virtual", "resources": [{"name": "a"}]}))
    wait_until("a gateway that is not there", lambda: (ready(kubectl, "iotdevice", "oven") or "").startswith("GatewayNotFound: "))
    stays_true("nothing is made", lambda: kubectl.get("pods") == [] and kubectl.get("resourcequotas") == [])
    kubectl("delete", "iotdevice", "oven", "--timeout=240s")
    kubectl("delete", "iotgateway", "press", "--timeout=240s")


def state(kubectl, name):
    """An IotCluster's state with the reason, such as "Error AlreadyRegistered"; "" when nothing has been said."""
    made = kubectl.get("iotcluster", name)
    found = made and condition(made, "Ready")
    return f"{made['status']['phase']} {found['reason']}" if found else ""


def features(kubectl, name):
    """What an IotCluster has for its users, such as {"NetworkPlugin": "Unknown NoNodes"}."""
    made = kubectl.get("iotcluster", name)
    return {one["type"]: f"{one['status']} {one['reason']}" for one in made["status"]["conditions"] if one["type"] != "Ready"}


def test_clusters_are_registered_by_their_rules(edge, hub):
    admin = edge.kubectl("")

    def access(name, kubeconfig):
        hub.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"kubeconfig": kubeconfig}})

    own = admin("config", "view", "--raw", "--flatten")
    access("same", own)
    access("nowhere", own.replace(edge.plane.url, "https://127.0.0.1:1"))
    access("program", json.dumps({**yaml.safe_load(own), "users": [
        {"name": user["name"], "user": {"exec": {"command": "id"}}} for user in yaml.safe_load(own)["users"]]}))
    stranger = yaml.safe_load(own)
    stranger["users"] = [{"name": user["name"], "user": {"token": "wrong"}} for user in stranger["users"]]
    access("stranger", json.dumps(stranger))
    try:
        hub.apply(kind("twin", "IotCluster", {"role": "edge", "kubeconfigSecret": "same"}))
        wait_until("the edge waits for the cloud", lambda: state(hub, "twin") == "Pending CloudFirst")
        hub.apply(kind("core", "IotCluster", {"role": "cloud"}))
        wait_until("the hub's own cluster", lambda: state(hub, "core") == "Enabled Enabled")
        status = hub.get("iotcluster", "core")["status"]
        assert status["uid"] == admin.get("namespace", "kube-system")["metadata"]["uid"]
        assert status["version"].startswith("v1.")
        # Counted once a minute.
        wait_until("its nodes are counted", lambda: hub.get("iotcluster", "core")["status"]["nodes"] == len(admin.get("nodes")),
                   timeout=180)
        # All nodes of this cluster are a hub's.
        assert features(hub, "core") == {"DefaultStorageClass": "False NoDefaultStorageClass", "NetworkPlugin": "Unknown NoNodes"}
        wait_until("once only", lambda: state(hub, "twin") == "Error AlreadyRegistered")
        assert features(hub, "twin") == {}
        for name, says in (("nowhere", "Pending Unreachable"), ("program", "Error KubeconfigInvalid"),
                           ("stranger", "Error AccessDenied"), ("none", "Error SecretNotFound")):
            hub.apply(kind(name, "IotCluster", {"role": "edge", "kubeconfigSecret": name}))
            wait_until(says, lambda: state(hub, name) == says)
        access("nowhere", own)
        # Who can not be reached is asked less and less often, at last once a minute.
        wait_until("the changed Secret is read", lambda: state(hub, "nowhere") == "Error AlreadyRegistered", timeout=180)

        hub.apply(kind("e2e-north", "IotSlice", {"edge": {"nodes": ["gw-1"], "cluster": "core"}}))
        wait_until("the slice is Ready", lambda: ready(hub, "iotslice", "e2e-north") == "")
        hub.apply(kind("e2e-south", "IotSlice", {"edge": {"cluster": "twin"}}))
        wait_until("it is not registered", lambda: (ready(hub, "iotslice", "e2e-south") or "").startswith("ClusterNotReady: "))
        hub("delete", "iotslice", "e2e-south", "--timeout=240s")
        hub("delete", "iotcluster", "core", "--wait=false")
        wait_until("a slice holds it", lambda: state(hub, "core") == "Terminating InUse")
        edge.programs["provider"].restart()
        hub("delete", "iotslice", "e2e-north", "--timeout=240s")
        stays_true("edge clusters hold it", lambda: state(hub, "core") == "Terminating InUse")
    finally:
        hub("delete", "iotclusters", "--all", "--timeout=240s")
        hub("delete", "secret", "same", "nowhere", "program", "stranger")
    wait_until("the host is back", lambda: edge.host_info()["connected"], timeout=RECONNECTED)


def test_a_host_in_maintenance_keeps_what_it_runs_and_stays_while_it_does(edge, hub, kubectl):
    kubectl.apply(pod("keeps", args=["wait"]))
    wait_until("runs", lambda: is_ready(p := kubectl.get("pod", "keeps")) and p)

    def tainted():
        taints = edge.kubectl("").get("node", "gw-1")["spec"].get("taints", [])
        return any(taint["key"] == "slicelet.io/maintenance" for taint in taints)

    edge.maintain("gw-1", True)
    try:
        wait_until("the scheduler looks elsewhere", tainted)
        wait_until("the host says so", lambda: (ready(hub, "edgehost", "gw-1") or "").startswith("Maintenance: "))
        assert "gets nothing new" in hub("get", "eh", "-o", "wide")
        assert edge.running_containers(kubectl.namespace, "keeps")
        wait_until("it has a workload", lambda: hub.get("edgehost", "gw-1")["status"]["workloads"] > 0)
        code, _, why = hub("delete", "edgehost", "gw-1", check=False)
        assert code != 0 and "host gw-1 still has" in why and "slicelet.io/give-up" in why
        hub("annotate", "edgehost", "gw-1", "slicelet.io/give-up=true")
        assert "deleted" in hub("delete", "edgehost", "gw-1", "--dry-run=server")
    finally:
        hub("annotate", "edgehost", "gw-1", "slicelet.io/give-up-")
        edge.maintain("gw-1", False)
    wait_until("it takes pods again", lambda: not tainted() and ready(hub, "edgehost", "gw-1") == "")
    kubectl("delete", "pod", "keeps", "--timeout=240s")


def test_a_drained_host_keeps_what_its_fleet_node_gave_it_until_its_tags_change(edge, hub, kubectl):
    admin = edge.kubectl("")
    settings = edge.hub_directory / "provider.yaml"
    alone = settings.read_text()
    hub("patch", "edgehost", "gw-1", "--type=merge", "-p", '{"spec": {"tags": {"line": "press"}}}')
    edge.tune({"provider": {"fleetNodes": {"plant": "*"}}})
    edge.programs["provider"].restart()

    def one_of(name, node, **fields):
        made = deployment(name, 1, args=["wait"], **fields)
        made["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
        return made

    def runs(name):
        return [one["id"] for one in edge.running_containers(kubectl.namespace, f"{name}-")]

    try:
        wait_until("the fleet node takes pods", lambda: (node := admin.get("node", "plant")) and (is_so := condition(node, "Ready")) and
                   is_so["status"] == "True" and int(node["status"]["allocatable"]["pods"]) > 0, timeout=RECONNECTED)
        line = one_of("line", "plant")
        line["spec"]["template"]["metadata"]["annotations"] = {"slicelet.io/target-condition": "tags.line = 'press'"}
        kubectl.apply(one_of("own", "gw-1"), line)
        before = [wait_until(f"{name} is Ready", lambda name=name: kubectl.ready_pods(name, 1) and runs(name)) for name in ("own", "line")]

        edge.maintain("gw-1", True)
        wait_until("the scheduler looks elsewhere", lambda: "slicelet.io/maintenance" in str(admin.get("node", "gw-1")["spec"]["taints"]))
        assert [runs(name) for name in ("own", "line")] == before
        kubectl("drain", "gw-1", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
        wait_until("its own pod has left it", lambda: runs("own") == [])
        assert runs("line") == before[1], "the node that was drained is not that pod's"
        another, = wait_until("its Deployment made another one", lambda: kubectl.get("pods", selector="app=own"))
        assert "nodeName" not in another["spec"]
        kubectl.apply(pod("bound", args=["wait"], nodeName="gw-1"))
        placed = wait_until("it waits", lambda: condition(kubectl.get("pod", "bound"), "slicelet.io/Placed"))
        assert placed["status"] == "False" and placed["reason"] == "HostInMaintenance"

        hub("patch", "edgehost", "gw-1", "--type=merge", "-p", '{"spec": {"tags": {"line": null}}}')
        wait_until("it is empty", lambda: edge.running_containers(kubectl.namespace, "") == [])
        wait_until("which is told", lambda: hub.get("edgehost", "gw-1")["status"].get("workloads", 0) == 0)
        assert "deleted" in hub("delete", "edgehost", "gw-1", "--dry-run=server")

        hub("patch", "edgehost", "gw-1", "--type=merge", "-p", '{"spec": {"tags": {"line": "press"}}}')
        edge.maintain("gw-1", False)
        kubectl("uncordon", "gw-1")
        wait_until("all run again", lambda: runs("own") and runs("line") and is_ready(kubectl.get("pod", "bound")))
    finally:
        edge.maintain("gw-1", False)
        kubectl("uncordon", "gw-1")
        hub("patch", "edgehost", "gw-1", "--type=merge", "-p", '{"spec": {"tags": null}}')
        kubectl("delete", "deployments,pods", "--all", "--timeout=240s")
        settings.write_text(alone)
        edge.programs["provider"].restart()
        wait_until("the fleet node is given up", lambda: edge.slicectl("node", "decommission", "plant", "--force"))
    wait_until("its Node object is gone", lambda: admin.get("node", "plant") is None)
    wait_until("the host is back", lambda: edge.host_info()["connected"], timeout=RECONNECTED)


def test_the_provider_writes_to_namespaces_of_slices_only(edge, kubectl):
    account = "--as=system:serviceaccount:slicelet:slicelet-provider"
    for command in (["create", "configmap", "stranger"], ["create", "namespace", "stranger"]):
        code, _, error = kubectl(*command, account, check=False)
        assert code != 0 and "the provider may change nothing outside" in error
    code, _, error = kubectl("get", "secrets", account, check=False)
    assert code != 0 and "cannot list resource" in error
