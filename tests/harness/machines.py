"""Machines to follow the documentation on: each has its own /etc, /usr, /var and /run, and all share one network.

What a command changes there is in memory and gone with the machine, so that `cmake --install --prefix /usr` or
`systemctl enable` can be run exactly as they are written. Needs root.
"""

import os
import pathlib
import subprocess

from tests.harness.kubernetes import ROOT

STAND_INS = ROOT / "tests" / "stand-ins"

# A copy of the real directories that can be written: the changes go to memory.
_OWN_DIRECTORIES = """
set -e
mount -t tmpfs machine {scratch}
for name in etc usr var; do
  mkdir -p {scratch}/$name {scratch}/.$name
  mount -t overlay overlay -o lowerdir=/$name,upperdir={scratch}/$name,workdir={scratch}/.$name /$name
done
mount -t tmpfs run /run
mkdir -p /run/lock /etc/systemd/system
ln -s {stand_ins}/systemctl /usr/local/bin/systemctl
"""

# Loopback, and one card that the default route leads to.
_NETWORK = """
set -e
ip link set lo up
ip link add eth0 type veth peer name wire
ip address add {address}/24 dev eth0
ip link set wire up
ip link set eth0 up
ip route add default dev eth0
"""


class Machine:
    """Namespaces held by a process. What runs in them has to be ended before `down`."""

    def __init__(self, directory, network_of=None, address=""):
        """`network_of`: the machine whose network this one shares; without it there is a new one with `address`."""
        scratch = pathlib.Path(directory)
        scratch.mkdir(parents=True)
        enter = ["nsenter", "--target", str(network_of.pid), "--net"] if network_of else []
        network = [] if network_of else ["--net"]
        self._holder = subprocess.Popen(
            [*enter, "unshare", "--mount", "--propagation", "private", *network, "sh", "-c", "echo ready; exec sleep infinity"],
            stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._holder.stdout.readline() == "ready\n"
        self.environment = {**os.environ, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.must("sh", "-c", _OWN_DIRECTORIES.format(scratch=scratch, stand_ins=STAND_INS))
        if not network_of:
            self.must("sh", "-c", _NETWORK.format(address=address))

    @property
    def pid(self):
        return self._holder.pid

    def run(self, *command, timeout=600):
        """(exit code, what it printed): both streams as a terminal shows them."""
        result = subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "--net", f"--wdns={ROOT}", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
            env=self.environment)
        return result.returncode, result.stdout

    def must(self, *command, timeout=600):
        code, printed = self.run(*command, timeout=timeout)
        assert code == 0, f"{' '.join(map(str, command))}: exit {code}: {printed}"
        return printed

    def shell(self, text, timeout=600):
        """Runs lines of a document."""
        return self.run("bash", "-euo", "pipefail", "-c", text, timeout=timeout)

    def reach(self, name, other):
        """`ssh root@NAME COMMAND` and `scp FILE root@NAME:PATH` lead from here to another machine."""
        inside = f"nsenter --target {other.pid} --mount --net"
        self._program("ssh", f'[ "$1" = root@{name} ] || exit 255\nshift\nexec {inside} sh -c "$*"\n')
        self._program("scp", f"""host=${{2%%:*}} path=${{2#*:}}
[ "$host" = root@{name} ] || exit 255
case $path in */) path=$path${{1##*/}} ;; esac
mode=$(stat -c %a "$1")
exec {inside} sh -c 'cat >"$1" && chmod "$2" "$1"' sh "$path" "$mode" <"$1"
""")

    def _program(self, name, text):
        self.must("sh", "-c", 'printf "#!/bin/sh\\n%s" "$2" >/usr/local/bin/$1 && chmod +x /usr/local/bin/$1', "sh", name, text)

    def log(self, unit):
        return self.run("tail", "-n", "40", f"/run/units/{unit}.service.log")[1]

    def end_units(self):
        self.run("sh", "-c", "for pid in /run/units/*.pid; do kill -KILL $(cat $pid); done")

    def down(self):
        self._holder.kill()
        self._holder.wait()
