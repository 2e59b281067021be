#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weft calibrate: temperature, threshold and sets of a model, who follows them, and what is refused; and
weft audience: shares by customer.

usage: calibrate.py WEFT
"""
import csv
import io
import json
import math
import os
import pathlib
import random
import re
import shutil
import struct
import sys
import tempfile

from checks import PRINTED, ROUNDING, check, finish, near, run

WEFT = os.path.abspath(sys.argv[1])
SIDE, KINDS = 10, ("plain", "columns", "rows")


def weft(*words, code=0, says=""):
    return run(WEFT, *words, code=code, says=says)


def result(*words):
    return json.loads(weft(*words, "-d", "cpu", "-f", "json") or "{}")


def image(kind, noise):
    """Stripes of one of three directions, often hidden by noise."""
    shift = random.randrange(4)
    return bytes(min(255, max(0, int(random.gauss(128 + (24 if ((0, x, y)[kind] + shift) % 4 < 2 else -24), noise))))
                 for y in range(SIDE) for x in range(SIDE))


def write_idx(folder, stem, labels):
    folder.mkdir(exist_ok=True)
    pixels = b"".join(image(label, 55) for label in labels)
    (folder / f"{stem}-images-idx3-ubyte").write_bytes(
        struct.pack(">IIII", 0x803, len(labels), SIDE, SIDE) + pixels)
    (folder / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + bytes(labels))


def change_metadata(source, target, changes):
    """A copy without a checksum, with other metadata."""
    data = pathlib.Path(source).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    for name in ("weft.checksum", "weft.format"):
        header["__metadata__"].pop(name)
    header["__metadata__"].update(changes)
    text = json.dumps(header).encode()
    pathlib.Path(target).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length:])


def samples(variance):
    """The standard error of a difference, of the 300 images of `run` and the 600 of a test."""
    return (variance / 300 + variance / 600) ** 0.5


def temperature(root):
    first = result("calibrate", "run")["calibration"]
    check((root / "calibrated.safetensors").exists(), "the default file")
    check(first["images"] == 300 and first["data"].endswith("data, held out of training"), first)
    check(first["loss"] < first["loss_before"] and first["temperature"] > 0, first)
    # Other commands have the probabilities; the answers stay.
    before, after = result("eval", "run"), result("eval", "calibrated.safetensors")
    check(before["accuracy"] == after["accuracy"] and before["loss"] != after["loss"], (before, after))
    check("threshold" not in after and "set_coverage" not in after, after)
    rows = [json.loads(weft("predict", "-d", "cpu", model, "data/t10k-images-idx3-ubyte", "-k", 3, "-f",
                            "json"))["images"][0]["predictions"] for model in ("run", "calibrated.safetensors")]
    p, q = [{row["class_id"]: math.log(row["probability"]) for row in r} for r in rows]
    # Logits within 8 and the logarithms of their exponentials' shares.
    by = 4 * (8 + 6) * ROUNDING + 4 * PRINTED
    check(abs((p[0] - p[1]) - first["temperature"] * (q[0] - q[1])) < by, f"{p} {q}: {first}")
    # Another time there is nothing to do, and the temperatures multiply.
    again = result("calibrate", "calibrated.safetensors", "--out", "again.safetensors")["calibration"]
    # Roundings of the weights, which have the temperature; where the loss is least, its slope is 0.
    check(near(again["temperature"], first["temperature"], 16 * ROUNDING), again)
    check(near(again["loss"], first["loss"], 16 * ROUNDING), again)
    kept = result("calibrate", "run", "--keep-temperature", "--out", "kept.safetensors")["calibration"]
    check(kept["temperature"] == 1 and kept["loss"] == kept["loss_before"], kept)
    weft("show", "calibrated.safetensors", says="Temperature " + f"{first['temperature']:.4g}")


def threshold():
    found = result("calibrate", "run", "--max-error", "15%", "--confidence", "90%", "--out", "t.safetensors")
    found = found["calibration"]
    check(found["max_error"] == 0.15 and found["error_bound"] <= 0.15 and 0 < found["answered"] < 1, found)
    (row,) = csv.DictReader(io.StringIO(weft("calibrate", "-d", "cpu", "run", "--max-error", "15%", "--confidence",
                                             "90%", "--out", "t.safetensors", "-f", "csv")))
    for name in ("temperature", "loss", "threshold", "max_error", "error_bound"):
        check(float(row[name]) == found[name], f"CSV: {name} is {row}, {found}")
    test = result("eval", "t.safetensors")
    share = found["answered"]
    check(test["threshold"] == found["threshold"], test)
    check(abs(test["answered_fraction"] - share) < 3 * samples(share * (1 - share)), test)
    check(test["error_of_answers"] <= 0.15 < 1 - test["accuracy"], test)
    weft("eval", "-d", "cpu", "t.safetensors", says="calibrated for at most 15 %")
    weft("eval", "-d", "cpu", "t.safetensors", "--report", "test.html")
    check(f"{100 * test['answered_fraction']:.1f} % answered" in open("test.html", encoding="utf-8").read(), "the page")
    weft("eval", "-d", "cpu", "t.safetensors", "--tta", "flip", says="promise nothing for --tta flip")
    weft("show", "t.safetensors", says="at most 15 % of the answers are wrong, with 90 % confidence")
    weft("calibrate", "-d", "cpu", "run", "--max-error", "0.1%", "--out", "never", code=5,
         says="no threshold keeps errors at most 0.1 % with 99 % confidence: the lowest bound")
    check(not os.path.exists("never"), "nothing is written")


def sets():
    for words, by_class in (((), False), (("--by-class",), True)):
        found = result("calibrate", "run", "--coverage", "90%", *words, "--out", "s.safetensors")["calibration"]
        check(found["set_by_class"] == by_class and len(found["set_limits"]) == 3, found)
        check((len(set(found["set_limits"])) > 1) == by_class, found)
        test = result("eval", "s.safetensors")
        check(abs(test["sets_with_true_class"] - 0.9) < 4 * samples(0.9 * 0.1), test)
        # No sizes from 1 to 3 with this mean have a larger variance.
        check(abs(test["set_size"] - found["set_size"]) < 3 * samples((found["set_size"] - 1) * (3 - found["set_size"])),
              test)
    weft("calibrate", "-d", "cpu", "run", "--coverage", "99.9%", code=5, says="needs at least 999 images; there are 300")
    weft("calibrate", "-d", "cpu", "run", "--coverage", "99.5%", "--by-class", code=5,
         says="needs at least 199 images of each class; there are")


def predicted():
    """Predictions follow the threshold and the sets."""
    images = "data/t10k-images-idx3-ubyte"
    for model in ("run", "t.safetensors", "s.safetensors"):
        found = json.loads(weft("predict", "-d", "cpu", model, images, "-k", 3, "-f", "json"))
        kept = found.get("calibration", {})
        limits = dict(zip(found["classes"], kept.get("set_limits", [])))
        below = kept.get("threshold", 0.5)
        for row in found["images"]:
            check(row["unsure"] == (row["predictions"][0]["probability"] < below), f"{model}: {below} {row}")
            wanted = [p["class"] for p in row["predictions"] if limits and p["probability"] >= limits[p["class"]]]
            check(row.get("set", []) == wanted and ("set" in row) == bool(limits), f"{model}: {limits} {row}")
        check(0 < sum(row["unsure"] for row in found["images"]) < 600, f"{model}: some are unsure")
    check({len(row["set"]) for row in found["images"]} >= {1, 2}, "sets of one and of several classes")
    rows = list(csv.DictReader(io.StringIO(weft("predict", "-d", "cpu", "s.safetensors", images, "-k", 1, "-f", "csv"))))
    check([row["set"] for row in rows] == ["; ".join(row["set"]) or "none" for row in found["images"]], "sets in CSV")
    text = weft("predict", "-d", "cpu", "s.safetensors", images, says="(set: ")
    check(any(f"set: {a}; {b}" in text for a in KINDS for b in KINDS), text[:2000])
    given = json.loads(weft("predict", "-d", "cpu", "t.safetensors", images, "--unsure-below", "1%", "-f", "json"))
    check(not any(row["unsure"] for row in given["images"]), "the option counts")


CUSTOMERS = {"ann": (2, 24), "bob": (0, 5), '=1+"<b>eve': (1, 12), "two\nlines": (1, 3)}


def audience(root):
    rows = ["path,email,note"]
    for name, (kind, count) in CUSTOMERS.items():
        folder = root / "customers" / name / "below"
        folder.mkdir(parents=True)
        for i in range(count):
            (folder / f"{i}.pgm").write_bytes(f"P5 {SIDE} {SIDE} 255\n".encode() + image(kind, 60))
            if name == "ann":
                rows.append(f"customers/ann/below/{i}.pgm,{'even' if i % 2 == 0 else 'odd'}@x.org,\"a, b\"")
    (root / "customers/no-one.pgm").write_bytes((root / "customers/ann/below/0.pgm").read_bytes())
    (root / "orders.csv").write_text("\n".join([*rows, "customers/ann/below/0.pgm,,", ""]))
    found = result("audience", "t.safetensors", "customers", "--report", "page.html")
    check(found["corrected"] and found["without_customer"] == 1 and found["all"]["images"] == 44, found)
    by_name = {c["customer"]: c for c in found["customers"]}
    check(list(by_name) == sorted(CUSTOMERS), by_name)
    for name, (kind, count) in CUSTOMERS.items():
        c = by_name[name]
        shares = [s["share"] for s in c["shares"]]
        check(c["images"] == count == sum(s["answers"] for s in c["shares"]) + c["unsure"], c)
        check(near(sum(shares), 1, 3 * PRINTED) and all(s["low"] <= s["share"] <= s["high"] for s in c["shares"]), c)
        check(c["leading_category"] in (None, KINDS[kind]), c)
    check(by_name["ann"]["leading_category"] == "rows" and not by_name["two\nlines"]["leading_category"], by_name)
    page = (root / "page.html").read_text()
    check("Privacy" in page and "<b>eve" not in page and "=1+&quot;&lt;b&gt;eve" in page and "lines" in page, "page")
    check("<script" not in page and "http" not in page.replace("http-equiv", ""), "nothing is loaded")
    text = weft("audience", "-d", "cpu", "t.safetensors", "customers", "-f", "csv")
    lines = list(csv.reader(io.StringIO(text)))
    check(all(re.fullmatch("[a-z0-9_]+", name) for name in lines[0]) and len(set(lines[0])) == len(lines[0]), lines[0])
    check(lines[0][-3:] == ["share_plain", "share_columns", "share_rows"], lines[0])
    check([line[0] for line in lines[1:]] == ["'=1+\"<b>eve", "ann", "bob", "two\\nlines"], text)
    text = weft("audience", "-d", "cpu", "t.safetensors", "customers", says="Nothing leaves this machine")
    check("Segments" in text and "\x1b" not in text, text)
    # The same images by a CSV; without a calibration.
    found = result("audience", "run", "orders.csv", "--by", "email")
    check(not found["corrected"] and found["without_customer"] == 1, found)
    check([(c["customer"], c["images"]) for c in found["customers"]] == [("even@x.org", 12), ("odd@x.org", 12)], found)
    weft("audience", "-d", "cpu", "run", "orders.csv", "--by", "email", says="not corrected for the mistakes")
    weft("audience", "-d", "cpu", "run", "orders.csv", "--by", "name", code=4, says="no column called name")
    weft("audience", "-d", "cpu", "run", "orders.csv", code=2, says="a CSV needs --by COLUMN")
    weft("audience", "-d", "cpu", "run", "customers/ann/below", code=4, says="no folder with images for a customer")
    (root / "customers/bob/bad.png").write_bytes(b"no image")
    found = json.loads(weft("audience", "-d", "cpu", "run", "customers", "-f", "json", code=4))
    check([c["unread"] for c in found["customers"]] == [0, 0, 1, 0], found)


def refused(root):
    weft("calibrate", "-d", "cpu", "run", "--data", "data", code=4, says="are training images of the model")
    weft("calibrate", "-d", "cpu", "run", "--data", "data", "--split", "test", "--out", "tested.safetensors")
    weft("calibrate", "-d", "cpu", "run", "--by-class", code=2, says="--by-class needs --coverage")
    weft("calibrate", "-d", "cpu", "run", "--coverage", "100%", code=2, says="nothing is that certain")
    weft("calibrate", "-d", "cpu", "run", "--out", "run/best.safetensors", code=2, says="is the model itself")
    shutil.copy("t.safetensors", "again.safetensors")
    weft("calibrate", "-d", "cpu", "again.safetensors", "--data", "data", "--split", "test", "--out",
         "again.safetensors", "--keep-temperature")
    weft("train", "-d", "cpu", "--net", "tiny.net", "--data", "data", "-e", 1, "--out", "all", "--val-split", 0)
    weft("calibrate", "-d", "cpu", "all", code=2, says="was trained without validation images")
    # Files that changed since: the images that were held out are unknown.
    shutil.copytree("data", "other")
    weft("train", "-d", "cpu", "--net", "tiny.net", "--data", "other", "-e", 1, "--out", "changed", "--val-split", 90)
    whole = bytearray((root / "other/train-images-idx3-ubyte").read_bytes())
    whole[-1] ^= 1
    (root / "other/train-images-idx3-ubyte").write_bytes(whole)
    weft("calibrate", "-d", "cpu", "changed", code=4, says="are not the images that the model was trained on")
    change_metadata("t.safetensors", "free.safetensors", {"calibration.threshold": "0.5 0.1 0.9 0.05 0.8"})
    weft("show", "free.safetensors", says="0.5000: answers 80.0 %")
    for name, value in (("threshold", "0.5 0.1 0.9 0.05"), ("threshold", "2 0.1 0.9 0.05 0.8"), ("sets", "0.9 1.5"),
                        ("sets", "0.9 1.5 0.1 0.2"), ("sets", "0.9 1.5 nan"), ("confusion", "1 2 3"), ("loss", "")):
        change_metadata("t.safetensors", "wrong.safetensors", {f"calibration.{name}": value})
        weft("show", "wrong.safetensors", code=4, says="calibrate it again")


def main():
    with tempfile.TemporaryDirectory(prefix="weft-calibrate-") as name:
        os.chdir(name)
        os.environ.update(XDG_CACHE_HOME=name + "/cache", XDG_STATE_HOME=name + "/state")
        root = pathlib.Path(name)
        random.seed(3)
        write_idx(root / "data", "train", [random.randrange(3) for _ in range(1200)])
        write_idx(root / "data", "t10k", [random.randrange(3) for _ in range(600)])
        (root / "data/classes.txt").write_text("\n".join(KINDS) + "\n")
        (root / "tiny.net").write_text("conv 8 3x3 relu\nmax-pool 2\nflatten\ndense classes\nsoftmax\n"
                                       "optimizer adam 0.01\nbatch 20\n")
        weft("train", "-d", "cpu", "--net", "tiny.net", "--data", "data", "-e", 6, "--out", "run",
             "--val-split", 300, "--test", "none")
        temperature(root)
        threshold()
        sets()
        predicted()
        audience(root)
        refused(root)
        os.chdir("/")


main()
finish()
