"""The figures of scripts/bench.sh have the form that its readers expect; what they are is nobody's assertion."""

import json
import os

import pytest

from tests.bench.figures import Report
from tests.harness.kubernetes import ROOT, run

FIGURE = {"name", "unit", "ours", "peer", "ratio"}
SUMMARY = {"n", "min", "median", "p90", "max"}


def check(figures):
    assert figures
    for figure in figures:
        assert figure.keys() == FIGURE
        assert isinstance(figure["name"], str) and isinstance(figure["unit"], str)
        for side in filter(None, (figure["ours"], figure["peer"])):
            assert side.keys() == SUMMARY and side["n"] >= 1
            assert side["min"] <= side["median"] <= side["p90"] <= side["max"]
        assert (figure["ratio"] is None) == (figure["peer"] is None)


def test_a_figure_stands_beside_its_peer_or_alone(tmp_path):
    report = Report()
    report.add("running", "ms", [3, 1, 2, 10], [4, 4, 6])
    report.add("exit", "ms", [7])
    report.write(tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    check(figures)
    assert figures == [
        {"name": "running", "unit": "ms", "ours": {"n": 4, "min": 1, "median": 2.5, "p90": 10, "max": 10},
         "peer": {"n": 3, "min": 4, "median": 4, "p90": 6, "max": 6}, "ratio": 0.625},
        {"name": "exit", "unit": "ms", "ours": {"n": 1, "min": 7, "median": 7, "p90": 7, "max": 7}, "peer": None, "ratio": None}]


@pytest.mark.skipif(not os.environ.get("SLICELET_LONG"), reason="--long: it measures")
def test_the_script_writes_them(tmp_path):
    run([ROOT / "scripts" / "bench.sh", "hot", "--rounds", "1", "--json", tmp_path / "hot.json"], timeout=1800)
    figures = json.loads((tmp_path / "hot.json").read_text())
    check(figures)
    assert {figure["ours"]["n"] for figure in figures} == {1} and {figure["unit"] for figure in figures} == {"us"}
