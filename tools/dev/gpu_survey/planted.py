# SPDX-License-Identifier: Apache-2.0
"""Planted faults: each check of baseline.py must find its own, in assembly as compilers
write it, and in programs where there are compilers."""
from gpu_survey import amd, cards, compilers, intel, isa, nvidia

AMD_LOOP = """\
planted:                                ; @planted
; %bb.0:
\ts_mov_b32 s0, 0
.LBB0_1:
{body}
\ts_cbranch_scc1 .LBB0_1
; %bb.2:
\ts_endpgm
; NumVgprs: 12
; ScratchSize: 16
; LDSByteSize: 64
"""
NVIDIA_LOOP = """\
\t.section\t.text.planted,"ax",@progbits
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_1:
{body}
        /*0090*/              @!P0 BRA `(.L_x_1) ;
        /*00a0*/                   EXIT ;
"""
INTEL_LOOP = """\
//.kernel planted
//.thread_config numGRF=128, numAcc=4
_0_001:
{body}
(W&f0.0) jmpi                                _0_001                                // $9:&5
"""
# vendor, body of the loop, counts of it.
ASSEMBLY = (
    ("amd", "\tscratch_load_dword v1, off, s32", {"scratch": 1}),
    ("amd", "\n".join(f"\tglobal_load_dword v{i}, v[2:3], off offset:{4 * i}"
                      for i in range(4)), {"loads": 4, "narrow": 4}),
    ("amd", "\tglobal_load_dwordx4 v[4:7], v[2:3], off offset:16",
     {"loads": 1, "wide_loads": 1, "narrow": 0}),
    ("amd", "\tv_rcp_iflag_f32_e32 v1, v2", {"divisions": 1, "slow": 1}),
    ("amd", "\tv_dual_fmac_f32 v1, v2, v3 :: v_dual_fmac_f32 v4, v5, v6",
     {"fma": 2, "vector": 1}),
    ("amd", "\tv_pk_fma_f32 v[0:1], v[2:3], v[4:5], v[0:1]", {"fma": 2, "vector": 1}),
    ("amd", "\tds_read_b128 v[0:3], v4", {"local_reads": 1, "local_bytes": 16}),
    ("nvidia", "        /*0010*/                   STL [R1+0x8], R5 ;", {"scratch": 1}),
    ("nvidia", "\n".join(f"        /*00{i}0*/                   LDG.E R{i}, "
                         f"[R2.64{f'+{4 * i:#x}' if i else ''}] ;" for i in range(4)),
     {"loads": 4, "narrow": 4}),
    ("nvidia", "        /*0010*/                   LDG.E.128 R4, [R2.64] ;",
     {"loads": 1, "wide_loads": 1, "narrow": 0}),
    ("nvidia", "        /*0010*/                   I2F.U32.RP R0, R7 ;", {"divisions": 1}),
    ("nvidia", "        /*0010*/                   FFMA R0, R1, R2, R0 ;", {"fma": 1}),
    ("intel", "         load.ugm.d32x4t.a32 (1|M0)  r10:1  ss[a0.2][r8:1]  "
     "// ex_desc:a0.2; scratch", {"scratch": 1}),
    ("intel", "         mad (16|M0)  r10.0<1>:f  r2.0<8;1>:f  r4.0<8;1>:f  r6.0<1>:f  // $8",
     {"fma": 1, "vector": 1}),
    ("intel", "         math.iqot (16|M0)  r10.0<1>:d  r2.0<8;8,1>:d  r4.0<8;8,1>:d  // $8",
     {"divisions": 1}),
)

SPILL = """__kernel void planted(__global float *x, int n)
{
    float a[512];
    for (int i = 0; i < 512; i++)
        a[i] = x[i];
    for (int i = 0; i < n; i++)
        a[i * 7 & 511] += a[(int)x[i] & 511];
    for (int i = 0; i < 512; i++)
        x[i] = a[i];
}
"""
DIVISION = """__kernel void planted(__global int *x, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] / x[i + 1];
    x[0] = sum;
}
"""
# Four floats at an address that the compiler cannot know to be aligned.
NARROW = """__kernel void planted(__global float *x, __global float *y, int n)
{
    const int i = get_global_id(0) * 4;
    y[i] = x[i + n] + x[i + n + 1] * x[i + n + 2] + x[i + n + 3];
}
"""
PROGRAMS = (("looped", "scratch", SPILL, ("amd", "nvidia", "intel")),
            ("innermost", "divisions", DIVISION, ("amd", "nvidia")),
            ("whole", "narrow", NARROW, ("nvidia",)))


def read(vendor, text):
    if vendor == "amd":
        return amd.kernels(text)[0]
    if vendor == "nvidia":
        return nvidia.kernels(text, "")[0]
    return intel.kernels([(text, 16)])[0]


def assembly_complaints():
    loops = {"amd": AMD_LOOP, "nvidia": NVIDIA_LOOP, "intel": INTEL_LOOP}
    for vendor, body, wanted in ASSEMBLY:
        kernel = read(vendor, loops[vendor].format(body=body))
        for key, n in wanted.items():
            for counts in (kernel.loop, kernel.looped, kernel.innermost):
                if counts.get(key, 0) != n:
                    yield (f"planted {vendor}: {key} is {counts.get(key, 0)} in the loop, "
                           f"not {n}: {body.strip().splitlines()[0]}")
    if isa.count_narrow([("r", 0, 4), ("r", 4, 4), ("r", 12, 4), ("s", 8, 4)]):
        yield "planted: loads with a gap count as neighbours"


def program_complaints(kit, usable):
    by_vendor = {card.vendor: card for card in usable}
    for where, key, text, vendors in PROGRAMS:
        name = f"planted-{key}"
        (kit.sources / f"{name}.cl").write_text(text)
        for vendor in vendors:
            if vendor not in by_vendor:
                continue
            try:
                kernel = kit.kernels(name, "-cl-std=CL1.2", by_vendor[vendor])["planted"]
            except (compilers.Failed, KeyError) as why:
                yield f"planted {key} for {vendor}: {why}"
                continue
            if not getattr(kernel, where).get(key, 0):
                yield f"planted {key} is not found in the code for {vendor}"


def complaints(kit, usable):
    yield from assembly_complaints()
    yield from program_complaints(kit, usable)
