# SPDX-License-Identifier: Apache-2.0
"""Reads nvdisasm's assembly and what ptxas reports of registers."""
import re

from gpu_survey import isa

INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+ )?\s*([A-Z][A-Z0-9_]*)"
                         r"((?:\.[A-Z0-9_]+)*)\s*(.*?);")
SECTION = re.compile(r"^\s*\.section\s+\.text\.(\w+)")
LABEL = re.compile(r"^(\.L\w+):")
INTEGER = {"IMAD", "IADD3", "IADD", "LOP3", "SHF", "ISETP", "LEA", "IMNMX", "SEL", "VIADD",
           "VIMNMX", "IABS", "SHL", "SHR", "LOP", "PRMT", "BREV", "FLO", "MOV", "PLOP3", "R2P",
           "P2R", "VOTE", "CS2R"}
SLOW = {"MUFU", "I2F", "F2I", "POPC", "FLO", "S2R", "F2F"}
MATRIX = {"HMMA", "IMMA", "HGMMA"}
BRANCHES = {"BRA", "EXIT", "CALL", "RET", "BSSY", "BSYNC", "WARPSYNC", "BREAK"}
FREE = {"NOP", "LDC", "DEPBAR", "ERRBAR", "MEMBAR"}
BYTES = (("128", 16), ("64", 8), ("U8", 1), ("S8", 1), ("U16", 2))


def width(modifiers):
    return next((size for word, size in BYTES if word in modifiers), 4)


def count_load(block, modifiers, rest):
    # The address is 64 bits wide: "[R2.64+0x4]".
    size = width(modifiers)
    block.counts["loads"] += 1
    block.counts["load_bytes"] += size
    block.counts["wide_loads"] += size >= 16
    address = re.search(r"\[([^\]]*?)(?:\+?(-?0x[0-9a-f]+))?\]", rest)
    if address:
        block.loads.append((address[1], int(address[2] or "0", 16), size))


def count(block, op, modifiers, rest):
    counts = block.counts
    if op in MATRIX:
        counts["matrix"] += 1
        counts["vector"] += 1
    elif op in ("LDS", "LDSM", "STS"):
        counts["local_writes" if op == "STS" else "local_reads"] += 1
        counts["local_bytes"] += width(modifiers)
    elif op in ("LDG", "LD"):
        count_load(block, modifiers, rest)
    elif op in ("STG", "ST"):
        counts["stores"] += 1
        counts["store_bytes"] += width(modifiers)
    elif op in ("LDL", "STL"):
        counts["scratch"] += 1
    elif op == "BAR":
        counts["barriers"] += 1
    elif op in BRANCHES:
        counts["branches"] += 1
        counts["vector"] += 1
        if op == "BRA":
            block.targets += re.findall(r"`\((\.L\w+)\)", rest)
    elif op.startswith("U") or op in ("S2UR", "R2UR"):
        counts["scalar"] += 1
    elif op not in FREE:
        counts["vector"] += 1
        counts["fma"] += op == "FFMA"
        counts["integer"] += op in INTEGER
        counts["slow"] += op in SLOW
        # A reciprocal rounded up begins a division.
        counts["divisions"] += op == "I2F" and "RP" in modifiers


def read_line(_, blocks, line):
    if match := INSTRUCTION.match(line):
        count(blocks[-1], match[1], match[2].split("."), match[3])
        if match[1] == "BRA":
            blocks.append(isa.Block(""))


def kernels(text, log):
    """`log`: what ptxas -v prints."""
    done = isa.read_kernels(text, SECTION, LABEL, read_line)
    read_resources({kernel.name: kernel for kernel in done}, log)
    return done


def read_resources(by_name, log):
    kernel = None
    for line in log.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            kernel = by_name.get(match[1])
        if not kernel:
            continue
        if match := re.search(r"(\d+) bytes stack frame", line):
            kernel.scratch = int(match[1])
        if match := re.search(r"Used (\d+) registers", line):
            kernel.registers = int(match[1])
            local = re.search(r"(\d+) bytes smem", line)
            kernel.local = int(local[1]) if local else 0
