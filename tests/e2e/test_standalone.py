"""A hub without a cluster: slicectl in the place of kubectl."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from tests.harness.guide import Commands
from tests.harness.kubernetes import ROOT, follow, is_ready, run, terminal
from tests.harness.pods import pod
from tests.harness.remote_input import check_input_ends, execute
from tests.harness.standalone import Standalone
from tests.harness.waiting import wait_until

ECHO = ("--", "/bin/workload", "echo")


@pytest.fixture
def alone():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slta-", dir="/tmp"))
    world = Standalone(directory)
    try:
        yield world.up()
    except BaseException:
        for program in world.programs.values():
            print(f"--- {program.name}\n{program.tail()}")
        raise
    finally:
        world.down()
        shutil.rmtree(directory, ignore_errors=True)


class StandaloneGuide(Commands):
    """samples/minimal's README at the test's own hub."""

    def __init__(self, alone, directory):
        super().__init__("samples/minimal/README.md", directory, {"PATH": f"{alone.binary('slicectl').parent}:{os.environ['PATH']}"})
        (directory / "samples").symlink_to(ROOT / "samples")
        self.hub_directory = alone.hub_directory

    def adapted(self, commands):
        # Who reads takes longer than a program: the pod is Ready when it has begun, and prints after that.
        logs = "slicectl logs hello"
        return commands.replace("/etc/slicelet/hub", str(self.hub_directory)).replace(
            logs, f"timeout 300 sh -c 'until {logs} | grep line >/dev/null; do sleep 0.2; done'\n{logs}")


def test_logs_exec_and_the_end_of_a_node(alone, tmp_path):
    guide = StandaloneGuide(alone, tmp_path)
    for step in guide.steps:
        guide.follow(step)
    wait_until("the sample is gone", lambda: alone.get("pods", "hello") is None)

    made = pod("talker", args=["lines", "0", "100"])
    made["metadata"]["namespace"] = "default"
    alone.apply("talker.yaml", {**made, "spec": {**made["spec"], "nodeName": alone.node}})
    wait_until("it runs", lambda: (p := alone.get("pods", "talker")) and is_ready(p))

    # Logs: as they appear, of the last moment, of the former instance.
    with follow(alone.command("logs", "-f", "talker")) as lines:
        assert [next(lines) for _ in range(30)] == [f"line {number}" for number in range(1, 31)]
    assert alone.slicectl("logs", "--since", "1h", "talker").startswith("line 1\n")
    # On a busy machine there are seconds without a line.
    recent = wait_until("lines of the last second", lambda: alone.slicectl("logs", "--since", "1s", "talker").splitlines())
    assert "line 1" not in recent
    code, _, why = run(alone.command("logs", "--previous", "talker"), check=False)
    assert code == 1 and "previous" in why
    alone.kill_container("talker")
    wait_until("it runs again", lambda: (p := alone.get("pods", "talker")) and is_ready(p) and
               p["status"]["containerStatuses"][0]["restartCount"] == 1)
    former = alone.slicectl("logs", "--previous", "talker").splitlines()
    assert former[:30] == [f"line {number}" for number in range(1, 31)]
    assert alone.slicectl("logs", "--previous", "talker").splitlines() == former, "it has ended"
    newer = wait_until("the new one's log", lambda: alone.slicectl("logs", "--timestamps", "talker").splitlines())
    assert newer[0].endswith(" line 1")
    assert newer[0].split()[0] > alone.slicectl("logs", "--timestamps", "-p", "--tail", "1", "talker").split()[0]

    # Exec: standard input, a terminal, the exit code.
    session = subprocess.Popen(list(map(str, alone.command("exec", "-i", "talker", *ECHO))), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    try:
        session.stdin.write("one\ntwo\n")
        session.stdin.flush()
        assert [session.stdout.readline(), session.stdout.readline()] == ["one\n", "two\n"]
    finally:
        session.kill()
        session.wait()
    def workload(*verbs):
        return alone.command("exec", "-i", "talker", "--", "/bin/workload", *verbs)
    check_input_ends(workload)
    lines = b"a line\n" * 100_000
    assert execute(workload("echo", "exit", "2"), lines, file=True) == (2, lines)
    assert execute(workload("echo", "exit", "6"), None) == (6, b"")
    assert execute(workload("print", "no, thanks", "exit", "5"), b"unread\n" * 1000) == (5, b"no, thanks\n")
    # The terminal's echo, and the command's.
    terminal(alone.command("exec", "-i", "-t", "talker", *ECHO), typed="typed\n", wait_for="typed\r\ntyped\r\n")
    code, out, err = run(alone.command("exec", "talker", "--", "/bin/workload", "print", "out", "error", "err", "exit", "7"), check=False)
    assert (code, out) == (7, "out\n") and err.startswith("err\n")

    # A node is given up while something runs there.
    decommission = ("node", "decommission", alone.node)
    code, _, why = run(alone.command(*decommission, "--force"), check=False)
    assert code == 1 and f"EdgeHost {alone.host} is approved" in why
    for path in alone.manifests.iterdir():
        if "kind: EdgeHost" in path.read_text():
            path.unlink()
    refusal = wait_until("the hub has read that", lambda: "approved" not in (
        end := run(alone.command(*decommission), check=False))[2] and end)
    assert refusal[0] == 1 and "runs 1 workloads: delete their pods first, or use --force" in refusal[2]
    assert alone.slicectl(*decommission, "--force") == f"node {alone.node} is decommissioned\n"
    wait_until("the node is gone", lambda: alone.get("nodes", alone.node) is None)
