# SPDX-License-Identifier: Apache-2.0
"""Recorded, compiled and modelled: one row for each launch of each step on each card."""
import concurrent.futures
import dataclasses
import sys

from gpu_survey import compilers, model, recording, traffic


@dataclasses.dataclass
class Row:
    card: object
    workload: object
    part: recording.Part
    launch: recording.Launch
    call: traffic.Call = None
    kernel: object = None           # isa.Kernel
    estimate: model.Estimate = None
    flops: float = 0.0              # of the direct algorithm; of a part's longest launch
    error: str = ""

    @property
    def seconds(self):
        return self.estimate.seconds if self.estimate else 0.0

    @property
    def roof_seconds(self):
        """At the peak of the card: arithmetic, or main memory."""
        moved = self.estimate.bytes if self.estimate else 0.0
        return max(self.flops / self.card.peak, moved / (self.card.dram * 1e9))


@dataclasses.dataclass
class Step:
    card: object
    workload: object
    rows: list
    refused: str = ""               # the library's sentence

    @property
    def seconds(self):
        return sum(row.seconds for row in self.rows)

    @property
    def launches(self):
        return len(self.rows)

    @property
    def roof_share(self):
        """Least time of all parts, fused as they are, at the card's peak."""
        parts = {id(row.part): row.part for row in self.rows}
        least = sum(max(p.flops / self.card.peak, p.bytes / (self.card.dram * 1e9))
                    for p in parts.values())
        return least / self.seconds if self.seconds else 0.0

    @property
    def errors(self):
        return sorted({row.error for row in self.rows if row.error})


def report(message):
    print(message, file=sys.stderr, flush=True)


def usable_cards(kit, cards):
    """Cards with a compiler; prints the others."""
    usable, missing = [], {}
    for card in cards:
        try:
            kit.version(card.vendor)
            usable.append(card)
        except compilers.Missing as why:
            missing.setdefault(str(why), []).append(card.name)
    for why, names in missing.items():
        report(f"not compiled for {', '.join(names)}: {why}")
    return usable


def record(recorder, kit, cards, workloads, family):
    steps = []
    for workload in workloads:
        for card in cards:
            step = Step(card, workload, [])
            steps.append(step)
            try:
                parts = recording.record(recorder, card, workload, kit.sources, family)
            except recording.Refused as why:
                step.refused = str(why)
                continue
            step.rows = [Row(card, workload, part, launch)
                         for part in parts for launch in part.launches]
    return steps


def compile_all(kit, steps, jobs):
    """Kernels of each program of each card, or the error."""
    wanted = {(row.launch.source, row.launch.options, row.card.target): row.card
              for step in steps for row in step.rows}
    made, done = {}, 0

    def work(item):
        (source, options, target), card = item
        try:
            return (source, options, target), (kit.kernels(source, options, card),
                                               kit.parameters(source, options))
        except compilers.Failed as why:
            lines = str(why).strip().splitlines() or ["no message"]
            return (source, options, target), f"does not compile: {lines[0][:200]}"
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for key, result in pool.map(work, wanted.items()):
            made[key] = result
            done += 1
            if done % 100 == 0:
                report(f"{done} of {len(wanted)} programs")
    return made


def attach(row, made):
    result = made[row.launch.source, row.launch.options, row.card.target]
    if isinstance(result, str):
        row.error = f"{row.launch.kernel} {result}"
        return
    kernels, parameters = result
    row.call = traffic.Call(row.launch, parameters.get(row.launch.kernel, []))
    row.kernel = kernels.get(row.launch.kernel)
    if not row.kernel:
        row.error = f"{row.launch.kernel}: not found in the compiler's output"
        return
    row.estimate = model.judge(row.card, row.call, row.kernel, row.part.bytes)


def defer_partial_sums(step):
    """The update reads the partial sums of weight gradients that no launch has added."""
    deferred = 0.0
    for row in step.rows:
        if row.call and "partial_stride" in row.call.args and \
                row.part.phase == "backward-weights" and \
                not any(l.kernel == "gemm_split_k_reduce" for l in row.part.launches):
            deferred += traffic.partial_sum_bytes(row.call)
        if row.estimate and row.call.get("DEFERRED_RANGES", 0):
            more = deferred / (row.card.dram * model.DRAM_SHARE * 1e9)
            row.estimate.bytes += deferred
            row.estimate.bounds["memory"] += more
            row.estimate.seconds += more


def attribute_flops(step):
    """The work of a part to its longest launch."""
    longest = {}
    for row in step.rows:
        best = longest.get(id(row.part))
        if not best or row.seconds > best.seconds:
            longest[id(row.part)] = row
    for row in longest.values():
        row.flops = row.part.flops


def survey(recorder, kit, cards, workloads, family="auto", jobs=2):
    """Steps on a card without a compiler are recorded alone."""
    usable = usable_cards(kit, cards)
    steps = record(recorder, kit, cards, workloads, family)
    compiled = [step for step in steps if step.card in usable]
    made = compile_all(kit, compiled, jobs)
    for step in compiled:
        for row in step.rows:
            attach(row, made)
        defer_partial_sums(step)
        attribute_flops(step)
    return steps
