# SPDX-License-Identifier: Apache-2.0
"""Streamed training on a device whose transfers take long: the same bits, and transfers run
beside each other and the launches.

Usage: transfers.py TEST_STREAM LAYER [OPTION...]. TEST_STREAM compares the bits of runs."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))
from checks import check, finish

# A write and a copy of images, and of labels, in each step; in turn they would take as long.
TRANSFER = 0.03
SERIAL = 4 * TRANSFER


def run(delay):
    done = subprocess.run(sys.argv[1:2] + sys.argv[3:], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "OPENCL_LAYERS": sys.argv[2], "WEFT_LAYER_DELAY": delay})
    if done.returncode == 77:
        print(done.stdout.strip())
        sys.exit(77)
    check(done.returncode == 0 and "layer: planted" in done.stderr, f"{delay}: {done.stdout}{done.stderr}")
    steps, seconds = re.search(r"(\d+) streamed steps in ([0-9.]+) s", done.stdout).groups()
    return float(seconds) / int(steps)


for late in "writes:4", "copies:4":
    run(late)
for _ in range(3):  # other processes may delay a run
    step = run(f"both:{round(1000 * TRANSFER)}")
    if step < 0.8 * SERIAL:
        break
check(step < 0.8 * SERIAL, f"a step of {step:.4f} s; its transfers alone take {SERIAL} s one after the other")
print(f"{1000 * step:.1f} ms a step, whose transfers take {1000 * SERIAL:.0f} ms one after the other")
finish()
