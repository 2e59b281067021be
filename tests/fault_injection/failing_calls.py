# SPDX-License-Identifier: Apache-2.0
"""Every call that weft makes fails: once, and from then on.

    failing_calls.py BUILD [--seconds N] [--each N] [--jobs N] [-v]
                     memory|files|opencl|control [SCENARIO...]

  memory   malloc, calloc, realloc and strdup of weft's own code, on the C backend
  files    open, read, write, fsync, rename, close and the others of files and folders
  opencl   the calls of OpenCL, by the layer of tests/opencl_layer, on PoCL
  control  planted faults, which must be found

A scenario is run once to count the calls of the command and its children by call site: the
function, and its callers (call_counter.h). Of each site the first, the middle and the last
call fail, or with --each N as many, evenly chosen, or with --each 0 all; each in a run of its
own, in both forms, the first one with each of two codes. A run is right if it ends in time,
without a signal or a report of a sanitizer, with a documented exit code; if a failure has a
message; if success has the same results as without the failure, or a message; and if the
model that was there before can be read, or its successor. --seconds: ends after this time,
with every site's first call before any other; 0, the default: when all are done."""
import argparse
import collections
import concurrent.futures
import glob
import os
import queue
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from interruptions import DATA, tensors

EXITS = {0, 1, 2, 3, 4, 5, 130}  # docs/file-formats.md
DEADLINE = 300
EIO, ENOSPC, ENOMEM = 5, 28, 12
OUT_OF_RESOURCES, OUT_OF_HOST_MEMORY = -5, -6

# name: (words, what must be the same after success: a file, or "out" for the output).
NET = ["--data", "data", "--net", "tiny.net"]
TRAIN = (["train", *NET, "--epochs", "1", "--out", "new"], "new/last.safetensors")
SCENARIOS = {
    "train": TRAIN,
    "first": TRAIN,  # on a driver that is new: kernels are compiled and tested
    "resume": (["train", "--resume", "--epochs", "2", "--out", "run"],
               "run/last.safetensors"),
    "eval": (["eval", "run/last.safetensors"], None),
    "predict": (["predict", "run/last.safetensors", "images", "-f", "csv"], "out"),
    "show": (["show", "run/last.safetensors"], "out"),
    "tune": (["tune", "--net", "one.net", "--batch", "16", "--inference-batch", "0",
              "--time-limit", "3s"], None),
    "bench": (["bench", "train", "inference", "--net", "ten.net", "--quick", "--time",
               "0.02s"], None),
}
KINDS = {
    "memory": (["train", "resume", "eval", "predict", "show"], (ENOMEM,)),
    "files": (["train", "resume", "eval", "predict", "show"], (EIO, ENOSPC)),
    "opencl": (["train", "first", "eval", "predict", "tune", "bench"],
               (OUT_OF_RESOURCES, OUT_OF_HOST_MEMORY)),
}
NEVER = 1 << 60
# struct call_counter
HEAD, SITE, SITES = struct.Struct("qq"), struct.Struct("Qq40s"), 4096
Site = collections.namedtuple("Site", "name key calls")
Ended = collections.namedtuple("Ended", "code out messages calls failed sites")


class Fault(collections.namedtuple("Fault", "site at code form")):
    """The failure of a call of a site: `form` is ":once", or "" for ever."""

    def word(self):
        return f"{self.code}:{self.at}@{self.site.key:x}{self.form}"


class Failures:
    def __init__(self, build, kind, folder):
        self.build, self.kind = os.path.abspath(build), kind
        self.folder, self.counter = folder, os.path.join(folder, "counter")
        self.device = "0" if kind == "opencl" else "cpu"
        self.program = os.path.join(self.build, "tests/weft_failing")
        if kind == "opencl":
            self.program = os.path.join(self.build, "tools/weft")

    def prepare(self):
        """Small data, a model, and its expected bits."""
        os.makedirs(self.path("start"))
        subprocess.run([sys.executable, DATA, self.path("start")], check=True)
        with open(self.path("start/tiny.net"), encoding="utf-8") as file:
            text = file.read().replace("dense 3", "dense classes")
        for name, text in (("ten", text), ("one", "flatten\ndense classes\nsoftmax\n")):
            with open(self.path(f"start/{name}.net"), "w", encoding="utf-8") as file:
                file.write(text)
        plain = {**self.environment(), "OCL_ICD_VENDORS": "/nowhere"}
        subprocess.run([os.path.join(self.build, "tools/weft"), "train", "-d", "cpu", *NET,
                        "--epochs", "1", "--out", "run"], cwd=self.path("start"), env=plain,
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def path(self, name):
        return os.path.join(self.folder, name)

    def environment(self, fault=None):
        env = {**os.environ, "XDG_CACHE_HOME": self.path("cache"), "NO_COLOR": "1",
               "XDG_STATE_HOME": self.path("state"), "WEFT_CALL_COUNTER": self.counter,
               "WEFT_DRIVER_TIMEOUT": "60", "WEFT_DEVICE": ""}
        if self.kind != "opencl":
            env["OCL_ICD_VENDORS"] = "/nowhere"
        else:
            env.setdefault("OCL_ICD_VENDORS", "/etc/OpenCL/vendors/pocl.icd")
            env.setdefault("POCL_EXTRA_BUILD_FLAGS", "-cl-opt-disable")  # compiles faster
            env["MALLOC_PERTURB_"] = "90"  # freed memory changes, which the layer looks for
        if fault and self.kind == "opencl":
            env["OPENCL_LAYERS"] = os.path.join(self.build, "tests/weft_layer.so")
            env["WEFT_LAYER_FAULT"] = "any:" + fault
        if fault and self.kind != "opencl":
            env["WEFT_FAILING_CALLS"] = f"{self.kind}:{fault}"
        return env

    def run(self, scenario, fault):
        """Runs a scenario in a fresh folder, as an Ended."""
        work, words = self.path("work"), SCENARIOS[scenario][0]
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self.path("start"), work)
        # The driver's cache and weft's stay; what was tuned does not.
        shutil.rmtree(self.path("state"), ignore_errors=True)
        for cached in glob.glob(self.path("cache/weft/*")) if scenario == "first" else []:
            if not os.path.basename(cached).startswith("drivers-"):
                shutil.rmtree(cached) if os.path.isdir(cached) else os.remove(cached)
        with open(self.counter, "wb") as file:
            file.write(bytes(HEAD.size + SITES * SITE.size))
        try:
            device = [] if words[0] == "show" else ["-d", self.device]
            done = subprocess.run([self.program, *words, *device],
                                  cwd=work, env=self.environment(fault), text=True,
                                  errors="replace", capture_output=True, timeout=DEADLINE,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return Ended(None, "", "", 0, 1, [])
        with open(self.counter, "rb") as file:
            numbers = file.read()
        calls, failed = HEAD.unpack_from(numbers)
        sites = [Site(re.sub(r"^(__wrap|failing)_", "", name.rstrip(b"\0").decode()), key, n)
                 for key, n, name in SITE.iter_unpack(numbers[HEAD.size:]) if key]
        return Ended(done.returncode, done.stdout, done.stderr, calls, failed, sites)

    def result(self, same, out):
        if same == "out":
            return out
        if not same:
            return None
        try:
            with open(os.path.join(self.path("work"), same), "rb") as file:
                return tensors(file.read())
        except (OSError, ValueError) as why:
            return f"no {same}: {why}"

    def model_is_lost(self):
        """The message of a run's model that cannot be read any more."""
        model = os.path.join(self.path("work"), "run/last.safetensors")
        try:
            with open(model, "rb") as file:
                tensors(file.read())
        except (OSError, ValueError) as why:
            return str(why)
        return None

    def fault_of(self, scenario, ended, expected):
        """The fault of a run, or None."""
        code, messages = ended.code, ended.messages
        message = re.search(r"^weft\b.*\w|^warning: ", messages, re.M)
        if code is None:
            return f"has not ended after {DEADLINE} s"
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        report = re.search(r"(?:ERROR|WARNING): \w+Sanitizer.*|runtime error:.*", messages)
        if report:
            return report.group()
        if "crashed (SIG" in messages:
            return "crashed: " + messages.strip().splitlines()[-1]
        if code not in EXITS:
            return f"exit code {code}"
        if code and not message:
            return f"exit code {code} without a message"
        got = self.result(SCENARIOS[scenario][1], ended.out)
        if not code and ended.failed and got != expected and not message:
            return "success with another result, and no message"
        return self.model_is_lost()


def sites_of(runs):
    """The sites that are in all of the runs, with the least of their calls."""
    calls = collections.defaultdict(list)
    for ended in runs:
        for site in ended.sites:
            calls[site.name, site.key].append(site.calls)
    return [Site(*site, min(counts)) for site, counts in calls.items()
            if len(counts) == len(runs)]


def faults_of(sites, codes, each):
    """The calls that fail, the first of each site before any other."""
    faults = []
    for site in sorted(sites):
        share = min(site.calls, each or site.calls)
        chosen = {round(i * (site.calls - 1) / max(share - 1, 1)) for i in range(share)}
        for turn, at in enumerate(sorted(chosen)):
            for code in codes if not turn else codes[turn % len(codes)::len(codes)][:1]:
                for form in (":once", ""):
                    faults.append(Fault(site, at, code, form))
    random.Random(1).shuffle(faults)
    return sorted(faults, key=lambda fault: fault.at > 0)


def run_scenario(workers, scenario, codes, args, seconds):
    """Counts of calls, planned and planted failures, and what is wrong."""
    # The first run fills the caches, the second counts.
    for _ in range(2):
        usual = [failures.run(scenario, f"{codes[0]}:{NEVER}") for failures in workers]
    sites, expected = sites_of(usual), {}
    for failures, ended in zip(workers, usual):
        expected[failures] = failures.result(SCENARIOS[scenario][1], ended.out)
        if ended.code:
            print(f"WRONG {scenario} without failures: {ended.messages[-300:]}")
            return 0, 0, 0, 1
    faults = faults_of(sites, codes, args.each)
    end = time.monotonic() + seconds if seconds else float("inf")
    free, wrong = queue.SimpleQueue(), []
    for failures in workers:
        free.put(failures)

    def run(fault):
        if time.monotonic() > end:
            return 0
        failures = free.get()
        ended = failures.run(scenario, fault.word())
        while not ended.failed and fault.at:  # there were fewer calls than before
            fault = fault._replace(at=fault.at // 2)
            ended = failures.run(scenario, fault.word())
        why = failures.fault_of(scenario, ended, expected[failures])
        free.put(failures)
        if why:
            wrong.append(why)
        if args.verbose or why:
            last = (ended.messages.strip().splitlines() or [""])[-1]
            print(f"{'WRONG' if why else 'right'} {scenario} {fault.site.name} {fault.at} of "
                  f"{fault.site.calls} ({fault.word()}): exit code {ended.code}: "
                  f"{why or last}", flush=True)
        return ended.failed > 0

    with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
        runs = sum(pool.map(run, faults))
    calls = sum(site.calls for site in sites)
    print(f"{scenario}: {calls} calls of {len(sites)} sites, {runs} of {len(faults)} failures, "
          f"{len(wrong)} wrong", flush=True)
    return calls, len(faults), runs, len(wrong)


def run_control(args):
    """Commands that are wrong: each must be found."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        failures = Failures(args.build, "files", folder)
        failures.prepare()
        expected = b"other"
        ended = failures.run("resume", "crash:40")
        found.append(failures.fault_of("resume", ended, expected) or "")
        silent = Ended(1, "", "", 9, 1, [])
        found.append(failures.fault_of("show", silent, expected) or "")
        wrong = Ended(0, "x", "", 9, 1, [])
        found.append(failures.fault_of("show", wrong, expected) or "")
        with open(failures.path("work/run/last.safetensors"), "r+b") as file:
            file.truncate(1000)
        found.append(failures.fault_of("show", Ended(0, "", "", 9, 0, []), expected) or "")
    patterns = ["ended by SIGKILL", "without a message", "another result", "."]
    caught = sum(bool(re.search(p, f)) for p, f in zip(patterns, found))
    print(f"{caught} of {len(patterns)} planted faults found")
    return 0 if caught == len(patterns) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("kind", choices=[*KINDS, "control"])
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    if args.kind == "control":
        return run_control(args)
    names, codes = KINDS[args.kind]
    names = args.scenarios or names
    end = time.monotonic() + args.seconds
    totals = [0] * 4
    with tempfile.TemporaryDirectory() as folder:
        workers = []
        for i in range(args.jobs):
            workers.append(Failures(args.build, args.kind, os.path.join(folder, str(i))))
            workers[-1].prepare()
        for i, name in enumerate(names):
            left = max(0.1, end - time.monotonic()) if args.seconds else 0
            counts = run_scenario(workers, name, codes, args, left / (len(names) - i))
            totals = [a + b for a, b in zip(totals, counts)]
    calls, planned, planted, wrong = totals
    print(f"{calls} calls of {args.kind}: {planted} of {planned} failures planted, "
          f"{wrong} wrong")
    print(f"figures: calls={calls} planted={planted} planned={planned} wrong={wrong}")
    return 1 if wrong or not planted else 0


if __name__ == "__main__":
    sys.exit(main())
