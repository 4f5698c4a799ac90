"""Standard input of a command in a container, which must end where it ends here."""

import os
import subprocess

MIB = 1 << 20


def execute(command, data, file=False):
    """Runs a command with that input from a pipe, or from a file; None is /dev/null. Returns (exit code, what it printed)."""
    how = {"input": data}
    if data is None:
        how = {"stdin": subprocess.DEVNULL}
    elif file:
        held = open(os.memfd_create("input"), "w+b")
        held.write(data)
        held.seek(0)
        how = {"stdin": held}
    ended = subprocess.run([str(part) for part in command], **how, stdout=subprocess.PIPE, timeout=400)
    return ended.returncode, ended.stdout


def check_input_ends(command):
    """`command(VERB...)` is the command line that runs /bin/workload with those verbs and this input."""
    assert execute(command("echo", "exit", "3"), b"a\nb\n") == (3, b"a\nb\n")
    assert execute(command("echo", "print", "nothing"), b"") == (0, b"nothing\n"), "it ended before anybody listened"
    large = os.urandom(10 * MIB)
    code, copied = execute(command("echo", "exit", "4"), large)
    assert code == 4 and copied == large, f"{len(copied)} of {len(large)} bytes came back"
