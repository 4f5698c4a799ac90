"""A Helm release of the chart, run as its own objects say: images, arguments, mounts, identities, users."""

import base64
import json
import os
import pathlib
import re
import subprocess

import yaml

from tests.harness.kubernetes import ROOT, run
from tests.harness.process import Program
from tests.harness.waiting import wait_until

CHART = ROOT / "charts" / "slicelet-hub"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
IMAGE_USER = (65532, 65532)
IMAGE_USERS = {"broker": (1883, 1883)}
NAMESPACE = "slicelet-hubs"  # of containerd, apart from the CRI's


def build_image(edge):
    """The chart's image from the programs under test, in the test's containerd. Returns its name."""
    output = edge.directory / "images"
    if not (output / "hub.tar").exists():
        run([ROOT / "scripts" / "images.sh", "--build", edge.bin, "--output", output, "hub"], timeout=1800)
        run(["ctr", "-a", edge.containerd_directory / "containerd.sock", "-n", NAMESPACE, "images", "import",
             output / "hub.tar"], timeout=600)
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    return f"docker.io/slicelet/hub:{version}"


def broker_image(edge):
    """A stand-in for mosquitto's published image, in the test's containerd. Returns its name."""
    run([ROOT / "tests" / "integration" / "containerd.sh", "gateway", edge.containerd_directory], timeout=1800)
    name = "docker.io/slicelet/stand-in-eclipse-mosquitto:1"
    archive = edge.directory / "broker.tar"
    if not archive.exists():
        ctr = ["ctr", "-a", edge.containerd_directory / "containerd.sock"]
        run([*ctr, "-n", "k8s.io", "images", "export", archive, name], timeout=600)
        run([*ctr, "-n", NAMESPACE, "images", "import", archive], timeout=600)
    return name


def helm_directory():
    """Where helm is, built if need be."""
    return pathlib.Path(run([ROOT / "tests" / "control-plane" / "build.sh", "helm"], timeout=1800)[1].strip())


def helm_homes(directory):
    """Helm's environment: what it keeps is below `directory`."""
    return {f"HELM_{kind}_HOME": str(directory / "helm") for kind in ("CONFIG", "CACHE", "DATA")}


class ContainerProgram(Program):
    """A container of the test's containerd on the host's network, started and killed like a program."""

    def __init__(self, name, containerd_socket, arguments, log_directory):
        self._ctr = ["ctr", "-a", str(containerd_socket), "-n", NAMESPACE]
        # Not --net-host: that brings the machine's hosts file along.
        super().__init__(name, [*self._ctr, "run", "--rm", "--with-ns", f"network:/proc/{os.getpid()}/ns/net",
                                *arguments], log_directory)

    def kill(self):
        def gone():
            self._signal("SIGKILL")
            return not self.running()
        wait_until(f"{self.name} is gone", gone)

    def stop(self, timeout=120):
        wait_until(f"{self.name} can be told", lambda: not self.running() or self._signal("SIGTERM"))
        return self.process.wait(timeout=timeout)

    def _signal(self, signal):
        """Whether there is something to take it: a container that is only being made takes none."""
        return self.running() and subprocess.run([*self._ctr, "task", "kill", "-s", signal, self.name], check=False,
                                                 capture_output=True).returncode == 0


class Release:
    """`helm install` into the test's control plane, and its two workloads run from what the API server then holds."""

    def __init__(self, edge, name, namespace, values):
        self.edge = edge
        self.name = name
        self.namespace = namespace
        self.values = values
        self.directory = edge.directory / "releases" / namespace
        self.kubectl = edge.kubectl(namespace)
        self.programs = {}

    # ---- helm

    def helm(self, *arguments, check=True):
        self.directory.mkdir(parents=True, exist_ok=True)
        values = self.directory / "values.json"
        values.write_text(json.dumps(self.values))
        return run([helm_directory() / "helm", "--kubeconfig", self.edge.plane.kubeconfig,
                    "--namespace", self.namespace, *[values if a == "VALUES" else a for a in arguments]],
                   check=check, timeout=600, environment=helm_homes(self.directory))

    def install(self):
        self.helm("install", self.name, CHART, "--create-namespace", "-f", "VALUES")
        return self

    def uninstall(self):
        self.helm("uninstall", self.name)

    # ---- what a kubelet would do with the release's pods

    def start(self):
        for kind, part in (("deployment", "broker"), ("statefulset", "provider"), ("deployment", "shim")):
            workload = self.kubectl.get(kind, f"{self.name}-{part}")
            if workload is None and part == "broker":
                continue
            self.programs[part] = self._container(part, workload["spec"])
            self.programs[part].start()
        return self

    def stop(self):
        for program in self.programs.values():
            program.kill()

    def _container(self, part, workload):
        spec = workload["template"]["spec"]
        container = spec["containers"][0]
        pod_security = spec["securityContext"]
        group = pod_security["fsGroup"]
        volumes = {volume["name"]: self._volume(part, volume, group) for volume in spec["volumes"]}
        for claim in workload.get("volumeClaimTemplates", []):
            volumes[claim["metadata"]["name"]] = self._directory(part, claim["metadata"]["name"], group)
        mounts = [(volumes[m["name"]], m["mountPath"], m.get("readOnly", False)) for m in container["volumeMounts"]]
        if spec.get("automountServiceAccountToken", True):
            mounts.append((self._account(part, spec["serviceAccountName"], group), ACCOUNT, True))
        hosts = self.directory / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {self.name}-provider.{self.namespace}.svc {self.name}-broker.{self.namespace}.svc\n")
        mounts.append((hosts, "/etc/hosts", True))
        host, port = re.fullmatch(r"https://(.*):(\d+)", self.edge.plane.url).groups()
        environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        for variable in container.get("env", []):
            assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
            environment[variable["name"]] = "127.0.0.1"
        arguments = []
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        # `ctr` takes the user from the image; it must be the one that the pod asks for.
        assert (pod_security["runAsUser"], pod_security["runAsGroup"]) == IMAGE_USERS.get(part, IMAGE_USER)
        arguments.append("--read-only")
        for source, target, read_only in mounts:
            arguments += ["--mount", f"type=bind,src={source},dst={target},options=rbind:{'ro' if read_only else 'rw'}"]
        for name, value in environment.items():
            arguments += ["--env", f"{name}={value}"]
        expand = lambda text: re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], text)  # noqa: E731
        name = f"{self.namespace}-{self.name}-{part}"
        command = container["command"] + [expand(argument) for argument in container["args"]]
        return ContainerProgram(name, self.edge.containerd_directory / "containerd.sock",
                                [*arguments, container["image"], name, *command], self.edge.logs)

    def _directory(self, part, name, group):
        directory = self.directory / part / name
        directory.mkdir(parents=True, exist_ok=True)
        os.chown(directory, 0, group)
        directory.chmod(0o2770)
        return directory

    def _volume(self, part, volume, group):
        directory = self._directory(part, volume["name"], group)
        if "configMap" in volume:
            data = self.kubectl.get("configmap", volume["configMap"]["name"])["data"]
            files = {name: text.encode() for name, text in data.items()}
        elif "secret" in volume:
            data = self.kubectl.get("secret", volume["secret"]["secretName"])["data"]
            files = self._chosen(data, volume["secret"]["items"])
        elif "projected" in volume:
            files = {}
            for source in (source["secret"] for source in volume["projected"]["sources"]):
                data = self.kubectl.get("secret", source["name"])["data"]
                items = source["items"]
                files.update(self._chosen(data, [one for one in items if one["key"] in data] if source.get("optional") else items))
        else:
            assert "emptyDir" in volume, volume
            files = {}
        for name, content in files.items():
            self._file(directory / name, content, group)
        return directory

    @staticmethod
    def _chosen(data, items):
        return {item["path"]: base64.b64decode(data[item["key"]]) for item in items}

    def _account(self, part, name, group):
        directory = self._directory(part, "account", group)
        token = self.kubectl("create", "token", name, "--duration=24h").strip()
        self._file(directory / "token", token.encode(), group)
        self._file(directory / "namespace", self.namespace.encode(), group)
        self._file(directory / "ca.crt", (self.edge.plane.directory / "pki" / "ca.crt").read_bytes(), group)
        return directory

    @staticmethod
    def _file(path, content, group):
        path.write_bytes(content)
        os.chown(path, 0, group)
        path.chmod(0o440)
