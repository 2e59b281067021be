#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training runs and their models: outputs that are not numbers, losses, divergence, resumed
runs, runs at the same time, damaged files.

usage: runs.py WEFT [CASE...]"""
import json, math, operator, os, shutil, subprocess

from checks import ROUNDING, check, finish
from tiny_runs import (CLASSES, CONV, SIDE, WEFT, Model, images, log_of, read, run_cases, says, train, weft,
                       write_data)

LINEAR = """flatten
dense 64 relu
dense 3
softmax
optimizer sgd %g momentum=0
batch 30
"""


def nonfinite():
    """Outputs that are not numbers are never a hit, in any command, precision and backend."""
    train(0, "--epochs", "4", "--out", "a")
    for name, tensor, change in (
            ("large", "conv1.weight", lambda v: [1e5 * x for x in v]),
            ("huge", "conv1.weight", lambda v: [1e38 * max(-1, min(1, x)) for x in v]),
            ("nan", "dense1.bias", lambda v: [math.nan] + v[1:]),
            ("nan-last", "dense1.bias", lambda v: v[:-1] + [math.nan]),
            ("infinite", "dense1.bias", lambda v: [math.inf] + v[1:])):
        model = Model("a/best.safetensors")
        model.set(tensor, change(model.values(tensor)))
        model.write(name + ".safetensors")
    for device in ("cpu", "portable"):
        for precision in ("float32", "float16"):
            for name in ("large", "huge", "nan", "nan-last", "infinite"):
                common = ["-d", device, "--precision", precision, name + ".safetensors"]
                if (name, precision) == ("large", "float32"):
                    says(weft(0, "eval", *common), "Accuracy  100.00")
                    continue
                result = weft(1, "eval", *common)
                says(result, "90 of 90 images have outputs that are not numbers")
                says(result, "Accuracy  0.00")
                check("nan " not in result.stdout, "a loss that is no number", result)
                if device != "cpu" and name != "nan-last":
                    continue  # the host ranks the outputs
                result = weft(1, "predict", *common, "a.pgm", "a.pgm", "-f", "csv")
                says(result, "2 of 2 images have outputs that are not numbers")
                check("a.pgm" not in result.stdout, "a class of no number", result)
    result = weft(1, "eval", "-d", "cpu", "nan.safetensors", "-f", "json")
    result = json.loads(result.stdout)
    check((result["correct"], result["nonfinite"], result["loss"]) == (0, 90, None), "JSON")
    weft(5, "eval", "-d", "cpu", "nan.safetensors", "--min-accuracy", "30%")
    weft(1, "predict", "-d", "cpu", "nan.safetensors", "a.pgm", "-f", "json")


def row_loss(model, pixels, label):
    """Cross-entropy of LINEAR for one image, in double precision, and how far float32 can be off."""
    mean, deviation = (float(model.metadata["data." + key]) for key in ("mean", "deviation"))
    x = [(p / 255 - mean) / deviation for p in pixels]
    off = [3 * ROUNDING * (abs(v) + abs(mean / deviation)) for v in x]
    for layer in ("dense1", "dense2"):
        weight, bias = model.values(layer + ".weight"), model.values(layer + ".bias")
        n = len(x)
        rows = [weight[i * n:(i + 1) * n] for i in range(len(bias))]
        # n roundings of sums that are at most `most`: independent, their squares add.
        most = [abs(b) + sum(abs(w * v) for w, v in zip(row, x)) for row, b in zip(rows, bias)]
        off = [math.sqrt(n * (ROUNDING * m) ** 2 + sum((w * o) ** 2 for w, o in zip(row, off)))
               for row, m in zip(rows, most)]
        x = [b + sum(map(operator.mul, row, x)) for row, b in zip(rows, bias)]
        x = [max(v, 0) for v in x] if layer == "dense1" else x
    right = math.log(sum(math.exp(v - max(x)) for v in x)) + max(x) - x[label]
    return right, 2 * max(off) + 4 * ROUNDING * (1 + right)


def loss():
    """The loss is log-sum-exp of the logits, however large they are."""
    pixels, labels = images(90, 5)
    noisy = bytes((l + (i % 10 == 0)) % CLASSES for i, l in enumerate(labels))
    write_data("noisy", images(300, 0), (pixels, noisy))
    for rate in (2, 3, 5):
        with open("linear.net", "w") as f:
            f.write(LINEAR % rate)
        shutil.rmtree("l", ignore_errors=True)
        result = train(0, "--epochs", "2", "--val-split", "0", "--out", "l", "--keep-going",
                       "-f", "json", data="noisy", net="linear.net")
        model = Model("l/last.safetensors")
        right, off = (sum(v) / len(noisy)
                      for v in zip(*(row_loss(model, p, l) for p, l in zip(pixels, noisy))))
        for name, got in (
                ("test", json.loads(result.stdout)["test"]["loss"]),
                ("cpu", json.loads(weft(0, "eval", "-d", "cpu", "l/last.safetensors", "-f",
                                        "json").stdout)["loss"]),
                ("portable", json.loads(weft(0, "eval", "-d", "portable", "l/last.safetensors",
                                             "-f", "json").stdout)["loss"])):
            check(abs(got - right) <= off, f"rate {rate}: loss {got} of {name}, "
                  f"should be {right}")
        check(right > 4, f"rate {rate}: {right} is no large loss")


ADAM = """flatten
dense 16 relu
dense 16 relu
dense 3
softmax
optimizer adamw 1e3 decay=1
batch 270
"""


def all_finite(path):
    model = Model(path)
    return all(math.isfinite(v) for name in model.header if name != "__metadata__"
               for v in model.values(name))


def diverged():
    """A run that is back at guessing stops, with exit code 1, and changes no model."""
    with open("deep.net", "w") as f:
        f.write(LINEAR.replace("dense 3", "dense 32 relu\ndense 32 relu\ndense 3")
                .replace("sgd %g momentum=0", "adam 0.01"))
    train(0, "--epochs", "3", "--out", "a", net="deep.net")
    best = read("a/best.safetensors")
    shutil.copytree("a", "b")
    result = weft(1, "train", "-d", "cpu", "--resume", "--out", "a", "--lr", "1000", "--epochs",
                  "9")
    says(result, "training diverged")
    says(result, "a smaller --lr than 1000")
    check(read("a/best.safetensors") == best, "the best model was replaced", result)
    step = int(Model("a/last.safetensors").metadata["train.step"])
    says(result, f"of step {step}:")
    check(log_of("a")[-1]["step"] > step, "the epoch of guessing was saved", result)
    check(log_of("a")[-1]["epoch"] < 9, "did not stop", result)
    weft(0, "train", "-d", "cpu", "--resume", "--out", "a", "--lr", "0.001", "--epochs", "5")
    result = weft(1, "train", "-d", "cpu", "--resume", "--out", "b", "--lr", "1000", "--epochs",
                  "9", "--keep-going")
    check(log_of("b")[-1]["epoch"] == 9, "--keep-going stopped", result)
    check(read("b/best.safetensors") == best, "the best model was replaced", result)
    # A loss above that of guessing is no divergence before anything was learned.
    with open("slow.net", "w") as f:
        f.write(CONV.replace("adam 0.01", "sgd 1e-7"))
    train(0, "--epochs", "4", "--out", "slow", net="slow.net")
    # Without validation, and in float16, whose range ends first.
    with open("wild.net", "w") as f:
        f.write(CONV.replace("adam 0.01", "sgd 1e4"))
    for options in (["--val-split", "0"], ["--precision", "float16"], []):
        shutil.rmtree("wild", ignore_errors=True)
        says(train(1, "--epochs", "9", "--out", "wild", *options, net="wild.net"),
             "training diverged")
        check(all_finite("wild/last.safetensors"), "the last model is not finite")


def good():
    """The last good state is good: finite, and training continues from it."""
    with open("adam.net", "w") as f:
        f.write(ADAM)
    for rate in ("5", "7.5", "10", "1e3"):
        result = train(1, "--epochs", "14", "--lr", rate, "--test", "none", "--out", "g" + rate,
                       net="adam.net")
        says(result, "training diverged")
        check(all_finite(f"g{rate}/last.safetensors"), f"rate {rate}: last is not finite")
        again = ["train", "-d", "cpu", "--resume", "--out", "g" + rate, "--epochs"]
        epochs = int(Model(f"g{rate}/last.safetensors").metadata["train.step"]) + 1
        says(weft(1, *again, epochs), "training diverged")
        says(weft(1, *again, epochs, "--lr", "2e3"), "training diverged")
        weft(0, *again, "20", "--lr", "1e-6")
        if os.path.exists(f"g{rate}/best.safetensors"):
            check(all_finite(f"g{rate}/best.safetensors"), f"rate {rate}: best is not finite")
    # A smaller rate is used, shown, logged and kept.
    train(0, "--epochs", "2", "--out", "r")
    resume = ["train", "-d", "cpu", "--resume", "--out", "r"]
    says(weft(0, *resume, "--epochs", "3", "--lr", "0.003"), "learning rate 0.003 (new)")
    check({"resumed_at_step": 32, "learning_rate": 0.003, "epochs": 3} in log_of("r"),
          "the rate in the log")
    says(weft(0, *resume, "--epochs", "4"), "learning rate 0.003,")
    says(weft(0, *resume, "--epochs", "5", "--lr", "0.003"), "learning rate 0.003,")
    changes = [line for line in log_of("r") if "resumed_at_step" in line]
    check([line.get("learning_rate") for line in changes] == [0.003, None, None], "one new rate")
    train(0, "--epochs", "2", "--out", "s")
    weft(0, *resume[:-1], "s", "--epochs", "4")
    check(Model("r/last.safetensors").data != Model("s/last.safetensors").data,
          "the rate has no effect")


def resumed():
    """A run continues on the same images, labels and order only, wherever they are."""
    pixels, labels = images(300, 0)
    test = images(90, 5)
    half = list(range(150, 300)) + list(range(150))
    others = {
        "labels": (pixels, bytes((l + 1) % CLASSES for l in labels)),
        "one label": (pixels, bytes([(labels[0] + 1) % CLASSES]) + labels[1:]),
        "one pixel": ([bytes([pixels[0][0] ^ 1]) + pixels[0][1:]] + pixels[1:], labels),
        "order": ([pixels[i] for i in half], bytes(labels[i] for i in half)),
        "pixels against labels": (pixels[1:] + pixels[:1], labels),
        "count": (pixels[:299], labels[:299]),
    }
    resume = ["train", "-d", "cpu", "--resume", "--epochs", "3"]
    for split in ("0", "30", "299"):
        shutil.rmtree("r", ignore_errors=True)
        train(0, "--epochs", "2", "--val-split", split, "--out", "r")
        last = read("r/last.safetensors")
        for name, other in others.items():
            write_data("data", other, test)
            says(weft(4, *resume, "--out", "r"), "images, labels or their order differ")
            write_data("other", other, test)
            write_data("data", (pixels, labels), test)
            says(weft(4, *resume, "--out", "r", "--data", "other"), "labels or their order differ")
            check(read("r/last.safetensors") == last, f"{name}: the checkpoint changed")
    shutil.rmtree("r")
    train(0, "--epochs", "2", "--out", "r")
    train(0, "--epochs", "3", "--out", "whole")
    os.mkdir("far")
    os.chdir("far")
    says(weft(0, "eval", "-d", "cpu", "../r/best.safetensors"), "Accuracy")
    os.chdir("..")
    os.rename("data", "far/data")
    says(weft(4, *resume, "--out", "r"), "name its new place with --data")
    says(weft(4, "eval", "-d", "cpu", "r/best.safetensors"), "name its new place with --data")
    weft(0, *resume, "--out", "r", "--data", "far/data")
    check(Model("r/last.safetensors").data == Model("whole/last.safetensors").data,
          "the data moved, and the weights differ")
    for model in ("last", "best"):
        check(Model(f"r/{model}.safetensors").metadata["run.data"] == os.path.realpath("far/data"),
              f"the new place is not in the {model} model")
    weft(0, *resume[:-1], "4", "--out", "r")
    kept_options()


# The run was started without them.
OTHERWISE = {"--net": "other.net", "--from": "q", "--freeze": "conv1", "--layer-rates": "conv1=0.5",
             "--input": "9x8x1", "--batch": 8, "--accumulate": 2, "--schedule": "cosine",
             "--rates": "rates.csv", "--phases": "epochs=3", "--augment": "flip",
             "--class-weights": "balanced", "--balance": None, "--seed": 2, "--val-split": "60",
             "--precision": "float16"}


def kept_options():
    """An option that a resumed run cannot follow is refused, unless it says what the run has."""
    def words(options):
        return [str(word) for pair in options.items() for word in pair if word is not None]
    with open("rates.csv", "w") as f:
        f.write("epoch,rate\n0,0.01\n")
    with open("other.net", "w") as f:
        f.write(CONV.replace("conv 8", "conv 9"))
    train(0, "--epochs", "1", "--out", "q", data="far/data")
    last, log = read("q/last.safetensors"), log_of("q")
    for option, value in OTHERWISE.items():
        result = weft(2, "train", "-d", "cpu", "--resume", "--out", "q", *words({option: value}))
        says(result, "q continues with")
        says(result, f"which cannot change: remove the given {option}, or start a new run")
    check(read("q/last.safetensors") == last and log_of("q") == log, "a refused run changed")
    for name, options, other in (
            ("plain", {"--net": "conv.net", "--from": "q", "--freeze": "conv1", "--seed": 3,
                       "--layer-rates": "dense1=0.5", "--batch": 1000, "--accumulate": 2,
                       "--schedule": "linear warmup=0.10", "--augment": " shift=1  flip",
                       "--class-weights": "balanced", "--precision": "float32", "--val-split": "10%",
                       "--input": "8x8x1"},
             {"--freeze": "dense1", "--schedule": "linear", "--val-split": 31,
              "--class-weights": "none", "--from": "r"}),
            ("table", {"--rates": "rates.csv", "--balance": None},
             {"--lr": 0.1, "--schedule": "linear"}),
            ("phased", {"--phases": "epochs=2 freeze=conv1; epochs=1", "--augment": "flip"},
             {"--augment": "flip", "--lr": 0.1, "--epochs": 5, "--freeze": "conv1"})):
        epochs = [] if "--phases" in options else ["--epochs", 3]
        command = [*words(options), *epochs]
        train(0, *command, "--out", name + "-whole", data="far/data")
        train(0, *command, "--out", name, "--target-accuracy", 0.01, data="far/data")
        check(len(log_of(name)) == 2, f"{name}: more than an epoch")
        train(0, *command, "--resume", "--out", name, data="far/data")
        check(read(name + "/last.safetensors") == read(name + "-whole/last.safetensors"),
              f"{name}: resumed by the same command, it has other bits")
        check(len(log_of(name)) == 4, f"{name}: {log_of(name)}")
        for option in other:
            says(weft(2, "train", "-d", "cpu", "--resume", "--out", name,
                      *words({option: other[option]})), f"--{option[2:]}")
    # Changes that are taken are in the log, and the next one has them.
    resume = ["train", "-d", "cpu", "--resume", "--out", "q"]
    weft(0, *resume, "--epochs", 2, "--patience", 9, "--test", "none")
    check(log_of("q")[2] == {"resumed_at_step": log[1]["step"], "epochs": 2, "patience": 9,
                             "test": "none"}, f"{log_of('q')}")
    result = weft(0, *resume, "--precision", "auto")
    check("Test " not in result.stdout + result.stderr and len(log_of("q")) == 4,
          f"{log_of('q')}", result)


def at_once(*commands):
    running = [subprocess.Popen([WEFT, *c], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, text=True) for c in commands]
    outputs = [run.communicate()[0] for run in running]
    return [run.returncode for run in running], outputs


def parallel():
    """Runs at the same time have folders of their own, and one folder has one run."""
    common = ["train", "-d", "cpu", "--data", "data", "--net", "conv.net", "--epochs", "3"]
    codes, outputs = at_once(*[[*common, "--seed", str(s)] for s in range(8)])
    check(codes == [0] * 8, f"8 runs: exit codes {codes} " + outputs[0])
    check(sorted(os.listdir("runs")) == [f"conv.net-{k}" for k in range(1, 9)],
          f"8 runs: {os.listdir('runs')}")
    seeds = {Model(f"runs/conv.net-{k}/last.safetensors").metadata["train.seed"]
             for k in range(1, 9)}
    check(len(seeds) == 8, f"8 runs, models of seeds {seeds}")
    codes, outputs = at_once(*[[*common, "--out", "same", "--seed", str(s)] for s in range(8)])
    check(sorted(codes)[0] == 0 and all(codes[k] in (0, 1, 2) for k in range(8)) and
          codes.count(0) == 1, f"8 runs in one folder: exit codes {codes}")
    epochs = [line["epoch"] for line in log_of("same") if "epoch" in line]
    check(epochs == [1, 2, 3], f"8 runs in one folder: epochs {epochs}")
    weft(2, *common, "--out", "same")
    # The folder is claimed before kernels are compiled, and another may have been first.
    codes, outputs = at_once(
        ["train", "-d", "portable", "--data", "data", "--net", "conv.net", "--out", "slow",
         "--epochs", "2", "--batch", "17"], [*common, "--out", "slow"])
    check(sorted(codes) in ([0, 1], [0, 2]), f"2 devices, one folder: exit codes {codes}")
    check(len([l for l in log_of("slow") if "schema" in l]) == 1, "two headers in one log")
    # A run that fails leaves no folder, and takes none from another.
    weft(4, "train", "-d", "cpu", "--data", "nothing", "--net", "conv.net")
    weft(4, "train", "-d", "cpu", "--data", "nothing", "--net", "conv.net", "--out", "x/y/z")
    check(not os.path.exists("x") and len(os.listdir("runs")) == 8, "a rejected run left a folder")
    os.mkdir("empty")
    weft(4, "train", "-d", "cpu", "--data", "nothing", "--net", "conv.net", "--out", "empty/")
    train(0, "--epochs", "1", "--out", "./deep/er//")
    train(0, "--epochs", "1", "--out", "plain")


def log():
    """A log shorter than its checkpoint is reported; the log is synced before it."""
    train(0, "--epochs", "4", "--out", "a")
    resume = ["train", "-d", "cpu", "--resume", "--out", "a", "--epochs"]
    lines = open("a/log.jsonl").readlines()
    with open("a/log.jsonl", "w") as f:
        f.writelines(lines[:2] + lines[4:])
    says(weft(0, *resume, "5"), "a/log.jsonl has 2 of the 4 epochs")
    os.remove("a/log.jsonl")
    says(weft(0, *resume, "6"), "a/log.jsonl has 0 of the 5 epochs")
    check([line.get("epoch") for line in log_of("a") if "resumed_at_step" not in line] == [None, 6],
          "the log after its loss")
    train(0, "--epochs", "2", "--out", "b")
    result = weft(0, "train", "-d", "cpu", "--resume", "--out", "b", "--epochs", "3")
    check("warning" not in result.stderr, "a warning of a whole log", result)


def page():
    """A FIFO or a folder named report.html is neither waited for nor fatal."""
    train(0, "--epochs", "1", "--out", "a")
    resume = ["train", "-d", "cpu", "--resume", "--out", "a", "--epochs"]
    for epochs, make, remove in (("2", os.mkfifo, os.remove), ("3", os.mkdir, os.rmdir)):
        os.remove("a/report.html")
        make("a/report.html")
        says(weft(0, *resume, epochs), "a/report.html is not written: it exists and is no file")
        remove("a/report.html")
        check("log.jsonl, report.html" in weft(0, *resume, epochs).stderr, "it is written again")


def damaged():
    """A damaged model is refused by every command, and loaded with --force."""
    train(0, "--epochs", "2", "--out", "a")
    good = read("a/last.safetensors")
    for at in (len(good) - 5, good.index(b"data.mean") + 14, good.index(b"net.text") + 14):
        with open("a/last.safetensors", "wb") as f:
            f.write(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        for command in (["eval", "-d", "cpu"], ["predict", "-d", "cpu"], ["show"]):
            operands = ["a/last.safetensors"] + ["a.pgm"] * (command[0] == "predict")
            says(weft(4, *command, *operands), "--force")
        says(weft(4, "train", "-d", "cpu", "--resume", "--out", "a", "--epochs", "3"), "--force")
    with open("a/last.safetensors", "wb") as f:
        f.write(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
    for command in (["eval", "-d", "cpu"], ["predict", "-d", "cpu"], ["show"]):
        operands = ["a/last.safetensors"] + ["a.pgm"] * (command[0] == "predict")
        says(weft(0, *command, *operands, "--force"), "warning: a/last.safetensors: damaged")
    weft(0, "train", "-d", "cpu", "--resume", "--out", "a", "--epochs", "3", "--force")
    weft(0, "eval", "-d", "cpu", "a/last.safetensors")


def named():
    """Operands mean what they obviously mean, and written files are named."""
    train(0, "--epochs", "2", "--out", "runs/b", "--lr", "0.1")
    path = "runs/b/best.safetensors"
    for command in (["eval", "-d", "cpu"], ["predict", "-d", "cpu"], ["show"]):
        more = ["a.pgm"] * (command[0] == "predict") + ["-f", "csv"]
        check(weft(0, *command, "runs/b", *more).stdout == weft(0, *command, path, *more).stdout,
              f"{command[0]} of a run's folder")
    os.mkdir("none")
    weft(4, "eval", "-d", "cpu", "none")
    rows = weft(0, "show", "runs/b/log.jsonl", "-f", "csv").stdout.split()
    check(len(rows) == 3 and rows[1].startswith("1,16,0.1,"), f"the log: {rows}")
    shown = json.loads(weft(0, "show", "runs/b/log.jsonl", "-f", "json").stdout)
    check([e["epoch"] for e in shown["epochs"]] == [1, 2], "the log as JSON")
    says(weft(0, "show", "runs/b/log.jsonl"), "Val loss")
    says(weft(0, "explain", "-d", "cpu", path), "dense1")
    says(weft(0, "explain", "-d", "cpu", "runs/b", "--inference"), "dense1")
    says(weft(0, "verify", "-d", "cpu", "--op", "add", "--cases", "1", "--json", "v.json"),
         "Written  v.json")
    # A tensor of a type of a newer version, which the network does not need.
    for kind, size in (("F8_E4M3", 4), ("F4", 2), ("C64", 32)):
        model = Model(path)
        end = max(e["data_offsets"][1] for n, e in model.header.items() if n != "__metadata__")
        model.header["new"] = {"dtype": kind, "shape": [4], "data_offsets": [end, end + size]}
        model.data += bytes(size)
        model.write("new.safetensors")
        weft(0, "eval", "-d", "cpu", "new.safetensors")


def write_image():
    with open("a.pgm", "wb") as f:
        f.write(b"P5 %d %d 255\n" % (SIDE, SIDE) + images(1, 0)[0][0])


def main():
    run_cases([named, page, damaged, nonfinite, loss, diverged, good, resumed, parallel, log], write_image)
    finish()


main()
