# SPDX-License-Identifier: Apache-2.0
"""Kernels that the compiler refuses are replaced, and not tried again; those of --avoid are not used.
Programs are built once, and the cache does not grow. -d fastest does not choose a slow device. Steps
transfer nothing.

Usage: replacements.py WEFT LAYER"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))
from checks import check, finish

WEFT, LAYER = (os.path.abspath(word) for word in sys.argv[1:3])
NET = "conv 8 3x3 relu pad=same\nconv 8 3x3 relu pad=same\nmax-pool 2\nflatten\ndense classes\nsoftmax\nbatch 16\n"


def run(*words, fault="", cache="cache", **extra):
    """(exit code, output on one line)"""
    done = subprocess.run([WEFT, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=100, env={**os.environ, "OPENCL_LAYERS": LAYER, "WEFT_LAYER_FAULT": fault,
                                            "XDG_CACHE_HOME": os.path.abspath(cache), **extra})
    return done.returncode, " ".join(done.stdout.split())


def train(fault, number):
    return run("train", "-d", "0", "--family", "vec", "--net", "small.net", "--data", "data", "-e", "1", "--seed", "1",
               "--out", f"{fault}-{number}", fault=fault, cache=fault)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.environ.update(XDG_STATE_HOME=folder + "/state", COLUMNS="200")
    subprocess.run([sys.executable, pathlib.Path(__file__).parents[1] / "cli" / "cli_data.py", "."], check=True)
    pathlib.Path("small.net").write_text(NET)
    # The second also changes the sums of weight gradients that the optimizer step adds.
    for fault, algorithm in ("build-fails-direct", "direct"), ("build-fails-weights", "direct"):
        code, out = train(fault, 1)
        said = f"algorithm {algorithm} does not build on"
        check(code == 0 and "layer: planted" in out, f"{fault}: exit code {code}: {out}")
        check(out.count(said) == 1 and "another replaces it" in out, f"{fault}, not said once: {out}")
        loss = out.split("loss")[-1]
        code, out = train(fault, 2)
        check(code == 0 and "layer: planted" not in out, f"{fault} again: {out}")
        check(out.count("has failed a known-answer test, or does not build") == 1, f"{fault}, not remembered: {out}")
        check(out.split("loss")[-1].split(",")[0] == loss.split(",")[0], f"{fault}: another loss than {loss}: {out}")

    words = ("train", "-d", "0", "--family", "vec", "--net", "small.net", "--data", "data", "-e", "1", "-v")
    code, out = run(*words, "--out", "avoid", "--avoid", "clblast,winograd")
    check(code == 0 and "winograd-" not in out and ": direct " in out, f"--avoid winograd: {out}")
    code, out = run(*words, "--avoid", "winograd,direct,gemm")
    check(code == 1 and "without those to be avoided: winograd,direct,gemm" in out, f"nothing is left: {out}")
    for command in ("eval", "predict", "tune", "bench", "train"):
        code, out = run(command, "-d", "0", "--avoid", "winnograd-4", "--help")
        check(code == 0, f"{command} --avoid: {out}")
    code, out = run("tune", "-d", "0", "--show", "--avoid", "winnograd-4")
    check(code == 3 and "did you mean winograd-4" in out, f"a kernel that does not exist: {out}")

    # Where launches take long the host backend is faster; the result is kept.
    words = ("eval", "-d", "fastest", "avoid/last.safetensors", "--data", "data")
    code, out = run(*words, WEFT_LAYER_DELAY="launches:20", XDG_STATE_HOME=folder + "/slow")
    check(code == 0 and "host backend [fastest with this network]" in out, f"a slow device: {out}")
    code, out = run(*words, XDG_STATE_HOME=folder + "/slow")
    check(code == 0 and "host backend [fastest with this network when last measured]" in out, f"not kept: {out}")
    code, out = run("tune", "-d", "fastest", "--show")
    check(code == 2 and "no network to measure" in out, f"-d fastest without a network: {out}")

    # A step on data that the device holds transfers nothing: an epoch has 36 of them. The first run
    # also tests new kernels.
    counts = []
    for epochs in "1", "2", "4":
        code, out = run("train", "-d", "0", "--net", "small.net", "--data", "data", "-e", epochs, "--out",
                        f"count-{epochs}", fault="transfers-counted")
        found = re.search(r"layer: (\d+) transfers", out)
        check(code == 0 and found, f"transfers of {epochs} epochs: {out}")
        counts.append(int(found.group(1)) if found else 0)
    check(0 < (counts[2] - counts[1]) / 2 < 36, f"transfers of 1, 2 and 4 epochs: {counts}")
    print(f"{(counts[2] - counts[1]) / 2} transfers an epoch, none of them a step's")

    # PoCL has a cache of its own; the same driver under another name has not.
    sizes = []
    for number in range(3):
        code, out = run("train", "-d", "0", "--net", "small.net", "--data", "data", "-e", "1", "-v", "--out",
                        f"cached-{number}", cache="cached", WEFT_LAYER_FAKE="mali-old")
        found = re.search(r"(\d+) of (\d+) programs were in the cache", out)
        check(code == 0 and found, f"the hit rate: {out}")
        hits, builds = map(int, found.groups()) if found else (0, 0)
        check(builds > 0 and hits == (builds if number else 0), f"start {number}: {hits} of {builds} in the cache")
        sizes.append({p.name: p.stat().st_size for p in pathlib.Path("cached/weft").glob("*.bin")})
    check(sizes[0] and sizes[1] == sizes[2] == sizes[0], f"the cache grows: {sizes}")
finish()
