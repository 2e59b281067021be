# SPDX-License-Identifier: Apache-2.0
"""The command and the library are hardened: hardening.py BUILD PROGRAM... Reads them with
readelf, and the flags of every file that the compiler is run on. A
program without hardening is built and must be found."""

import json
import pathlib
import platform
import subprocess
import sys

BUILD, *PROGRAMS = sys.argv[1:]
FLAGS = ["-fstack-protector-strong", "-fstack-clash-protection"]


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], capture_output=True, text=True,
                          check=True).stdout


def missing(path):
    """The protections that a program or library lacks."""
    dynamic, segments = readelf("-d", path), readelf("-l", path)
    symbols = readelf("--dyn-syms", path)
    code = subprocess.run(["objdump", "-d", path], capture_output=True, text=True,
                          check=True).stdout
    stack = next((line for line in segments.splitlines() if "GNU_STACK" in line), "RWE")
    holds = {
        "BIND_NOW": "NOW" in dynamic,
        "RELRO": "GNU_RELRO" in segments,
        "a stack that cannot be executed": "RWE" not in stack,
        "position independence": readelf("-h", path).count("DYN"),
        "stack protector": "__stack_chk_fail" in symbols,
        "FORTIFY": "_chk@" in symbols.replace("__stack_chk_fail", ""),
        # The property of the file also depends on the C library's start files.
        "CET": platform.machine() != "x86_64" or code.count("endbr64") > 20,
    }
    return [name for name, good in holds.items() if not good]


failed = 0
for program in PROGRAMS:
    lacks = missing(program)
    failed += bool(lacks)
    print(f"{program}: {'lacks ' + ', '.join(lacks) if lacks else 'hardened'}")
commands = json.loads((pathlib.Path(BUILD) / "compile_commands.json").read_text())
for entry in commands:
    lacks = [flag for flag in FLAGS if flag not in entry["command"]]
    failed += bool(lacks)
    if lacks:
        print(f"{entry['file']} is compiled without {', '.join(lacks)}")

# Proof that a program without hardening is found.
plain = pathlib.Path(BUILD) / "plain-program"
subprocess.run(["cc", "-x", "c", "-", "-o", plain, "-no-pie", "-fno-stack-protector",
                "-fcf-protection=none" if platform.machine() == "x86_64" else "-O0",
                "-Wl,-z,norelro,-z,lazy,-z,execstack"], check=True, text=True,
               input="int main(void) { return 0; }", stderr=subprocess.DEVNULL)
found = missing(plain)
plain.unlink()
if len(found) < 6:
    print(f"the test itself is broken: a plain program lacks only {found}")
    failed += 1
print(f"{len(PROGRAMS)} programs, {len(commands)} compilations, {failed} failed")
sys.exit(1 if failed else 0)
