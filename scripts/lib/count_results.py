#!/usr/bin/env python3
"""Adds up JUnit files (GoogleTest's and pytest's) and prints 'PASSED FAILED SKIPPED'.

With --failures it prints each failed case instead, with the first lines of what it said.
"""

import sys
import xml.etree.ElementTree as xml

LINES_OF_A_FAILURE = 12


def problem_of(case):
    """The element that says why a case failed; None of one that passed."""
    for kind in ("failure", "error"):
        if (found := case.find(kind)) is not None:
            return found
    return None


def count(path):
    passed = failed = skipped = 0
    for case in xml.parse(path).getroot().iter("testcase"):
        if problem_of(case) is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def totals(paths):
    sums = [0, 0, 0]
    for path in paths:
        try:
            sums = [a + b for a, b in zip(sums, count(path))]
        except (OSError, xml.ParseError):
            # A program that died before it could write its results has failed.
            sums[1] += 1
    return sums


def failures(paths):
    """Lines that say what failed."""
    for path in paths:
        try:
            cases = list(xml.parse(path).getroot().iter("testcase"))
        except (OSError, xml.ParseError) as error:
            yield f"{path}: {error}"
            continue
        for case in cases:
            if (problem := problem_of(case)) is not None:
                yield f"{case.get('classname')}.{case.get('name')}"
                # GoogleTest's messages begin with the assertion, pytest's tracebacks end with it.
                said = (problem.text or problem.get("message") or "").strip().splitlines()
                of_pytest = case.get("status") is None
                yield from (f"    {line}" for line in (said[-LINES_OF_A_FAILURE:] if of_pytest else said[:LINES_OF_A_FAILURE]))


def main():
    if sys.argv[1:2] == ["--failures"]:
        print(*failures(sys.argv[2:]), sep="\n")
    else:
        print(*totals(sys.argv[1:]))


if __name__ == "__main__":
    main()
