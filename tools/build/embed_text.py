# SPDX-License-Identifier: Apache-2.0
"""Turns text files into one C file: with the table that src/opencl/select/bundled_tuning.h declares, or
with one text of a name.

    embed_text.py OUTPUT FILE...
    embed_text.py OUTPUT --name NAME FILE"""
import os
import sys


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def lines(path, out):
    with open(path, encoding="utf-8") as file:
        for line in file:
            print("     " + literal(line.rstrip("\n")), file=out)


def table(out, files):
    print('#include "opencl/select/bundled_tuning.h"', file=out)
    print("const struct ocl_bundled_tuning ocl_bundled_tuning[] = {", file=out)
    for path in files:
        print(f'    {{"{os.path.basename(path)}",', file=out)
        lines(path, out)
        print('     ""},', file=out)
    print("};", file=out)
    print(f"const size_t ocl_bundled_tuning_count = {len(files)};", file=out)


def main(output, *words):
    with open(output, "w", encoding="utf-8") as out:
        print("/* Made by tools/build/embed_text.py. */", file=out)
        if words[0] == "--name":
            print(f"extern const char {words[1]}[];", file=out)
            print(f"const char {words[1]}[] =", file=out)
            lines(words[2], out)
            print('    "";', file=out)
        else:
            table(out, words)


main(*sys.argv[1:])
