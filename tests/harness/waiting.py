"""Waiting for what will become true."""

import time


def wait_until(what, probe, timeout=60.0, interval=0.1):
    """Calls `probe` until it returns something true and returns that; fails with `what` and the last answer.

    A probe that raises AssertionError or RuntimeError counts as not yet true; the last error is part of the failure.
    """
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = probe()
            if last:
                return last
        except (AssertionError, RuntimeError, KeyError, IndexError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout:.0f} s still not true: {what}; last answer: {last!r}")
        time.sleep(interval)


def stays_true(what, probe, seconds=3.0, interval=0.2):
    """Fails as soon as `probe` returns something false within `seconds`: for what must NOT happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert probe(), f"did not stay true: {what}"
        time.sleep(interval)
