#!/usr/bin/env python3
"""Adds up JUnit files (GoogleTest's and pytest's) and prints 'PASSED FAILED SKIPPED'."""

import sys
import xml.etree.ElementTree as xml


def count(path):
    passed = failed = skipped = 0
    for case in xml.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    totals = [0, 0, 0]
    for path in sys.argv[1:]:
        try:
            totals = [a + b for a, b in zip(totals, count(path))]
        except (OSError, xml.ParseError):
            # A program that died before it could write its results has failed.
            totals[1] += 1
    print(*totals)


if __name__ == "__main__":
    main()
