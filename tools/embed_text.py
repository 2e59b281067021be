# SPDX-License-Identifier: Apache-2.0
"""Turns text files into one C file with the table that src/opencl/curated.h declares.

    embed_text.py OUTPUT FILE..."""
import os
import sys


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main(output, *files):
    with open(output, "w", encoding="utf-8") as out:
        print("/* Made by tools/embed_text.py. */", file=out)
        print('#include "opencl/curated.h"', file=out)
        print("const struct ocl_curated ocl_curated[] = {", file=out)
        for path in files:
            print(f'    {{"{os.path.basename(path)}",', file=out)
            with open(path, encoding="utf-8") as file:
                for line in file:
                    print("     " + literal(line.rstrip("\n")), file=out)
            print('     ""},', file=out)
        print("};", file=out)
        print(f"const size_t ocl_curated_count = {len(files)};", file=out)


main(*sys.argv[1:])
