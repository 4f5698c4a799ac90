"""Samples of one quantity, and how they are shown and stored."""

import json
import statistics


def summary(samples):
    ordered = sorted(samples)
    return {"n": len(ordered), "min": ordered[0], "median": statistics.median(ordered),
            "p90": ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))], "max": ordered[-1]}


class Report:
    """Collects figures; prints a table; writes the JSON list of `scripts/bench.sh --json`."""

    def __init__(self):
        self.figures = []

    def add(self, name, unit, samples, peer=None):
        ours = summary(samples)
        theirs = summary(peer) if peer else None
        ratio = ours["median"] / theirs["median"] if theirs and theirs["median"] else None
        self.figures.append({"name": name, "unit": unit, "ours": ours, "peer": theirs, "ratio": ratio})
        self._print(self.figures[-1])

    def _print(self, figure):
        def row(name, unit, values, more=""):
            numbers = "  ".join(f"{key} {values[key]:>9.1f}" for key in ("min", "median", "p90", "max"))
            print(f"{name:<24} {unit:<8} n={values['n']:<4} {numbers}{more}", flush=True)

        row(figure["name"], figure["unit"], figure["ours"], f"  ratio {figure['ratio']:.2f}" if figure["ratio"] else "")
        if figure["peer"]:
            row("  peer", "", figure["peer"])

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.figures, file, indent=2)
            file.write("\n")
