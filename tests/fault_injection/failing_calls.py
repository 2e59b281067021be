# SPDX-License-Identifier: Apache-2.0
"""Every call that weft makes fails: once, and from then on.

    failing_calls.py BUILD [--seconds N] [-v] memory|files|opencl|control
                     [SCENARIO...]

  memory   malloc, calloc, realloc and strdup of weft's own code, on the C backend
  files    open, read, write, fsync, rename, close and the others of files and folders
  opencl   the calls of OpenCL, by the layer of tests/opencl_layer, on PoCL
  control  planted faults, which must be found

A scenario is run once to count the calls of the command and its children; then each call
fails in a run of its own, in both forms. A run is right if it ends in time, without a
signal or a report of a sanitizer, with a documented exit code; if a failure has a
message; if success has the same results as without the failure, or a message; and if the
model that was there before can be read, or its successor. --seconds: the calls are sampled
evenly, as many as this time allows; 0, the default: all of them."""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from interruptions import DATA, tensors

EXITS = {0, 1, 2, 3, 4, 5, 130}  # docs/file-formats.md
DEADLINE = 120
EIO, ENOSPC, ENOMEM = 5, 28, 12
OUT_OF_RESOURCES, OUT_OF_HOST_MEMORY = -5, -6

# name: (words, what must be the same after success: a file, or "out" for the output).
NET = ["--data", "data", "--net", "tiny.net"]
SCENARIOS = {
    "train": (["train", *NET, "--epochs", "1", "--out", "new"], "new/last.safetensors"),
    "resume": (["train", "--resume", "--epochs", "2", "--out", "run"],
               "run/last.safetensors"),
    "eval": (["eval", "run/last.safetensors"], None),
    "predict": (["predict", "run/last.safetensors", "images", "-f", "csv"], "out"),
    "show": (["show", "run/last.safetensors"], "out"),
    "tune": (["tune", "--net", "tiny.net", "--time-limit", "2s"], None),
    "bench": (["bench", "train", "inference", "--net", "ten.net", "--quick"], None),
}
KINDS = {
    "memory": (["train", "resume", "eval", "predict", "show"], (ENOMEM,)),
    "files": (["train", "resume", "eval", "predict", "show"], (EIO, ENOSPC)),
    "opencl": (["train", "eval", "predict", "tune", "bench"],
               (OUT_OF_RESOURCES, OUT_OF_HOST_MEMORY)),
}
NEVER = 1 << 60


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
        with open(self.path("start/ten.net"), "w", encoding="utf-8") as file:
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
        elif fault:
            env["OPENCL_LAYERS"] = os.path.join(self.build, "tests/weft_layer.so")
            env["WEFT_LAYER_FAULT"] = "any:" + fault
        if fault and self.kind != "opencl":
            env["WEFT_FAILING_CALLS"] = f"{self.kind}:{fault}"
        return env

    def run(self, words, fault):
        """(exit code, output, messages, calls, failed calls) in a fresh folder."""
        work = self.path("work")
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self.path("start"), work)
        # The driver's cache and weft's stay; what was tuned does not.
        shutil.rmtree(self.path("state"), ignore_errors=True)
        with open(self.counter, "wb") as file:
            file.write(bytes(16))
        try:
            device = [] if words[0] == "show" else ["-d", self.device]
            done = subprocess.run([self.program, *words, *device],
                                  cwd=work, env=self.environment(fault), text=True,
                                  errors="replace", capture_output=True, timeout=DEADLINE,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return None, "", "", 0, 1
        with open(self.counter, "rb") as file:
            numbers = file.read()
        calls, failed = (int.from_bytes(numbers[i:i + 8], sys.byteorder) for i in (0, 8))
        return done.returncode, done.stdout, done.stderr, calls, failed

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
        code, out, messages, _, failed = ended
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
        got = self.result(SCENARIOS[scenario][1], out)
        if not code and failed and got != expected and not message:
            return "success with another result, and no message"
        return self.model_is_lost()


def sampled(calls, codes, failures, seconds, words):
    """The faults to plant: all, or as many of them as the time allows."""
    faults = [f"{code}:{at}{form}" for at in range(calls) for code in codes
              for form in (":once", "")]
    if not seconds:
        return faults
    begin = time.monotonic()
    failures.run(words, f"{codes[0]}:{NEVER}")
    share = max(3, int(seconds / (time.monotonic() - begin + 1e-3)))
    step = max(1.0, len(faults) / share)
    return [faults[int(i * step)] for i in range(int(len(faults) / step))]


def run_scenario(failures, scenario, codes, seconds, verbose):
    words = SCENARIOS[scenario][0]
    # The first run fills the caches, the second counts.
    for _ in range(2):
        code, out, messages, calls, _ = failures.run(words, f"{codes[0]}:{NEVER}")
    if code:
        return {"calls": 0, "runs": 0, "wrong": [f"without failures: {messages[-300:]}"]}
    expected = failures.result(SCENARIOS[scenario][1], out)
    faults = sampled(calls, codes, failures, seconds, words)
    result = {"calls": calls, "of": calls * len(codes) * 2, "runs": 0, "triggered": 0,
              "wrong": []}
    begin = time.monotonic()
    for fault in faults:
        if seconds and time.monotonic() - begin > 2 * seconds:
            break
        ended = failures.run(words, fault)
        wrong = failures.fault_of(scenario, ended, expected)
        result["runs"] += 1
        result["triggered"] += ended[4] > 0
        if wrong:
            result["wrong"].append(f"{scenario} {fault}: {wrong}")
        if verbose or wrong:
            last = (ended[2].strip().splitlines() or [""])[-1]
            print(f"{'WRONG' if wrong else 'right'} {scenario} {fault}: exit code "
                  f"{ended[0]}: {wrong or last}", flush=True)
    return result


def run_control(args):
    """Commands that are wrong: each must be found."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        failures = Failures(args.build, "files", folder)
        failures.prepare()
        words, _ = SCENARIOS["resume"]
        expected = b"other"
        ended = failures.run(words, "crash:40")
        found.append(failures.fault_of("resume", ended, expected) or "")
        silent = (1, "", "", 9, 1)
        found.append(failures.fault_of("show", silent, expected) or "")
        wrong = (0, "x", "", 9, 1)
        found.append(failures.fault_of("show", wrong, expected) or "")
        with open(failures.path("work/run/last.safetensors"), "r+b") as file:
            file.truncate(1000)
        found.append(failures.fault_of("show", (0, "", "", 9, 0), expected) or "")
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
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    if args.kind == "control":
        return run_control(args)
    names, codes = KINDS[args.kind]
    names = args.scenarios or names
    runs = calls = planned = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        failures = Failures(args.build, args.kind, folder)
        failures.prepare()
        for name in names:
            result = run_scenario(failures, name, codes, args.seconds / len(names),
                                  args.verbose)
            print(f"{name}: {result['calls']} calls, {result['runs']} runs, "
                  f"{len(result['wrong'])} wrong", flush=True)
            for text in result["wrong"] if not result["runs"] else []:
                print("WRONG " + text)
            runs += result["runs"]
            calls += result["calls"]
            planned += result.get("of", 0)
            wrong += len(result["wrong"])
    print(f"{calls} calls of {args.kind}: {runs} of {planned} failures planted, "
          f"{wrong} wrong")
    print(f"figures: calls={calls} planted={runs} planned={planned} wrong={wrong}")
    return 1 if wrong or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
