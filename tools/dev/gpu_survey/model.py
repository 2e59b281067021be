# SPDX-License-Identifier: Apache-2.0
"""A launch's time on a card, as a model: the largest of bounds, each in seconds.

issue    instructions of the busiest unit at the rate of its schedulers
local    local memory, nothing assumed of broadcasts
scratch  spills through the first-level cache
memory   main memory at 85 % of its rate
l2       the second-level cache
latency  dependent rounds, or too few bytes in flight (Little's law)
tail     unused units in the last round of work-groups (a part of issue)

No clock is assumed to drop and no driver to pause: a step's sum is a lower bound."""
import dataclasses
import math

from gpu_survey import traffic
from gpu_survey.traffic import up

LAUNCH = 5e-6        # seconds, of each launch of a full queue
DRAM_SHARE = 0.85    # of the published rate
BARRIER = 40         # clocks
LOOP_STALL = 100     # clocks of a round that no other wave hides
SCRATCH_RATE = 64    # bytes a clock and unit
MAX_IN_FLIGHT = 8    # loads of a work-item

# Registers of a scheduler's lane, waves it holds, granularity of registers.
AMD_REGISTERS = {"gfx906": (256, 10, 4), "gfx90a": (512, 8, 8), "gfx1100": (1536, 16, 24),
                 "gfx1030": (1024, 16, 16)}
NVIDIA_WAVES = {"sm_86": 48, "sm_89": 48, "sm_75": 32}
NVIDIA_MATRIX_CLOCKS = {"sm_80": 8, "sm_90": 4}
INTEL_THREADS = 8    # of an execution unit


@dataclasses.dataclass
class Estimate:
    seconds: float
    bounds: dict          # name: seconds
    bound: str            # the largest
    waves: float          # resident waves of a scheduler
    resident: int         # work-groups of a unit
    tail: float           # share of the units' rounds that has work
    rounds: int           # of the main loop
    bytes: float
    estimated: bool       # bytes and rounds are estimates


def wave_of(card, kernel):
    return kernel.wave or card.wave or 16


def residency(card, kernel, items):
    """(work-groups that a unit holds at once, waves of one)."""
    waves = up(items, wave_of(card, kernel))
    local = kernel.local
    if card.vendor == "amd":
        total, most, step = AMD_REGISTERS[card.target]
        fit = total // (up(max(kernel.registers, 1), step) * step)
        by_waves = min(most, max(fit, 1)) * card.schedulers // waves
    elif card.vendor == "nvidia":
        most = NVIDIA_WAVES.get(card.target, 64)
        a_wave = up(max(kernel.registers, 16), 8) * 8 * 32
        by_waves = min(most, 65536 // a_wave) // waves
        local += 1024
    else:
        by_waves = INTEL_THREADS * card.schedulers // waves
    by_local = card.local_bytes // local if local else 99
    return max(1, min(by_waves, by_local, 32)), waves


def issue_clocks(card, counts, wave):
    """Clocks of a scheduler for a wave's instructions."""
    vector, slow = counts.get("vector", 0), counts.get("slow", 0)
    if card.vendor == "nvidia":
        integer = counts.get("integer", 0)
        memory = sum(counts.get(key, 0) for key in (
            "local_reads", "local_writes", "loads", "stores", "scratch"))
        every = vector + memory + counts.get("scalar", 0) + counts.get("barriers", 0)
        units = max((vector - integer - slow) * card.issue_clocks, integer * 2)
        matrix = counts.get("matrix", 0) * NVIDIA_MATRIX_CLOCKS.get(card.target, 32)
        return max(every, units, matrix) + 4 * slow
    if card.vendor == "intel":  # 8 lanes a clock
        return (vector + 3 * slow) * wave / 8
    return (vector + 3 * slow) * card.issue_clocks + 16 * counts.get("matrix", 0)


def unrolled(call, kernel):
    """A round's counts, inner loops as often as the tile needs them: multiply-adds of a
    round are known."""
    counts = dict(kernel.loop)
    inner = kernel.inner
    if inner.get("fma"):
        wanted = call["MWI"] * call["NWI"] * call["KWG"]
        times = max(1, round((wanted - counts["fma"] + inner["fma"]) / inner["fma"]))
        for key, n in inner.items():
            counts[key] = counts.get(key, 0) + (times - 1) * n
    return counts


def minus(a, b):
    return {key: max(0, n - b.get(key, 0)) for key, n in a.items()}


def product(card, call, kernel, part_bytes):
    """A matrix product through local memory: rounds that are all alike."""
    launch = call.launch
    if not kernel.local:  # Intel's compiler does not report it
        kernel = dataclasses.replace(kernel, local=4 * call["BUFFERS"] * call["KWG"] * (
            call["MWG"] + call["NWG"] + 8))
    held, waves = residency(card, kernel, launch.group_items)
    wave, count = wave_of(card, kernel), launch.group_count
    rounds, loop = traffic.product_rounds(call), unrolled(call, kernel)
    item = (issue_clocks(card, loop, wave) * rounds +
            issue_clocks(card, minus(kernel.whole, kernel.loop), wave))
    local = loop.get("local_bytes", 0) * wave / card.local_rate * rounds
    scratch = loop.get("scratch", 0) * 16 * wave / SCRATCH_RATE * rounds
    stall = (LOOP_STALL + BARRIER * loop.get("barriers", 1)) * rounds
    busiest, clocks, waits = up(count, card.units), 0.0, 0.0
    for groups in (*[held] * (busiest // held), busiest % held):
        if groups:
            each = up(groups * waves, card.schedulers) * item
            together = math.hypot(each, groups * waves * (local + scratch))
            # A wave by itself waits for loads that were sent a round before.
            alone = item + stall + max(0.0, card.latency * rounds - each)
            clocks += max(together, alone)
            waits += alone if alone > together else 0.0
    hertz = card.ghz * 1e9
    moved = part_bytes + traffic.partial_sum_bytes(call)
    staged = 4.0 * count * rounds * call["KWG"] * (call["MWG"] + call["NWG"])
    per_unit = busiest * waves / hertz
    bounds = {"issue": per_unit * item / card.schedulers, "local": per_unit * local,
              "scratch": per_unit * scratch, "l2": staged / (card.l2 * 1e9),
              "memory": moved / (card.dram * DRAM_SHARE * 1e9)}
    seconds = max(clocks / hertz, bounds["l2"], bounds["memory"])
    if waits > 0.5 * clocks:
        bounds["latency"] = waits / hertz
    return estimate(card, launch, seconds, bounds, held, waves, rounds, moved, False)


def stream(card, call, kernel):
    """Everything else: memory, or too little of it in flight, or issue."""
    launch = call.launch
    held, waves = residency(card, kernel, launch.group_items)
    wave, count = wave_of(card, kernel), launch.group_count
    moved, rounds, known = traffic.of(call, kernel)
    if any(call.get(name, 0) for name in ("X_HALF", "Y_HALF", "OTHER_HALF")):
        moved *= 0.5
    loop = kernel.loop or kernel.whole
    hertz = card.ghz * 1e9
    lag = card.latency / hertz
    active = min(count, held * card.units) * launch.group_items
    in_flight = max(1.0, min(loop.get("loads", 1), MAX_IN_FLIGHT))
    width = loop.get("load_bytes", 4) / max(loop.get("loads", 1), 1)
    rate = min(card.dram * DRAM_SHARE * 1e9, active * in_flight * width / lag)
    item = (issue_clocks(card, kernel.whole, wave) +
            (rounds - 1) * issue_clocks(card, loop, wave))
    a_round = lag + issue_clocks(card, loop, wave) / hertz
    busiest = up(count, card.units)
    bounds = {"memory": moved / (card.dram * DRAM_SHARE * 1e9),
              "latency": max(moved / rate if active else 0.0,
                             rounds * a_round * up(count, held * card.units)),
              "issue": busiest * waves * item / card.schedulers / hertz,
              "scratch": busiest * waves * loop.get("scratch", 0) * rounds * 4 * wave /
              SCRATCH_RATE / hertz}
    if bounds["latency"] <= bounds["memory"] * 1.001:
        bounds["latency"] = 0.0
    return estimate(card, launch, max(bounds.values()), bounds, held, waves, rounds, moved,
                    not known)


def estimate(card, launch, seconds, bounds, held, waves, rounds, moved, estimated):
    count = launch.group_count
    tail = count / (up(count, card.units) * card.units)
    bound = max(bounds, key=bounds.get)
    if bound == "issue" and tail < 0.7:
        bound = "tail"
    return Estimate(seconds + LAUNCH, bounds, bound, held * waves / card.schedulers, held, tail,
                    rounds, moved, estimated)


def judge(card, call, kernel, part_bytes):
    if call.launch.kernel == "gemm":
        return product(card, call, kernel, part_bytes)
    return stream(card, call, kernel)
