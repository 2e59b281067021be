# SPDX-License-Identifier: Apache-2.0
"""Each public header compiles alone, as C11 and as C++11, without a warning. The macros of
params structs work in C++ (params.cpp). The API has at most MAX_FUNCTIONS functions, each
of which unit/test_null.c calls. WEFT_VERSION is the version of meson.build.

Usage: headers.py ROOT."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MAX_FUNCTIONS = 75
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
LANGUAGES = [
    ("C11", ["cc", "-x", "c", "-std=c11", "-Wstrict-prototypes"]),
    ("C++11", ["c++", "-x", "c++", "-std=c++11"]),
]


def compile_alone(header, folder, compiler):
    """The compiler's complaint, or nothing."""
    text = f"#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
    command = compiler + WARNINGS + ["-I", str(folder), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


include = pathlib.Path(sys.argv[1]) / "include"
headers = sorted((include / "weft").glob("*.h"))
failed = 0
for name, compiler in LANGUAGES:
    if not shutil.which(compiler[0]):
        print(f"{name}: no compiler `{compiler[0]}`")
        sys.exit(77)
    for header in headers:
        complaint = compile_alone(f"weft/{header.name}", include, compiler)
        if complaint:
            failed += 1
            print(f"weft/{header.name} as {name}:\n{complaint}")
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "planted.h").write_text(
            "static size_t f() { int unused; }\n"
        )
        if not compile_alone("planted.h", folder, compiler):
            sys.exit("the test itself is broken: a planted bad header passed")

with tempfile.TemporaryDirectory() as folder:
    program = pathlib.Path(folder) / "params"
    source = pathlib.Path(__file__).with_name("params.cpp")
    for standard in ["11", "14", "17", "20"]:
        flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-std=c++{standard}"]
        command = ["c++", *flags, "-I", str(include), str(source), "-o", str(program)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or subprocess.run([program]).returncode:
            failed += 1
            print(f"{source.name} as C++{standard}:\n{done.stderr.strip()}")

functions = [
    name
    for header in headers
    for name in re.findall(
        r"^WEFT_API\b[^;]*?\b(weft_\w+)\s*\(", header.read_text(), re.M
    )
]
root = pathlib.Path(sys.argv[1])
test = (root / "tests" / "unit" / "test_null.c").read_text()
for name in functions:
    if not re.search(rf"\b{name}\b\)?\(", test):
        failed += 1
        print(f"{name}: tests/unit/test_null.c does not call it with NULL")

base = (include / "weft" / "base.h").read_text()
numbers = [
    re.search(rf"define WEFT_VERSION_{part}\s+(\d+)", base)[1]
    for part in ["MAJOR", "MINOR", "PATCH"]
]
versions = {
    ".".join(numbers),
    re.search(r'define WEFT_VERSION\s+"(.*)"', base)[1],
    re.search(r"^  version: '(.*)'", (root / "meson.build").read_text(), re.M)[1],
}
if len(versions) != 1:
    failed += 1
    print(f"base.h and meson.build have several versions: {sorted(versions)}")

print(f"{len(headers)} headers, {len(functions)} public functions, {failed} complaints")
sys.exit(1 if failed or not headers or len(functions) > MAX_FUNCTIONS else 0)
