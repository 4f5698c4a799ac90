"""A PostgreSQL of a test's own, from Debian's package, on a port of the loopback."""

import os
import pathlib
import shutil
import subprocess

from tests.harness.waiting import wait_until

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
NOBODY = 65534
# PostgreSQL does not run as root.
USER = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def make_database(directory, password, databases):
    """Makes the cluster in `directory`, which must not exist, with its superuser `postgres`."""
    directory.mkdir()
    secret = directory.with_name(directory.name + "-password")
    secret.write_text(password + "\n")
    secret.chmod(0o644)
    if USER:
        os.chown(directory, NOBODY, NOBODY)
    subprocess.run([PROGRAMS / "initdb", "-D", directory, "-U", "postgres", "--no-sync", "--locale=C", "-A", "scram-sha-256",
                    f"--pwfile={secret}"], check=True, stdout=subprocess.DEVNULL, cwd="/", **USER)
    statements = "".join(f"CREATE DATABASE {name}\n" for name in databases)
    # -F: nothing of it outlives the test, so nothing waits for the disk.
    subprocess.run([PROGRAMS / "postgres", "--single", "-F", "-D", directory, "postgres"], check=True, input=statements.encode(),
                   stdout=subprocess.DEVNULL, cwd="/", **USER)


def server_command(directory, port):
    """To be run in / and as `USER`."""
    return [str(PROGRAMS / "postgres"), "-D", str(directory), "-p", str(port), "-c", "unix_socket_directories=", "-c", "fsync=off"]


def accepts_logins(port):
    """It listens a while before it does."""
    return subprocess.run([PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode == 0


def remove(directory):
    """A directory with a database whose server was killed: its other processes go on for a moment, and may write."""
    def gone():
        shutil.rmtree(directory, ignore_errors=True)
        return not directory.exists()
    wait_until(f"{directory} is removed", gone)
