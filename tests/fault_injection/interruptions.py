# SPDX-License-Identifier: Apache-2.0
"""Training that is interrupted, or loses its power.

    interruptions.py BUILD [--count N] [--seconds N] [--seed N] [--device DEV]
                     kills|recipes|power|control...

  kills    runs that end by SIGKILL, SIGTERM or SIGINT at any time; what they left must be
           whole, and end with the bits of an uninterrupted run when it is resumed
  recipes  runs on image files with every augmentation, a mixture, parts of batches and an average
           of weights, repeated, streamed, and killed N times and resumed, every second time
           in the other way: the same bits
  power    the changes of files of a run are recorded, and every state is made that a disk
           may have after power is lost: after each change, with what was not synced
           missing, cut or zero, and with names that were not synced old or new; the last
           checkpoint must be whole, and not older than the last that was synced
  control  the same without fsync, another seed, a cut model: must be found
"""
import argparse
import glob
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.path.dirname(HERE), "cli", "cli_data.py")
LAST, BEST = "run/last.safetensors", "run/best.safetensors"
SECTOR = 512


def tensors(data):
    """The bytes of all tensors of a safetensors file, if it is complete."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    ends = [t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"]
    if 8 + size + max(ends, default=0) != len(data):
        raise ValueError("the model is cut")
    return data[8 + size:]


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Training:
    """A small run in a folder of its own."""

    def __init__(self, args, folder):
        self.args, self.folder = args, os.path.realpath(folder)
        self.data = os.path.join(self.folder, "data")
        self.work = os.path.join(self.folder, "work")
        subprocess.run([sys.executable, DATA, self.data], check=True)
        self.env = {**os.environ, "XDG_CACHE_HOME": self.folder + "/cache", "NO_COLOR": "1",
                    "XDG_STATE_HOME": self.folder + "/state", "WEFT_DEVICE": ""}
        if args.device == "cpu":
            self.env["OCL_ICD_VENDORS"] = "/nowhere"

    def start(self, *words, program="tools/weft", **env):
        os.makedirs(self.work, exist_ok=True)
        return subprocess.Popen(
            [os.path.join(os.path.abspath(self.args.build), program), "train", *words, "-d",
             self.args.device], cwd=self.work, env={**self.env, **env},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace")

    def first(self, epochs, seed=1, **more):
        """Starts a new run."""
        shutil.rmtree(self.work, ignore_errors=True)
        return self.start("--data", self.data + "/data", "--net", self.data + "/tiny.net",
                          "--epochs", str(epochs), "--seed", str(seed), "--out", "run",
                          **more)

    def resume(self, epochs, **more):
        return self.start("--resume", "--epochs", str(epochs), "--out", "run", **more)

    def model(self, name=LAST):
        return tensors(read(os.path.join(self.work, name)))


def finish(process):
    messages = process.communicate(timeout=600)[1]
    return process.returncode, messages


def whole(training):
    """The files of a run that are not whole."""
    wrong = []
    for name in (LAST, BEST):
        if os.path.exists(os.path.join(training.work, name)):
            try:
                training.model(name)
            except (ValueError, OSError) as why:
                wrong.append(f"{name}: {why}")
    return wrong


def run_kills(training, args):
    epochs, wrong, resumed, killed = 12, [], 0, 0
    begin = time.monotonic()
    finish(training.first(epochs))
    seconds = time.monotonic() - begin
    expected = training.model()
    end = time.monotonic() + args.seconds if args.seconds else float("inf")
    for number in range(args.count):
        if killed and time.monotonic() > end:
            break
        kind = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[number % 3]
        killed += 1
        process = training.first(epochs)
        time.sleep(random.uniform(0, 1.1 * seconds))
        process.send_signal(kind)
        finish(process)
        faults = whole(training)
        if os.path.exists(os.path.join(training.work, LAST)):
            resumed += 1
            code, messages = finish(training.resume(epochs))
            if code:
                faults.append(f"resuming failed: {messages.strip()[-200:]}")
            elif training.model() != expected:
                faults.append("resumed, it ends with other weights")
        wrong += [f"{kind.name}, run {number}: {f}" for f in faults]
    for text in wrong:
        print("WRONG " + text)
    print(f"{killed} runs killed, {resumed} resumed to the end, {len(wrong)} wrong")
    print(f"figures: kills={killed} resumed={resumed} wrong={len(wrong)}")
    return 1 if wrong or not resumed else 0


# Two nets, because shifts and crops exclude each other; every word of the language is in one of them.
RECIPES = (
    "augment alternating-flip shift=2 border=zeros cutout=3 rotate=15 scale=0.2 shear=0.1 translate=0.1 "
    "brightness=0.2 contrast=0.2 saturation=0.2 mixup=0.4 unmixed=0.3\naverage ema 0.9",
    "augment flip crop=0.3 erase=0.5 trivial-augment cutmix=1\naverage lookahead 0.9")
LAYERS = "input 12 12 3\nconv 4 3x3 bias=no\nbatch-norm relu\nflatten\ndropout 0.1\ndense 3\nsoftmax\n" \
    "optimizer adam 0.01\nbatch 16\n"


class Recipe(Training):
    """A run on image files, with everything that draws numbers or keeps a state."""

    def __init__(self, args, folder):
        super().__init__(args, folder)
        self.net = os.path.join(self.folder, "recipe.net")
        for number, path in enumerate(sorted(glob.glob(self.data + "/frames/*.pgm") + glob.glob(self.data + "/doubled/*.pgm"))):
            place = os.path.join(self.folder, "photos", "train", f"class-{number % 3}")
            os.makedirs(place, exist_ok=True)
            shutil.copy(path, os.path.join(place, f"{number}.pgm"))

    def use(self, recipe):
        with open(self.net, "w", encoding="utf-8") as file:
            file.write(LAYERS + recipe + "\n")

    def first(self, epochs, *options, **more):
        shutil.rmtree(self.work, ignore_errors=True)
        return self.start("--data", os.path.join(self.folder, "photos"), "--net", self.net, "--val-split",
                          "20", "--accumulate", "2", "--epochs", str(epochs),
                          "--out", "run", *options, **more)

    def epochs_done(self):
        path = os.path.join(self.work, "run", "log.jsonl")
        return read(path).count(b'"epoch"') if os.path.exists(path) else 0


def kill_often(training, epochs, count):
    """Kills a run after an epoch or before, again and again, and lets it end."""
    shutil.rmtree(training.folder + "/cache", ignore_errors=True)  # its decoding is interrupted too
    process, wrong = training.first(epochs, "--stream"), []
    for number in range(count):
        done, end = training.epochs_done(), time.monotonic() + 300
        while process.poll() is None and training.epochs_done() == done and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.02))
        if process.poll() is not None:
            wrong.append(f"ended before kill {number}: {finish(process)}")
            break
        process.kill()
        finish(process)
        wrong += whole(training)
        words = ("--stream",) if number % 2 else ()
        process = training.start("--resume", "--epochs", str(epochs), "--out", "run", *words) \
            if os.path.exists(os.path.join(training.work, LAST)) else training.first(epochs, "--stream")
    code, messages = finish(process)
    return wrong + ([f"the last one failed: {messages[-300:]}"] if code else [])


def run_recipes(training, args):
    epochs, wrong = args.count + 3, []
    for number, recipe in enumerate(RECIPES):
        training.use(recipe)
        models = []
        for words in ((), (), ("--stream",), ("--seed", "2")):
            code, messages = finish(training.first(epochs, *words))
            if code:
                sys.exit(f"interruptions.py: {words} {code}: {recipe}: {messages[-1400:]}")
            models.append((training.model(), training.model(BEST)))
        faults = [name for name, model in (("repeated", models[1]), ("streamed", models[2]))
                  if model != models[0]]
        faults += ["another seed: the same bits"] * (models[3] == models[0])
        faults += kill_often(training, epochs, args.count)
        if (training.model(), training.model(BEST)) != models[0]:
            faults.append(f"killed {args.count} times")
        wrong += [f"recipe {number}: {fault}" for fault in faults]
    for text in wrong:
        print("WRONG " + text)
    print(f"{len(RECIPES)} recipes, repeated, streamed, killed {args.count} times: {len(wrong)} wrong")
    print(f"figures: recipes={len(RECIPES)} kills={len(RECIPES) * args.count} wrong={len(wrong)}")
    return 1 if wrong else 0


def records(path):
    """The changes of a trace: (word, arguments, bytes)."""
    data, at = read(path), 0
    while at < len(data):
        end = data.index(b"\n", at)
        word, _, rest = data[at:end].decode("utf-8", "surrogateescape").partition(" ")
        at, size = end + 1, 0
        if word == "write":
            count, _, rest = rest.partition(" ")
            size = int(count)
        yield word, rest, data[at:at + size]
        at += size


class Disk:
    """Files and names, as the system has them and as the disk is sure to have them."""

    def __init__(self, files):
        self.now = {path: [data, data] for path, data in files.items()}
        self.synced = dict(self.now)  # name: [contents, those that were synced]

    def apply(self, word, rest, data):
        if word == "open":
            form, _, path = rest.partition(" ")
            if path not in self.now:
                self.now[path] = [b"", b""]
            elif form == "truncate":
                self.now[path][0] = b""
        elif word == "write" and rest in self.now:
            self.now[rest][0] += data
        elif word == "fsync" and rest in self.now:
            self.now[rest][1] = self.now[rest][0]
        elif word == "fsync":
            inside = {p for p in {*self.now, *self.synced} if os.path.dirname(p) == rest}
            for path in inside:
                self.synced.pop(path, None)
                if path in self.now:
                    self.synced[path] = self.now[path]
        elif word == "rename":
            old, _, new = rest.partition("\t")
            self.now[new] = self.now.pop(old)
        elif word == "unlink":
            self.now.pop(rest, None)

    def states(self, path):
        """The contents that a file may have after power is lost; None is missing."""
        for names in (self.now, self.synced):
            if path not in names:
                yield None
                continue
            contents, sure = names[path]
            yield contents
            yield sure
            if contents != sure:
                fresh = len(contents) - len(sure)
                cut = len(sure) + fresh // 2 // SECTOR * SECTOR
                yield contents[:cut]
                yield contents[:cut] + bytes(len(contents) - cut)


def replay(files, changes, path):
    """(states, what is wrong) of a file after each change."""
    disk, count, wrong = Disk(files), 0, []
    # Generations: every text that was renamed to the path, in order.
    generations, sure = [files[path]] if path in files else [], 0
    for number, (word, rest, data) in enumerate(changes):
        disk.apply(word, rest, data)
        if word == "rename" and rest.endswith("\t" + path):
            generations.append(disk.now[path][0])
        if word == "fsync" and rest == os.path.dirname(path) and generations:
            sure = len(generations) - 1
        for state in disk.states(path):
            count += 1
            if state is None and not sure and path not in files:
                continue
            if state not in generations[sure:]:
                what = "missing" if state is None else "old" if state in generations else \
                    f"damaged, {len(state)} bytes"
                wrong.append(f"after change {number} ({word} {os.path.basename(rest)}): {what}")
    return count, wrong, generations


def record(training, epochs):
    """The files before, and the changes, of a run that is resumed."""
    finish(training.first(1))
    files = {}
    for folder, _, names in os.walk(training.work):
        files.update({os.path.join(folder, n): read(os.path.join(folder, n)) for n in names})
    trace = os.path.join(training.folder, "trace")
    code, messages = finish(training.resume(epochs, program="tests/weft_failing",
                                            WEFT_CALL_TRACE=trace))
    if code:
        sys.exit(f"interruptions.py: the recorded run failed: {messages[-300:]}")
    return files, list(records(trace))


def run_power(training, args):
    # About 60 states an epoch.
    files, changes = record(training, 1 + max(2, args.count // 60))
    total, wrong, readable = 0, [], 0
    for name in (LAST, BEST):
        path = os.path.join(training.work, name)
        count, faults, generations = replay(files, changes, path)
        total += count
        wrong += [f"{name} {fault}" for fault in faults]
        for data in generations:
            tensors(data)
            readable += 1
    for text in wrong[:20]:
        print("WRONG " + text)
    digest = hashlib.sha256(repr(changes).encode()).hexdigest()[:8]
    print(f"{total} states after {len(changes)} changes (trace {digest}), {readable} models, "
          f"{len(wrong)} lost")
    print(f"figures: states={total} models={readable} lost={len(wrong)}")
    return 1 if wrong or not total else 0


def run_control(training, _):
    files, changes = record(training, 3)
    path = os.path.join(training.work, LAST)
    unsynced = [c for c in changes if c[0] != "fsync"]
    found = [bool(replay(files, unsynced, path)[1])]
    model = training.model()
    finish(training.first(3, seed=2))
    found.append(training.model() != model)
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 1)
    found.append(bool(whole(training)))
    print(f"{sum(found)} of {len(found)} planted faults found")
    return 0 if all(found) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    runs = {"kills": (run_kills, Training), "recipes": (run_recipes, Recipe),
            "power": (run_power, Training), "control": (run_control, Training)}
    parser.add_argument("build")
    parser.add_argument("kinds", nargs="+", choices=runs)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    failed = 0
    for kind in args.kinds:
        random.seed(args.seed)
        run, work = runs[kind]
        with tempfile.TemporaryDirectory() as folder:
            failed |= run(work(args, folder), args)
    return failed


if __name__ == "__main__":
    sys.exit(main())
