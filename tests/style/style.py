# SPDX-License-Identifier: Apache-2.0
"""Checks the rules of style in CONTRIBUTING.md that a program can check.

Usage: style.py ROOT.

Every rule is proved on a planted line first. clang-format is asked only if it is version
14: others disagree about details."""

import pathlib
import re
import shutil
import subprocess
import sys

FOLDERS = ("include", "src", "cl", "tools", "tests", ".ci")
TEXT = {".c", ".h", ".cl", ".def", ".py", ".sh", ".build", ".md", ".txt", ""}
C = {".c", ".h", ".cl", ".def"}
FILE_LINES, FUNCTION_LINES, COLUMNS = 500, 80, 90

# Calls that the library must not make, and who may: pattern, exempt files, why.
CALLS = [
    (r"\b(?:v?printf|puts|putchar|perror)\s*\(", None, "the library never prints"),
    (r"\bfprintf\s*\(\s*std(?:err|out)\b", None, "the library never prints"),
    (
        r"\b(?:exit|_exit|_Exit|quick_exit|abort)\s*\(",
        None,
        "the library never ends the process",
    ),
    (r"\b(?:secure_)?getenv\s*\(", None, "the library does not read the environment"),
    (
        r"\b(?:s?rand|random|drand48|time)\s*\(",
        None,
        "random numbers come from cl/shared/random.h, time from util",
    ),
    (r"\bcl[A-Z]\w*\s*\(", r"src/opencl/", "OpenCL is called in src/opencl only"),
    (
        r"\bclSetKernelArg\s*\(|\bclEnqueueNDRangeKernel\s*\(",
        r"src/opencl/runtime/command_list\.c",
        "only command_list.c launches kernels",
    ),
]


def bare(text):
    """C without comments, strings and characters; lines stay where they are."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def line_rules(name, lines):
    suffix = pathlib.PurePath(name).suffix
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if suffix in {".c", ".h", ".cl", ".sh"} and len(line) > COLUMNS:
            yield number, f"{len(line)} columns, at most {COLUMNS}"
        if re.search(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
            yield number, "an unfinished thought"


def file_rules(name, text):
    lines = text.split("\n")
    suffix = pathlib.PurePath(name).suffix
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield len(lines), "the file does not end in one newline"
    if suffix in C and not text.startswith(
        "/* SPDX-License-Identifier: Apache-2.0 */\n/* "
    ):
        yield 1, "the file does not open with the SPDX line and what it is for"
    if (
        suffix in {".py", ".sh"}
        and "# SPDX-License-Identifier: Apache-2.0" not in lines[:2]
    ):
        yield 1, "no SPDX line"
    if suffix in C and len(lines) - 1 > FILE_LINES:
        yield 1, f"{len(lines) - 1} lines, at most {FILE_LINES}"


def function_rules(name, lines):
    if pathlib.PurePath(name).suffix not in {".c", ".h", ".cl"}:
        return
    opened = 0
    for number, line in enumerate(lines, 1):
        if line == "{":
            opened = number
        if line == "}" and opened:
            length = number - opened + 1
            if length > FUNCTION_LINES:
                yield opened, f"a function of {length} lines, at most {FUNCTION_LINES}"
            opened = 0


def call_rules(name, text):
    if not name.startswith("src/"):
        return
    code = bare(text)
    for pattern, exempt, why in CALLS:
        if not (exempt and re.match(exempt, name)):
            for match in re.finditer(pattern, code):
                yield code.count("\n", 0, match.start()) + 1, why


def complaints(name, text):
    lines = text.split("\n")
    rules = [
        line_rules(name, lines),
        file_rules(name, text),
        function_rules(name, lines),
        call_rules(name, text),
    ]
    return [f"{name}:{number}: {what}" for rule in rules for number, what in rule]


HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Planted. */\n"
PLANTED = [
    ("src/a.c", HEAD + "\tint x;\n"),
    ("src/a.c", HEAD + "int x; \n"),
    ("src/a.c", HEAD + "int " + "x" * 90 + ";\n"),
    ("src/a.c", HEAD + "/* TO" "DO: all of it */\n"),
    ("src/a.c", HEAD + "int x;"),
    ("src/a.c", "int x;\n"),
    ("tests/a.py", "x = 1\n"),
    ("src/a.c", HEAD + "int x;\n" * 499),
    ("src/a.c", HEAD + "void f(void)\n{\n" + "    g();\n" * 79 + "}\n"),
    ("src/a.c", HEAD + 'void f(void) { printf("x"); }\n'),
    ("src/a.c", HEAD + 'void f(void) { fprintf(stderr, "x"); }\n'),
    ("src/a.c", HEAD + "void f(void) { abort(); }\n"),
    ("src/a.c", HEAD + 'char *f(void) { return getenv("HOME"); }\n'),
    ("src/a.c", HEAD + "int f(void) { return rand(); }\n"),
    ("src/net/a.c", HEAD + "void f(void) { clFinish(0); }\n"),
    ("src/opencl/conv.c", HEAD + "void f(void) { clSetKernelArg(0, 0, 0, 0); }\n"),
]
CLEAN = (
    HEAD + 'const char *f(void)\n{\n    /* never printf( */\n    return "exit(1)";\n}\n'
)


def prove():
    for name, text in PLANTED:
        if not complaints(name, text):
            sys.exit(f"the test itself is broken: this passed as {name}:\n{text[:400]}")
    if complaints("src/a.c", CLEAN):
        sys.exit(f"the test itself is broken: {complaints('src/a.c', CLEAN)}")


def badly_formatted(root, names):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    version = (
        subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
        if tool
        else "none"
    )
    if " 14." not in version:
        print(
            f"formatting not checked: clang-format 14 required, found {version.strip()}"
        )
        return []
    planted = subprocess.run(
        [tool, "--dry-run", "-Werror", "--assume-filename=a.c"],
        cwd=root,
        input="int  x ;\n",
        capture_output=True,
        text=True,
    )
    if planted.returncode == 0:
        sys.exit("the test itself is broken: clang-format let a planted line pass")
    done = subprocess.run(
        [tool, "--dry-run", "-Werror"] + names, cwd=root, capture_output=True, text=True
    )
    first = {}
    for line in done.stderr.splitlines():
        if ": error: " in line:
            first.setdefault(line.split(":")[0], line.split(": error: ")[0])
    return [f"{place}: run clang-format -i on it" for place in first.values()]


root = pathlib.Path(sys.argv[1])
paths = [p for folder in FOLDERS for p in sorted((root / folder).rglob("*"))] + sorted(
    root.glob("*.*")
)
names = [
    str(p.relative_to(root))
    for p in paths
    if p.is_file()
    and p.suffix in TEXT
    and "__pycache__" not in p.parts
    and not p.name.startswith(".")
]
prove()
found = [c for name in names for c in complaints(name, (root / name).read_text())]
found += badly_formatted(
    root, [n for n in names if pathlib.PurePath(n).suffix in {".c", ".h"}]
)
print("\n".join(found))
print(f"{len(names)} files, {len(found)} complaints; {len(PLANTED)} planted ones found")
sys.exit(1 if found or not names else 0)
