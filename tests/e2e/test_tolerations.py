"""Pods outlive an unreachable shim also where no admission policy is installed: the shim corrects their tolerations."""

from tests.harness.pods import pod
from tests.harness.waiting import wait_until

LOST = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def limits(kubectl, name):
    found = kubectl.get("pod", name)["spec"]["tolerations"]
    return {t["key"]: t.get("tolerationSeconds") for t in found if t.get("key") in LOST}


def test_the_shim_lifts_the_five_minutes_of_bound_pods(kubectl):
    kubectl.apply(pod("forever", ["wait"]), pod("limited", ["wait"], annotations={"slicelet.io/autonomy": "7d"}))
    wait_until("no limit", lambda: limits(kubectl, "forever") == dict.fromkeys(LOST))
    wait_until("a week", lambda: limits(kubectl, "limited") == dict.fromkeys(LOST, 7 * 24 * 3600))
    wait_until("both run", lambda: kubectl.ready_pods("forever", 1) and kubectl.ready_pods("limited", 1))
