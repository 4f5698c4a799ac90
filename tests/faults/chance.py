"""What a run of the fault tests leaves to chance, so that it can be repeated."""

import contextlib
import os
import random

# Another one in every run.
SEED = os.environ.get("SLICELET_SEED") or str(random.SystemRandom().randrange(10**6))
REPEAT = f"SLICELET_SEED={SEED} repeats what was drawn in this run"


def drawn_for(what):
    """The numbers of one test: the same for a seed, whichever other tests run."""
    return random.Random(f"{SEED} {what}")


@contextlib.contextmanager
def repeatable(drawn):
    """A failure says what was drawn, and how to draw it again."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{error}\ndrawn: {drawn}; {REPEAT}") from error
