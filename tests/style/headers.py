# SPDX-License-Identifier: Apache-2.0
"""Each public header compiles alone, as C11 and as C++11, without a warning. The API has at
most MAX_FUNCTIONS functions.

Usage: headers.py ROOT."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MAX_FUNCTIONS = 60
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

functions = sum(
    len(re.findall(r"^WEFT_API\b", header.read_text(), re.M)) for header in headers
)
print(f"{len(headers)} headers, {functions} public functions, {failed} complaints")
sys.exit(1 if failed or not headers or functions > MAX_FUNCTIONS else 0)
