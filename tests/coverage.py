# SPDX-License-Identifier: Apache-2.0
"""Lines and branches of src/ and tools/cmd/ that the tests reach: a build of its own.

    coverage.py FOLDER [--lines PERCENT] [--branches PERCENT] [--no-run] [--suite NAME]...
                [--seconds N] [--missing FILE]

Runs all suites that are not Oclgrind's, then the first failing call of each call site of
memory, files and OpenCL (failing_calls.py; at most N seconds each), whose objects are the
same, and prints what each of them adds, a table of the modules and one of the files, most
branches missing first. Exit code 1: less than asked. --no-run: counts what earlier runs
left. --missing: the lines of FILE that are not reached, or that have branches that are not
taken.

A line of a header counts once, however many files include it; of a function that is
compiled for several processors the versions count as one. Left out, with their lines'
branches:
"""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SUITES = ["cpu", "net", "data", "cli", "opencl", "kernels", "oracle"]

# (lines, branches, pattern of the source line, reason).
LEFT_OUT = [
    (False, True, r"^\s*assert\(", "an assertion fails only where weft is wrong"),
]
__doc__ += "".join(f"    {pattern}: {reason}\n" for _, _, pattern, reason in LEFT_OUT)


def run(words, **options):
    return subprocess.run([str(word) for word in words], check=False, **options)


def build(folder):
    if not (folder / "build.ninja").exists():
        folder.mkdir(parents=True, exist_ok=True)
        ends = folder / "coverage_exit.o"
        subprocess.run([*os.environ.get("CC", "cc").split(), "-fPIC", "-c", "-o", ends,
                        ROOT / "tests/coverage_exit.c"], check=True)
        links = f"--coverage -Wl,--wrap=_exit,--wrap=raise {ends}"
        subprocess.run(["meson", "setup", folder, ROOT, "-Db_coverage=true",
                        "--buildtype=debug", f"-Dc_link_args={links}"], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["meson", "compile", "-C", folder], check=True, stdout=subprocess.DEVNULL)


def stages(folder, suites, seconds):
    """(name, command) of all that is run."""
    for suite in suites:
        yield suite, ["meson", "test", "-C", folder, "--no-rebuild", "--timeout-multiplier",
                      "10", "--suite", suite]
    calls = ROOT / "tests/fault_injection/failing_calls.py"
    for kind in ["memory", "files", "opencl"] if seconds else []:
        yield f"failing {kind}", [sys.executable, calls, folder, "--each", 1, "--seconds",
                                  seconds, kind]


def run_tests(folder, suites, seconds):
    """Runs all stages and prints what each adds."""
    before = [0, 0]
    for name, words in stages(folder, suites, seconds):
        run(words, stdout=subprocess.DEVNULL)
        now = [percent(reached) for reached in totals(count(folder))]
        print(f"{name}: {now[0]:.1f} % of lines (+{now[0] - before[0]:.1f}), "
              f"{now[1]:.1f} % of branches (+{now[1] - before[1]:.1f})", flush=True)
        before = now
    print()


def is_left_out(text, branches):
    return any(re.search(pattern, text) and (of_branches if branches else of_lines)
               for of_lines, of_branches, pattern, _ in LEFT_OUT)


class File:
    """The lines and branches of a file, and whether they were reached."""

    def __init__(self, name):
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        self.name, self.text = name, text.splitlines()
        self.lines, self.branches = {}, {}

    def add(self, line):
        number = line["line_number"]
        text = self.text[number - 1] if number <= len(self.text) else ""
        if not is_left_out(text, False):
            self.lines[number] = self.lines.get(number, False) or line["count"] > 0
        if is_left_out(text, True):
            return
        for i, branch in enumerate(line["branches"]):
            self.branches[number, i] = (self.branches.get((number, i), False) or
                                        branch["count"] > 0)

    def missing(self):
        partly = {number for (number, _), reached in self.branches.items() if not reached}
        for number, text in enumerate(self.text, 1):
            if not self.lines.get(number, True):
                yield f"{self.name}:{number}: - {text}"
            elif number in partly:
                yield f"{self.name}:{number}: / {text}"


def count(folder):
    """The files by name. Notes (gcno) are there for what no test runs, too."""
    files = {}
    for notes in [*folder.glob("src/libweft.so*.p/*.gcno"),
                  *folder.glob("tools/weft.p/*.gcno")]:
        out = run(["gcov", "--json-format", "--stdout", "-b", notes], cwd=folder,
                  capture_output=True, text=True).stdout
        for text in out.splitlines():
            for entry in json.loads(text)["files"]:
                name = os.path.relpath(os.path.join(folder, entry["file"]), ROOT)
                if name.startswith(("src/", "tools/cmd/", "cl/shared/")):
                    file = files[name] = files.get(name) or File(name)
                    for line in entry["lines"]:
                        file.add(line)
    return files


def percent(reached):
    reached = list(reached)
    return 100 * sum(reached) / max(len(reached), 1)


def totals(files):
    """Two lists: of each line, and of each branch, if it was reached."""
    return [[r for f in files.values() for r in getattr(f, kind).values()]
            for kind in ("lines", "branches")]


def table(title, groups):
    """A row for each (name, files), most branches missing first."""
    rows = []
    for name, files in groups:
        lines = [r for f in files for r in f.lines.values()]
        branches = [r for f in files for r in f.branches.values()]
        rows.append((branches.count(False), lines.count(False), percent(lines),
                     percent(branches), name))
    print(f"{'lines':>7} {'missing':>8} {'branches':>9} {'missing':>8}  {title}")
    for no_branch, no_line, lines, branches, name in sorted(rows, reverse=True):
        print(f"{lines:6.1f}% {no_line:8} {branches:8.1f}% {no_branch:8}  {name}")
    print()


def module_of(name):
    parts = name.split("/")[:-1]
    return "/".join(parts[:3])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--lines", type=float, default=0)
    parser.add_argument("--branches", type=float, default=0)
    parser.add_argument("--suite", action="append")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--missing", metavar="FILE", action="append")
    parser.add_argument("--no-run", action="store_true")
    args = parser.parse_args()
    folder = args.folder.resolve()
    if not args.no_run:
        build(folder)
        run_tests(folder, args.suite or SUITES, args.seconds)
    files = count(folder)
    if args.missing:
        print("\n".join(line for name in args.missing for line in files[name].missing()))
        return 0
    modules = collections.defaultdict(list)
    for file in files.values():
        modules[module_of(file.name)].append(file)
    table("file", [(f.name, [f]) for f in files.values()])
    table("module", modules.items())
    reached = totals(files)
    lines, branches = (percent(r) for r in reached)
    print(f"{len(files)} files: {lines:.1f} % of lines, {branches:.1f} % of branches")
    print(f"figures: lines={len(reached[0])} lines_reached={sum(reached[0])} "
          f"branches={len(reached[1])} branches_reached={sum(reached[1])}")
    return 1 if not files or lines < args.lines or branches < args.branches else 0


if __name__ == "__main__":
    sys.exit(main())
