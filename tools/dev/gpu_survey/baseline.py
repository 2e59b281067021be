# SPDX-License-Identifier: Apache-2.0
"""The survey as a test: findings that are not accepted, and steps that became slower."""
import csv
import pathlib

STEPS = "small:128,resnet20:128,first-color:128"
CARDS = "RX 6800,A100"
GROWTH = 0.05
HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE / "steps.csv"
# Known findings, one a line: CARD; KERNEL; WHAT; REASON.
ACCEPTED = HERE / "accepted.txt"


def findings_of(row):
    """(what, detail) of a launch."""
    if not row.estimate:
        return
    kernel, launch = row.kernel, row.launch
    if spills := kernel.looped.get("scratch", 0):
        yield "spills in a loop", f"{spills:g} accesses to scratch memory"
    if narrow := kernel.whole.get("narrow", 0):
        yield "narrow loads", f"{narrow:g} loads of neighbours in memory"
    if divisions := kernel.innermost.get("divisions", 0):
        yield "division in an inner loop", f"{divisions:g} of integers"
    if launch.group_count < row.card.units / 2 and can_be_divided(row):
        yield "few work-groups", (f"{launch.group_count} for {row.card.units} units, "
                                  f"{1e6 * row.estimate.seconds:.0f} us")


def can_be_divided(row):
    """More groups would be faster: the launch takes longer than twice what it costs to
    launch, and the time is not the memory's."""
    from gpu_survey import model
    estimate = row.estimate
    return estimate.seconds > 3 * model.LAUNCH and estimate.bound != "memory"


def accepted():
    lines = ACCEPTED.read_text(encoding="utf-8").splitlines() if ACCEPTED.exists() else []
    return {tuple(field.strip() for field in line.split(";")[:3])
            for line in lines if line and not line.startswith("#")}


def committed():
    """{(card, step): seconds}"""
    if not TABLE.exists():
        return {}
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {(row["card"], row["step"]): float(row["ms"]) / 1e3
                for row in csv.DictReader(file) if row["ms"]}


def complaints(found, known, table):
    seen = {}
    for step in found:
        where = f"{step.card.name}, {step.workload}"
        if step.refused:
            yield f"{where} is refused: {step.refused}"
            continue
        yield from (f"{where}: {error}" for error in step.errors)
        for row in step.rows:
            for what, detail in findings_of(row):
                key = (step.card.name, row.launch.kernel, what)
                if key not in known:
                    seen.setdefault(key, f"{where}, {row.part.name} {row.part.phase}, "
                                    f"{row.launch.kernel}: {what}: {detail}")
        before = table.get((step.card.name, str(step.workload)))
        if before is None:
            yield f"{where} is not in {TABLE.name}; --update writes it"
        elif step.seconds > before * (1 + GROWTH):
            yield (f"{where} grew from {1e3 * before:.3f} to {1e3 * step.seconds:.3f} ms; "
                   "if that is intended, --update writes the table")
    yield from seen.values()


def check(found):
    wrong = list(complaints(found, accepted(), committed()))
    for complaint in wrong:
        print(complaint)
    print(f"{len(found)} steps, {sum(step.launches for step in found)} launches: "
          f"{len(wrong)} complaints")
    return 1 if wrong else 0


def update(found):
    """Writes the table; other steps keep their lines."""
    rows = {}
    if TABLE.exists():
        with TABLE.open(newline="", encoding="utf-8") as file:
            rows = {(row["step"], row["card"]): row for row in csv.DictReader(file)}
    for step in found:
        rows[str(step.workload), step.card.name] = {
            "step": str(step.workload), "card": step.card.name, "launches": step.launches,
            "ms": "" if step.refused else f"{1e3 * step.seconds:.4f}",
            "roof_share": "" if step.refused else f"{step.roof_share:.3f}",
            "refused": step.refused}
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["step", "card", "launches", "ms", "roof_share", "refused"],
                                lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
    print(f"{TABLE.name}: {len(rows)} steps")
    return 0
