"""Waiting for what will become true."""

import time

from tests.harness.process import Ended


def wait_until(what, probe, timeout=120.0, interval=None):
    """Calls `probe` until it returns something true and returns that; fails with `what` and the last answer.

    Every `interval` seconds; by default at most every 0.1, and the more rarely the longer it takes, up to 0.3: what many tests ask for beside
    one another costs the API server more than anything else.

    A probe that raises counts as not yet true: what it looks at may be missing, half written or away for a moment. The last error is part
    of the failure. Only `Ended` goes through.
    """
    begin = time.monotonic()
    deadline = begin + timeout
    while True:
        # Looked at once more when the time is over: it may have passed while this process stood still.
        late = time.monotonic() > deadline
        error = None
        try:
            last = probe()
            if last:
                return last
        except Ended:
            raise
        except Exception as raised:
            last = error = raised
        if late:
            raise AssertionError(f"after {timeout:.0f} s still not true: {what}; last answer: {last!r}") from error
        time.sleep(interval or min(max(0.1, (time.monotonic() - begin) / 20), 0.3))


def stays_true(what, probe, seconds=3.0, interval=0.2):
    """Fails as soon as `probe` returns something false within `seconds`: for what must NOT happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert probe(), f"did not stay true: {what}"
        time.sleep(interval)
