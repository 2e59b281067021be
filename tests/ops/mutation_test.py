# SPDX-License-Identifier: Apache-2.0
"""Devices that no one here owns, and drivers and kernels that are wrong, all made by the
layer of tests/opencl_layer/layer.h above a driver that is right.

    mutation_test.py BUILD [--short] [-v] [--jobs=N] [--seconds=N] [--each=N] KIND [NAME...]

  fakes    every fake device with every family of kernels: right, or refused in a sentence
  drivers  misbehaving drivers: every row of the layer's tables, and every call that fails
  kernels  wrong kernels: lines of cl/, changed by the rules of mutation_rules.py; NAME is a file
           of cl/ or FILE:LINE
  chosen   wrong kernels by hand: chosen_mutants.txt; NAME as for `kernels`
  same     the control: kernels whose line is replaced by itself, which must pass
  start    wrong kernels at the start of a training and of a prediction: the known-answer test
           must replace or report them before the first step
  untested the control of `start`: without that test none is reported

A planted fault must be reported by weft_verify, or when the device is opened; it counts if
the layer reports that it was triggered. The last line has how many were caught; below the goal
of its kind the exit code is 1. --short takes a few of each, for the suite; NAME: these alone; --jobs: as
many rows, or files of cl/, at a time; --seconds: stops after this time, with the rows in random
order; --each: wrong kernels from each file, for `kernels` and `start`; default 6."""
import collections
import concurrent.futures
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import mutation_rules
import start_mutants

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE, FAKE_DEADLINE = 120, 900
LATE = "out of time"
GOALS = {"drivers": 0.99, "mutants": 0.98, "chosen": 1.0}

# Fakes that weft must refuse, and the words that say why.
UNUSABLE = {
    "cl-1.1": "needs OpenCL 1.2",
    "no-compiler": "no compiler",
    "not-available": "not available",
    "big-endian": "another order",
}
# Fakes without room for a work-group's tile: what is not `vec` must be refused.
NO_TILES = {"local-4k", "no-local", "group-32", "group-1", "powervr", "videocore"}

QUICK_FAKES = ["big-endian", "no-compiler", "no-local"]

# Calls that fail, with these codes, the first time or later; "null": success, but nothing
# is given.
CALLS = ["clBuildProgram", "clSetKernelArg", "clGetKernelWorkGroupInfo", "clGetEventInfo",
         "clFlush", "clEnqueueReadBuffer", "clEnqueueWriteBuffer", "clEnqueueFillBuffer",
         "clEnqueueMarkerWithWaitList", "clEnqueueNDRangeKernel"]
HANDLES = ["clCreateBuffer", "clCreateProgramWithSource", "clCreateKernel"]
ONCE = ["clGetPlatformIDs", "clGetDeviceIDs", "clGetDeviceInfo", "clCreateContext",
        "clCreateCommandQueue"]
CODES = ["-5", "-36", "-9999"]

# A GPU with short vectors, whose kernels take other ways than those of a processor.
GPU = {"WEFT_LAYER_FAKE": "vector-4"}
LEFT_OUT = "there are 0 (cpu)"
# Harmless faults: weft must continue, with correct results.
HARMLESS = {
    "name-unended", "name-endless", "name-empty", "name-mute", "name-controls",
    "extensions-unended", "extensions-endless", "ids-one-more", "type-0",
    "units-all-ones", "vector-all-ones", "group-all-ones", "group-0", "group-mute",
    "local-all-ones", "memory-all-ones", "largest-all-ones", "late-compiler", "platforms-twice", "transfers-counted",
}
DEADLY = ("-crash", "-hang")
# Faults that the first of the DRIVER_WAYS finds.
QUICK_DRIVERS = ["name-unended", "group-mute", "result-nan", "read-flips-every-50th",
                 "select-is-swapped", "launch-10-of-11", "read-nothing", "buffer-same",
                 "clSetKernelArg:-9999:0", "clFlush:-5:5", "clEnqueueWriteBuffer:-9999:0",
                 "clGetPlatformIDs:-36:0", "clCreateBuffer:-5:5", "clCreateKernel:-5:0",
                 "build-crash", "queue-hang"]
EVERY = ["act", "add", "softmax", "loss", "dropout", "batch", "optimizer", "batch-norm",
         "pool", "dense", "conv", "cast"]
HALVES = ["act", "add", "pool", "cast", "dense"]


class Bench:
    """The programs of a build, run above the layer."""

    def __init__(self, build):
        self.programs = os.path.join(build, "tests")
        self.layer = {"OPENCL_LAYERS": os.path.join(self.programs, "weft_layer.so")}

    def lines(self, words, extra, stop=lambda line: False, seconds=DEADLINE):
        """(lines of output until `stop`, what the layer said, how it ended: "" if well)."""
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            process = subprocess.Popen(
                [os.path.join(self.programs, words[0]), *words[1:]], text=True,
                errors="replace", env={**os.environ, **self.layer, **extra},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
            late = threading.Event()
            timer = threading.Timer(seconds, lambda: (late.set(), process.kill()))
            timer.start()
            out = []
            for line in process.stdout:
                out.append(line.rstrip("\n"))
                if stop(line):
                    process.kill()
                    break
            process.stdout.close()
            code = process.wait()
            timer.cancel()
            errors.seek(0)
            ended = LATE if late.is_set() else ""
            if code < 0 and not late.is_set() and not (out and stop(out[-1])):
                ended = f"ended by {signal.Signals(-code).name}"
            return out, errors.read(), ended

    def names(self, variable):
        return self.lines(["check_op", "act"], {variable: "list"})[0]

    def report_of_deadly(self, name):
        """The report of `weft devices` on a driver that crashes or hangs."""
        with tempfile.TemporaryDirectory() as cache:
            out, said, ended = self.lines(
                ["../tools/weft", "devices"],
                {"WEFT_LAYER_FAULT": name, "WEFT_DRIVER_TIMEOUT": "3",
                 "XDG_CACHE_HOME": cache, "WEFT_DEVICE": ""})
        text = " ".join(" ".join(out + [said]).split())
        fault = [words for words in ("crashes on first use", "did not respond")
                 if words in text]
        return "" if ended or not fault else fault[0]

    def first_fault(self, words, extra):
        """(the first failure that check_op reports, whether the fault was triggered)."""
        def is_fault(line):
            return line.startswith("FAIL") or (line.startswith("skipped:") and
                                               LEFT_OUT in line)
        out, said, ended = self.lines(["check_op", "-d", "portable", *words], extra, is_fault)
        fault = out[-1] if out and is_fault(out[-1]) else ended
        return fault, "layer: planted" in said


class Score:
    """The planted faults, and the results."""

    def __init__(self, options):
        self.verbose, self.timed = options.verbose, options.end is not None
        self.caught, self.harmless, self.endless = 0, 0, 0
        self.slipped, self.idle = [], collections.Counter()

    def enter(self, name, fault, there, why_not=""):
        if name in HARMLESS and there and not fault:
            self.harmless += 1
        elif not there:
            self.idle[why_not] += 1
        elif fault and name not in HARMLESS:
            self.caught += 1
            self.endless += fault == LATE
        else:
            self.slipped.append(name)
        if self.verbose:
            word = "idle" if not there else "caught" if fault else "right"
            print(f"{word:8} {name}: {fault[:150]}", flush=True)

    def end(self, kind):
        planted = self.caught + len(self.slipped)
        for name in self.slipped:
            print(f"slipped: {name}")
        for why, count in self.idle.items():
            print(f"{count} did not come to pass: {why}")
        share = self.caught / max(planted, 1)
        print(f"{planted} planted, {self.caught} caught, {100 * share:.1f} %"
              f" ({self.endless} by a kernel that never ends); beside them {self.harmless}"
              f" that weft withstands, {sum(self.idle.values())} that did not come to pass")
        print(f"figures: {kind}={planted} {kind}_found={self.caught}")
        if not planted:
            return 0 if self.timed else 1
        return 0 if share >= GOALS[kind] else 1


def test_fake_device(bench, options, name):
    """The failures on a fake device."""
    out, said, ended = bench.lines(["fake_devices", "0" if options.short else "3"],
                                   {"WEFT_LAYER_FAKE": name}, seconds=FAKE_DEADLINE)
    want = ["device"] if name in UNUSABLE else ["auto", "vec", "tile", "sg", "mma"]
    faults = [ended] if ended else []
    if [line.split()[0] for line in out] != want:
        faults.append(f"lists {out}, expected {want}")
    for line in out:
        family, result = line.split()[0], line.split()[1].rstrip(":")
        refused = name in UNUSABLE or name in NO_TILES and family not in ("auto", "vec")
        if result != ("refused" if refused else "right"):
            faults.append(line)
        elif UNUSABLE.get(name, "") not in line:
            faults.append(f"does not say why: {line}")
    for fault in faults:
        print(f"FAIL {name}: {fault} {said[-300:]}")
    if options.verbose:
        print("\n".join(f"{name}: {line}" for line in out), flush=True)
    return faults


def test_fake_devices(bench, options):
    """Every fake device must be right, or refused where it should be."""
    names = options.names or (QUICK_FAKES if options.short
                              else bench.names("WEFT_LAYER_FAKE"))
    done = options.map(lambda name: test_fake_device(bench, options, name), names)
    wrong = sum(bool(f) for f in done)
    print(f"{len(done)} fake devices, {wrong} wrong")
    print(f"figures: fakes={len(done)} fakes_wrong={wrong}")
    return 1 if wrong or not names else 0


def errors():
    """Every call that fails, in the syntax of the layer."""
    yield from (f"{call}:{code}:{good}" for call in CALLS for code in CODES
                for good in (0, 5))
    yield from (f"{call}:{code}:0" for call in ONCE for code in CODES)
    yield from (f"{call}:{code}:{good}" for call in HANDLES for code in CODES + ["null"]
                for good in (0, 5))
    yield from (f"{call}:null:0" for call in ONCE[-2:])


DRIVER_WAYS = [["--small", "-n", "2", "act", "memory"], ["--small", "-n", "2", "dense"],
               ["-f", "vec", "--small", "-n", "2", *EVERY],
               ["-f", "vec", "--small", "--half", "-n", "3", *HALVES],
               ["-f", "tile", "--small", "-n", "2", *EVERY]]


def test_driver_fault(bench, options, score, name):
    if name.endswith(DEADLY):
        score.enter(name, bench.report_of_deadly(name), True)
        return
    fault, there = "", False
    few = options.short or name in HARMLESS
    for way in DRIVER_WAYS[:1 if few else len(DRIVER_WAYS)]:
        fault, here = bench.first_fault(way, {**GPU, "WEFT_LAYER_FAULT": name})
        there = there or here
        if fault and fault != LATE:
            break
        fault = ""
    why_not = ("its timers, which only measuring asks" if name.startswith("timer")
               else "a call or function that no check comes to")
    score.enter(name, fault, there, why_not)


def test_driver_faults(bench, options):
    """Faulty drivers must be reported, without a crash."""
    score = Score(options)
    names = options.names or (QUICK_DRIVERS if options.short
                              else [*bench.names("WEFT_LAYER_FAULT"), *errors()])
    options.map(lambda name: test_driver_fault(bench, options, score, name), names)
    return score.end("drivers")


# The cases of an op to run, until a wrong kernel is reported.
STAGES = [["--small", "-n", "2"], ["--small", "-n", "25"], ["-n", "8"],
          ["--small", "-n", "100"]]


def test_mutant(bench, options, name, plant):
    """(the report, whether the line is in a kernel that is compiled)."""
    there = False
    for stage in STAGES[:2 if options.short else len(STAGES)]:
        for way in mutation_rules.RUNS[name]:
            for device in {}, GPU:
                fault, here = bench.first_fault(stage + way,
                                         {"WEFT_LAYER_MUTANT": plant, **device})
                there = there or here
                # A few small cases take seconds, unless a kernel does not end.
                if fault and (fault != LATE or stage == STAGES[0]):
                    return fault, there
    return "", there


def test_file_mutants(bench, options, score, path):
    """A few lines of a file, those that still compile."""
    name, planted, idle = os.path.basename(path), 0, set()
    for number, text in mutation_rules.of_file(path):
        if planted == (1 if options.short else options.each) or options.is_late():
            return
        if (name, text.strip()) in mutation_rules.EQUIVALENT or number in idle:
            continue
        if not options.wants(name, f"{name}:{number}"):
            continue
        fault, there = test_mutant(bench, options, name, f"{name}:{number}:{text}")
        if "does not build" in fault or "no kernel" in fault:
            continue
        planted += there
        if not there:
            idle.add(number)
        score.enter(f"{name}:{number}: {text.strip()}", fault, there,
                    f"in {name}, {mutation_rules.condition(path, number)}, which no kernel that "
                    "runs here compiles")


def test_kernel_mutants(bench, options):
    """A few lines of each file are changed."""
    score = Score(options)
    files = mutation_rules.all_files(os.path.join(ROOT, "cl"))
    if options.short:
        files = [f for f in files if os.path.basename(f) in mutation_rules.QUICK]
    options.map(lambda path: test_file_mutants(bench, options, score, path), files)
    return score.end("mutants")


CHOSEN = os.path.join(ROOT, "tests", "ops", "chosen_mutants.txt")


def chosen_mutants():
    """(file, line, its number, the line it becomes, what the fault is) of CHOSEN."""
    paths = {os.path.basename(p): p for p in mutation_rules.all_files(os.path.join(ROOT, "cl"))}
    with open(CHOSEN, encoding="utf-8") as file:
        entries = [e.splitlines() for e in file.read().split("\n\n") if not e.startswith("#")]
    for name, right, wrong, what in entries:
        with open(paths[name], encoding="utf-8") as file:
            numbers = [i for i, line in enumerate(file, 1) if right in line]
            if len(numbers) != 1:
                raise SystemExit(f"{CHOSEN}: {len(numbers)} lines of {name} have \"{right}\"")
            file.seek(0)
            line = file.read().splitlines()[numbers[0] - 1]
        yield name, numbers[0], line, line.replace(right, wrong), what


def test_chosen(bench, options, score, mutant):
    """With the number of cases and the kernels of `weft verify`."""
    name, number, _, text, what = mutant
    fault, there = "", False
    for way in mutation_rules.RUNS[name]:
        for device in {}, GPU:
            if not fault:
                fault, here = bench.first_fault(
                    [word for word in way if word not in mutation_rules.DRAW],
                    {"WEFT_LAYER_MUTANT": f"{name}:{number}:{text}", **device})
                there = there or here
    if "does not build" in fault:
        fault = ""
    score.enter(f"{name}:{number}: {what}", fault, there,
                f"{what} in {name}, which no kernel that runs here compiles")


def test_chosen_mutants(bench, options):
    score = Score(options)
    mutants = [m for m in chosen_mutants() if options.wants(m[0], f"{m[0]}:{m[1]}")]
    if options.short:
        mutants = mutants[:3]
    options.map(lambda mutant: test_chosen(bench, options, score, mutant), mutants)
    return score.end("chosen")


def test_same(bench, options):
    """Lines that replace themselves: no check may fail."""
    wrong, planted = [], set()
    for name, number, line, _, _ in chosen_mutants():
        if name in planted or len(planted) == 4:
            continue
        fault, there = bench.first_fault(["--small", "-n", "2", *mutation_rules.RUNS[name][0]],
                                         {"WEFT_LAYER_MUTANT": f"{name}:{number}:{line}"})
        planted |= {name} if there else set()
        wrong += [f"{name}:{number}: {fault}"] if fault else []
    print("\n".join(wrong + [f"{len(planted)} lines replaced by themselves, {len(wrong)} reported"]))
    return 1 if wrong or not planted else 0


class Options:
    def __init__(self, words, names):
        seconds = [w[len("--seconds="):] for w in words if w.startswith("--seconds=")]
        self.end = time.monotonic() + float(seconds[0]) if seconds else None
        self.short, self.verbose = "--short" in words, "-v" in words
        jobs = [w[len("--jobs="):] for w in words if w.startswith("--jobs=")]
        self.jobs = int(jobs[0]) if jobs else 1
        each = [w[len("--each="):] for w in words if w.startswith("--each=")]
        self.each = int(each[0]) if each else 6
        self.untested, self.lock = False, threading.Lock()
        self.locks = collections.defaultdict(threading.Lock)
        self.names = names

    def wants(self, *names):
        return not self.names or any(name in self.names for name in names)

    def map(self, call, items):
        items = list(items)
        if self.end:
            random.shuffle(items)
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            return [r for r in pool.map(
                lambda item: None if self.is_late() else call(item), items) if r is not None]

    def is_late(self):
        return self.end is not None and time.monotonic() > self.end


def main(words):
    runs = {"fakes": test_fake_devices, "drivers": test_driver_faults, "kernels": test_kernel_mutants,
            "chosen": test_chosen_mutants, "same": test_same,
            "start": start_mutants.test_starts, "untested": start_mutants.test_starts}
    plain = [w for w in words if not w.startswith("-")]
    if len(plain) < 2 or plain[1] not in runs:
        sys.exit(__doc__)
    options = Options(words, plain[2:])
    options.untested = plain[1] == "untested"
    if plain[1] == "kernels":
        list(chosen_mutants())  # an error if lines of cl/ have changed
    with tempfile.TemporaryDirectory() as scratch:
        if plain[1] not in ("fakes", "drivers"):
            os.environ["POCL_CACHE_DIR"] = scratch
            # Half as long: no kernel but these runs twice, and wrong they are either way.
            os.environ["POCL_EXTRA_BUILD_FLAGS"] = "-cl-opt-disable"
        return runs[plain[1]](Bench(plain[0]), options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
