# SPDX-License-Identifier: Apache-2.0
"""What came of the rounds: medians, spread, ratios, and the table that shows them."""

import dataclasses
import statistics
import typing

QUIET = 0.15  # processors that others may keep busy while something is measured


@dataclasses.dataclass(frozen=True)
class Workload:
    bench: str  # of `weft bench`: train, inference
    unit: str
    figure: typing.Callable  # from images a second and operations an image
    less_is_better: bool = False


WORKLOADS = {
    "train": Workload("train", "images/s", lambda rate, flops: rate),
    "inference": Workload("inference", "images/s", lambda rate, flops: rate),
    "latency": Workload("inference", "ms", lambda rate, flops: 1e3 / rate, True),
    "gemm": Workload("inference", "GFLOP/s", lambda rate, flops: 1e-9 * flops * rate),
}


def spread(samples):
    return {
        "median": statistics.median(samples),
        "min": min(samples),
        "max": max(samples),
    }


def ratios(ours, theirs, less_is_better):
    """How many times better ours is, round by round; a round lacks what did not run."""
    pairs = [(a, b) for a, b in zip(ours, theirs) if a and b]
    return [b / a if less_is_better else a / b for a, b in pairs]


def row_of(name, result, ours, less_is_better):
    """A row of the report. `result` has samples (None where a round failed), or skipped."""
    row = {"name": name, **{k: v for k, v in result.items() if k != "samples"}}
    samples = [s for s in result["samples"] if s]
    if not samples:
        return row
    row.update(spread(samples), samples=samples)
    if result["samples"] is not ours:
        times = ratios(ours, result["samples"], less_is_better)
        if times:
            row["ratio"] = spread(times)
    return row


def report(head, results):
    """The whole as an object. `results` by name, in order, `weft` among them."""
    workload = WORKLOADS[head["workload"]]
    ours = results["weft"]["samples"]
    less = workload.less_is_better
    rows = [row_of(name, result, ours, less) for name, result in results.items()]
    return {"schema": "weft.peers/1", **head, "unit": workload.unit, "rows": rows}


def number(value):
    """Three digits that count: 0.0512, 4.27, 48,700."""
    if value >= 999.5:
        digits = len(str(round(value))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def between(s, show):
    return f"{show(s['median'])} [{show(s['min'])} - {show(s['max'])}]"


def cells(row):
    name = f"{row['name']} {row.get('version', '')}".strip()
    if "median" not in row:
        return [name, "skipped: " + row["skipped"], "", ""]
    ratio = between(row["ratio"], lambda x: f"{x:.2f}") if "ratio" in row else ""
    checked = f"within {row['difference']:.1e}" if "difference" in row else ""
    if "skipped" in row:
        checked = "fewer rounds: " + row["skipped"]
    checked = row.get("wrong", checked)
    return [name, between(row, number), ratio, checked]


def markdown(report):
    """A table that reads well as text, too."""
    title = "{workload} {net} at batch {batch}, {rounds} rounds".format(**report)
    head = ["", report["unit"], "weft is times better", "probabilities agree"]
    table = [head] + [cells(row) for row in report["rows"]]
    wide = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(l, wide)) + " |" for l in table]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in wide) + "|")
    return "\n".join([title, ""] + lines)


def disturbances(report):
    """Sentences: during what the machine was not quiet."""
    for row in report["rows"]:
        if row.get("others", 0) > QUIET:
            yield (
                f"{row['name']} is not to be trusted: other programs kept "
                f"{row['others']:.1f} processors busy; repeat it on a quiet machine"
            )


def failures(report, least):
    """Sentences: what disagrees, and what is missed of `least`, ratios by name."""
    rows = {row["name"]: row for row in report["rows"]}
    for row in rows.values():
        if "wrong" in row:
            yield f"{row['name']}: {row['wrong']}"
    for name, bound in least.items():
        got = rows.get(name, {}).get("ratio")
        if not got:
            yield f"weft / {name}: wanted {bound:g}, but it was not measured"
        elif got["median"] < bound:
            yield f"weft / {name}: {got['median']:.2f}, wanted {bound:g} or more"
