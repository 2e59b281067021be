# SPDX-License-Identifier: Apache-2.0
"""Tables of a survey, in Markdown."""
import collections

from gpu_survey import traffic

PASSES = ("forward", "data", "weights")
KINDS = (("normalization", ("bn_", "layer_norm")), ("partial sums", ("gemm_split_k",)),
         ("pooling", ("max_", "avg_")), ("add, activation", ("add", "act_", "prelu", "scale")),
         ("optimizer", ("sgd", "adam", "clip")), ("loss", ("cross_entropy", "softmax")),
         ("batch", ("make_batch", "augment")), ("transforms", ("winograd_",)),
         ("products", ("gemm",)))


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def kind_of(row):
    groups = row.call.get("GROUPS", 1) if row.call else 1
    if groups > 1 or "depthwise" in row.launch.kernel:
        return "grouped convolutions"
    return next((kind for kind, prefixes in KINDS if row.launch.kernel.startswith(prefixes)),
                "others")


def percent(share):
    return f"{100 * share:.0f} %"


def steps(found):
    """A line for each step: sum, launches, share of the roof, where the time goes."""
    kinds = collections.Counter()
    for step in found:
        for row in step.rows:
            kinds[kind_of(row)] += row.seconds / max(step.seconds, 1e-12)
    columns = [kind for kind, _ in kinds.most_common()]
    rows = []
    for step in found:
        if step.refused:
            rows.append([step.workload, step.card.name, "", "refused: " + step.refused[:90], "",
                         *[""] * len(columns)])
            continue
        spent = collections.Counter()
        for row in step.rows:
            spent[kind_of(row)] += row.seconds
        rows.append([step.workload, step.card.name, step.launches, f"{1e3 * step.seconds:.2f}",
                     percent(step.roof_share),
                     *[percent(spent[kind] / step.seconds) if spent[kind] else ""
                       for kind in columns]])
    return table(["step", "card", "launches", "ms", "of roof", *columns], rows)


def grid(found):
    """Milliseconds, a line for each step and a column for each card."""
    cards = list(dict.fromkeys(step.card.name for step in found))
    lines = collections.defaultdict(dict)
    for step in found:
        lines[str(step.workload)][step.card.name] = (
            "refused" if step.refused else
            f"{1e3 * step.seconds:.2f} ({percent(step.roof_share)})")
    return table(["step", *cards], [[name, *[line.get(card, "") for card in cards]]
                                    for name, line in lines.items()])


def mix(row):
    loop = row.kernel.loop or row.kernel.whole
    return [f"{loop.get('fma', 0):g}/{loop.get('vector', 0):g}",
            f"{loop.get('integer', 0):g}",
            f"{loop.get('local_reads', 0):g}+{loop.get('local_writes', 0):g}",
            f"{loop.get('loads', 0):g} ({loop.get('wide_loads', 0):g})",
            f"{row.kernel.looped.get('scratch', 0):g}"]


def bounds(row):
    return " ".join(f"{name} {1e6 * seconds:.0f}" for name, seconds in sorted(
        row.estimate.bounds.items(), key=lambda pair: -pair[1]) if seconds > 5e-7)


def describe(row):
    shape = traffic.shape(row.call)
    what = f"{row.part.name} {row.part.phase}".strip()
    return f"{what}: {row.launch.kernel}" + (f" {shape}" if shape else "")


def kernels(found, least_share=0.02):
    """Launches that take more than a share of their step, equal ones together."""
    rows = []
    for step in found:
        same = collections.defaultdict(list)
        for row in step.rows:
            if row.estimate:
                key = (row.launch.kernel, row.launch.source, row.launch.options,
                       tuple(row.launch.groups), row.part.phase)
                same[key].append(row)
        for group in sorted(same.values(), key=lambda g: -sum(r.seconds for r in g)):
            share = sum(row.seconds for row in group) / step.seconds
            if share < least_share:
                continue
            row, k, e = group[0], group[0].kernel, group[0].estimate
            rows.append([step.card.name, step.workload, describe(row), len(group),
                         percent(share), k.registers, k.scratch, k.local, f"{e.waves:.1f}",
                         row.launch.group_count, f"{row.launch.group_count / row.card.units:.1f}",
                         f"{e.tail:.2f}", e.rounds, *mix(row), f"{e.bytes / 1e6:.2f}",
                         bounds(row), f"{1e6 * e.seconds:.0f}",
                         percent(row.roof_seconds / e.seconds), e.bound])
    return table(["card", "step", "launch", "times", "of step", "registers", "scratch B",
                  "local B", "waves", "groups", "groups a unit", "tail", "rounds", "FMA/vector",
                  "integer", "local r+w", "loads (wide)", "scratch in loops", "MB",
                  "bounds, us", "us", "of roof", "bound"], rows)
