# SPDX-License-Identifier: Apache-2.0
"""The shared library exports what the public headers declare, no more and no less.

Usage: exports.py ROOT LIBRARY."""

import pathlib
import re
import subprocess
import sys

DECLARED = re.compile(r"^WEFT_API\b[^;]*?\b(weft_\w+)\s*\(", re.M)


def declared(root):
    texts = [
        header.read_text() for header in sorted((root / "include" / "weft").glob("*.h"))
    ]
    return {name for text in texts for name in DECLARED.findall(text)}


def exported(library):
    table = subprocess.run(
        ["nm", "-D", "--defined-only", library],
        check=True,
        capture_output=True,
        text=True,
    )
    # Absolute symbols are version names.
    return {
        line.split()[2].split("@")[0]
        for line in table.stdout.splitlines()
        if line.split()[1] != "A"
    }


expected, found = declared(pathlib.Path(sys.argv[1])), exported(sys.argv[2])
for name in sorted(found - expected):
    print(f"{name} is exported, but no public header declares it")
for name in sorted(expected - found):
    print(f"{name} is declared, but the library does not have it")
print(f"{len(expected)} functions declared, {len(found)} symbols exported")
sys.exit(0 if expected and expected == found else 1)
