# SPDX-License-Identifier: Apache-2.0
"""Machine code, counted: what stands in a kernel and in its loops. amd.py, nvidia.py and
intel.py read the assembly of a vendor into blocks of these counts:

fma             float multiply-adds, of one lane; packed ones count 2
vector          vector instructions, those of memory excluded
integer, slow   of those: integer arithmetic; a quarter of the rate or less
matrix          instructions of matrix units
scalar          instructions for a whole wave
loads, load_bytes, wide_loads    of global memory; wide: 16 bytes and more
stores, store_bytes
local_reads, local_writes, local_bytes
scratch         accesses to memory of the work-item: spills, indexed arrays
narrow          loads that one of 16 bytes could replace: neighbours in memory
divisions       of integers
barriers, branches"""
import collections
import dataclasses
import itertools


@dataclasses.dataclass
class Block:
    """Instructions between labels and branches."""
    label: str
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    targets: list = dataclasses.field(default_factory=list)  # labels it may branch to
    loads: list = dataclasses.field(default_factory=list)    # (base, offset, bytes)

    def close(self):
        self.counts["narrow"] = count_narrow(self.loads)


@dataclasses.dataclass
class Kernel:
    name: str
    registers: int = 0    # vector registers a work-item
    local: int = 0        # bytes of local memory a work-group
    scratch: int = 0      # bytes a work-item
    wave: int = 0         # work-items, where the compiler chooses
    whole: dict = dataclasses.field(default_factory=dict)
    loop: dict = dataclasses.field(default_factory=dict)   # a round of the main loop
    inner: dict = dataclasses.field(default_factory=dict)  # of it: in loops within
    looped: dict = dataclasses.field(default_factory=dict)     # in any loop
    innermost: dict = dataclasses.field(default_factory=dict)  # in loops without loops


def count_narrow(loads):
    """Loads of at most 8 bytes from neighbouring addresses, 16 bytes or more together."""
    narrow = 0
    by_base = collections.defaultdict(set)
    for base, offset, size in loads:
        if size < 16:
            by_base[base, size].add(offset)
    for (_, size), offsets in by_base.items():
        ordered = sorted(offsets)
        for _, run in itertools.groupby(enumerate(ordered), lambda p: p[1] - size * p[0]):
            count = len(list(run))
            if count * size >= 16:
                narrow += count
    return narrow


def total(blocks):
    out = collections.Counter()
    for block in blocks:
        out.update(block.counts)
    return {key: round(n, 2) for key, n in out.items() if n}


def spans_of(blocks):
    """Loops as (first block, last block): from the target of a branch backwards to it."""
    place = {block.label: i for i, block in enumerate(blocks) if block.label}
    spans = {}
    for i, block in enumerate(blocks):
        for label in block.targets:
            first = place.get(label, i + 1)
            if first <= i:
                spans[first] = max(i, spans.get(first, 0))
    return sorted(spans.items())


def inside(a, b):
    return a != b and b[0] <= a[0] and a[1] <= b[1]


def covered(blocks, spans):
    """The blocks of loops, each once."""
    return [blocks[i] for i in sorted({i for a, b in spans for i in range(a, b + 1)})]


def finish(kernel, blocks):
    """Counts the kernel. Its main loop is the one with most multiply-adds, or else the
    longest, of the outermost ones."""
    for block in blocks:
        block.close()
    spans = spans_of(blocks)
    kernel.whole = total(blocks)
    kernel.looped = total(covered(blocks, spans))
    kernel.innermost = total(covered(
        blocks, [s for s in spans if not any(inside(o, s) for o in spans)]))
    outermost = [s for s in spans if not any(inside(s, o) for o in spans)]
    if not outermost:
        return kernel

    def weight(span):
        counts = total(covered(blocks, [span]))
        return (counts.get("fma", 0) + 8 * counts.get("matrix", 0), counts.get("vector", 0))

    main = max(outermost, key=weight)
    kernel.loop = total(covered(blocks, [main]))
    kernel.inner = total(covered(blocks, [s for s in spans if inside(s, main)]))
    return kernel


def read_kernels(text, start, label, read_line):
    """Kernels of an assembly text. A line that matches `start` begins a kernel, one that
    matches `label` a block; read_line(kernel, blocks, line) reads the others."""
    found = []
    for line in text.splitlines():
        if match := start.match(line):
            found.append((Kernel(match[1]), [Block(match[1])]))
        elif found:
            kernel, blocks = found[-1]
            if match := label.match(line):
                blocks.append(Block(match[match.lastindex]))
            else:
                read_line(kernel, blocks, line)
    return [finish(kernel, blocks) for kernel, blocks in found]
