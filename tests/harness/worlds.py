"""Worlds that tests run in: made, and taken down whatever happens."""

import contextlib
import pathlib
import shutil
import tempfile

from tests.harness.kubernetes import ROOT


@contextlib.contextmanager
def brought_up(make, logs):
    """`make(DIRECTORY)` in a directory of its own, brought up. The logs of its programs stay in build/logs/LOGS."""
    # A short path: containerd's sockets have at most 107 characters.
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slt-", dir="/tmp"))
    world = make(directory)
    try:
        world.up()
        yield world
    finally:
        try:
            world.down()
        finally:
            keep = ROOT / "build" / "logs" / logs
            shutil.rmtree(keep, ignore_errors=True)
            # Another suite may keep some under the same name at the same time.
            with contextlib.suppress(OSError):
                shutil.copytree(world.logs, keep, dirs_exist_ok=True)
            shutil.rmtree(directory, ignore_errors=True)
