#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Around a training run: test-time augmentation, several runs in one command, time
limits, logs of other programs, the search for a learning rate.

usage: training.py WEFT [CASE...]"""
import csv, json, math, os, re, shutil, statistics, struct, sys, time

from checks import PRINTED, ROUNDING, check, finish, near, skip
from tiny_runs import (CONV, SIDE, Model, idx, images, log_of, read, run_cases, says, train, weft,
                       write_data)


def mirrored(image):
    return b"".join(image[y * SIDE:(y + 1) * SIDE][::-1] for y in range(SIDE))


def shifted(image, by):
    def at(i):
        i += by
        return -i if i < 0 else 2 * (SIDE - 1) - i if i >= SIDE else i
    return bytes(image[at(y) * SIDE + at(x)] for y in range(SIDE) for x in range(SIDE))


def views(image, kind):
    """Copies of an image with their weights, as the manual defines them."""
    if kind == "flip":
        return [(image, 1 / 2), (mirrored(image), 1 / 2)]
    one, two = shifted(image, -1), shifted(image, 1)
    return [(image, 1 / 4), (mirrored(image), 1 / 4), (one, 1 / 8), (mirrored(one), 1 / 8),
            (two, 1 / 8), (mirrored(two), 1 / 8)]


def probabilities(name, pixels, *options):
    idx(name, (len(pixels), SIDE, SIDE), b"".join(pixels))
    result = json.loads(weft(0, "predict", "-d", "cpu", "a", name, "-f", "json", *options).stdout)
    return [{p["class_id"]: p["probability"] for p in image["predictions"]}
            for image in result["images"]], result


def mean(outputs, weights):
    """The softmax of the mean of logits; logarithms of probabilities are logits too."""
    logits = [sum(w * math.log(p[c]) for p, w in zip(outputs, weights)) for c in range(3)]
    total = sum(map(math.exp, logits))
    return {c: math.exp(v) / total for c, v in enumerate(logits)}


def tta():
    """The outputs are those of the mean over the changed copies, in every command."""
    train(0, "--epochs", "2", "--out", "a")
    pixels, labels = images(90, 5)
    for kind in ("flip", "shift"):
        copies = [v for image in pixels for v in views(image, kind)]
        n = len(copies) // len(pixels)
        # Roundings of logits, which are at most 4: in weft's mean of n and its softmax, and in
        # that of each copy, whose logarithms are taken here.
        by = (2 * n + 2 * 6) * 4 * ROUNDING + 3 * PRINTED
        outputs, _ = probabilities("copies.idx", [image for image, _ in copies])
        right = [mean(outputs[i * n:(i + 1) * n], [w for _, w in copies[:n]])
                 for i in range(len(pixels))]
        got, result = probabilities("plain.idx", pixels, "--tta", kind)
        check(result["tta"] == kind and result["tta_images"] == 90, f"{kind}: the JSON")
        off = max(abs(g[c] - r[c]) for g, r in zip(got, right) for c in range(3))
        check(off < by, f"{kind}: a probability is off by {off}")
        moved = max(abs(g[c] - p[c]) for g, p in zip(got, outputs[::n]) for c in range(3))
        check(moved > 100 * by, f"{kind}: changes no probability: this test is worth nothing")

        limit = sorted(max(p.values()) for p in outputs[::n])[30]
        got, result = probabilities("plain.idx", pixels, "--tta", kind, "--tta-below", limit)
        check(result["tta_images"] == 30, f"{kind}: {result['tta_images']} of 30 unsure images")
        mixed = [r if max(p.values()) < limit else p for r, p in zip(right, outputs[::n])]
        off = max(abs(g[c] - m[c]) for g, m in zip(got, mixed) for c in range(3))
        check(off < by, f"{kind}: of the unsure, a probability is off by {off}")

        correct = sum(max(r, key=r.get) == label for r, label in zip(right, labels))
        loss = -sum(math.log(r[label]) for r, label in zip(right, labels)) / len(labels)
        result = json.loads(weft(0, "eval", "-d", "cpu", "a", "--tta", kind, "-f", "json").stdout)
        check(result["correct"] == correct and abs(result["loss"] - loss) < by and
              sum(map(sum, result["confusion"])) == 90, f"{kind}: eval: {result['loss']} {loss}")
        says(weft(0, "eval", "-d", "cpu", "a", "--tta", kind), f"; {kind} test-time")
        result = train(0, "--epochs", "2", "--out", "t" + kind, "--tta", kind, "-f", "json")
        result = json.loads(result.stdout)
        best = result.get("test_best", result["test"])
        check(abs(best["loss"] - loss) < by and
              best["tta"] == f"{kind} test-time augmentation" and
              result["val"]["count"] == 30, f"{kind}: train: {best}")
    says(weft(0, "eval", "-d", "cpu", "a", "-f", "csv", "--tta", "flip"), ",flip")
    large_logits()
    says(weft(2, "eval", "-d", "cpu", "a", "--tta-below", "0.9"), "needs --tta")
    says(weft(0, "train", "-d", "cpu", "--resume", "--out", "a", "--tta", "flip"),
         "90 images; flip test-time augmentation")


def large_logits():
    """The loss comes from logits: of images that are their own mirror images it is that of
    eval without changes, also where float32 has no such probability."""
    pixels, labels = images(60, 6)
    rows = [[p[y * SIDE:y * SIDE + SIDE // 2] for y in range(SIDE)] for p in pixels]
    alike = [b"".join(half + half[::-1] for half in image) for image in rows]
    write_data("alike", images(9, 0), (alike, labels))
    model = Model("a/last.safetensors")
    for name in ("dense1.weight", "dense1.bias"):
        model.set(name, [1e3 * v for v in model.values(name)])
    model.write("steep.safetensors")
    plain, flip = (json.loads(weft(0, "eval", "-d", "cpu", "steep.safetensors", "--data", "alike",
                                   "-f", "json", *options).stdout)["loss"]
                   for options in ((), ("--tta", "flip")))
    check(plain > 100 and plain == flip, f"loss {plain}, TTA {flip}")


def seeds():
    """Runs of several seeds are those of single commands; mean and deviation are right."""
    options = ["--epochs", "2", "--val-split", "60"]
    result = json.loads(train(0, *options, "--seeds", "3", "--seed", "4", "--out", "s", "-f",
                              "json").stdout)
    train(0, *options, "--seed", "5", "--out", "one")
    check(read("one/last.safetensors") == read("s/seed-5/last.safetensors"),
          "a run of several differs from the same run alone")
    page = open("s/report.html", encoding="utf-8").read()
    check(page.count('class="band') >= 3 and "Curves are means over 3 runs" in page, "the page")
    runs = result["runs"]
    check([r["run"] for r in runs] == ["seed 4", "seed 5", "seed 6"], f"{runs}")
    for key in ("val_accuracy", "val_loss", "test_accuracy", "test_loss"):
        values = [r[key] for r in runs]
        check("loss" not in key or len(set(values)) == 3, f"{key}: {values} do not differ")
        for name, of in ("mean", statistics.mean), ("deviation", statistics.stdev):
            check(abs(result[name][key] - of(values)) < 3 * PRINTED * max(values), f"{key}: {name} {result[name]}")
    for run in runs:
        alone = json.loads(weft(0, "eval", "-d", "cpu", run["folder"] + "/last.safetensors",
                                "-f", "json").stdout)
        check(alone["loss"] == run["test_loss"], f"{run}: {alone['loss']}")
    shutil.rmtree("s/seed-6")
    train(2, *options, "--seeds", "3", "--seed", "4", "--out", "s")
    again = json.loads(train(0, *options, "--seeds", "3", "--seed", "4", "--out", "s", "-f",
                             "json", "--resume").stdout)
    check(again["mean"] == result["mean"] and again["deviation"] == result["deviation"],
          "resumed, the results differ")
    text = train(0, *options, "--seeds", "2", "-f", "csv").stdout.split("\n")
    check([line.split(",")[0] for line in text[:5]] == ["run", "seed 1", "seed 2", "mean",
                                                        "deviation"], f"CSV: {text}")
    check(os.path.exists("runs/conv.net-seeds-1/seed-2/last.safetensors"), "the default folder")


def limit():
    """The epochs that are planned fit into the time, are in the log, and repeat the run."""
    options = ["--schedule", "cosine", "--val-split", "60"]
    result = train(0, *options, "--time-limit", "2s", "--out", "a")
    plan = re.search(r"Plan +(\d+) epochs of ([\d.e-]+) s", result.stderr)
    check(plan, "no plan", result)
    epochs, seconds = int(plan[1]), float(plan[2])
    check(epochs * seconds < 2, f"{epochs} epochs of {seconds} s do not fit into 2 s")
    header = log_of("a")[0]
    check(header["epochs"] == epochs and header["time_limit"] == 2 and
          header["planned_images_per_second"] > 0, f"the log: {header}")
    if "Time limit reached" in result.stderr:  # the machine became slower
        weft(0, "train", "-d", "cpu", "--resume", "--out", "a")
    train(0, *options, "--epochs", epochs, "--out", "b")
    check(read("a/last.safetensors") == read("b/last.safetensors"), "the repeated run differs")
    says(train(0, "--time-limit", "0.001s", "--out", "c"), "1 is planned")
    check(log_of("c")[0]["epochs"] == 1, "less than an epoch")


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def fields(message):
    """The fields of a protobuf message: number, value."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = varint() if key & 7 == 2 else {1: 8, 5: 4}[key & 7]
        yield key >> 3, message[at:at + size]
        at += size


def events(path):
    """Step and scalars of each event of a file, whose checksums are compared."""
    data, at, out = read(path), 0, []
    check(crc32c(b"123456789") == 0xe3069283, "the checksum of this test")

    def masked(part):
        crc = crc32c(part)
        return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff
    while at < len(data):
        size, head = struct.unpack("<QI", data[at:at + 12])
        check(head == masked(data[at:at + 8]), f"{path}: a length at {at}")
        body = data[at + 12:at + 12 + size]
        check(struct.unpack("<I", data[at + 12 + size:at + 16 + size])[0] == masked(body),
              f"{path}: an event at {at}")
        at += 16 + size
        event = dict(fields(body))
        check(abs(struct.unpack("<d", event[1])[0] - time.time()) < 600, f"{path}: the time")
        if not out and 3 in event:
            check(event[3] == b"brain.Event:2", f"{path}: the version")
            continue
        values = [dict(fields(value)) for number, value in fields(event[5]) if number == 1]
        out.append((event[2], {v[1].decode(): struct.unpack("<f", v[2])[0] for v in values}))
    return out


def tensorboard():
    """TensorBoard's own reader finds the same numbers."""
    try:
        from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
        from tensorboard.compat.proto.event_pb2 import Event
    except ImportError:
        skip("TensorBoard is not installed: its own reader was not asked")
        return
    train(0, "--epochs", "2", "--log-tensorboard", "--out", "a")
    path = "a/events.out.tfevents.weft"
    parsed = [Event.FromString(e) for e in RawEventFileLoader(path).Load()]
    found = [(e.step, {v.tag: v.simple_value for v in e.summary.value}) for e in parsed
             if e.summary.value]
    check(found == events(path), "TensorBoard reads other numbers")


def logs():
    """CSV and event files have the numbers of log.jsonl, also after a run was resumed."""
    path = "a/events.out.tfevents.weft"
    names = {"loss/train": "loss", "loss/validation": "val_loss", "accuracy/train": "accuracy",
             "accuracy/validation": "val_accuracy", "learning_rate": "learning_rate",
             "images_per_second": "images_per_second"}

    def compare(what):
        lines = [e for e in log_of("a") if "epoch" in e]
        rows = list(csv.DictReader(open("a/log.csv")))
        check([r["epoch"] for r in rows] == [str(e["epoch"]) for e in lines], f"{what}: {rows}")
        for row, line in zip(rows, lines):
            for key in names.values():
                check(float(row[key]) == line[key],
                      f"{what}: {key} {row} {line}")
        *found, end = events(path)
        right = json.loads(weft(0, "eval", "-d", "cpu", "a/last.safetensors", "-f",
                                "json").stdout)
        check(end[0] == lines[-1]["step"] and {"loss/test", "accuracy/test"} <= end[1].keys() and
              all(near(end[1][key + "/test"], right[key], ROUNDING + PRINTED)
                  for key in ("loss", "accuracy")), f"{what}: the test: {end} {right}")
        best = {"loss/test_best", "accuracy/test_best"} <= end[1].keys()
        check(best != lines[-1]["best"], f"{what}: the test of the best: {end}")
        check([step for step, _ in found] == [e["step"] for e in lines], f"{what}: {found}")
        for (_, values), line in zip(found, lines):
            check(values.keys() == names.keys(), f"{what}: {values}")
            for tag, key in names.items():
                check(near(values[tag], line[key], ROUNDING + PRINTED), f"{what}: {tag}")

    train(0, "--epochs", "2", "--log-csv", "--log-tensorboard", "--out", "a")
    compare("two epochs")
    shutil.copytree("a", "early")
    weft(0, "train", "-d", "cpu", "--resume", "--epochs", "4", "--out", "a")
    compare("two more")
    # A run that was killed after its logs and before its checkpoint.
    shutil.copy("early/last.safetensors", "a/last.safetensors")
    with open(path, "ab") as f:
        f.write(b"\x20\0\0")
    weft(0, "train", "-d", "cpu", "--resume", "--epochs", "3", "--out", "a")
    compare("of an earlier checkpoint")
    done = train(0, "--epochs", "1", "--val-split", "0", "--log-tensorboard", "--out", "b", "-f",
                 "json")
    check("epoch 1/1" in done.stderr and "nan" not in done.stderr, done.stderr)
    check(len(events("b/events.out.tfevents.weft")[0][1]) == 4 and
          not os.path.exists("b/log.csv"), "without validation")


def folds():
    """Each image has the probabilities of the run that left it out."""
    result = json.loads(train(0, "--epochs", "1", "--folds", "3", "--out", "f", "-f",
                              "json").stdout)
    rows = list(csv.DictReader(open("f/out-of-fold.csv")))
    pixels, labels = images(300, 0)
    check([int(r["image"]) for r in rows] == list(range(300)) and
          [int(r["label"]) for r in rows] == list(labels), "the images of the table")
    for k in range(1, 4):
        mine = [i for i, r in enumerate(rows) if r["fold"] == str(k)]
        of_class = [sum(labels[i] == c for i in mine) for c in range(3)]
        check(sum(of_class) == 100 and max(of_class) - min(of_class) <= 1,
              f"fold {k}: {of_class} of each class")
        idx("fold.idx", (len(mine), SIDE, SIDE), b"".join(pixels[i] for i in mine))
        predicted = json.loads(weft(0, "predict", "-d", "cpu", f"f/fold-{k}/last.safetensors",
                                    "fold.idx", "-f", "json").stdout)["images"]
        for i, image in zip(mine, predicted):
            for p in image["predictions"]:
                check(float(rows[i][str(p["class_id"])]) == p["probability"],
                      f"image {i} of fold {k}: {rows[i]} {image}")
            check(rows[i]["predicted"] == str(image["predictions"][0]["class_id"]), f"image {i}")
        right = sum(rows[i]["predicted"] == str(labels[i]) for i in mine) / 100
        check(near(result["runs"][k - 1]["val_accuracy"], right), f"fold {k}: {right}")
    says(weft(0, "train", "-d", "cpu", "--resume", "--out", "f/fold-2", "--epochs", "2"),
         "200 for training, 100 for validation")
    says(train(2, "--folds", "2", "--resume", "--out", "f"), "fold 1 of 3")
    train(2, "--folds", "200", "--out", "g")
    train(2, "--folds", "2", "--seeds", "2")


def valley(rates, losses):
    """The rate in the middle of the longest falling sequence, as fastai finds it."""
    first = len(losses) // 10
    part = losses[first:len(losses) - 5]
    longest = []
    for i, loss in enumerate(part):
        longest.append(1 + max((longest[k] for k in range(i) if loss < part[k]), default=0))
    length = max(longest)
    start = max(0, longest.index(length) - length)
    return rates[first + start + length // 3 + length // 3 // 2]


def rate():
    """The rates grow by one factor up to 10, the suggestion follows from the losses."""
    before = sorted(os.listdir("."))
    result = json.loads(train(0, "--find-rate", "-f", "json").stdout)
    rows = result["steps"]
    rates = [r["learning_rate"] for r in rows]
    for i, got in enumerate(rates):
        check(near(got, 1e-7 * 1e8 ** (i / 99), ROUNDING + PRINTED), f"step {i}: rate {got}")
    average, best = 0, math.inf
    for i, row in enumerate(rows):
        average = 0.98 * average + 0.02 * row["loss"]
        smoothed = average / (1 - 0.98 ** (i + 1))
        check(near(row["smoothed_loss"], smoothed, 2 * PRINTED), f"{row} {smoothed}")
        check(i == len(rows) - 1 or smoothed <= 4 * best, f"continues at {i}, {smoothed} {best}")
        best = min(best, smoothed)
    right = valley(rates, [r["smoothed_loss"] for r in rows])
    check(result["suggestion"] == right, f"{result['suggestion']} {right}")
    check(1e-5 < right < 1, f"{right} is no learning rate of Adam")
    says(train(0, "--find-rate"), f"--lr {right:.2g}")
    check(sorted(os.listdir(".")) == before, "something was saved")
    train(2, "--find-rate", "--resume", "--out", "a")
    for options, text in ((("--find-rate", "--rates", "conv.net"), "exclude each other"),
                          (("--rates", "conv.net", "--lr", "1"), "remove --schedule and --lr"),
                          (("--patience", "2", "--val-split", "0"), "needs validation images")):
        says(weft(2, "train", "-d", "no such", *options), text)
    rate_of_two()


def rate_of_two():
    """The first step is that of the run, of images normalized as in it: of two that repeat,
    the loss of a batch of two is that of one image, of the other, or their mean."""
    pixels, _ = images(2, 3)
    two = {name: ([pixels[i] for i in order], bytes(order))
           for name, order in {"both": [0] * 310 + [1] * 10, "0": [0], "1": [1]}.items()}
    for name, part in two.items():
        write_data(name, two["both"], part)
        with open(name + "/classes.txt", "w") as f:
            f.write("upper\nmiddle\nlower\n")
    with open("zero.csv", "w") as f:
        f.write("epoch,rate\n0,0\n")
    options = ["--batch", "2", "--val-split", "0", "--test", "none"]
    train(0, *options, "--rates", "zero.csv", "-e", "1", "--out", "zero", net="wild.net",
          data="both")
    loss = [json.loads(weft(0, "eval", "-d", "cpu", "zero/last.safetensors", "--data", str(i),
                            "-f", "json").stdout)["loss"] for i in range(2)]
    rows = json.loads(train(0, *options, "--find-rate", "-f", "json", net="wild.net",
                            data="both").stdout)["steps"]
    off = min(abs(rows[0]["loss"] - right) for right in (*loss, sum(loss) / 2))
    # Its exponentials, their sum, its logarithm and the mean of two are float32.
    check(off < 16 * ROUNDING * rows[0]["loss"], f"{rows[0]} of images with the losses {loss}")


def parts():
    """A batch in parts is one step; the checkpoint has their number."""
    options = ["--batch", "16", "--accumulate", "4"]
    says(train(0, *options, "-e", "1", "--out", "parts"), "batch 16 in 4 parts")
    with open("parts/log.jsonl") as f:
        check(json.loads(f.readline())["accumulate"] == 4, "the log has no parts")
    train(0, *options, "-e", "2", "--out", "two-parts")
    says(train(2, "--resume", "-e", "2", "--accumulate", "2", "--out", "parts"),
         "continues with --accumulate 4, which cannot change")
    train(0, "--resume", "-e", "2", "--accumulate", "4", "--out", "parts")
    check(read("parts/last.safetensors") == read("two-parts/last.safetensors"), "resumed parts")
    says(train(4, "--batch", "16", "--accumulate", "3"), "has no 3 equal parts")


def two_are_one():
    """Two phases with the same settings are one run: weights and moments have the same bits where
    the optimizer has no state beside the weights."""
    with open("plain.net", "w") as f:
        f.write(CONV.replace("adam 0.01", "sgd 0.01 momentum=0"))
    options = ["--augment", "flip shift=1"]
    train(0, *options, "--epochs", "3", "--out", "one", net="plain.net")
    train(0, *options, "--phases", "epochs=1; epochs=2", "--out", "two", net="plain.net")
    for name in ("last", "best"):
        check(Model(f"one/{name}.safetensors").data == Model(f"two/{name}.safetensors").data,
              f"{name}: two phases differ from one run")


def phases():
    """A run in phases: frozen layers, rates and schedules are those of the phase; resumed after
    every epoch, also at the change, it has the same bits."""
    text = ("epochs=2 freeze=conv1 lr=0.02 augment='flip shift=1'; "
            "epochs=3 lr=0.002 schedule=cosine, layer-rates=conv1=0.5")
    result = train(0, "--phases", text, "--out", "whole")
    says(result, "Phase   1 of 2, epochs 1 to 2: learning rate 0.02")
    says(result, "Phase   2 of 2, epochs 3 to 5: learning rate 0.002, cosine")
    first = train(0, "--phases", text, "--out", "parts", "--target-accuracy", "0.01")
    check("Phase   2" not in first.stderr, "one epoch")
    models = [Model("parts/last.safetensors")]
    for _ in range(4):
        weft(0, "train", "-d", "cpu", "--resume", "--out", "parts", "--target-accuracy", "0.01")
        models.append(Model("parts/last.safetensors"))
    for name in ("last", "best"):
        check(read(f"whole/{name}.safetensors") == read(f"parts/{name}.safetensors"),
              f"{name}: a run resumed after every epoch has other bits")
    conv = [model.values("conv1.weight") for model in models]
    check(conv[0] == conv[1] != conv[2] != conv[4], "frozen in the first phase only")
    check("rate=0.5" in models[2].metadata["net.text"] and
          "frozen" not in models[2].metadata["net.text"], models[2].metadata["net.text"])
    rates = [line["learning_rate"] for line in log_of("whole") if "epoch" in line]
    check(rates[:2] == [0.02, 0.02] and 0.002 > rates[2] > rates[3] > rates[4], f"{rates}")
    check(log_of("whole")[0]["phases"].startswith("epochs=2 lr=0.02 freeze='conv1'"), "the log")
    says(weft(2, "train", "-d", "cpu", "--resume", "--out", "whole", "--phases", "epochs=9"),
         "continues with --phases epochs=2 lr=0.02")

    two_are_one()
    # Stopped after the first step of the second phase, and then at the next one.
    stopped = train(0, "--phases", text, "--out", "middle", "--target-accuracy", "0.01")
    check("epochs 1 to 2" in stopped.stderr, "one epoch")
    resume = ["train", "-d", "cpu", "--resume", "--out", "middle"]
    weft(0, *resume, "--target-accuracy", "0.01")
    for step in (1, 2):
        weft(0, *resume, "--time-limit", "0.000001s")
        check(int(Model("middle/last.safetensors").metadata["train.step"]) ==
              int(models[1].metadata["train.step"]) + step, f"stopped at step {step} of a phase")
    weft(0, *resume)
    for name in ("last", "best"):
        check(read(f"whole/{name}.safetensors") == read(f"middle/{name}.safetensors"),
              f"{name}: a run that stopped in a phase has other bits")

    result = json.loads(train(0, "--phases", "epochs=2; epochs=1 lr=1e-12", "--out", "early", "-f",
                              "json").stdout)
    best = json.loads(weft(0, "eval", "-d", "cpu", "early/best.safetensors", "-f", "json").stdout)
    check(result["best_epoch"] <= 2 and result["test_best"]["loss"] == best["loss"],
          f"the best model of an earlier phase: {result}")
    for wrong, message in (("lr=1", "epochs=N"), ("epochs=2; epochs=0", "phase 2: epochs must"),
                           ("epochs=1 momentum=2", "has the words"), ("epochs", "NAME=VALUE"),
                           ("epochs=1 augment='flip", "a quote")):
        says(train(2, "--phases", wrong), message)
    says(train(2, "--phases", "epochs=1", "--epochs", "3"), "--phases and --epochs")


def sweep():
    """The better half continues, and its runs are those of single commands."""
    grid = ["sweep", "lr=1e-7,0.01", "batch=16,32", "-d", "cpu", "--data", "data", "--net",
            "conv.net", "-e", "4", "--out", "s"]
    result = json.loads(weft(0, *grid, "-f", "json").stdout)
    runs = result["runs"]
    check([r["epochs"] for r in runs] == [1] * 4 + [2] * 2 + [4], f"{runs}")
    for epochs in (1, 2, 4):
        part = [(r["val_accuracy"], r["kept"]) for r in runs if r["epochs"] == epochs]
        check(part == sorted(part, reverse=True) and
              sum(kept for _, kept in part) == (len(part) + 1) // 2, f"{epochs} epochs: {part}")
    check("lr=0.01" in result["best"] and result["best"] == runs[-1]["settings"],
          f"the best is {result['best']}")
    batch = result["best"].split("batch=")[1]
    train(0, "--lr", "0.01", "--batch", batch, "--epochs", "4", "--test", "none", "--out", "one")
    check(read("one/last.safetensors") == read(runs[-1]["folder"] + "/last.safetensors"),
          "a run of a sweep differs from the same run alone")
    again = weft(0, *grid, "--resume")
    says(again, f"weft train --lr 0.01 --batch {batch}")
    check("Test" not in again.stdout, "a sweep tests", again)
    runs = json.loads(weft(0, "sweep", "lr=0.01,0.02,0.03", "-d", "cpu", "--data", "data", "--net",
                           "conv.net", "-e", "2", "-f", "json").stdout)["runs"]
    check([r["epochs"] for r in runs] == [1, 1, 1, 2, 2] and runs[3]["kept"] and
          not runs[4]["kept"], f"three settings, two epochs: {runs}")
    for words, text in ((["lr"], "like lr=0.01,0.1"), (["lr=x"], "lr=x: must be a number"),
                        (["nothing=1"], "no option of weft train"), (["lrr=1"], "these are net,"),
                        (["resume=1"], "no option of"), (["epochs=1"], "no option of"),
                        (["val-split=1"], "seed, precision, patience"), ([], "missing operand"),
                        (["lr=1", "--seeds", "2"], "of weft train")):
        says(weft(2, "sweep", *words, "-d", "cpu", "--data", "data", "--net", "conv.net"), text)
    runs = json.loads(weft(0, "sweep", "precision=float32,float16", "-d", "cpu", "--data", "data",
                           "--net", "conv.net", "-e", "1", "-f", "json").stdout)["runs"]
    check({r["settings"] for r in runs} == {"precision=float32", "precision=float16"} and
          {Model(r["folder"] + "/last.safetensors").metadata["train.precision"] for r in runs} ==
          {"float32", "float16"}, f"precisions: {runs}")
    wild = json.loads(weft(0, "sweep", "lr=0.01,1e4", "-d", "cpu", "--data", "data", "--net",
                           "wild.net", "-e", "4", "-f", "json").stdout)
    check(wild["best"] == "lr=0.01" and wild["runs"][1]["val_accuracy"] is None, f"{wild['runs']}")


def write_net():
    with open("wild.net", "w") as f:
        f.write(CONV.replace("adam", "sgd"))


def main():
    cases = [tta, seeds, limit, logs, folds, rate, parts, phases, sweep]
    run_cases(cases + [tensorboard] * ("tensorboard" in sys.argv), write_net)
    finish()


main()
