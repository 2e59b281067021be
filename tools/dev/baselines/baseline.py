# SPDX-License-Identifier: Apache-2.0
"""Measures one configuration in one framework; prints the result as JSON in the last line.

usage: baseline.py MODULE < CONFIG. Called by tools/dev/baselines/compare. MODULE, such as
in_torch, has `version` and a class `Baseline`, created with a config, which has

    weights           the number of trained weights
    predict(x)        logits of images [n][row][column][channel]
    infer(x)          a function that runs the batch x synchronously
    train(x, y)       a synchronous function of one or more steps, and its images per call"""

import importlib
import json
import sys
import time

import jobs
import numpy as np

WINDOW = 0.3  # seconds per sample
WARM_CALLS, WARM_SECONDS, MIN_SAMPLES = 3, 0.5, 3


def timed(step, window):
    """Mean seconds of a call, over the calls that fill the window."""
    start, calls, seconds = time.perf_counter(), 0, 0.0
    while seconds < window:
        step()
        calls += 1
        seconds = time.perf_counter() - start
    return seconds / calls


def measure(step, duration):
    """Seconds of a call after warm-up, one sample per window."""
    for _ in range(WARM_CALLS):
        step()
    timed(step, WARM_SECONDS)
    samples, end = [], time.perf_counter() + duration
    while len(samples) < MIN_SAMPLES or time.perf_counter() < end:
        samples.append(timed(step, WINDOW))
    return samples


def probabilities(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return raised / raised.sum(axis=1, keepdims=True)


def check_trained(before, logits):
    if not np.isfinite(logits).all():
        sys.exit("training produced non-finite logits")
    if np.allclose(before, probabilities(logits), atol=1e-6):
        sys.exit("training did not change the weights")


def main():
    job = jobs.BenchmarkConfig(sys.stdin)
    module = importlib.import_module(sys.argv[1])
    baseline = module.Baseline(job)
    if baseline.weights != job.net.weights:
        sys.exit(f"it trains {baseline.weights} weights, but weft {job.net.weights}")
    sample = job.images("t10k")[: job.sample_count]
    before = probabilities(baseline.predict(sample))
    x = job.images("train")
    if job.training:
        step, images = baseline.train(x, job.labels("train"))
    else:
        step, images = baseline.infer(x[: job.batch]), job.batch
    seconds = measure(step, job.seconds)
    if job.training:
        check_trained(before, baseline.predict(sample))
    result = {"rates": [images / s for s in seconds], "probabilities": before.tolist()}
    print(json.dumps({"version": module.version, **result}))


main()
