# SPDX-License-Identifier: Apache-2.0
"""Reads LLVM's assembly for AMD GPUs."""
import re

from gpu_survey import isa

SLOW = re.compile(r"v_(mul_hi|mul_lo_[ui]32|mad_[ui]64|rcp|rsq|sqrt|exp|log|sin|cos|div_|"
                  r"fma_f64|mul_f64|add_f64|trig)")
FMA = re.compile(r"v_(pk_)?(fma|fmac|mac|mad)(ak|mk)?_(f32|legacy_f32)|v_(fma_mix|mad_mix|dot2)")
DUAL_FMA = ("fmac_f32", "fmaak", "fmamk")
INTEGER = re.compile(r"v_\w*_(u|i|b|nc_u)\d\d|v_(and|or|xor|lshl|lshr|ashr|bfe|cndmask|mov)")
BYTES = ((r"2(addr)?(st64|_stride64)?_b64", 16), (r"2(addr)?(st64|_stride64)?_b32", 8),
         (r"dwordx4|b128", 16), (r"dwordx3|b96", 12), (r"dwordx2|b64", 8), (r"dword|b32", 4),
         (r"short|b16|u16|i16", 2), (r"byte|b8|u8|i8", 1))
INSTRUCTION = re.compile(r"^\s+([a-z][a-z0-9_]*)(.*)")
KERNEL = re.compile(r"^(\w+):\s+; @")
LABEL = re.compile(r"^(\.LBB\w+):|^; (%bb\.\d+):")
RESOURCE = re.compile(r"^; (NumVgprs|TotalNumVgprs|ScratchSize|LDSByteSize): (\d+)")
RESOURCES = {"NumVgprs": "registers", "TotalNumVgprs": "registers", "ScratchSize": "scratch",
             "LDSByteSize": "local"}


def width(op):
    """Bytes that a memory instruction moves for a work-item."""
    return next((size for pattern, size in BYTES if re.search(pattern, op)), 4)


def count_vector(counts, op, rest):
    counts["vector"] += 1
    if op.startswith("v_dual_"):
        parts = [op[7:], *re.findall(r":: v_dual_(\w+)", rest)]
        counts["fma"] += sum(part.startswith(DUAL_FMA) for part in parts)
    elif FMA.match(op):
        counts["fma"] += 2 if op.startswith("v_pk_") else 1
    elif SLOW.match(op):
        counts["slow"] += 1
    elif INTEGER.match(op):
        counts["integer"] += 1
    counts["divisions"] += op.startswith("v_rcp_iflag")


def count_global(block, op, rest):
    size = width(op)
    if "load" not in op:
        block.counts["stores"] += 1
        block.counts["store_bytes"] += size
        return
    block.counts["loads"] += 1
    block.counts["load_bytes"] += size
    block.counts["wide_loads"] += size >= 16
    offset = re.search(r"offset:(-?\d+)", rest)
    base = re.sub(r"offset:\S+", "", rest).split(",", 1)[-1].strip()
    block.loads.append((base, int(offset[1]) if offset else 0, size))


def count(block, op, rest):
    counts = block.counts
    if op.startswith(("v_wmma", "v_mfma")):
        counts["matrix"] += 1
    elif op.startswith("v_"):
        count_vector(counts, op, rest)
    elif op.startswith("ds_"):
        counts["local_writes" if re.match(r"ds_(write|store)", op) else "local_reads"] += 1
        counts["local_bytes"] += width(op)
    elif op.startswith(("scratch_", "buffer_load", "buffer_store")):
        counts["scratch"] += 1
    elif op.startswith(("global_", "flat_")):
        count_global(block, op, rest)
    elif op.startswith("s_barrier"):
        counts["barriers"] += 1
    elif op.startswith(("s_cbranch", "s_branch", "s_setpc", "s_swappc")):
        counts["branches"] += 1
        block.targets += re.findall(r"\.LBB\w+", rest)
    elif op.startswith("s_") and not op.startswith(("s_waitcnt", "s_delay", "s_nop")):
        counts["scalar"] += 1


def read_line(kernel, blocks, line):
    if match := RESOURCE.match(line):
        setattr(kernel, RESOURCES[match[1]], int(match[2]))
    elif match := INSTRUCTION.match(line):
        count(blocks[-1], match[1], match[2])


def kernels(text):
    return isa.read_kernels(text, KERNEL, LABEL, read_line)
