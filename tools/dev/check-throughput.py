#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether weft bench tells the speed that a clock on the outside sees.

    tools/dev/check-throughput.py WEFT [ROUNDS [OPTIONS of weft train and bench]]

A round times two runs of `weft train`, of two epochs and of twelve, from start to exit. What
the longer takes more is ten epochs, without starting, compiling and reading; each ends
with a checkpoint, which bench has not. Between them bench measures the same network. Exit
code 5 if the medians of outside and bench are more than 5 % apart. It needs a machine that
does nothing else."""

import json
import statistics
import subprocess
import sys
import tempfile
import time

EPOCHS, MOST = (2, 12), 0.05
IMAGES = 60000  # of Fashion-MNIST; what is left of an epoch's last batch is below 1 %


def train(weft, options, epochs):
    """Seconds of a run on the usual data."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        subprocess.run([weft, "train", "--epochs", str(epochs), "--val-split", "0",
                        "--out", folder + "/run", "--tuning", "off", *options],
                       check=True, capture_output=True)
        return time.monotonic() - start


def bench(weft, options):
    done = subprocess.run([weft, "bench", "train", "--quick", "-f", "json", *options],
                          check=True, capture_output=True)
    return json.loads(done.stdout)["rows"][0]["median"]


def main(weft, rounds=3, *options):
    outside, inside = [], []
    train(weft, options, 1)  # compiles
    for _ in range(int(rounds)):
        short = train(weft, options, EPOCHS[0])
        inside.append(bench(weft, options))
        long = train(weft, options, EPOCHS[1])
        outside.append((EPOCHS[1] - EPOCHS[0]) * IMAGES / (long - short))
        print(f"outside {outside[-1]:9,.0f}   bench {inside[-1]:9,.0f} images/s", flush=True)
    ratio = statistics.median(outside) / statistics.median(inside)
    print(f"outside / bench, medians of {rounds}: {ratio:.3f}")
    return 0 if abs(ratio - 1) <= MOST else 5


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
