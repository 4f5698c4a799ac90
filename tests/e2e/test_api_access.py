"""A pod that asks for it gets a token of its service account that the API server knows; others do not."""

import json
import ssl
import urllib.request

from tests.harness.kubernetes import is_ready
from tests.harness.pods import pod
from tests.harness.waiting import wait_until

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def who_am_i(edge, token):
    """What the API server says of the bearer of `token`."""
    request = urllib.request.Request(
        f"{edge.plane.url}/apis/authentication.k8s.io/v1/selfsubjectreviews", method="POST",
        data=json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    authority = ssl.create_default_context(cafile=edge.plane.directory / "pki" / "ca.crt")
    with urllib.request.urlopen(request, context=authority, timeout=60) as response:
        return json.load(response)["status"]["userInfo"]


def in_container(kubectl, name, path, **options):
    return kubectl("exec", name, "--", "/bin/workload", "cat", f"{MOUNT}/{path}", **options)


def test_the_token_of_a_pod_that_asks_for_it_is_its_service_accounts(edge, kubectl):
    kubectl("create", "serviceaccount", "reader")
    kubectl.apply(pod("asks", args=["wait"], annotations={"slicelet.io/api-access": "true"}, serviceAccountName="reader"))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "asks")))
    user = who_am_i(edge, in_container(kubectl, "asks", "token"))
    assert user["username"] == f"system:serviceaccount:{kubectl.namespace}:reader"
    assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["asks"], "bound to the pod: it ends with it"
    assert in_container(kubectl, "asks", "namespace") == kubectl.namespace
    assert "BEGIN CERTIFICATE" in in_container(kubectl, "asks", "ca.crt")
    assert not any(e["reason"] == "ApiAccessWithheld" for e in kubectl.events("asks"))


def test_a_pod_that_does_not_ask_gets_none_and_is_told_once(edge, kubectl):
    kubectl.apply(pod("quiet", args=["wait"]))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "quiet")))
    code, out, err = in_container(kubectl, "quiet", "token", check=False)
    assert code != 0 and out == "" and "cannot read" in err
    assert in_container(kubectl, "quiet", "namespace") == kubectl.namespace
    told = wait_until("event", lambda: [e for e in kubectl.events("quiet") if e["reason"] == "ApiAccessWithheld"])
    assert len(told) == 1 and told[0].get("count", 1) == 1
    assert 'slicelet.io/api-access: "true"' in told[0]["message"]
    # The pod has started: to whoever serves it from now on this is no news.
    edge.programs["shim"].restart()
    wait_until("the new shim serves the pod", lambda: in_container(kubectl, "quiet", "namespace"), timeout=120)
    told = [e for e in kubectl.events("quiet") if e["reason"] == "ApiAccessWithheld"]
    assert len(told) == 1 and told[0].get("count", 1) == 1
