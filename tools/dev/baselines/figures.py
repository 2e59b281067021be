# SPDX-License-Identifier: Apache-2.0
"""Results of the rounds: medians, spread, ratios, and their table."""

import dataclasses
import statistics
import typing

QUIET = 0.15  # processors that other programs may use during a measurement


@dataclasses.dataclass(frozen=True)
class Workload:
    bench: str  # of `weft bench`: train, inference
    unit: str
    figure: typing.Callable  # of images per second and operations per image
    lower_is_better: bool = False


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


def ratios(ours, theirs, lower_is_better):
    """Ratios by which ours is better, round by round, without failed rounds."""
    pairs = [(a, b) for a, b in zip(ours, theirs) if a and b]
    return [b / a if lower_is_better else a / b for a, b in pairs]


def row_of(name, result, ours, lower_is_better):
    """A row of the report. `result` has samples (None where a round failed), or skipped."""
    row = {"name": name, **{k: v for k, v in result.items() if k != "samples"}}
    samples = [s for s in result["samples"] if s]
    if not samples:
        return row
    row.update(spread(samples), samples=samples)
    if result["samples"] is not ours:
        times = ratios(ours, result["samples"], lower_is_better)
        if times:
            row["ratio"] = spread(times)
    return row


def report(head, results):
    """The report as an object. `results` by name, in order, including `weft`."""
    workload = WORKLOADS[head["workload"]]
    ours = results["weft"]["samples"]
    lower = workload.lower_is_better
    rows = [row_of(name, result, ours, lower) for name, result in results.items()]
    return {"schema": "weft.baselines/2", **head, "unit": workload.unit, "rows": rows}


def number(value):
    """Three significant digits: 0.0512, 4.27, 48,700."""
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
    checked = row.get("mismatch", checked)
    return [name, between(row, number), ratio, checked]


def markdown(report):
    """A Markdown table, aligned for reading as text."""
    title = "{workload} {net} at batch {batch}, {rounds} rounds".format(**report)
    head = ["", report["unit"], "weft is better by", "probabilities agree"]
    table = [head] + [cells(row) for row in report["rows"]]
    wide = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(l, wide)) + " |" for l in table]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in wide) + "|")
    return "\n".join([title, ""] + lines)


def disturbances(report):
    """Messages about measurements on a busy machine."""
    for row in report["rows"]:
        if row.get("others", 0) > QUIET:
            yield (
                f"{row['name']} is unreliable: other programs used {row['others']:.1f} "
                f"processors; repeat it on an idle machine"
            )


def failures(report, min_ratios):
    """Messages about mismatches, and missed minimum ratios by name."""
    rows = {row["name"]: row for row in report["rows"]}
    for row in rows.values():
        if "mismatch" in row:
            yield f"{row['name']}: {row['mismatch']}"
    for name, bound in min_ratios.items():
        got = rows.get(name, {}).get("ratio")
        if not got:
            yield f"weft / {name}: required {bound:g}, but it was not measured"
        elif got["median"] < bound:
            yield f"weft / {name}: {got['median']:.2f}, required {bound:g} or more"
