#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weft teach and train --from: own classes from folders of images, additions, and what is wrong with them.

usage: teach.py WEFT
"""
import json
import os
import pathlib
import random
import struct
import sys
import tempfile
import time

from checks import PRINTED, check, finish, near, run

WEFT = os.path.abspath(sys.argv[1])
SIDE = 12


def weft(*words, code=0, says=""):
    return run(WEFT, *words, code=code, says=says)


def tensor(path, name):
    """The bytes of a tensor of a model file."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    begin, end = json.loads(data[8:8 + length])[name]["data_offsets"]
    return data[8 + length + begin:8 + length + end]


def draw(folder, kind, count, seed):
    """Stripes of one of four directions, with noise."""
    random.seed(f"{kind} {seed}")
    folder.mkdir(parents=True)
    for i in range(count):
        shift = random.randrange(6)
        pixels = bytes(
            min(255, (160 if ((0, x, y, x + y)[kind] + shift) % 6 < 3 else 0) + random.randrange(60))
            for y in range(SIDE) for x in range(SIDE))
        (folder / f"{i}.pgm").write_bytes(f"P5 {SIDE} {SIDE} 255\n".encode() + pixels)


def main():
    with tempfile.TemporaryDirectory(prefix="weft-teach-") as name:
        os.chdir(name)
        os.environ.update(XDG_CACHE_HOME=name + "/cache", XDG_STATE_HOME=name + "/state")
        root = pathlib.Path(name)
        for split, count in (("train", 30), ("test", 15)):
            for kind, word in enumerate(("plain", "columns", "rows")):
                draw(root / "some" / split / word, kind, count, split)
        draw(root / "more/slants", 3, 20, "more")
        (root / "tiny.net").write_text(
            f"input {SIDE} {SIDE} 1\nconv 8 3x3 relu\nmax-pool 2\nflatten\ndense 16 relu\n"
            "dense classes\nsoftmax\noptimizer adam 0.005\nbatch 10\n")
        weft("train", "-d", "cpu", "--net", "tiny.net", "--data", "some", "-e", 3, "--out", "run",
             "--val-split", 0)
        result = json.loads(weft("teach", "-d", "cpu", "run", "some", "--out", "shop.safetensors",
                                 "-f", "json", says="Written  shop.safetensors"))
        row = result["models"][0]
        check(row["examples"] == 90 and row["classes"] == 3, row)
        # 0.6 of 45: four standard errors above guessing.
        check(row["test_count"] == 45 and row["test_accuracy"] > 0.6 and row["accuracy"] > 0.6, row)
        check(near(row["test_macro_recall"], row["test_accuracy"], 2 * PRINTED), row)
        check(result["means_accuracy"] <= row["accuracy"] >= result["ridge_accuracy"], result)
        weft("eval", "-d", "cpu", "shop.safetensors", says="45 images of some")
        weft("predict", "-d", "cpu", "shop.safetensors", "some/test/rows/0.pgm", says="rows")

        before = (root / "shop.safetensors").read_bytes()
        weft("teach", "-d", "cpu", "run", "more", "--add", code=4, says="was not taught")
        check((root / "shop.safetensors").read_bytes() == before, "nothing is written on failure")
        row = json.loads(weft("teach", "-d", "cpu", "shop.safetensors", "more", "--add", "-f", "json"))
        row = row["models"][0]
        check(row["examples"] == 110 and row["classes"] == 4, row)
        check(row["test_accuracy"] is None, "no test images")
        weft("predict", "-d", "cpu", "shop.safetensors", "more/slants/3.pgm", says="slants")
        weft("teach", "-d", "cpu", "shop.safetensors", "some", "--method", "means", "--out", "m",
             says="means")
        weft("teach", "-d", "cpu", "run", "more", code=4, says="two at least")
        weft("teach", "-d", "cpu", "run", "absent", code=4, says="absent")
        weft("teach", "-d", "cpu", "run", code=2)

        # Features are those of a training with the same frozen backbone.
        def features():
            return sorted((root / "cache/weft/images").glob("*.features"))
        kept = features()
        check(len(kept) == 2, f"{kept}: of both folders, from four commands")
        backbone = ("train", "-d", "cpu", "--from", "run", "--freeze", "backbone", "--data", "some",
                    "-e", 1, "--test", "none")
        weft(*backbone, "--out", "taught", "--val-split", 0, says="run once for each image: ")
        check(features() == kept, "a training reads the features of teach")
        # Several runs have one computation, and the bits of single ones.
        weft(*backbone, "--out", "seeds", "--val-split", 0, "--seed", 1, "--seeds", 2)
        check(features() == kept and (root / "seeds/seed-1/last.safetensors").read_bytes()
              == (root / "taught/last.safetensors").read_bytes(), "runs of several seeds")
        weft(*backbone, "--out", "folds", "--folds", 2)
        weft(*backbone, "--out", "again", "--folds", 2, "--cache", "none", says="run once for each image")
        for file in ("fold-1/last.safetensors", "fold-2/last.safetensors", "out-of-fold.csv"):
            check((root / "folds" / file).read_bytes() == (root / "again" / file).read_bytes(),
                  f"{file}: kept features have the bits of computed ones")
        # A folder has at most 4 GiB: what was not used for long is removed, nothing else.
        files = len(features())
        old, new, other = (kept[0].with_name(name) for name in (
            "0" * 32 + ".features", "1" * 32 + ".features", "photo.features"))
        for path, age in ((old, 5000), (new, 10), (other, 9000)):
            path.touch()
            os.truncate(path, 3 << 30)
            os.utime(path, (time.time() - age,) * 2)
        weft("train", "-d", "cpu", "--from", "run", "--freeze", "conv1", "--data", "some", "-e", 1,
             "--out", "room", "--val-split", 0, "--test", "none")
        check(not old.exists() and new.exists() and other.exists() and len(features()) == files + 3,
              f"{features()}: what is left of too many files")
        for path in features():
            path.unlink()

        # The images have another mean than those of `run`, whose normalization is kept.
        weft("train", "-d", "cpu", "--from", "run", "--freeze", "conv1", "--data", "some/test", "-e", 2,
             "--out", "fine", "--val-split", 0)
        text = weft("show", "fine/last.safetensors", "--text")
        check("conv 8 3x3 relu frozen=yes" in text and "dense 16 relu\n" in text, text)
        check(tensor("run/best.safetensors", "conv1.weight")
              == tensor("fine/last.safetensors", "conv1.weight"), "a frozen layer stays")
        check(tensor("run/best.safetensors", "dense1.weight")
              != tensor("fine/last.safetensors", "dense1.weight"), "others are trained")
        weft("train", "-d", "cpu", "--resume", "--out", "fine", "-e", 3)
        check(tensor("run/best.safetensors", "conv1.weight")
              == tensor("fine/last.safetensors", "conv1.weight"), "and when resumed")
        # The files of features are those of the first run.
        for again in ("cached", "computed"):
            weft("train", "-d", "cpu", "--from", "run", "--freeze", "conv1", "--data", "some/test", "-e", 3,
                 "--out", again, "--val-split", 0, *(() if again == "cached" else ("--cache", "none")),
                 says="run once for each image: ")
            check((root / again / "last.safetensors").read_bytes()
                  == (root / "fine/last.safetensors").read_bytes(), f"{again}: as when resumed")
        check(len(list((root / "cache/weft/images").glob("*.features"))) == 1, "the same features")
        weft("train", "-d", "cpu", "--from", "run", "--freeze", "conv1", "--data", "some", "-e", 1,
             "--out", "flipped", "--val-split", 0, "--augment", "flip", says="other images in each epoch")
        weft("train", "-d", "cpu", "--from", "fine", "--data", "some", "-e", 1, "--out", "whole",
             "--val-split", 0)
        check("frozen" not in weft("show", "whole", "--text")
              and tensor("fine/last.safetensors", "conv1.weight")
              != tensor("whole/last.safetensors", "conv1.weight"), "what was frozen is trained")
        # Factors of the rate are those of a network that has them, to the bit.
        fine = ("--data", "some", "-e", 1, "--val-split", 0, "--layer-rates")
        weft("train", "-d", "cpu", "--from", "run", *fine, "conv1=0.1 backbone=0.5", "--out", "layers",
             says="conv1=0.1 backbone=0.5")
        (root / "rated.net").write_text((root / "tiny.net").read_text().replace(
            "3x3 relu", "3x3 relu rate=0.1").replace("16 relu", "16 relu rate=0.5"))
        weft("train", "-d", "cpu", "--from", "run", "--net", "rated.net", *fine[:-1], "--out", "text")
        weft("train", "-d", "cpu", "--from", "run", "--net", "rated.net", *fine, "dense1=1",
             "--out", "other")
        for layer in ("conv1.weight", "dense1.weight", "dense2.weight"):
            same, other = (tensor(f"{run}/last.safetensors", layer) for run in ("text", "other"))
            check(tensor("layers/last.safetensors", layer) == same != other, f"rates of {layer}")
        check("conv 8 3x3 relu rate=0.1" in weft("show", "layers", "--text"), "the model's text")
        weft("train", "-d", "cpu", "--resume", "--out", "layers", "-e", 2, "--layer-rates", "conv1=1",
             code=2, says="continues with --layer-rates conv1=0.1 backbone=0.5, which cannot change")
        for wrong, message in (("conv9=1", 'no layer "conv9"'), ("conv1=0", "not LAYER=F"),
                               ("conv1", "not LAYER=F"), ("dense1=1 conv1=1", "in the order")):
            weft("train", "-d", "cpu", "--from", "run", *fine, wrong, code=2, says=message)
        (root / "normed.net").write_text((root / "tiny.net").read_text().replace(
            "relu\nmax-pool", "\nbatch-norm relu\nmax-pool"))
        weft("train", "-d", "cpu", "--from", "run", "--net", "normed.net", "--freeze", "norms",
             "--data", "some", "-e", 1, "--out", "normed", "--val-split", 0)
        text = weft("show", "normed", "--text")
        check("\nbatch-norm relu frozen=yes" in text and text.count("frozen") == 1, text)
        weft("train", "-d", "cpu", "--from", "run", "--freeze", "norms", "--data", "some", code=2,
             says="batch normalizations")
        weft("train", "-d", "cpu", "--from", "run", "--freeze", "backbone", "--data", "some",
             "-e", 1, "--out", "head", "--val-split", 0)
        check(tensor("run/best.safetensors", "dense1.weight")
              == tensor("head/last.safetensors", "dense1.weight"), "the backbone stays")
        weft("train", "-d", "cpu", "--from", "run", "--freeze", "conv7", "--data", "some", code=2,
             says='no layer "conv7"')
        weft("train", "-d", "cpu", "--freeze", "conv1", "--data", "some", code=2, says="--from")
        (root / "other.net").write_text(f"input {SIDE} {SIDE} 1\nconv 4 5x5\nflatten\n"
                                        "dense classes\nsoftmax\n")
        weft("train", "-d", "cpu", "--from", "run", "--net", "other.net", "--data", "some", code=4,
             says="no layer of the same name and shape")
        damaged = bytearray((root / "shop.safetensors").read_bytes())
        damaged[-500] ^= 1
        (root / "damaged.safetensors").write_bytes(damaged)
        weft("teach", "-d", "cpu", "damaged.safetensors", "more", "--add", code=4, says="damaged")
        os.chdir("/")


main()
finish()
