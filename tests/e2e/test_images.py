"""Images are pulled from a registry as their pods say."""

import pytest

from tests.harness.edge import container_status
from tests.harness.kubernetes import is_ready
from tests.harness.pods import pod
from tests.harness.registry import Registry
from tests.harness.waiting import stays_true, wait_until


@pytest.fixture(scope="module")
def registry():
    with Registry("reader", "s3cret") as one:
        yield one


def waiting(kubectl, name):
    statuses = kubectl.get("pod", name)["status"].get("containerStatuses", [])
    return statuses[0]["state"].get("waiting", {}) if statuses else {}


def wait_for_log(kubectl, name, text):
    """A container is Ready when it has begun; what it prints comes after that."""
    wait_until(f"{name} has printed {text}", lambda: kubectl("logs", name) == text)


def add_secret(kubectl, registry, name="pull", password="s3cret"):
    kubectl("create", "secret", "docker-registry", name, f"--docker-server={registry.address}", "--docker-username=reader",
            f"--docker-password={password}")


def private(name, image, pull="IfNotPresent", secret="pull", **fields):
    return pod(name, ["env", "BUILD", "wait"], image=image, pull=pull, imagePullSecrets=[{"name": secret}], **fields)


def test_a_private_image_is_pulled_with_the_credentials_of_the_pods_secret(edge, kubectl, registry):
    image = registry.publish("team/private", BUILD="first")
    add_secret(kubectl, registry, "wrong", password="guess")
    kubectl.apply(private("stranger", image, pull="Always", secret="wrong"))
    refused = wait_until("ErrImagePull", lambda: (w := waiting(kubectl, "stranger")).get("reason") in (
        "ErrImagePull", "ImagePullBackOff") and w)
    assert image in refused["message"] and "401 Unauthorized" in refused["message"], refused
    assert "guess" not in refused["message"]
    assert registry.pulled("team/private") == 0

    add_secret(kubectl, registry)
    kubectl.apply(private("member", image))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "member")))
    status = container_status(kubectl, "member", "main")
    assert status["image"] == image and "sha256:" in status["imageID"]
    wait_for_log(kubectl, "member", "first\n")
    wait_until("an event tells of it", lambda: any(
        e["reason"] == "Pulled" and "Successfully pulled" in e["message"] for e in kubectl.events("member")))
    assert waiting(kubectl, "stranger"), "that the image is there by now helps nobody who asks"


def test_if_not_present_asks_no_registry_and_always_does(edge, kubectl, registry):
    image = registry.publish("team/moving", BUILD="old")
    add_secret(kubectl, registry)
    kubectl.apply(private("first", image, pull="Always"))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "first")))
    wait_for_log(kubectl, "first", "old\n")

    registry.publish("team/moving", BUILD="new")
    asked = registry.pulled("team/moving")
    kubectl.apply(private("kept", image))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "kept")))
    wait_for_log(kubectl, "kept", "old\n")
    assert registry.pulled("team/moving") == asked
    kubectl.apply(private("newest", image, pull="Always"))
    wait_until("runs", lambda: is_ready(kubectl.get("pod", "newest")))
    wait_for_log(kubectl, "newest", "new\n")
    images = {name: container_status(kubectl, name, "main")["imageID"] for name in ("first", "newest")}
    assert images["first"] != images["newest"]

    registry.stop()
    try:
        kubectl.apply(private("here", image), private("asks", image, pull="Always"))
        wait_until("what is there runs", lambda: is_ready(kubectl.get("pod", "here")))
        refused = wait_until("what asks waits", lambda: (w := waiting(kubectl, "asks")).get("reason") == "ImagePullBackOff" and w)
        assert registry.address in refused["message"] and "connection refused" in refused["message"]
        stays_true("and nothing else changes", lambda: all(
            is_ready(kubectl.get("pod", name)) for name in ("first", "kept", "newest", "here")), seconds=2)
    finally:
        registry.start()
    # It is asked less and less often, at last every five minutes.
    wait_until("it runs once the registry is back", lambda: is_ready(kubectl.get("pod", "asks")), timeout=330)
    wait_for_log(kubectl, "asks", "new\n")
