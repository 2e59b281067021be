# SPDX-License-Identifier: Apache-2.0
"""The survey as a test: findings that are not accepted, and steps that became slower than in
the committed table. Without a vendor's compiler, its steps are recorded, not compiled."""
import csv
import pathlib

from gpu_survey import model, planted

STEPS = "small:128,resnet20:128,first-color:128"
CARDS = "RX 6800,A100"
GROWTH = 0.05
HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE / "steps.csv"
COLUMNS = ["step", "card", "launches", "ms", "of_roof", "refused"]
# Findings that are known, one a line: CARD; KERNEL; WHAT; REASON.
ACCEPTED = HERE / "accepted.txt"
SKIPPED = 77


def findings_of(row):
    """(what, detail) of a launch."""
    if not row.estimate:
        return
    kernel, groups = row.kernel, row.launch.group_count
    if spills := kernel.looped.get("scratch", 0):
        yield "spills in a loop", f"{spills:g} accesses to scratch memory"
    if narrow := kernel.whole.get("narrow", 0):
        yield "narrow loads", f"{narrow:g} loads of neighbours in memory"
    if divisions := kernel.innermost.get("divisions", 0):
        yield "division in an inner loop", f"{divisions:g} of integers"
    if 2 * groups < row.card.units and can_be_divided(row):
        yield "few work-groups", (f"{groups} for {row.card.units} units, "
                                  f"{1e6 * row.estimate.seconds:.0f} us")


def can_be_divided(row):
    """More work-groups would be faster: it takes longer than three launches that do
    nothing, and main memory is not the reason."""
    return row.estimate.seconds > 3 * model.LAUNCH and row.estimate.bound != "memory"


def accepted():
    lines = ACCEPTED.read_text(encoding="utf-8").splitlines() if ACCEPTED.exists() else []
    return {tuple(field.strip() for field in line.split(";")[:3])
            for line in lines if line and not line.startswith("#")}


def committed():
    """{(step, card): line of the table}"""
    if not TABLE.exists():
        return {}
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {(line["step"], line["card"]): line for line in csv.DictReader(file)}


def growth(step, line):
    where = f"{step.card.name}, {step.workload}"
    again = "if that is intended, --update writes the table"
    if not line or not line["launches"]:
        yield f"{where} is not in {TABLE.name}; --update writes it"
        return
    if step.launches > int(line["launches"]):
        yield f"{where} grew from {line['launches']} to {step.launches} launches; {again}"
    if step.seconds > float(line["ms"]) / 1e3 * (1 + GROWTH):
        yield f"{where} grew from {line['ms']} to {1e3 * step.seconds:.4f} ms; {again}"


def complaints(steps, known, table):
    seen = {}
    for step in steps:
        where = f"{step.card.name}, {step.workload}"
        if step.refused:
            yield f"{where} is refused: {step.refused}"
            continue
        yield from (f"{where}: {error}" for error in step.errors)
        yield from growth(step, table.get((str(step.workload), step.card.name)))
        for row in step.rows:
            for what, detail in findings_of(row):
                key = (step.card.name, row.launch.kernel, what)
                if key not in known:
                    place = f"{row.part.name} {row.part.phase}".strip()
                    seen.setdefault(key, f"{where}, {place}, {row.launch.kernel}: "
                                    f"{what}: {detail}")
    yield from seen.values()


def planted_complaints(steps):
    """A table in which every step was faster and had fewer launches must be noticed, and a
    launch that is divided among few work-groups."""
    for step in steps:
        for ms, launches in ((0.94e3 * step.seconds, step.launches),
                             (1e3 * step.seconds, step.launches - 1)):
            line = {"launches": launches, "ms": ms}
            if step.rows and (step.seconds or launches < step.launches) and \
                    not list(growth(step, line)):
                yield f"planted growth of {step.workload} on {step.card.name} is not noticed"
    rows = [row for step in steps for row in step.rows if row.estimate and
            row.estimate.bound == "issue" and row.estimate.seconds > 3 * model.LAUNCH]
    for row in rows[:1]:
        groups, row.launch.groups = row.launch.groups, [1, 1, 1]
        if "few work-groups" not in dict(findings_of(row)):
            yield "planted: a single work-group is not noticed"
        row.launch.groups = groups


def check(steps, kit):
    usable = list({step.card.name: step.card for step in steps if step.seconds}.values())
    wrong = [*planted.complaints(kit, usable), *planted_complaints(steps),
             *complaints(steps, accepted(), committed())]
    for complaint in wrong:
        print(complaint)
    launches = sum(step.launches for step in steps)
    skipped = sum(not step.seconds for step in steps)
    print(f"{len(steps)} steps, {launches} launches, {len(wrong)} complaints" + (
        f"; {skipped} steps not compiled, as a compiler is missing: "
        "tools/dev/gpu_survey/install.py has it" if skipped else ""))
    return 1 if wrong else SKIPPED if skipped else 0


def update(steps):
    """Writes the table; other steps keep their lines."""
    lines = committed()
    for step in steps:
        lines[str(step.workload), step.card.name] = {
            "step": str(step.workload), "card": step.card.name,
            "launches": step.launches or "", "refused": step.refused,
            "ms": f"{1e3 * step.seconds:.4f}" if step.seconds else "",
            "of_roof": f"{step.roof_share:.3f}" if step.seconds else ""}
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines.values())
    print(f"{TABLE.name}: {len(lines)} steps")
    return 0
