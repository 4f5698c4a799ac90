"""A whole slicelet: control plane, hub, one edge host with its own containerd, and a link that can break."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3

import yaml

from tests.harness.fault_proxy import FaultProxy
from tests.harness.kubernetes import ROOT, ControlPlane, Kubectl, condition, run
from tests.harness.ports import consecutive_ports, free_ports
from tests.harness.process import Program
from tests.harness.waiting import wait_until

CONTAINERD = ROOT / "tests" / "integration" / "containerd.sh"
# Of the runtime's answers: crictl's own are two seconds.
CRICTL_PATIENCE = "60s"
# An agent whose link broke again and again waits up to five minutes before it dials again.
RECONNECTED = 360


def container_status(kubectl, pod, container):
    """As the pod's status says."""
    return next(s for s in kubectl.get("pod", pod)["status"]["containerStatuses"] if s["name"] == container)


class Edge:
    """Paths, programs and what a test may do to them. Everything lives below `directory`."""

    hub = "test-hub"
    host = "gw-1"
    node = "gw-1"
    log_level = "debug"

    def __init__(self, directory, kcm_flags=""):
        self.directory = pathlib.Path(directory)
        self.bin = pathlib.Path(os.environ.get("SLICELET_BIN", ROOT / "build" / "release")).absolute()
        self.hub_directory = self.directory / "hub"
        self.shared = self.directory / "shared"
        self.agent_directory = self.directory / "agent"
        self.logs = self.directory / "logs"
        for path in (self.shared, self.agent_directory, self.logs):
            path.mkdir(parents=True, exist_ok=True)
        self.plane = ControlPlane(self.directory / "plane", kcm_flags)
        # How the host reaches its hub: grpc or mqtt.
        self.link_kind = os.environ.get("SLICELET_LINK", "grpc")
        self.programs = {}
        self.link = None

    # ---- bringing it up and down

    def up(self):
        self.plane.up()
        run([CONTAINERD, "up", self.containerd_directory], timeout=1800)
        kubectl = self.kubectl("")
        kubectl("apply", "-f", ROOT / "charts" / "slicelet-hub" / "crds")
        for line in kubectl("get", "customresourcedefinitions", "-o", "name").splitlines():
            kind = line.rpartition("/")[2]  # made, but perhaps not yet served
            wait_until(f"there are {kind}", lambda kind=kind: kubectl.get(kind, namespace="slicelet") is not None)
        kubectl("apply", "-f", ROOT / "samples" / "cluster")
        agents_port, self.broker_port, self.metrics_port = free_ports(3)
        over_mqtt = self.link_kind == "mqtt"
        link_port = self.link_port(self.broker_port if over_mqtt else agents_port)
        # Over MQTT only the way to the broker breaks; tunnels are dialled directly.
        endpoint = f"127.0.0.1:{agents_port if over_mqtt else link_port}"
        self.broker_options = ["--mqtt-endpoint", f"127.0.0.1:{link_port}",
                               "--mqtt-listen", f"127.0.0.1:{self.broker_port}"] if over_mqtt else []
        self.slicectl("hub", "init", "--dir", self.hub_directory, "--name", self.hub,
                      "--agent-endpoint", endpoint, "--agent-listen", f"127.0.0.1:{agents_port}", *self.broker_options,
                      "--shim-address", self.shim_address(), "--shim-port", consecutive_ports(10), "--shim-ports", 10,
                      "--kubeconfig", "REPLACED", configured=False)
        self.own_credentials(kubectl)
        # Short, but not what a busy machine may miss: a shim that is not heard of for two thirds of its lease gives it up, and a hub that
        # owes an answer for one heartbeat is left.
        self.tune({"provider": {"orphanConfirm": "3s", "heartbeat": "4s", "resumeGrace": "3s"},
                   "shim": {"referentRefresh": "3s", "leaderLease": "8s"}})
        if over_mqtt:
            self.tune_broker()
        made = self.slicectl("host", "add", self.host, "--dir", self.hub_directory, configured=False)
        kubectl("apply", "-f", "-", stdin=made[made.index("apiVersion:"):])
        self._agent_configuration()
        for name, command in self.commands().items():
            self.programs[name] = Program(name, command, self.logs)
        for name in self.programs:
            self.programs[name].start()
        wait_until("the node is Ready", self.ready_node, timeout=240)
        return self

    def down(self):
        self.end_programs()
        self.plane.down()

    def end_programs(self):
        """And what they ran."""
        for program in self.programs.values():
            program.kill()
        if self.link:
            self.link.close()
        run([CONTAINERD, "down", self.containerd_directory], check=False, timeout=600)
        # Agents leave their tmpfs to the next agents.
        for line in pathlib.Path("/proc/mounts").read_text().splitlines():
            path = line.split()[1]
            if path.startswith(f"{self.directory}/") and path.endswith(("/state/volatile", "/state/termination",
                                                                       "/stranger/volatile", "/stranger/termination")):
                run(["umount", "-l", path], check=False)

    @property
    def containerd_directory(self):
        return self.directory / "c"

    def link_port(self, port):
        """Where agents dial provider or broker: a proxy, so that a test can break the link."""
        self.link = FaultProxy(("127.0.0.1", port))
        return self.link.port

    def commands(self):
        broker = {"broker": ["/usr/sbin/mosquitto", "-c", self.broker_configuration]}
        return {
            **(broker if self.link_kind == "mqtt" else {}),
            "provider": [self.binary("slicelet-provider"), "--config", self.hub_directory / "provider.yaml"],
            "shim": [self.binary("slicelet-shim"), "--config", self.hub_directory / "shim.yaml"],
            "agent": [self.binary("slicelet-agent"), "--host", self.agent_directory / "host.json",
                      "--config", self.agent_directory / "agent.json"],
        }

    def binary(self, name):
        for path in (self.bin / name, *self.bin.glob(f"*/app/{name}"), self.bin / "cli" / name,
                     self.bin / "common" / "mqtt" / name, self.bin / "tests" / "bench" / name,
                     self.bin / "tests" / "faults" / name):
            if path.is_file():
                return path
        raise AssertionError(f"no {name} below {self.bin}: build the release preset first")

    def tune_broker(self):
        """The provider reaches the broker directly and serves its metrics; and the broker may read what a test's root wrote."""
        settings = yaml.safe_load((self.hub_directory / "provider.yaml").read_text())
        self.tune({"provider": {
            "mqtt": {**settings["mqtt"], "broker": f"127.0.0.1:{self.broker_port}"},
            "metrics": {"listen": f"127.0.0.1:{self.metrics_port}",
                        **{kind: settings["agents"][kind] for kind in ("certificate", "key")}}}, "shim": {}})
        with open(self.broker_configuration, "a") as conf:
            conf.write("user root\n")

    @property
    def broker_configuration(self):
        return self.hub_directory / "mosquitto" / "mosquitto.conf"

    def shim_address(self):
        """Where the API server reaches the nodes."""
        return "127.0.0.1"

    def own_credentials(self, kubectl):
        """Each program gets the service account that an installation would give it, not the administrator's."""
        authority = self.plane.directory / "pki" / "ca.crt"
        for program in ("shim", "provider"):
            token = kubectl("-n", "slicelet", "create", "token", f"slicelet-{program}", "--duration=24h").strip()
            (self.hub_directory / f"{program}.kubeconfig").write_text(yaml.safe_dump({
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": self.plane.url, "certificate-authority": str(authority)}}],
                "users": [{"name": "u", "user": {"token": token}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))

    def tune(self, settings_of):
        """Changes what a test can not wait for, such as the time between confirming GETs."""
        for program, changes in settings_of.items():
            path = self.hub_directory / f"{program}.yaml"
            settings = yaml.safe_load(path.read_text())
            settings["kubeconfig"] = str(self.hub_directory / f"{program}.kubeconfig")
            settings["logLevel"] = self.log_level
            settings.update(changes)
            path.write_text(yaml.safe_dump(settings))

    def _agent_configuration(self, host=None, directory=None, containerd=None, cgroup=""):
        """What an agent needs: the first host's, or another one's on the same machine."""
        directory = directory or self.agent_directory
        shutil.copy(self.hub_directory / "hosts" / f"{host or self.host}.slicelet", directory / "host.json")
        (directory / "boot_id").write_text("boot-1\n")
        link = {"kind": "mqtt", "module": str(self.binary("slicelet-mqtt.so"))} if self.link_kind == "mqtt" else {}
        (directory / "agent.json").write_text(json.dumps({
            "link": link,
            "runtimeSocket": str((containerd or self.containerd_directory) / "containerd.sock"),
            "root": str(directory / "state"),
            "logRoot": str(directory / "pods"),
            "logLevel": self.log_level,
            "cgroupParent": f"/slicelet-{os.getpid()}{cgroup}",
            "bootIdFile": str(directory / "boot_id"),
            "policy": {"hostPathPrefixes": [str(self.shared)], "hostNetwork": True}}, indent=2))

    @contextlib.contextmanager
    def agent_settings(self, **settings):
        """The agent starts anew with these settings, and afterwards without them."""
        file = self.agent_directory / "agent.json"
        before = file.read_text()
        file.write_text(json.dumps({**json.loads(before), **settings}))
        self.programs["agent"].restart()
        try:
            yield
        finally:
            file.write_text(before)
            self.programs["agent"].restart()

    # ---- faults

    def kill(self, part):
        """kill -9 of one part: shim, provider, agent, containerd or a program of the control plane."""
        if part in self.programs:
            self.programs[part].kill()
        elif part == "containerd":
            run([CONTAINERD, "kill", self.containerd_directory])
        else:
            self.plane.kill(part)

    def start(self, part):
        if part in self.programs:
            self.programs[part].start()
        elif part == "containerd":
            run([CONTAINERD, "start", self.containerd_directory])
        else:
            self.plane.start(part)

    def reboot_host(self):
        """What a power cut does: agent, containerd and every container end at once; then the machine boots."""
        self.kill("agent")
        self.kill("containerd")
        address = str(self.containerd_directory / "containerd.sock")
        run(["pkill", "-KILL", "-f", f"containerd-shim.*{re.escape(address)}"], check=False)
        wait_until("no process of a container is left", self._kill_containers)
        self.start("containerd")
        (self.agent_directory / "boot_id").write_text(f"boot-{os.urandom(4).hex()}")
        self.start("agent")

    def _kill_containers(self):
        """Whether nothing was left to kill."""
        pids = self._container_pids
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    @property
    def _container_pids(self):
        """Processes in the containers' cgroups; they outlive their dead containerd shims."""
        pids = set()
        for top in pathlib.Path("/sys/fs/cgroup").glob(f"*/slicelet-{os.getpid()}"):
            for path, _, _ in os.walk(top):  # cgroups may go meanwhile
                with contextlib.suppress(OSError):
                    pids.update(int(line) for line in pathlib.Path(path, "cgroup.procs").read_text().split())
        return pids

    def renew_agent(self):
        """Another agent, which dials at once. Returns when its link is up."""
        agent = self.programs["agent"]
        agent.kill()
        since = agent.said_so_far()
        agent.start()
        wait_until("the hub welcomes the agent", lambda: agent.require_running() or "welcomed by the hub" in agent.said(since),
                   timeout=RECONNECTED)
        wait_until("the link is up", lambda: self.host_info()["connected"] and condition(
            self.kubectl("").get("node", self.node), "slicelet.io/LinkReady")["status"] == "True")

    def lose_provider_database(self):
        for path in self.hub_directory.glob("provider.db*"):
            path.unlink()

    def kept_logs(self):
        """What the provider's database holds of containers' logs: {(pod uid, container): text}."""
        with contextlib.closing(sqlite3.connect(f"file:{self.hub_directory / 'provider.db'}?mode=ro", timeout=60, uri=True)) as database:
            rows = database.execute("SELECT uid, container, lines FROM log_tails").fetchall()
        return {(uid, container): lines.decode() for uid, container, lines in rows}

    def stranger_agent(self):
        """An agent of another hub that claims to be our host and dials our provider."""
        other = self.directory / "other-hub"
        self.slicectl("hub", "init", "--dir", other, "--name", self.hub, "--agent-endpoint",
                      f"127.0.0.1:{self.link.port}", "--agent-listen", "127.0.0.1:1", *self.broker_options,
                      configured=False)
        self.slicectl("host", "add", self.host, "--dir", other, configured=False)
        settings = json.loads((self.agent_directory / "agent.json").read_text())
        settings["root"] = str(self.directory / "stranger")
        (other / "agent.json").write_text(json.dumps(settings))
        return Program("stranger", [self.binary("slicelet-agent"), "--host", other / "hosts" / f"{self.host}.slicelet",
                                    "--config", other / "agent.json"], self.logs).start()

    def maintain(self, host, on):
        self.kubectl("slicelet")("patch", "edgehost", host, "--type=merge", "-p", json.dumps({"spec": {"maintenance": on}}))

    # ---- looking

    def kubectl(self, namespace):
        return Kubectl(self.plane, namespace)

    def slicectl(self, *arguments, configured=True):
        config = ["--config", self.hub_directory / "operator.yaml"] if configured else []
        return run([self.binary("slicectl"), *config, *arguments])[1]

    def run_program(self, name, *arguments):
        return run([self.binary(name), *arguments], check=False)

    def ready_node(self):
        node = self.kubectl("").get("node", self.node)
        ready = node and condition(node, "Ready")
        return node if ready and ready["status"] == "True" else None

    def host_info(self):
        """One line of `slicectl host list`: connected, generation ..."""
        for info in json.loads(self.slicectl("host", "list", "-o", "json")):
            if info["name"] == self.host:
                return {**info, "generation": (info.get("epoch"), info.get("number"))}
        raise RuntimeError("the host is not listed")

    def crictl(self, *arguments, containerd=None):
        """What it prints; of the first host's containerd, or of the one in that directory."""
        endpoint = f"unix://{containerd or self.containerd_directory}/containerd.sock"
        return run([self.plane.bin / "crictl", "--timeout", CRICTL_PATIENCE, "--runtime-endpoint", endpoint, "--image-endpoint", endpoint,
                    *arguments])[1]

    def sandboxes(self, namespace, prefix, containerd=None):
        """Pod sandboxes of a namespace whose pod name begins with `prefix`."""
        items = json.loads(self.crictl("pods", "-o", "json", containerd=containerd))["items"]
        return [i for i in items if i["metadata"]["namespace"] == namespace and i["metadata"]["name"].startswith(prefix)]

    def running_containers(self, namespace, prefix, containerd=None):
        """Running containers of such pods."""
        ids = {s["id"] for s in self.sandboxes(namespace, prefix, containerd)}
        items = json.loads(self.crictl("ps", "-o", "json", "--state", "Running", containerd=containerd))["containers"]
        return [c for c in items if c["podSandboxId"] in ids]

    def rotated_logs(self, namespace, pod):
        """How many log files of the pod's containers were moved aside and are kept."""
        return len(list((self.agent_directory / "pods").glob(f"{namespace}_{pod}_*/*/*.log.*")))

    def main_process(self, kubectl, pod, container):
        """The process id of a container's first process."""
        container_id = container_status(kubectl, pod, container)["containerID"].removeprefix("containerd://")
        return json.loads(self.crictl("inspect", container_id))["info"]["pid"]

    def tag_image(self, image, name):
        socket_path = self.containerd_directory / "containerd.sock"
        run(["ctr", "-a", socket_path, "-n", "k8s.io", "images", "tag", "--force", image, name])
        wait_until("the runtime sees the tag", lambda: name.rsplit(":", 1)[0] in self.crictl("images") and
                   name.rsplit(":", 1)[1] in self.crictl("images", name))

    def kubelet_url(self):
        node = self.kubectl("").get("node", self.node)
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        return f"https://{address}:{node['status']['daemonEndpoints']['kubeletEndpoint']['Port']}"

    def curl(self, url, certificate=None, method="GET", token=None, headers=()):
        """The status code. `certificate`: none, the API server's ("kubelet-client"), or one of another authority.
        `token`: a bearer token."""
        arguments = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, "--max-time", "60"]
        if certificate == "other-ca":
            key, crt = self.directory / "other.key", self.directory / "other.crt"
            run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                 "-subj", "/O=system:masters/CN=kube-apiserver-kubelet-client", "-keyout", key, "-out", crt])
            arguments += ["--cert", crt, "--key", key]
        elif certificate:
            pki = self.plane.directory / "pki"
            arguments += ["--cert", pki / f"{certificate}.crt", "--key", pki / f"{certificate}.key"]
        for header in headers:
            arguments += ["-H", header]
        if token:
            arguments += ["-H", f"Authorization: Bearer {token}"]
        # A server may also refuse a stranger's certificate in the handshake, which may end when the request is written; that is as good
        # as 401.
        code, out, _ = run([*arguments, url], check=False)
        return 401 if code in (35, 55, 56) and certificate == "other-ca" else int(out)

    # ---- for benchmarks

    def pids(self):
        return [p.process.pid for p in self.programs.values() if p.running()]
