# SPDX-License-Identifier: Apache-2.0
"""Turns kernels (cl/*.cl) into one C file of byte arrays with the table that
src/opencl/source.h declares.

    embed.py OUTPUT KERNEL.cl...

`#include "NAME"` of a file beside the kernel is replaced by the file: a .h once a
kernel, a .def as often as it is included. #line directives keep the compilers'
messages true to the files."""
import os
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"\s*$')


def inlined(path, seen):
    """The text of `path`, line by line, with its includes in place."""
    name = os.path.basename(path)
    yield f'#line 1 "{name}"'
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if not match:
                yield line.rstrip("\n")
                continue
            included = os.path.join(os.path.dirname(path), match[1])
            if not os.path.isfile(included):
                sys.exit(f"{path}:{number}: there is no {included} to include")
            if included.endswith(".def") or included not in seen:
                seen.add(included)
                yield from inlined(included, seen)
            yield f'#line {number + 1} "{name}"'


def byte_array(data):
    for start in range(0, len(data), 20):
        yield "    " + "".join(f"{byte}," for byte in data[start:start + 20])


def c_file(kernels):
    yield "/* Made by tools/embed.py from cl/. */"
    yield '#include "opencl/source.h"'
    rows = []
    for index, path in enumerate(kernels):
        data = ("\n".join(inlined(path, set())) + "\n").encode()
        yield f"static const unsigned char text_{index}[] = {{"
        yield from byte_array(data)
        yield "};"
        rows.append(f'    {{"{os.path.basename(path)}", text_{index}, {len(data)}}},')
    yield "const struct ocl_source ocl_sources[] = {"
    yield from rows
    yield "};"
    yield f"const size_t ocl_source_count = {len(rows)};"


def main(output, *kernels):
    try:
        with open(output, "w", encoding="utf-8") as file:
            for line in c_file(kernels):
                file.write(line + "\n")
    except BaseException:
        if os.path.exists(output):
            os.remove(output)
        raise


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
