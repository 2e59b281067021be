# SPDX-License-Identifier: Apache-2.0
"""Interleaved measurements, A B C A B C, each in a process of its own."""

import json
import os
import pathlib
import statistics
import subprocess

import load

HERE = pathlib.Path(__file__).resolve().parent
# Settings of malloc that keep freed memory. By default glibc returns large blocks to the
# system, which costs PyTorch a page fault per 4 KiB of every layer of every step.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
# Settings for other programs of a machine, which slow the baselines down.
REMOVED_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

# name: module, environment, workloads
BASELINES = {
    "torch": ("in_torch", {}, ("train",)),
    "torch-tuned": ("in_torch", KEEP_MEMORY, ("train", "inference", "latency", "gemm")),
    "keras": ("in_keras", {}, ("train", "inference")),
    "jax": ("in_jax", KEEP_MEMORY, ("train", "inference", "latency")),
    "tinygrad-cl": ("in_tinygrad", KEEP_MEMORY, ("train", "inference", "gemm")),
    "onnxruntime": ("in_onnxruntime", KEEP_MEMORY, ("inference", "latency")),
    "openvino": ("in_openvino", KEEP_MEMORY, ("inference", "latency")),
}
# Variants of weft: options of the command, workloads.
VARIANTS = {"weft-clblast": (["--gemm", "clblast"], ("gemm",))}


class Failed(Exception):
    """Why a measurement failed."""


def names(workload):
    known = [(name, workloads) for name, (_, _, workloads) in BASELINES.items()]
    known += [(name, workloads) for name, (_, workloads) in VARIANTS.items()]
    return [name for name, workloads in known if workload in workloads]


def run(command, timeout, environment=None, text=None):
    """The output of a command. Failed has its last line of output."""
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no result within {timeout:g} s") from None
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        message = words[-1][:200] if words else "no message"
        raise Failed(f"exit code {done.returncode}: {message}")
    return done.stdout


def run_weft(setup, options=()):
    text = run(setup.under + setup.bench + list(options), setup.timeout)
    return {"rates": [json.loads(text)["rows"][0]["median"]]}


def run_baseline(setup, name):
    module, extra, _ = BASELINES[name]
    environment = {k: v for k, v in os.environ.items() if k not in REMOVED_VARIABLES}
    command = setup.under + [str(setup.python), str(HERE / "baseline.py"), module]
    text = run(command, setup.timeout, {**environment, **extra}, json.dumps(setup.job))
    return json.loads(text.strip().splitlines()[-1])


def run_one(setup, name):
    if name == "weft":
        return run_weft(setup)
    if name in VARIANTS:
        return run_weft(setup, VARIANTS[name][0])
    return run_baseline(setup, name)


def difference(ours, theirs):
    """The largest difference between two lists of lists of probabilities."""
    pairs = [(a, b) for x, y in zip(ours, theirs, strict=True) for a, b in zip(x, y)]
    return max(abs(a - b) for a, b in pairs)


def take(result, got, setup):
    """Adds the result of one run and its difference from weft's probabilities."""
    result["samples"].append(setup.figure(statistics.median(got["rates"])))
    if "version" in got:
        result["version"] = got["version"]
    if "probabilities" in got:
        far = difference(setup.probabilities, got["probabilities"])
        result["difference"] = max(far, result.get("difference", 0))
        if far > setup.tolerance:
            result["mismatch"] = f"probabilities differ from weft's by {far:.2g}"


def run_rounds(setup, names, count, log):
    """Runs all rounds. A baseline that failed is not run again; its row has the reason."""
    results = {name: {"samples": []} for name in ["weft"] + names}
    for number in range(1, count + 1):
        for name, result in results.items():
            if "skipped" in result:
                result["samples"].append(None)
                continue
            try:
                with load.Meter() as meter:
                    got = run_one(setup, name)
                take(result, got, setup)
                result["others"] = max(meter.others, result.get("others", 0))
                log(f"round {number} of {count}, {name}: {result['samples'][-1]:.6g}")
            except Failed as error:
                if name == "weft":
                    raise
                result["skipped"] = str(error)
                result["samples"].append(None)
                log(f"round {number} of {count}, {name} is skipped: {error}")
    return results
