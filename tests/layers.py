# SPDX-License-Identifier: Apache-2.0
"""Includes point down only (CONTRIBUTING.md, "Style").

Usage: layers.py ROOT. Every #include in include, src, tools and cl is looked up in MAY;
afterwards a tree with one planted violation a rule proves that each is found."""

import pathlib
import re
import sys
import tempfile

# Who may include what, by room. A room is a folder; "seam" is src/*.[ch], "base" is
# weft/base.h alone, "door" all of include/weft, "opencl.h" the headers of OpenCL and
# CLBlast, "shared" the parts of cl/ that C reads.
MAY = {
    "tools": {"tools", "base", "door"},
    "door": {"base", "door"},
    "net": {"net", "ops", "data", "seam", "util", "base", "door", "shared"},
    "check": {"check", "ops", "data", "seam", "util", "base", "door", "shared"},
    "bench": {"bench", "net", "ops", "data", "seam", "util", "base", "door", "shared"},
    "tune": {"tune", "net", "ops", "data", "seam", "util", "base", "door", "shared"},
    "ops": {"ops", "seam", "util", "base", "door", "shared"},
    "data": {"data", "seam", "util", "base", "door", "shared"},
    "seam": {"seam", "util", "base", "door", "shared"},
    "cpu": {"cpu", "seam", "util", "base", "door", "shared"},
    "opencl": {"opencl", "seam", "util", "base", "door", "shared", "opencl.h"},
    "util": {"util", "base", "shared"},
    "shared": {"shared"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def room_of(path):
    """The room of a file, given relative to the root."""
    parts = path.parts
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else "seam"
    if parts[0] == "include":
        return "base" if path.name == "base.h" else "door"
    return {"tools": "tools", "cl": "shared"}[parts[0]]


def target_of(root, path, quote, name):
    """The room that an include leads to; None for headers of the system."""
    if name.startswith(("CL/", "clblast")):
        return "opencl.h"
    if name.startswith("weft/"):
        return room_of(pathlib.Path("include") / name)
    if quote == "<":
        return None
    for folder in (path.parent, pathlib.Path("src"), pathlib.Path("cl")):
        if (root / folder / name).is_file():
            found = (root / folder / name).resolve().relative_to(root.resolve())
            return room_of(found)
    # Made by the build, in the folder that includes it.
    return room_of(path)


def violations(root):
    found = []
    for top in ("include", "src", "tools", "cl"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".c", ".h", ".cl", ".def"):
                continue
            short = path.relative_to(root)
            room = room_of(short)
            if room not in MAY and room != "base":
                found.append(
                    f"{short}: folder {room} is in no layer; tell tests/layers.py"
                )
                continue
            for quote, name in INCLUDE.findall(path.read_text()):
                target = target_of(root, short, quote, name)
                if target and target not in MAY.get(room, {"base"}):
                    found.append(
                        f"{short}: includes {name}: {room} may not know {target}"
                    )
    return found


PLANTED = [
    ("tools/a.c", '#include "../src/net/net.h"'),
    ("include/weft/a.h", '#include "../../src/backend.h"'),
    ("src/net/a.c", '#include "cpu/cpu.h"'),
    ("src/net/b.c", '#include "opencl/ocl.h"'),
    ("src/ops/a.c", '#include "../net/net.h"'),
    ("src/data/a.c", '#include "ops/ops.h"'),
    ("src/cpu/a.c", '#include "opencl/ocl.h"'),
    ("src/cpu/b.c", "#include <CL/cl.h>"),
    ("src/opencl/a.c", '#include "../cpu/cpu.h"'),
    ("src/util/a.c", '#include "backend.h"'),
    ("src/util/b.c", "#include <weft/data.h>"),
    ("src/a.c", '#include "net/net.h"'),
    ("cl/a.cl", '#include "../src/backend.h"'),
    ("src/attic/a.c", '#include "util/context.h"'),
]


def prove():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        headers = [
            "src/net/net.h",
            "src/ops/ops.h",
            "src/cpu/cpu.h",
            "src/opencl/ocl.h",
            "src/backend.h",
            "src/util/context.h",
        ]
        for name in headers:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("#include <weft/base.h>\n")
        for name, line in PLANTED:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(line + "\n")
        found = violations(root)
        missed = [
            name
            for name, _ in PLANTED
            if not any(v.startswith(name + ":") for v in found)
        ]
        if missed or len(found) != len(PLANTED):
            sys.exit(f"the test itself is broken: of what was planted: {missed or found}")


found = violations(pathlib.Path(sys.argv[1]))
print("\n".join(found) or "every include points down")
prove()
print(f"{len(PLANTED)} planted violations found")
sys.exit(1 if found else 0)
