# SPDX-License-Identifier: Apache-2.0
"""Every kernel compiles alone, without a warning, with clang as OpenCL C 1.2, and host and
kernels agree on the macros of their options.

Usage: kernels.py ROOT [LAYER BUILDS ARGUMENT...]. Each cl/*.cl is compiled without options, for
32 and 64 bits, and with sets of options that the program BUILDS lists
(tests/ops/list_programs.c), with the OpenCL layer LAYER: the driver builds nothing but probes
of the device. clang stands in for it, and the ops' rows build the programs. A file that BUILDS
never lists is a complaint: it is unused or not verified. The code for NVIDIA's matrix units,
which no driver here builds, is compiled to PTX if clang can."""

import concurrent.futures
import os
import pathlib
import re
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


def macro_complaints(host, kernels):
    """Macros that only one side knows: `host` are the texts of src/opencl by path, `kernels`
    those of cl. The host defines what a kernel reads, and every default of a kernel is of a
    macro that the host, or another kernel, defines."""
    given = {name for text in host.values()
             for name in re.findall(r'ocl_define\w*\([^;]*?"([A-Z]\w*)"', text)}
    quoted = {name for text in host.values() for name in re.findall(r'"(?:-D)?([A-Z]\w*)', text)}
    code = {path: re.sub(r"/\*.*?\*/", "", text, flags=re.S) for path, text in kernels.items()}
    words = {word for text in code.values() for word in re.findall(r"\w+", text)}
    defined = {path: set(re.findall(r"#define (\w+)", text)) for path, text in code.items()}
    for name in sorted(given - words):
        yield f"the host defines {name}, which no kernel reads"
    for path, text in code.items():
        for name in re.findall(r"#ifndef (\w+)\n#define \1 ", text):
            others = {n for other, names in defined.items() if other != path for n in names}
            if name not in quoted and name not in others:
                yield f"{path} has a default for {name}, which nothing defines"


def texts(folder):
    return {str(path): path.read_text() for path in pathlib.Path(folder).rglob("*")
            if path.suffix in {".c", ".h", ".cl", ".def"}}


def lint(path, target, options):
    """The compiler's complaint, or nothing."""
    command = LINT + ["-target", target, "-I", str(folder)] + options + [str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


def prove(scratch):
    planted = pathlib.Path(scratch) / "planted.cl"
    planted.write_text("__kernel void f(__global float *x) { int unused; x[0] = 1; }\n")
    if not lint(planted, TARGETS[0], []):
        sys.exit("the test itself is broken: a planted bad kernel passed")
    one_sided = {"a.cl": "#ifndef TILES\n#define TILES 1\n#endif\n"}
    if len(list(macro_complaints({"a.c": 'ocl_define(&o, "TILE", 1);'}, one_sided))) != 2:
        sys.exit("the test itself is broken: planted macros of one side passed")
    # A function whose name a program of several kernels cannot change; by a macro in shared code.
    embed = [sys.executable, folder / "../tools/build/embed_kernels.py", planted.parent / "out.c", scratch, planted]
    shared = "#define F(x) float f_##x(void) { return x; }\n#ifndef ONCE_F\n#define ONCE_F\nF(1)\n#endif\n"
    for made, name in ("", None), ("F(2)\n", "F"), ("#define G(x) g\nfloat G(1)(void) { return 1; }\n", "G"):
        planted.write_text(shared + made + "__kernel void f(__global float *x) { x[0] = 1; }\n")
        said = subprocess.run(embed, capture_output=True, text=True).stderr
        if f"the macro {name} makes a declaration" not in said if name else said:
            sys.exit(f"embed_kernels.py says of {made!r}: {said!r}")


def matrix_products(path, options):
    """Number of matrix-unit instructions in the PTX; None: clang has no PTX target."""
    command = PTX + options + ["-I", str(folder), str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None if "nvptx64" in done.stderr else -1
    return done.stdout.count("mma.sync.aligned.m16n8k8")


def builds(layer, *command):
    """The distinct (file, options) that the library used; None where there is no device."""
    environment = {**os.environ, "OPENCL_LAYERS": layer, "WEFT_LAYER_FAULT": "build-probes"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
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
used = builds(*sys.argv[2:]) if len(sys.argv) > 2 else None
if used is None:
    print("no OpenCL device: kernels are compiled without options only")
else:
    # The programs of a file differ by numbers alone, nearly all: some of them, and all if thorough.
    step = 1 if os.environ.get("TESTS_SCOPE") == "thorough" else 4
    work += [(path_of[name], TARGETS[0], options) for name, *options in used[::step]]

complaints = 0
for complaint in macro_complaints(texts(folder.parent / "src" / "opencl"), texts(folder)):
    complaints += 1
    print(complaint)
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    results = list(pool.map(lambda row: lint(*row), work))
for (path, target, options), complaint in zip(work, results):
    if complaint:
        complaints += 1
        print(f"{path.name} for {target} with {' '.join(options) or 'nothing'}:")
        print(complaint)
if used is not None:
    for path in files:
        if path.name not in {name for name, *_ in used}:
            complaints += 1
            print(f"{path.name} is built by no verified op")
for options, expected in ([], 0), (["-DMMA_PATH=1"], 24):  # 2 x 4 products of three
    found = matrix_products(path_of["gemm_mma.cl"], options)
    if found is None:
        print("clang has no PTX: matrix units are not checked")
    elif found != expected:
        complaints += 1
        print(f"gemm_mma.cl with {options}: {found} matrix products, not {expected}")
print(f"{len(files)} kernel files, {len(work)} compilations, {complaints} complaints")
sys.exit(1 if complaints or not files else 0)
