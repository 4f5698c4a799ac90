"""The two systems that are compared: slicelet with all its programs, and the kubelet. Each has a containerd of its own."""

import json
import os
import pathlib
import shutil
import subprocess

import yaml

from tests.harness.edge import CONTAINERD, Edge
from tests.harness.kubernetes import ROOT, condition, run
from tests.harness.ports import free_ports
from tests.harness.process import Program
from tests.harness.waiting import wait_until


class Containers:
    """What runs in one containerd."""

    def __init__(self, programs, containerd_directory):
        self._endpoint = f"unix://{containerd_directory}/containerd.sock"
        self._crictl = programs / "crictl"

    def _read(self, *arguments):
        return json.loads(run([self._crictl, "--runtime-endpoint", self._endpoint, "--image-endpoint", self._endpoint, *arguments])[1])

    def running(self, prefix):
        """Running containers of pods whose name begins with `prefix`."""
        containers = self._read("ps", "-o", "json", "--state", "Running")["containers"]
        return [c for c in containers if c["labels"].get("io.kubernetes.pod.name", "").startswith(prefix)]

    def main_pid(self, pod):
        container = wait_until(f"a container of {pod} runs", lambda: self.running(pod), interval=0.02)[0]
        return self._read("inspect", container["id"])["info"]["pid"]


class BenchEdge(Edge):
    """slicelet as it is installed: default settings, no debug log, no proxy in the link."""

    log_level = "info"

    def link_port(self, port):
        self.dialled_port = port
        return port

    def tune(self, settings_of):
        super().tune({program: {} for program in settings_of})

    def up(self):
        super().up()
        self.containers = Containers(self.plane.bin, self.containerd_directory)
        return self


class Kubelet:
    """A real kubelet that joins the control plane of an `Edge`, with least housekeeping."""

    node = "kubelet-1"

    def __init__(self, plane, directory):
        self.plane = plane
        self.directory = pathlib.Path(directory)
        self.containerd_directory = self.directory / "c"
        self.program = None

    def up(self, kubectl):
        (self.directory / "logs").mkdir(parents=True)
        binary = pathlib.Path(run([ROOT / "tests" / "control-plane" / "build.sh", "kubelet"], timeout=1200)[1].strip()) / "kubelet"
        run([CONTAINERD, "up", self.containerd_directory], timeout=300)
        self.containers = Containers(self.plane.bin, self.containerd_directory)
        self._credentials()
        self._configuration()
        self.program = Program("kubelet", [
            binary, "--config", self.directory / "kubelet.yaml", "--kubeconfig", self.directory / "kubelet.conf",
            "--hostname-override", self.node, "--cert-dir", self.directory / "pki", "--root-dir", self.directory / "root",
        ], self.directory / "logs").start()

        def ready():
            node = kubectl.get("node", self.node)
            found = node and condition(node, "Ready")
            return found and found["status"] == "True"

        try:
            wait_until("the kubelet's node is Ready", ready, timeout=60)
        except AssertionError as error:
            raise RuntimeError(f"{error}\n{self.program.tail()}") from None
        return self

    def down(self):
        if self.program:
            self.program.kill()
        run([CONTAINERD, "down", self.containerd_directory], check=False, timeout=120)
        for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            mount = line.split()[4]
            if mount.startswith(f"{self.directory}/"):
                run(["umount", "-l", mount], check=False)
        # Empty directories below the cgroup of this run's own; the deepest first.
        for top in pathlib.Path("/sys/fs/cgroup").glob(f"**/{self._cgroup}"):
            for path in sorted((p for p in top.glob("**/") if p.is_dir()), reverse=True):
                try:
                    path.rmdir()
                except OSError:
                    pass  # something runs on

    def pids(self):
        return [self.program.process.pid]

    @property
    def _cgroup(self):
        return f"slicelet-bench-{os.getpid()}"

    def _credentials(self):
        authority = self.plane.directory / "pki"
        pki = self.directory / "pki"
        pki.mkdir()
        key, request, certificate = pki / "client.key", pki / "client.csr", pki / "client.crt"
        run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
             "-subj", f"/O=system:nodes/CN=system:node:{self.node}", "-out", request])
        run(["openssl", "x509", "-req", "-in", request, "-CA", authority / "ca.crt", "-CAkey", authority / "ca.key",
             "-CAcreateserial", "-days", "30", "-out", certificate])
        (self.directory / "kubelet.conf").write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.plane.url, "certificate-authority": str(authority / "ca.crt")}}],
            "users": [{"name": "u", "user": {"client-certificate": str(certificate), "client-key": str(key)}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))

    def _configuration(self):
        # The kubelet wants its root cgroup to exist.
        for controller in pathlib.Path("/sys/fs/cgroup").iterdir():
            if controller.is_dir() and (controller / "cgroup.procs").exists():
                (controller / self._cgroup).mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            parent = pathlib.Path("/sys/fs/cgroup/cpuset")
            if (parent / name).exists():
                (parent / self._cgroup / name).write_text((parent / name).read_text())
        port, = free_ports(1)
        never = {"imagefs.available": "0%", "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"}
        (self.directory / "kubelet.yaml").write_text(yaml.safe_dump({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self.containerd_directory}/containerd.sock",
            "address": "127.0.0.1", "port": port, "healthzPort": 0, "readOnlyPort": 0,
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": str(self.plane.directory / "pki" / "ca.crt")}},
            "authorization": {"mode": "Webhook"},
            # slicelet's containers have the runtime's profile when they name none, which costs about 10 ms of each start.
            "seccompDefault": True,
            "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self._cgroup}", "failCgroupV1": False, "failSwapOn": False,
            "enforceNodeAllocatable": ["pods"], "oomScoreAdj": 0, "makeIPTablesUtilChains": False, "resolvConf": "",
            "podLogsDir": str(self.directory / "pods"), "volumePluginDir": str(self.directory / "plugins"),
            "evictionHard": never, "imageGCHighThresholdPercent": 100, "imageMaximumGCAge": "0s"}))
