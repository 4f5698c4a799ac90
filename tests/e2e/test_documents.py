"""The documentation's commands do what it says: the README's steps on two bare machines, then every command of operations.md."""

import pathlib
import re
import shutil
import tempfile

import pytest

from tests.harness.documents import blocks, documents, inline_commands
from tests.harness.edge import CONTAINERD
from tests.harness.kubernetes import ROOT, SCRIPT
from tests.harness.machines import Machine
from tests.harness.ports import COUNT, FIRST
from tests.harness.waiting import wait_until

HUB_ADDRESS = "10.0.0.5"
STEPS = [block for block in blocks("README.md") if block.name not in ("", "none")]
# The build of a step, should something be out of date.
STEP_TIMEOUT = 1800
# Documents whose blocks are run: the README here, the others by tests of their own.
RUN = {"README.md", "charts/slicelet-hub/README.md", "docs/admin-rest.md", "docs/operations.md", "docs/slicectl.md", "samples/attach/README.md",
       "samples/azure-connector/README.md", "samples/edgex-gateway/README.md", "samples/fiware/README.md", "samples/mainflux-server/README.md",
       "samples/minimal/README.md", "samples/two-hubs/README.md"}
# What the README quotes as a usual failure, and how to meet it.
USUAL_FAILURES = {
    "already holds a hub; its keys are never overwritten":
        "slicectl hub init --dir /etc/slicelet/hub --name plant-7 --agent-endpoint hub.example.com:7443",
    'the host name "GW_1" is not a DNS label': "slicectl host add GW_1 --dir /etc/slicelet/hub",
}
# What a bare Debian has without being asked.
LIBRARIES_OF_A_BARE_HOST = {"ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1", "libm.so.6", "libstdc++.so.6"}
HOST_CONNECTED = r"gw-1\s+yes\s+up"
# Commands within the text of operations.md in an order in which they make sense, with something that they print.
OPERATIONS = {
    "slicectl host list": HOST_CONNECTED,
    "kubectl get edgehosts -n slicelet": r"gw-1\s",
    "slicectl pod hosts POD -n NAMESPACE": r"gw-1\s",
    "slicectl explain pod POD -n NAMESPACE": r"gw-1\s+yes\s+yes",
    "kubectl describe node NAME": r"slicelet\.io/LinkReady\s+True",
    "slicectl orphans list": r"",
    "slicelet-agent --check-config": r"",
    "systemctl restart slicelet-agent": r"",
    "kubectl delete pod NAME --force --grace-period=0": r'pod "hello" force deleted',
    "kubectl patch edgehost NAME -n slicelet --type merge -p '{\"spec\":{\"maintenance\":true}}'": r"patched",
    "kubectl patch edgehost NAME -n slicelet --type merge -p '{\"spec\":{\"revoked\":true}}'": r"patched",
    "slicectl host delete NAME --give-up": r"deleted",
    "slicectl node decommission NAME": r"gw-1 is decommissioned",
}
# They show what the hub hears of a moment later.
AWAITED = ("slicectl host list", "kubectl get", "slicectl pod", "slicectl explain", "kubectl describe", "slicectl node decommission")
# Named there without being a whole command; the README's steps, test_pods, test_mqtt, test_chart and test_link run them.
MENTIONED = {"slicectl hub init", "slicectl hub renew", "slicectl hub revoke", "slicectl hub secret", "slicectl host add", "kubectl logs", "kubectl logs -p",
             "kubectl port-forward"}


class Place:
    """The README's surroundings: a cluster, a hub's machine, and a host with containerd."""

    def __init__(self, directory):
        self.directory = directory
        self.hub = Machine(directory / "hub", address=HUB_ADDRESS)
        self.host = Machine(directory / "host", network_of=self.hub)
        self.failed = None

    def up(self):
        plane = self.directory / "plane"
        self.hub.must(SCRIPT, "up", plane, "--address", HUB_ADDRESS, timeout=900)
        kubectl = self.hub.must("sh", "-c", f". {plane}/settings; echo $bin").strip()
        self.hub.must("sh", "-c", f"ln -s {kubectl}/kubectl /usr/local/bin/ && mkdir /etc/slicelet && "
                      f"cp {plane}/admin.conf /etc/slicelet/kubeconfig")
        for machine in (self.hub, self.host):
            machine.must("sh", "-c", f"echo {HUB_ADDRESS} hub.example.com >>/etc/hosts")
        self.hub.environment["KUBECONFIG"] = "/etc/slicelet/kubeconfig"
        self.hub.reach("gw-1", self.host)
        self.host.must(CONTAINERD, "up", self.directory / "c", timeout=300)
        self.host.must("sh", "-c", f"mkdir -p /run/containerd && ln -s {self.directory}/c/containerd.sock /run/containerd/")
        return self

    def down(self):
        for machine in (self.host, self.hub):
            machine.end_units()
        self.host.run(CONTAINERD, "down", self.directory / "c")
        self.hub.run(SCRIPT, "down", self.directory / "plane")
        self.host.down()
        self.hub.down()

    def logs(self):
        return "\n".join(f"--- {unit}\n{machine.log(unit)}" for machine, unit in (
            (self.hub, "slicelet-provider"), (self.hub, "slicelet-shim"), (self.host, "slicelet-agent")))


@pytest.fixture(scope="module")
def place():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sltd-", dir="/tmp"))
    made = Place(directory)
    try:
        yield made.up()
    finally:
        made.down()
        shutil.rmtree(directory, ignore_errors=True)


def test_every_block_of_commands_has_a_test_or_a_reason():
    for document in documents():
        for block in blocks(document):
            assert block.name, f"{document}: no <!-- test: ... --> before\n{block.commands}"
            assert block.name != "none" or block.reason, f"{document}: no reason why this is not run:\n{block.commands}"
            assert block.name == "none" or document in RUN, f"{document}: nothing runs block {block.name}"


def test_host_ports_of_samples_are_none_that_tests_are_given():
    ports = [int(port) for path in (ROOT / "samples").rglob("*.yaml")
             for port in re.findall(r'hostport\W+(\d+)', path.read_text(), re.IGNORECASE)]
    assert ports and all(port not in range(FIRST, FIRST + COUNT) for port in ports), ports


@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
def test_the_readme_leads_to_a_host_of_ones_own(place, step):
    if place.failed:
        pytest.skip(f"step {place.failed} failed")
    place.failed = step.name
    code, printed = place.hub.shell(step.commands, timeout=STEP_TIMEOUT)
    assert code == 0, f"exit {code}:\n{printed}\n{place.logs()}"
    missing = step.missing(printed)
    assert missing is None, f"the README says that this is printed: {missing}\nprinted:\n{printed}"
    place.failed = None


def test_what_is_copied_to_a_host_runs_there(place):
    if place.failed:
        pytest.skip(f"step {place.failed} failed")
    needed = re.findall(r"NEEDED.*\[(.*)\]", place.hub.must("readelf", "--dynamic", "/usr/bin/slicelet-agent"))
    assert needed and set(needed) <= LIBRARIES_OF_A_BARE_HOST
    assert "libpaho-mqtt3as.so.1" in place.hub.must("readelf", "--dynamic", "/usr/lib/slicelet/slicelet-mqtt.so")
    assert "libpaho-mqtt1.3" in (ROOT / "docs/operations.md").read_text()


@pytest.mark.parametrize("quoted", USUAL_FAILURES)
def test_the_usual_failures_say_what_the_readme_quotes(place, quoted):
    assert f"`{quoted}`" in (ROOT / "README.md").read_text()
    code, printed = place.hub.shell(USUAL_FAILURES[quoted])
    assert code != 0 and quoted in printed, printed


def test_shim_and_provider_go_on_with_accounts_of_their_own(place):
    if place.failed:
        pytest.skip(f"step {place.failed} failed")
    accounts, = [block for block in blocks("docs/operations.md") if block.name == "accounts"]
    place.failed = accounts.name
    instance = container_of_hello(place)
    code, printed = place.hub.shell(accounts.commands, timeout=300)
    assert code == 0, f"exit {code}:\n{printed}\n{place.logs()}"
    for program in ("shim", "provider"):
        file = f"/etc/slicelet/hub/{program}.kubeconfig"
        assert f"kubeconfig: {file}\n" in place.hub.must("cat", f"/etc/slicelet/hub/{program}.yaml")
        assert place.hub.must("stat", "-c", "%a", file) == "600\n"
        assert place.hub.must("kubectl", "--kubeconfig", file, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == (
            f"system:serviceaccount:slicelet:slicelet-{program}")
    # From the API server to the host and back, with what the accounts may do.
    place.hub.must("sh", "-c", "sed 's/: hello/: later/' samples/minimal/pod.yaml | kubectl apply -f -")
    place.hub.must("kubectl", "wait", "--for=condition=Ready", "pod/later", "--timeout=110s")
    place.hub.must("kubectl", "delete", "pod", "later", "--timeout=110s")
    assert container_of_hello(place) == instance
    place.failed = None


def test_renewed_certificates_restart_nothing_but_the_agent(place):
    if place.failed:
        pytest.skip(f"step {place.failed} failed")

    def programs():
        return {unit: place.hub.must("cat", f"/run/units/{unit}.service.pid") for unit in ("slicelet-provider", "slicelet-shim")}

    def shown():
        return place.hub.shell("openssl s_client -connect hub.example.com:7443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint")[1]
    instance, running, former = container_of_hello(place), programs(), shown()
    assert "Fingerprint" in former
    renew, = [block for block in blocks("docs/operations.md") if block.name == "renew"]
    code, printed = place.hub.shell(renew.commands, timeout=300)
    assert code == 0 and renew.missing(printed) is None, f"exit {code}:\n{printed}\n{place.logs()}"
    assert "mosquitto" not in printed, "this hub has no broker"
    wait_until("the provider shows its new certificate", lambda: shown() == place.hub.must(
        "openssl", "x509", "-noout", "-fingerprint", "-in", "/etc/slicelet/hub/provider.crt"), timeout=180)
    assert shown() != former
    # Both ends have theirs now.
    place.host.must("systemctl", "restart", "slicelet-agent")
    wait_until("the host is connected again", lambda: re.search(HOST_CONNECTED, place.hub.must("slicectl", "host", "list")))
    assert container_of_hello(place) == instance, "what it runs runs on"
    assert programs() == running, "provider and shim were not restarted"


def test_every_command_of_operations_works(place):
    if place.failed:
        pytest.skip(f"step {place.failed} failed")
    written = set(inline_commands("docs/operations.md")) - MENTIONED
    assert written == set(OPERATIONS), "commands of docs/operations.md and of this test differ"
    instance = container_of_hello(place)
    for command, shown in OPERATIONS.items():
        name = "hello" if "pod" in command else "gw-1"
        line = re.sub(r"\bNAME\b", name, command).replace("POD", "hello").replace("NAMESPACE", "default")
        machine = place.host if command.startswith(("systemctl", "slicelet-agent")) else place.hub

        def works():
            code, printed = machine.shell(line, timeout=300)
            assert code == 0 and re.search(shown, printed), f"{line}: exit {code}:\n{printed}\n{place.logs()}"
            return True
        if command.startswith(AWAITED):
            wait_until(line, works)
        else:
            works()
        if command.startswith("systemctl restart"):
            wait_until("the host is connected again", lambda: re.search(
                HOST_CONNECTED, place.hub.must("slicectl", "host", "list")))
            assert container_of_hello(place) == instance, "containers outlive an agent"
        if command.startswith("slicectl node decommission"):
            wait_until("the Node object is gone", lambda: place.hub.shell("kubectl get node gw-1")[0] != 0)
        if command.startswith("kubectl delete pod"):
            wait_until("the host has removed it", lambda: re.search(
                HOST_CONNECTED + r".*\s0$", place.hub.must("slicectl", "host", "list"), re.M))


def container_of_hello(place):
    return place.hub.must("kubectl", "get", "pod", "hello", "-o",
                          "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}")
