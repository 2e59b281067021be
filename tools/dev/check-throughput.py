#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the throughput printed by weft bench against wall-clock times of weft train.

    tools/dev/check-throughput.py WEFT [ROUNDS [OPTIONS of weft train and bench]]

A round times two runs of `weft train` from start to exit, of 2 and of 12 epochs. The
difference is ten epochs without start, compilation and reading, but with checkpoints. In
between, bench measures the same network. Exit code 5 if the medians differ by more than 5 %.
Needs an otherwise idle machine."""

import json
import statistics
import subprocess
import sys
import tempfile
import time

EPOCHS, MAX_DIFFERENCE = (2, 12), 0.05
IMAGES = 60000  # of Fashion-MNIST; the incomplete last batch is below 1 %


def train(weft, options, epochs):
    """Seconds of a training run on Fashion-MNIST."""
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
    measured, reported = [], []
    train(weft, options, 1)  # compiles
    for _ in range(int(rounds)):
        short = train(weft, options, EPOCHS[0])
        reported.append(bench(weft, options))
        long = train(weft, options, EPOCHS[1])
        measured.append((EPOCHS[1] - EPOCHS[0]) * IMAGES / (long - short))
        print(f"train {measured[-1]:9,.0f}   bench {reported[-1]:9,.0f} images/s", flush=True)
    ratio = statistics.median(measured) / statistics.median(reported)
    print(f"train / bench, medians of {rounds} rounds: {ratio:.3f}")
    return 0 if abs(ratio - 1) <= MAX_DIFFERENCE else 5


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
