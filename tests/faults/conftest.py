"""What all fault tests share."""

from tests.faults.chance import REPEAT


def pytest_report_header():
    return REPEAT
