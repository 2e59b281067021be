# SPDX-License-Identifier: Apache-2.0
"""Lines and branches of src/ and tools/cmd/ that the tests reach: a build of its own.

    coverage.py FOLDER [--lines PERCENT] [--branches PERCENT] [--no-run]

Runs all suites that are not Oclgrind's, and prints the files with the most lines that no
test reaches. Exit code 1: less than asked. --no-run: counts what earlier runs left."""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SUITES = ["cpu", "net", "data", "cli", "opencl", "oracle"]


def build_and_test(folder):
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, ROOT, "-Db_coverage=true",
                        "--buildtype=debug"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["meson", "compile", "-C", folder], check=True, stdout=subprocess.DEVNULL)
    suites = [word for suite in SUITES for word in ("--suite", suite)]
    subprocess.run(["meson", "test", "-C", folder, "--no-rebuild", "--timeout-multiplier", "10",
                    *suites], check=False, stdout=subprocess.DEVNULL)


def count(folder):
    """{file: ({line: reached}, {(line, branch): reached})}."""
    files = {}
    for data in folder.rglob("*.gcda"):
        out = subprocess.run(["gcov", "--json-format", "--stdout", "-b", data], cwd=folder,
                             capture_output=True, text=True, check=False).stdout
        for text in out.splitlines():
            for entry in json.loads(text)["files"]:
                name = os.path.relpath(os.path.join(folder, entry["file"]), ROOT)
                if not name.startswith(("src/", "tools/cmd/")):
                    continue
                lines, branches = files.setdefault(name, ({}, {}))
                for line in entry["lines"]:
                    number = line["line_number"]
                    lines[number] = lines.get(number, False) or line["count"] > 0
                    for i, branch in enumerate(line["branches"]):
                        key = number, i
                        branches[key] = branches.get(key, False) or branch["count"] > 0
    return files


def percent(reached):
    reached = list(reached)
    return 100 * sum(reached) / max(len(reached), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--lines", type=float, default=0)
    parser.add_argument("--branches", type=float, default=0)
    parser.add_argument("--no-run", action="store_true")
    args = parser.parse_args()
    if not args.no_run:
        build_and_test(args.folder)
    files = count(args.folder.resolve())
    worst = sorted(files, key=lambda f: sum(not r for r in files[f][0].values()), reverse=True)
    for name in worst[:30]:
        lines, branches = files[name]
        print(f"{percent(lines.values()):6.1f} % of lines, {percent(branches.values()):6.1f} % of "
              f"branches: {name}")
    reached = [[r for f in files.values() for r in f[kind].values()] for kind in (0, 1)]
    lines, branches = (percent(r) for r in reached)
    print(f"{len(files)} files: {lines:.1f} % of lines, {branches:.1f} % of branches")
    print(f"figures: lines={len(reached[0])} lines_reached={sum(reached[0])} "
          f"branches={len(reached[1])} branches_reached={sum(reached[1])}")
    return 1 if not files or lines < args.lines or branches < args.branches else 0


if __name__ == "__main__":
    sys.exit(main())
