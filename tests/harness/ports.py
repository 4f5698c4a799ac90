"""Free ports of the loopback that no other test of this machine is given while this process lives.

They lie below the range from which the kernel takes the ports of outgoing connections: one of those may hold a port for a minute
after it has ended, also that of a server which is killed and started again. A lock on a file keeps others away between the choice and
the bind, and while a server is down; tests/control-plane/control-plane.sh and common/base/testing/loopback_port.h do the same. Pods' host
ports, which would take them from whom they were given to, lie elsewhere.
"""

import fcntl
import os
import pathlib
import random
import socket

LOCKS = pathlib.Path("/tmp/slicelet-ports")
FIRST, COUNT = 10000, 20000

# Of the ports that were given; the kernel gives them back with this process.
_held = []


def _hold(port):
    """A lock on that port, or None when somebody has it or listens on it."""
    LOCKS.mkdir(exist_ok=True)
    lock = os.open(LOCKS / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
        return lock
    except OSError:
        os.close(lock)
        return None


def consecutive_ports(count):
    """The first of `count` free ports in a row."""
    for _ in range(10000):
        first = FIRST + random.randrange(COUNT - count)
        locks = []
        for port in range(first, first + count):
            if (lock := _hold(port)) is None:
                break
            locks.append(lock)
        if len(locks) == count:
            _held.extend(locks)
            return first
        for lock in locks:
            os.close(lock)
    raise AssertionError(f"no {count} free ports in a row from {FIRST} to {FIRST + COUNT - 1}")


def free_ports(count):
    return [consecutive_ports(1) for _ in range(count)]
