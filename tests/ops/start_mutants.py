# SPDX-License-Identifier: Apache-2.0
"""Wrong kernels at the start of a training and of a prediction (first_step.c), for
mutation_test.py: are they reported before the first step, or is nothing wrong with them?"""
import collections
import os
import tempfile
import threading

import mutation_rules

CL = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "cl")
DEADLINE, SHORT_DEADLINE = 900, 100
GOAL = 0.99
# A family that is refused does not say if its probe computes wrong or does not build, of which the
# compiler's errors are counted; probes of other vendors' units never build here.
OTHER_UNITS = {"mma": 1}


# first_step: each start of a training and of a prediction has a line with its report and one
# with the difference of its results.
class Start:
    def __init__(self, name, lines, ended, is_running):
        own = [line[len(name) + 1:] for line in lines if line.startswith(name + " ")]
        self.report = own[0] if own else None
        difference = own[1].split(":")[0] if len(own) > 1 else ""
        self.is_reported = bool(own) and own[0] != "nothing"
        self.is_built = "does not build" not in (self.report or "")
        self.is_wrong = difference in ("reported", "wrong", "fails") or (
            ended and is_running and self.report is not None and not difference)
        self.has_difference = bool(difference)
        self.is_rounding = difference == "rounding"
        self.is_lost = self.report is None and bool(ended)


class StartScore:
    """The wrong kernels that were planted, by what became of them."""
    NAMES = {"reported": "reported before the first step", "missed": "NOT REPORTED",
             "ended": "end or stop the process in the test", "round": "differ by rounding only",
             "unread": "reported, with results that are the same here",
             "same": "are equivalent here: the same bits", "idle": "are compiled by no network",
             "unbuilt": "do not build"}

    def __init__(self, options):
        self.options, self.found = options, collections.defaultdict(list)
        self.lock = threading.Lock()

    def enter(self, kind, name, text):
        with self.lock:
            self.found[kind].append(name)
            if self.options.verbose or kind == "missed":
                print(f"{kind:8} {name}: {text[:170]}", flush=True)

    def counted(self):
        return len(self.found["reported"]) + len(self.found["missed"])

    def end(self, wanted):
        for kind, words in self.NAMES.items():
            if self.found[kind] and kind not in ("reported", "missed"):
                print(f"{len(self.found[kind])} mutants {words}")
        found, planted = len(self.found["reported"]), self.counted()
        share = found / max(planted, 1)
        print(f"{planted} wrong kernels planted, {found} reported before the first step, "
              f"{100 * share:.1f} %")
        print(f"figures: starts={planted} starts_found={found}")
        return 0 if planted and (share == 0 if wanted == 0 else share >= wanted) else 1


def right_results(bench, options, start, scratch):
    """The files with the results of right kernels, by the start of their names."""
    path = os.path.join(scratch, "-".join(start))
    with options.lock:
        lock = options.locks[path]
    with lock:
        if not os.path.exists(path + "-train"):
            out, said, ended = bench.lines(["first_step", *start, path], {},
                                           seconds=DEADLINE)
            if ended or out != ["train nothing", "predict nothing", "train same", "predict same"]:
                raise SystemExit(f"first_step {' '.join(start)}: {out} {said[-500:]} {ended}")
    return path


def judge(starts, ended):
    """The kind of a mutant in one network, and the reports."""
    reports = " | ".join(str(s.report) for s in starts) + (f" ({ended})" if ended else "")
    if not all(s.is_built for s in starts):
        return "unbuilt", reports
    if starts[0].is_lost or (starts[1].is_lost and not starts[0].is_reported):
        return "ended", reports
    if any(s.is_wrong and not s.is_reported for s in starts):
        return "missed", reports
    if any(s.is_wrong for s in starts):
        return "reported", reports
    return ("unread" if any(s.is_reported for s in starts) else
            "round" if any(s.is_rounding for s in starts) else "same"), reports


def test_start(bench, options, name, plant, scratch):
    """The kind of a mutant in the first network whose results it changes."""
    best, order = ("idle", ""), ["idle", "same", "round", "unread", "ended", "unbuilt"]
    for start in mutation_rules.STARTS[name][:1 if options.short else None]:
        path = right_results(bench, options, start, scratch)
        out, said, ended = bench.lines(
            ["first_step", *start, path, *(["untested"] if options.untested else [])],
            {"WEFT_LAYER_MUTANT": plant}, seconds=SHORT_DEADLINE if options.short else DEADLINE)
        if "layer: planted" not in said:
            continue
        train = Start("train", out, ended, True)
        starts = [train, Start("predict", out, ended, train.has_difference)]
        kind, reports = judge(starts, ended)
        if (kind == "reported" and "choose family" in reports and
                said.count("error generated") > OTHER_UNITS.get(start[1], 0)):
            kind = "unbuilt"
        if kind in ("reported", "missed", "unbuilt"):
            return kind, f"{' '.join(start)}: {reports}"
        if order.index(kind) > order.index(best[0]):
            best = kind, f"{' '.join(start)}: {reports}"
    return best


def test_file_starts(bench, options, score, path, scratch):
    """A few lines of a file, those that still compile and change a result."""
    name, planted, tried = os.path.basename(path), 0, 0
    for number, text in mutation_rules.of_file(path):
        if planted == options.each or tried == 5 * options.each or options.is_late():
            return
        if (name, text.strip()) in mutation_rules.EQUIVALENT:
            continue
        if not options.wants(name, f"{name}:{number}"):
            continue
        kind, report = test_start(bench, options, name, f"{name}:{number}:{text}", scratch)
        planted += kind in ("reported", "missed")
        tried += kind != "unbuilt"
        score.enter(kind, f"{name}:{number}: {text.strip()}", report)


def test_starts(bench, options):
    files = [f for f in mutation_rules.all_files(CL)
             if os.path.basename(f) in mutation_rules.STARTS]
    if options.short:
        files = [f for f in files if os.path.basename(f) in mutation_rules.QUICK_STARTS]
    options.each = 1 if options.short else options.each
    status = 0
    with tempfile.TemporaryDirectory() as scratch:
        # In short the control follows, of the programs that are compiled by then.
        for options.untested in [False, True] if options.short else [options.untested]:
            score = StartScore(options)
            options.map(lambda path: test_file_starts(bench, options, score, path, scratch),
                        files)
            status |= score.end(0 if options.untested else GOAL)
    return status
