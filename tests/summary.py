# SPDX-License-Identifier: Apache-2.0
"""Summarizes the tests of one or more build folders.

Usage: summary.py BUILD... Names each skipped test with its reason and each failed one with
the end of its log; the last line is `N passed, N failed, N skipped`. A folder without
results counts as one failure: it did not build."""

import json
import pathlib
import sys

LOG_LINES = 40
SKIPPED = {"SKIP"}
PASSED = {"OK", "EXPECTEDFAIL"}


def lines_of(test):
    return (test.get("stdout", "") + test.get("stderr", "")).rstrip().splitlines()


def results_of(folder):
    log = pathlib.Path(folder) / "meson-logs" / "testlog.json"
    if not log.is_file():
        return [{"name": "build", "result": "FAIL", "stdout": "the build failed"}]
    return [json.loads(line) for line in log.read_text().splitlines()]


tests = [(folder, test) for folder in sys.argv[1:] for test in results_of(folder)]
skipped = [pair for pair in tests if pair[1]["result"] in SKIPPED]
passed = [pair for pair in tests if pair[1]["result"] in PASSED]
failed = [pair for pair in tests if pair not in skipped and pair not in passed]

for folder, test in skipped:
    print(f"skipped: {folder} {test['name']}: {(lines_of(test) or ['?'])[-1]}")
for folder, test in failed:
    print(f"\nFAILED: {folder} {test['name']} ({test['result']}), the end of its log:")
    print("\n".join("    " + line for line in lines_of(test)[-LOG_LINES:]))
if failed:
    print("\nWhole logs: meson-logs/testlog.txt in the build folders. Failed:")
    for folder, test in failed:
        print(f"  {folder} {test['name']}")
print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
sys.exit(1 if failed or not passed else 0)
