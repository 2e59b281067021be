# SPDX-License-Identifier: Apache-2.0
"""Every kernel compiles alone, without a warning, with clang as OpenCL C 1.2.

Usage: kernels.py ROOT [BUILDS ARGUMENT...]. Each cl/*.cl is compiled bare, for 32 and 64
bits, and with every set of options that the program BUILDS tells (tests/ops/list_programs.c); clang
knows the driver's options. A file that BUILDS never names is a complaint: it is not used,
or not verified. What is written for NVIDIA's matrix units, which no driver here builds, is
compiled to PTX, where clang can."""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

CLANG = shutil.which("clang")
LINT = [CLANG, "-x", "cl", "-cl-std=CL1.2", "-Xclang", "-finclude-default-header"]
LINT += ["-D__OPENCL_VERSION__=120"]  # which drivers define
LINT += ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]
PTX = [CLANG, "-x", "cl", "-cl-std=CL1.2", "-Xclang", "-finclude-default-header"]
PTX += ["-target", "nvptx64-nvidia-nvcl", "-Xclang", "-target-cpu", "-Xclang", "sm_80"]
PTX += ["-Xclang", "-target-feature", "-Xclang", "+ptx70", "-O2", "-S", "-o", "-"]
TARGETS = ["spir64-unknown-unknown", "spir-unknown-unknown"]


def lint(path, target, options):
    """The compiler's complaint, or nothing."""
    command = LINT + ["-target", target, "-I", str(folder)] + options + [str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


def prove(folder):
    planted = pathlib.Path(folder) / "planted.cl"
    planted.write_text("__kernel void f(__global float *x) { int unused; x[0] = 1; }\n")
    if not lint(planted, TARGETS[0], []):
        sys.exit("the test itself is broken: a planted bad kernel passed")


def matrix_products(path, options):
    """How many matrix units' instructions it has for NVIDIA; None: clang cannot tell."""
    command = PTX + options + ["-I", str(folder), str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None if "nvptx64" in done.stderr else -1
    return done.stdout.count("mma.sync.aligned.m16n8k8")


def builds(command):
    """The distinct (file, options) that the library used; None where there is no device."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode == 77:
        return None
    if done.returncode:
        sys.exit(f"{command[0]} failed with {done.returncode}")
    return sorted({tuple(line.split()) for line in done.stdout.splitlines()})


if not CLANG:
    print("skipped: clang is not installed")
    sys.exit(77)
folder = pathlib.Path(sys.argv[1]) / "cl"
path_of = {path.name: path for path in folder.rglob("*.cl")}
with tempfile.TemporaryDirectory() as scratch:
    prove(scratch)
files = sorted(path_of.values())
work = [(path, target, []) for path in files for target in TARGETS]
used = builds(sys.argv[2:]) if len(sys.argv) > 2 else None
if used is None:
    print("no OpenCL device: kernels are looked at bare alone")
else:
    work += [(path_of[name], TARGETS[0], options) for name, *options in used]

complaints = 0
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    told = list(pool.map(lambda row: lint(*row), work))
for (path, target, options), complaint in zip(work, told):
    if complaint:
        complaints += 1
        print(f"{path.name} for {target} with {' '.join(options) or 'nothing'}:")
        print(complaint)
if used is not None:
    for path in files:
        if path.name not in {name for name, *_ in used}:
            complaints += 1
            print(f"{path.name} is built by no verified op")
for options, wanted in ([], 0), (["-DMMA_PATH=1"], 24):  # 2 x 4 products of three
    found = matrix_products(path_of["gemm_mma.cl"], options)
    if found is None:
        print("clang has no PTX: matrix units are not looked at")
    elif found != wanted:
        complaints += 1
        print(f"gemm_mma.cl with {options}: {found} matrix products, not {wanted}")
print(f"{len(files)} kernel files, {len(work)} compilations, {complaints} complaints")
sys.exit(1 if complaints or not files else 0)
