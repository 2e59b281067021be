# SPDX-License-Identifier: Apache-2.0
"""Turns kernels (cl/*.cl) into one C file of byte arrays with the table that
src/opencl/runtime/source.h declares.

    embed_kernels.py OUTPUT ROOT KERNEL.cl...

`#include "NAME"` of a file below ROOT is replaced by the file: a .h once a kernel, a .def as often as it is included. #line directives keep the compilers'
messages true to the files.

Beside its text a kernel has two lists: the names that it declares at file scope, and the
macros that it defines. With their help several kernels, or one with several options, are
built as one program (src/opencl/runtime/program_bundle.c). Macros ONCE_... guard what all may share."""
import hashlib
import os
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"\s*$')
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")
ENUM = re.compile(r"\benum\s*\w*\s*\{([^{}]*)\}")
SHARED = re.compile(r"^#ifndef ONCE_.*?^#endif", re.DOTALL | re.MULTILINE)
BODY = re.compile(r"\{[^{}]*\}")


def inlined(root, path, seen):
    """The text of `path`, line by line, with its includes in place."""
    name = os.path.basename(path)
    yield f'#line 1 "{name}"'
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if not match:
                yield line.rstrip("\n")
                continue
            included = os.path.join(root, match[1])
            if not os.path.isfile(included):
                sys.exit(f"{path}:{number}: there is no {included} to include")
            if included.endswith(".def") or included not in seen:
                seen.add(included)
                yield from inlined(root, included, seen)
            yield f'#line {number + 1} "{name}"'


def macros_of(text):
    """What `text` defines, in order, each once."""
    names = dict.fromkeys(MACRO.findall(COMMENT.sub(" ", text)))
    return [name for name in names if not name.startswith("ONCE_")]


def declared(text):
    """The name that a declaration at file scope is about: `text` has no bodies."""
    if text.startswith("typedef"):
        return re.search(r"(\w+)\s*$", text)
    return (re.search(r"(\w+)\s*\(", text) or re.search(r"(\w+)\s*[\[=]", text) or
            re.search(r"\b(?:struct|union)\s+(\w+)\s*$", text))


def names_of(text):
    """What `text` declares at file scope: functions, types, enumerators, tables."""
    plain = SHARED.sub("", COMMENT.sub(" ", text))
    plain = ATTRIBUTE.sub(" ", DIRECTIVE.sub(" ", plain))
    names = {}
    for body in ENUM.findall(plain):
        names.update(dict.fromkeys(re.findall(r"(?:^|,)\s*(\w+)", body)))
    plain = ENUM.sub("", plain)
    while BODY.search(plain):
        plain = BODY.sub(";", plain)
    for declaration in plain.split(";"):
        match = declared(declaration.strip())
        if match:
            names[match[1]] = True
        elif declaration.strip():
            sys.exit(f"what is declared by: {declaration.strip()}")
    return list(names)


def byte_array(data):
    for start in range(0, len(data), 20):
        yield "    " + "".join(f"{byte}," for byte in data[start:start + 20])


def c_file(root, kernels):
    yield "/* Made by tools/build/embed_kernels.py from cl/. */"
    yield '#include "opencl/runtime/source.h"'
    rows = []
    for index, path in enumerate(kernels):
        text = "\n".join(inlined(root, path, set())) + "\n"
        yield f"static const unsigned char text_{index}[] = {{"
        yield from byte_array(text.encode())
        yield "};"
        for kind, names in (("names", names_of(text)), ("macros", macros_of(text))):
            quoted = ", ".join(f'"{name}"' for name in names + [""])
            yield f"static const char *const {kind}_{index}[] = {{{quoted}}};"
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        rows.append(f'    {{"{os.path.basename(path)}", text_{index}, {len(text.encode())}, '
                    f"0x{digest}, names_{index}, macros_{index}}},")
    yield "const struct ocl_source ocl_sources[] = {"
    yield from rows
    yield "};"
    yield f"const size_t ocl_source_count = {len(rows)};"


def main(output, root, *kernels):
    try:
        with open(output, "w", encoding="utf-8") as file:
            for line in c_file(root, kernels):
                file.write(line + "\n")
    except BaseException:
        if os.path.exists(output):
            os.remove(output)
        raise


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
