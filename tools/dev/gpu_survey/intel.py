# SPDX-License-Identifier: Apache-2.0
"""Reads the assembly of Intel's graphics compiler. Its instructions have as many lanes as
they say: counts are of a wave's worth, so that fractions occur. It does not report the
bytes of local memory, and stateless accesses count as scratch: arrays of a work-item are
accessed so."""
import re

from gpu_survey import isa

INSTRUCTION = re.compile(r"^(?:\([^)]*\))?\s*([a-z][a-z0-9_.]*)\s+(?:\((\d+)\|M\d+\))?\s*(.*?)"
                         r"\s*//(.*)$")
LABEL = re.compile(r"^(\w+):\s*$")
FLOAT = re.compile(r":f\b")
MEMORY = ("send", "load", "store", "atomic", "urb")
BRANCHES = ("jmpi", "goto", "brd", "brc", "while", "if", "else", "endif", "join", "break", "cont",
            "call", "ret")


def width(op, note, wave):
    """Bytes that a message moves for a work-item."""
    if match := re.search(r"\.d(8|16|32|64)(?:u32)?(?:x(\d+))?", op):
        return int(match[1]) // 8 * int(match[2] or 1)
    if match := re.search(r"wr:(\d+)\w?\+(\d+), rd:(\d+)", note):
        return max(int(match[2]), int(match[3])) * 32 // max(wave, 1)
    return 4


def count_message(counts, op, rest, note, wave):
    text = op + rest + note
    size = width(op, note, wave)
    # The last byte of the descriptor is the surface: FE local memory, FF stateless.
    surface = re.search(r"0x[0-9A-F]{6}([0-9A-F]{2})\b(?!.*0x[0-9A-F]{8})", rest)
    surface = surface[1] if surface else ""
    if "barrier" in text or ("gtwy" in text and "EOT" not in text):
        counts["barriers"] += 1
    elif "slm" in text or surface == "FE":
        reads = "load" in op or "read" in note
        counts["local_reads" if reads else "local_writes"] += 1
        counts["local_bytes"] += size
    elif "EOT" in text or "sampler" in text:
        pass
    elif "scratch" in text or "a64" in op + note or surface == "FF":
        counts["scratch"] += 1
    elif "store" in op or "write" in note:
        counts["stores"] += 1
        counts["store_bytes"] += size
    else:
        counts["loads"] += 1
        counts["load_bytes"] += size
        counts["wide_loads"] += size >= 16


def count(block, op, lanes, rest, note, wave):
    counts = block.counts
    if op.startswith(MEMORY):
        count_message(counts, op, rest, note, wave)
    elif op.startswith(BRANCHES):
        counts["branches"] += 1
        if op.startswith(("jmpi", "goto", "while", "brd", "brc")):
            block.targets += re.findall(r"\b(_?\w*\d_\w+|L\d+)\b", rest)
    elif op.startswith(("sync", "nop", "wait")):
        pass
    elif lanes <= 1:
        counts["scalar"] += 1
    else:
        share = lanes / wave
        floats = FLOAT.search(rest)
        counts["vector"] += share
        counts["fma"] += share * bool(op.startswith(("mad", "mac")) and floats)
        counts["integer"] += share * (not floats)
        counts["slow"] += share * bool(
            op.startswith("math") or (op.startswith(("mach", "mul")) and not floats))
        counts["divisions"] += bool(re.match(r"math\.(iqot|irem|intdiv|idiv)", op))


def kernel(text, name, wave):
    """One kernel from its assembly."""
    found = isa.Kernel(name, wave=wave)
    blocks = [isa.Block("")]
    for line in text.splitlines():
        if match := re.match(r"^//\.(spill size|private memory size) (\d+)", line):
            found.scratch += int(match[2]) // wave
        elif match := re.match(r"^//\.thread_config numGRF=(\d+)", line):
            found.registers = int(match[1])
        elif match := LABEL.match(line):
            blocks.append(isa.Block(match[1]))
        elif match := INSTRUCTION.match(line):
            count(blocks[-1], match[1], int(match[2] or 1), match[3], match[4], wave)
    return isa.finish(found, blocks)


def kernels(files):
    """(assembly, SIMD width) pairs of the kernels that the compiler kept."""
    return [kernel(text, re.search(r"^//\.kernel (\w+)", text, re.M)[1], wave)
            for text, wave in files]
