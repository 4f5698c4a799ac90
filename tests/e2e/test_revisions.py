"""Revisions of an IotGateway that never get Ready: what was Ready last comes back, or never went, and another change is tried again."""

import pytest

from tests.e2e.test_kinds import kind, ready
from tests.harness.edge import RECONNECTED, container_status
from tests.harness.kubernetes import condition, is_ready
from tests.harness.pods import IMAGE, container
from tests.harness.waiting import stays_true, wait_until

NEVER = "/nowhere"
NOTHING = "docker.io/slicelet/nothing:1"


def gateway(strategy, within, needs="/bin/workload", image=IMAGE, note="first"):
    """The smallest gateway there is; it gets Ready when its container has the file `needs`."""
    # A command that a busy machine is slow to run makes nothing unready: what is not Ready is not kept in a hand-over.
    main = container("main", ["wait"], image, env=[{"name": "NOTE", "value": note}], readinessProbe={
        "exec": {"command": ["/bin/workload", "exists", needs]}, "periodSeconds": 1, "timeoutSeconds": 60})
    return kind("press", "IotGateway", {
        "slice": "e2e-north", "target": {"host": "gw-1"}, "profile": "custom", "update": {"strategy": strategy, "rollbackAfter": within},
        "template": {"spec": {"terminationGracePeriodSeconds": 1, "containers": [main]}}})


@pytest.fixture(scope="module")
def north(edge):
    """kubectl in a slice of these tests."""
    hub = edge.kubectl("slicelet")
    hub.apply(kind("e2e-north", "IotSlice", {"edge": {"nodes": ["gw-1"]}}))
    wait_until("the slice is Ready", lambda: ready(hub, "iotslice", "e2e-north") == "")
    scoped = edge.kubectl("e2e-north")
    yield scoped
    scoped("delete", "iotgateways", "--all", "--timeout=240s")
    hub("delete", "iotslice", "e2e-north", "--timeout=240s")


def begun(north, strategy):
    """The pod of a gateway that is Ready."""
    north.apply(gateway(strategy, "10m"))
    wait_until("the gateway is Ready", lambda: state(north) == "Ready" and ready(north, "iotgateway", "press") == "")
    pod, = north.get("pods")
    return pod


def state(kubectl):
    return (kubectl.get("iotgateway", "press").get("status") or {}).get("update", {}).get("state", "")


def tells(kubectl, word):
    """Whether it is being tried, and why it is not Ready has that word."""
    return state(kubectl) == "Trying" and word in condition(kubectl.get("iotgateway", "press"), "Updated")["message"]


def uids(kubectl):
    return [pod["metadata"]["uid"] for pod in kubectl.get("pods")]


def rolled_back(kubectl):
    """The gateway, when it says in every place that it is."""
    made = kubectl.get("iotgateway", "press")
    updated = condition(made, "Updated")
    says = (ready(kubectl, "iotgateway", "press") or "").startswith("RolledBack: ")
    return state(kubectl) == "RolledBack" and says and made["status"]["phase"] == "Degraded" and updated["status"] == "False" and \
        updated["reason"] == "RolledBack" and made


def test_a_hand_over_to_what_never_gets_ready_leaves_the_former_pod_alone(edge, north):
    former = begun(north, "hand-over")
    runs = {one["id"] for one in edge.running_containers("e2e-north", "press")}

    def untouched():
        one = next((pod for pod in north.get("pods") if pod["metadata"]["uid"] == former["metadata"]["uid"]), None)
        return one is not None and is_ready(one) and runs <= {c["id"] for c in edge.running_containers("e2e-north", "press")}

    def told(within):
        """What the hub tells once it has read that."""
        north.apply(gateway("hand-over", within, needs=NEVER))
        return wait_until(f"the hub has read {within}", lambda: (one := north.get("iotgateway", "press")) and
                          (update := one["status"]["update"])["generation"] == one["metadata"]["generation"] and update)

    # Nothing is rolled back before the test has seen what it wants to see: the time is made short after that.
    told("10m")
    wait_until("both run", lambda: untouched() and state(north) == "Trying" and len(edge.running_containers("e2e-north", "press")) == 2)
    since = north.get("iotgateway", "press")["status"]["update"]["since"]
    # The hub dies in the middle of it: its time goes on.
    edge.programs["provider"].restart()
    after = told("9m")
    assert (after["state"], after["since"]) == ("Trying", since)
    wait_until("the host is back", lambda: edge.host_info()["connected"], timeout=RECONNECTED)
    north.apply(gateway("hand-over", "1s", needs=NEVER))
    made = wait_until("it is rolled back", lambda: untouched() and rolled_back(north))
    assert "not Ready within 1s" in condition(made, "Updated")["message"]
    wait_until("the new pod has gone", lambda: uids(north) == [former["metadata"]["uid"]])
    stays_true("it is not tried again", lambda: uids(north) == [former["metadata"]["uid"]] and rolled_back(north) and untouched(), seconds=2)

    north.apply(gateway("hand-over", "10m", note="second"))

    seen = []

    def taken_over():
        seen.append(uids(north))
        return len(seen[-1]) == 1 and former["metadata"]["uid"] not in seen[-1] and ready(north, "iotgateway", "press") == ""

    wait_until("another change is tried", taken_over)
    assert all(seen), "the former pod goes last"
    wait_until("that is told", lambda: state(north) == "Ready" and condition(north.get("iotgateway", "press"), "Updated")["status"] == "True")
    north("delete", "iotgateway", "press", "--timeout=240s")
    assert north.get("configmap", "press-revision") is None


def test_what_was_ready_last_comes_back_in_place_or_as_a_new_pod(north):
    first = begun(north, "stop-first")
    name = first["metadata"]["name"]
    # An image changes in place, and back. Each time is made short once the trial is under way.
    north.apply(gateway("stop-first", "10m", image=NOTHING))
    wait_until("the image is tried", lambda: tells(north, NOTHING))
    north.apply(gateway("stop-first", "1s", image=NOTHING))
    made = wait_until("the image is changed back", lambda: rolled_back(north))
    assert NOTHING in condition(made, "Updated")["message"]
    wait_until("it runs as before", lambda: (s := container_status(north, name, "main"))["ready"] and s["image"] == IMAGE)
    assert uids(north) == [first["metadata"]["uid"]]

    # Another revision is another pod, and so is what comes back.
    north.apply(gateway("stop-first", "10m", needs=NEVER))
    wait_until("the former pod has ended", lambda: state(north) == "Trying" and first["metadata"]["uid"] not in uids(north))
    north.apply(gateway("stop-first", "1s", needs=NEVER))
    wait_until("it is rolled back", lambda: rolled_back(north))
    back = wait_until("what was Ready is Ready again", lambda: len(pods := north.get("pods")) == 1 and is_ready(pods[0]) and pods[0])
    assert back["spec"]["containers"][0]["readinessProbe"] == first["spec"]["containers"][0]["readinessProbe"]
    assert back["metadata"]["uid"] != first["metadata"]["uid"]

    # What it was before is not another revision: it runs already.
    north.apply(gateway("stop-first", "10m"))
    wait_until("the gateway is Ready", lambda: state(north) == "Ready" and ready(north, "iotgateway", "press") == "")
    assert uids(north) == [back["metadata"]["uid"]]
    north("delete", "iotgateway", "press", "--timeout=240s")
