# SPDX-License-Identifier: Apache-2.0
"""Drivers whose queue holds little, and launches that never end: the library waits in time, in sleep,
and not for ever. A compiler that compiles when kernels are made: what is kept is compiled.

Usage: queues.py WEFT LONG_QUEUE TEST_CACHE LAYER"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))
from checks import check, finish, skip

WEFT, LONG_QUEUE, TEST_CACHE, LAYER = (os.path.abspath(word) for word in sys.argv[1:5])
RUSTICL = "/etc/OpenCL/vendors/rusticl.icd"


def run(*command, fault="", delay="", **extra):
    """(exit code, output, what it took)"""
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=100, env={**os.environ, "OPENCL_LAYERS": LAYER, "WEFT_LAYER_FAULT": fault,
                                            "WEFT_LAYER_DELAY": delay, **extra})
    return done.returncode, done.stdout, time.monotonic() - begin


def queue(replays, *seconds, **layer):
    code, out, _ = run(LONG_QUEUE, str(replays), *seconds, **layer)
    measured = re.search(r"in ([0-9.]+) s, ([0-9.]+) s", out)
    check(code == 0 and measured, f"{replays} replays with {layer}: {out}")
    return [float(x) for x in measured.groups()] if measured else [1, 1]


def bounded():
    queue(1000, fault="queue-of-512", delay="launches:0")
    queue(50, fault="queue-of-50", delay="launches:20")  # half a second: 25 launches
    queue(100, "0.012", fault="queue-of-8", delay="launches:3")


def asleep():
    for _ in range(3):  # other processes may delay a run
        wall, used = queue(10, delay="launches:50")
        if used < 0.1 * wall:
            break
    check(used < 0.1 * wall, f"{used} s of processor time in {wall} s of waiting")


def hangs():
    code, out, _ = run(LONG_QUEUE, "200", delay="launches:0:400")
    check(code == 1 and "has not answered for" in out and "hangs" in out, f"a launch that never ends: {out}")
    code, out, took = run(WEFT, "train", "-d", "0", "--net", "small.net", "--data", "data", "-e", "50", "--out",
                          "run", delay="launches:0:2000", WEFT_DEVICE_TIMEOUT="2")
    check(code == 1 and took < 60, f"exit code {code} after {took} s: {out}")
    for words in ("(driver", "has not answered for", "steps before are in run/last.safetensors"):
        check(words in " ".join(out.split()), f"'{words}' of training that hangs: {out}")
    code, out, _ = run(WEFT, "train", "-d", "0", "--data", "data", "--net", "small.net", "-e", "50", "--out", "run",
                       "--resume", "--time-limit", "1s")
    check(code == 0, f"the run is resumed: {out}")


def late_compiler():
    if not os.path.exists(RUSTICL):
        return skip(f"there is no {RUSTICL}, whose programs weft keeps")
    code, out, _ = run(TEST_CACHE, fault="late-compiler", OCL_ICD_VENDORS=RUSTICL, RUSTICL_ENABLE="swrast")
    check(code == 0 and "layer: planted" in out, f"programs of a late compiler: {out}")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.environ.update(XDG_CACHE_HOME=folder + "/cache", XDG_STATE_HOME=folder + "/state", COLUMNS="200")
    subprocess.run([sys.executable, pathlib.Path(__file__).parents[1] / "cli" / "cli_data.py", "."], check=True)
    pathlib.Path("small.net").write_text("conv 4 3x3 relu\nmax-pool 2\nflatten\ndense classes\nsoftmax\nbatch 16\n")
    bounded()
    asleep()
    hangs()
    late_compiler()
finish()
