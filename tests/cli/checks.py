# SPDX-License-Identifier: Apache-2.0
"""Checks of the scripts in this folder. A check that fails is printed and counted, nothing more;
finish() ends the script with exit code 1 if one failed, and 77, a skip, if parts
could not be run."""

import os
import subprocess
import sys

# Leave out, in a build with sanitizers, what runs no other C code of weft.
SCOPE = os.environ.get("TESTS_SCOPE")
SANITIZED = SCOPE == "sanitized"
failures, skipped = [], []
ROUNDING = 2.0 ** -24  # the most by which a float32 is off, in parts of the number
PRINTED = 5e-9  # the same of nine digits, which JSON and CSV have


def check(holds, what, result=None):
    """`result`, an ended program, has its output printed below a failure."""
    if not holds:
        failures.append(what)
        print("FAILED:", what)
        if result:
            print("   | " + (result.stdout + result.stderr)[-600:].replace("\n", "\n   | "))


def near(got, right, by=PRINTED):
    """`got` is off by at most `by` parts of the larger number; as printed, without other roundings."""
    return abs(got - right) <= by * max(abs(got), abs(right))


def run(*words, code=0, says=""):
    """Runs a program, whose exit code and whose output, with blanks for line breaks, are checked;
    returns its stdout."""
    words = [*map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    text = done.stdout + done.stderr
    check(done.returncode == code and " ".join(says.split()) in " ".join(text.split()),
          f"`{' '.join(words)}`: exit code {done.returncode}, should be {code}, and '{says}':\n{text}")
    return done.stdout


def skip(reason):
    """A part that cannot be run here."""
    skipped.append(reason)


def finish():
    print(f"{len(failures)} failed")
    for reason in skipped:
        print(f"skipped: {reason}")
    sys.exit(1 if failures else 77 if skipped else 0)
