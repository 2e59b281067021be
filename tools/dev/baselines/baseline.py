# SPDX-License-Identifier: Apache-2.0
"""Runs one job in one framework; the last line printed is what came of it, in JSON.

usage: peer.py MODULE < JOB. tools/dev/baselines/compare calls it. MODULE is in_torch and its like:
`version`, and a class `Peer` made of a job, which has

    weights           how many numbers it trains
    predict(x)        logits of images [n][row][column][channel]
    infer(x)          a function that runs the batch x and returns when that is done
    train(x, y)       a function that does finished steps, and the images of a call"""

import importlib
import json
import sys
import time

import jobs
import numpy as np

WINDOW = 0.3  # seconds of finished steps that are a sample
WARM_CALLS, WARM_SECONDS, LEAST_SAMPLES = 3, 0.5, 3


def timed(step, window):
    """Seconds that a call takes, over as many calls as fill the window."""
    start, calls, seconds = time.perf_counter(), 0, 0.0
    while seconds < window:
        step()
        calls += 1
        seconds = time.perf_counter() - start
    return seconds / calls


def measure(step, duration):
    """Seconds that a call takes, a sample a window, after warm-up."""
    for _ in range(WARM_CALLS):
        step()
    timed(step, WARM_SECONDS)
    samples, end = [], time.perf_counter() + duration
    while len(samples) < LEAST_SAMPLES or time.perf_counter() < end:
        samples.append(timed(step, WINDOW))
    return samples


def probabilities(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return raised / raised.sum(axis=1, keepdims=True)


def check_trained(before, logits):
    if not np.isfinite(logits).all():
        sys.exit("training led to logits that are not finite")
    if np.allclose(before, probabilities(logits), atol=1e-6):
        sys.exit("training changed nothing")


def main():
    job = jobs.BenchmarkConfig(sys.stdin)
    module = importlib.import_module(sys.argv[1])
    peer = module.Peer(job)
    if peer.weights != job.net.weights:
        sys.exit(f"it trains {peer.weights} numbers, but weft {job.net.weights}")
    sample = job.images("t10k")[: job.sample_count]
    before = probabilities(peer.predict(sample))
    x = job.images("train")
    if job.training:
        step, images = peer.train(x, job.labels("train"))
    else:
        step, images = peer.infer(x[: job.batch]), job.batch
    seconds = measure(step, job.seconds)
    if job.training:
        check_trained(before, peer.predict(sample))
    told = {"rates": [images / s for s in seconds], "probabilities": before.tolist()}
    print(json.dumps({"version": module.version, **told}))


main()
