#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weft embed and similar: vectors against their definition, neighbours against all products,
duplicates, categories, novelty, hostile names, and what is wrong with the files. weft clean:
suspects against their definition, and labels that training reads back.

usage: search.py WEFT
"""
import csv
import io
import json
import math
import os
import pathlib
import random
import shutil
import statistics
import struct
import sys
import tempfile

from checks import PRINTED, ROUNDING, check, finish, near, run
from png_pixels import png_pixels

WEFT = os.path.abspath(sys.argv[1])
SIDE = 12
HOSTILE = "=cmd|<b onload=x>,\n\x1b[31m.pgm"


def weft(*words, code=0, says=""):
    return run(WEFT, *words, code=code, says=says)


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def draw(path, kind, seed):
    """Stripes of one of four directions, with noise."""
    random.seed(f"{kind} {seed}")
    shift = random.randrange(6)
    pixels = bytes(min(255, (160 if ((0, x, y, x + y)[kind] + shift) % 6 < 3 else 0) + random.randrange(60))
                   for y in range(SIDE) for x in range(SIDE))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"P5 {SIDE} {SIDE} 255\n".encode() + pixels)


def read_npy(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<H", data[8:10])
    header = eval(data[10:10 + length])
    count, width = header["shape"]
    check(header["descr"] == "<f4" and not header["fortran_order"] and (10 + length) % 64 == 0, header)
    values = struct.unpack(f"<{count * width}f", data[10 + length:])
    return [values[i * width:(i + 1) * width] for i in range(count)]


def write_npy(path, vectors, kind="<f4", order="False"):
    header = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({len(vectors)}, {len(vectors[0])}), }}"
    header = header.ljust(117) + "\n"
    letter = {"<f4": "f", "<f8": "d"}.get(kind, "i")
    flat = [value for vector in vectors for value in vector]
    pathlib.Path(path).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
                                   + struct.pack(f"<{len(flat)}{letter}", *flat))


def write_bytes_npy(path, shape, pixels):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    pathlib.Path(path).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + pixels)


def check_embed(root):
    row = json.loads(weft("embed", "-d", "cpu", "run", "some/train", "--out", "base.npy", "-f", "json",
                          says="Written  base.npy"))["files"][0]
    vectors = read_npy("base.npy")
    check(row["images"] == len(vectors) == 91 and row["dimensions"] == len(vectors[0]) == 16, row)
    check(all(near(sum(v * v for v in vector), 1, 24 * ROUNDING) for vector in vectors), "unit vectors")
    images = rows(pathlib.Path("base.npy.csv").read_text())
    check(len(images) == 91 and images[1]["file"] == "some/train/columns/1.pgm"
          and images[1]["class"] == "columns" and float(images[1]["probability"]) >= 1 / 3
          and images[1]["index"] == "" and len(images[1]["hash"]) == 16, images[1])
    # The hash by its definition, of an image that is 9 x 8 already.
    pixels = [random.randrange(256) for _ in range(72)]
    (root / "hash.pgm").write_bytes(b"P5 9 8 255\n" + bytes(pixels))
    text = weft("embed", "-d", "cpu", "run", "hash.pgm", "--out", "-")
    row = rows(text)[0]
    bits = sum((pixels[9 * y + x + 1] > pixels[9 * y + x]) << (8 * y + x) for y in range(8) for x in range(8))
    check(int(row["hash"], 16) == bits and "v15" in row and "v16" not in row, row)
    # CSV and NPY have the same numbers; data as images.
    weft("embed", "-d", "cpu", "run", "some/train", "--out", "base.csv")
    for vector, row in zip(vectors, rows(pathlib.Path("base.csv").read_text())):
        check(all(struct.pack("<f", float(row[f"v{i}"])) == struct.pack("<f", v)
                  for i, v in enumerate(vector)), "CSV has the bits of NPY")
    files = ("some/train/plain/3.pgm", "some/train/rows/1.pgm")
    pixels = b"".join(pathlib.Path(path).read_bytes()[-SIDE * SIDE:] for path in files)
    weft("embed", "-d", "cpu", "run", *files, "--out", "files.npy")
    write_bytes_npy("data.npy", (2, SIDE, SIDE), pixels)
    for name in ("data-labels.npy", "other-labels.npy"):
        write_bytes_npy(name, (2,), bytes((0, 2)))
    weft("embed", "-d", "cpu", "run", "data.npy", "--out", "data-vectors.npy")
    check(read_npy("data-vectors.npy") == read_npy("files.npy"), "images of data and of files")
    check([(row["file"], row["index"]) for row in rows(pathlib.Path("data-vectors.npy.csv").read_text())]
          == [("data.npy", "0"), ("data.npy", "1")], "names of images of data")
    write_bytes_npy("other.npy", (2, SIDE // 2, 2 * SIDE), pixels)
    weft("embed", "-d", "cpu", "run", "other.npy", "--fit", "none", "--out", "o.npy", code=4, says="12x12")
    before = pathlib.Path("base.npy").read_bytes()
    weft("embed", "-d", "cpu", "run", "absent/", "--out", "base.npy", code=4)
    check(pathlib.Path("base.npy").read_bytes() == before, "nothing is written on failure")
    weft("embed", "-d", "cpu", "run", "some", "--out", "base.txt", code=2, says="FILE.npy")
    (root / "bad").mkdir()
    (root / "bad/x.png").write_bytes(b"no image")
    shutil.copy("some/train/rows/1.pgm", "bad/y.pgm")
    weft("embed", "-d", "cpu", "run", "bad", "--out", "bad.npy", code=4, says="1 of 2 images could not be")
    check(len(read_npy("bad.npy")) == 1, "the other image is there")
    return vectors, images


def check_similar(vectors, images):
    names = [row["file"] for row in images]
    weft("embed", "-d", "cpu", "run", "some/test", "--out", "queries.npy")
    queries = read_npy("queries.npy")

    result = json.loads(weft("similar", "-d", "cpu", "queries.npy", "--in", "base.npy", "-f", "json",
                             says="Searched 91 vectors of 16 for 45 images"))
    found = result["similar"]
    check(len(found) == 45 * 5 and result["searched"] == 91, result)
    for q, query in enumerate(queries):
        order = sorted(range(91), key=lambda i: (-sum(a * b for a, b in zip(vectors[i], query)), i))[:5]
        mine = [row["similar"] for row in found[5 * q:5 * q + 5]]
        check(mine == [names[i] for i in order], f"neighbours of query {q}: {mine}")
    text = weft("similar", "-d", "cpu", "queries.npy", "--in", "base.npy", "-f", "csv")
    # With a model the images give the same answer as their vectors.
    check(weft("similar", "-d", "cpu", "run", "some/test", "--in", "some/train", "-f", "csv") == text,
          "images and their vectors")
    # Each image in the others; within the predicted class only.
    for row in rows(weft("similar", "-d", "cpu", "base.npy", "-k", 3, "-f", "csv")):
        check(row["file"] != row["similar"], row)
    classes = {row["file"]: row["class"] for row in images}
    inside = rows(weft("similar", "-d", "cpu", "base.npy", "--within-category", "-f", "csv"))
    check(len(inside) == 91 * 5 and all(classes[row["file"]] == row["class"] for row in inside), "classes")


def check_duplicates(root):
    (root / "twice").mkdir()
    for i in range(4):
        shutil.copy(f"slants/{i}.pgm", f"twice/{i}.pgm")
    shutil.copy("twice/2.pgm", "twice/copy of 2.pgm")
    found = rows(weft("similar", "-d", "cpu", "run", "twice", "--duplicates", "-f", "csv", "--report", "d.html"))
    check([(row["file"], row["similar"]) for row in found if row["hash_bits"] == "0"]
          == [("twice/2.pgm", "twice/copy of 2.pgm")], f"one pair, once: {found}")
    text = (root / "d.html").read_text()
    check("duplicate</span>" in text and text.count("<img") >= 2 and "script" not in text, "the page")


def check_novelty(root):
    for i in range(20):
        random.seed(i)
        path = root / f"noise/{i}.pgm"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"P5 {SIDE} {SIDE} 255\n".encode()
                         + bytes(255 * (i + x // 20) % 256 for x in range(SIDE * SIDE)))
    known = json.loads(weft("similar", "-d", "cpu", "queries.npy", "--in", "base.npy", "--known", "queries.npy",
                            "-f", "json", "-k", 1))
    novel = [row for row in known["similar"] if row["novel"]]
    check(len(novel) == 2 and known["novelty_threshold"] > 0, f"5 % of 45 known ones: {novel}")
    weft("similar", "-d", "cpu", "run", "noise", "--in", "base.npy", "--known", "queries.npy", says="Novel   ")


def check_hostile(root):
    """A name with HTML, a formula, a line break and an escape does no harm."""
    images = [row["file"] for row in rows(pathlib.Path("base.npy.csv").read_text())]
    check(any("\\n" in name and "\\x1b" in name for name in images), "escaped in the CSV")
    out = weft("similar", "-d", "cpu", "run", root / "some/train/rows", "--in", "base.npy", "--report", "h.html")
    text = (root / "h.html").read_text()
    check("\x1b" not in out and "\x1b" not in text and "<b onload" not in text, "the name is tamed")


def check_wrong(root, vectors):
    write_npy("double.npy", vectors, "<f8")
    weft("similar", "-d", "cpu", "double.npy", "--in", "base.npy", "-k", 1)
    write_npy("wide.npy", [vector + (1.0,) for vector in vectors])
    weft("similar", "-d", "cpu", "wide.npy", "--in", "base.npy", code=4, says="17 and of 16 dimensions")
    write_npy("nan.npy", [vectors[0], (math.nan,) * 16])
    weft("similar", "-d", "cpu", "nan.npy", code=4, says="not finite")
    write_npy("ints.npy", [(1, 2)], "<i4")
    weft("similar", "-d", "cpu", "ints.npy", code=4, says="not an NPY file of float32")
    write_npy("order.npy", vectors, order="True")
    weft("similar", "-d", "cpu", "order.npy", code=4, says="not an NPY file of float32")
    whole = pathlib.Path("base.npy").read_bytes()
    (root / "short.npy").write_bytes(whole[:-3])
    weft("similar", "-d", "cpu", "short.npy", code=4, says="truncated or damaged")
    for cut in (0, 5, 9, 11, 60):
        (root / "cut.npy").write_bytes(whole[:cut])
        weft("similar", "-d", "cpu", "cut.npy", code=4, says="cut.npy")
    beside = pathlib.Path("base.npy.csv").read_text()
    (root / "short.npy").write_bytes(whole)
    for text, says in ((beside + "a,b\n", "but the first line has 5"),
                       ("\n".join(beside.split("\n")[:50]) + "\n", "49 rows, but short.npy has 91"),
                       (beside.replace("file,", "name,", 1), "has no column 'file'"),
                       (beside + '"', "a quote is not closed"),
                       (beside.replace(",,columns", ",x,columns", 1), "index is 'x'"), ("", "is empty")):
        (root / "short.npy.csv").write_text(text)
        weft("similar", "-d", "cpu", "short.npy", code=4, says=says)
    weft("similar", "-d", "cpu", "run", code=2, says="which images")
    weft("similar", "-d", "cpu", "base.npy", "--in", "some/train", code=2, says="images need a model")


def confident(labels, probabilities, classes):
    """Suspects as (likelihood, image, suggested, margin), the least first; and the noise of each class."""
    threshold = [statistics.fmean(p[c] for p, label in zip(probabilities, labels) if label == c)
                 for c in range(classes)]
    counts, shares = ([[0] * classes for _ in range(classes)] for _ in range(2))
    for p, label in zip(probabilities, labels):
        shares[max(range(classes), key=lambda c: p[c])][label] += 1
        sure = [c for c in range(classes) if p[c] >= threshold[c]]
        if sure:
            counts[label][max(sure, key=lambda c: p[c])] += 1
    suspects = []
    for i, (p, label) in enumerate(zip(probabilities, labels)):
        found = max(range(classes), key=lambda c: p[c])
        if found != label:
            suspects.append((sum(p[k] * shares[k][label] / max(1, sum(shares[k])) for k in range(classes)), i, found,
                             p[label] - max(p[c] for c in range(classes) if c != label)))
    wrong = sum(counts[i][j] for i in range(classes) for j in range(classes) if i != j)
    return sorted(suspects)[:wrong], [1 - row[c] / sum(row) for c, row in enumerate(counts)]


def check_clean(root):
    names, files, labels, probabilities = ["columns", "plain", "rows"], [], [], []
    random.seed(3)
    data = [path for path in sorted((root / "some/train").rglob("*.pgm")) if "onload" not in path.name]
    (root / "some/train/rows" / HOSTILE).unlink()
    check(len(data) == 90, "images")
    for i, path in enumerate(data):
        label = names.index(path.parent.name)
        seen = label if random.random() < 0.9 else (label + 1) % 3
        p = [random.random() + 4 * (c == seen) for c in range(3)]
        files.append(f"some/train/{path.parent.name}/{path.name}")
        labels.append(label)
        probabilities.append([struct.unpack("<f", struct.pack("<f", v / sum(p)))[0] for v in p])
    text = "image,file,fold,label,predicted,columns,plain,rows\n" + "".join(
        f"{i},{files[i]},1,{labels[i]},{max(range(3), key=lambda c: p[c])},"
        + ",".join(f"{v:.9g}" for v in p) + "\n" for i, p in enumerate(probabilities))
    (root / "folds").mkdir()
    (root / "folds/out-of-fold.csv").write_text(text)
    result = json.loads(weft("clean", "some", "--probabilities", "folds", "--out", "c", "--next", 7, "-f", "json",
                             says="labels are probably wrong"))
    suspects, noise = confident(labels, probabilities, 3)
    found = rows((root / "c/suspects.csv").read_text())
    check(len(suspects) > 3 and [(int(row["image"]), row["label"], row["given"], row["file"]) for row in found]
          == [(i, names[suggested], names[labels[i]], files[i]) for _, i, suggested, _ in suspects],
          f"suspects: {found}")
    check(all(near(float(row["margin"]), margin, ROUNDING + PRINTED) for row, (_, _, _, margin) in zip(found, suspects)), "margins")
    check(result["suspects"] == len(suspects) and all(near(row["noise"], want)
                                                      for row, want in zip(result["classes"], noise)), result)
    # Farthest-first over the probabilities of the 70 images between whose classes it is closest.
    reviewed = {i for _, i, _, _ in suspects}
    doubt = sorted((sorted(p)[-1] - sorted(p)[-2], i) for i, p in enumerate(probabilities) if i not in reviewed)
    doubt = [i for _, i in doubt[:70]]
    chosen = doubt[:1]
    while len(chosen) < 7:
        chosen.append(max((i for i in doubt if i not in chosen),
                          key=lambda i: min(math.dist(probabilities[i], probabilities[j]) for j in chosen)))
    after = rows((root / "c/next.csv").read_text())
    check([int(row["image"]) for row in after] == chosen and not any(row["label"] for row in after), after)
    page = (root / "c/review.html").read_text()
    check(page.count("<img") == len(suspects) + 7 and "<script" not in page, "the review sheet")
    # Training reads them back; a resumed run, too, and it has the same labels.
    train = ("train", "-d", "cpu", "--net", "tiny.net", "--data", "some", "--val-split", 0, "--test", "none")
    weft(*train, "-e", 1, "--out", "l", "--labels", "c/suspects.csv",
         says=f"Labels  {len(suspects)} of 90 images have another one")
    weft("train", "-d", "cpu", "--resume", "--out", "l", "-e", 2, says=f"Labels  {len(suspects)} of 90")
    weft(*train, "-e", 2, "--out", "m", "--labels", "c/suspects.csv")
    check((root / "l/last.safetensors").read_bytes() == (root / "m/last.safetensors").read_bytes(), "the same bits")
    # Empty labels change nothing.
    weft(*train, "-e", 1, "--out", "n", "--labels", "c/next.csv", says="Labels  0 of 90")
    by_name = "file,label\n" + "".join(f"{row['file']},{names.index(row['label'])}\n" for row in found)
    (root / "names.csv").write_text(by_name)
    weft(*train, "-e", 2, "--out", "o", "--labels", "names.csv", says=f"Labels  {len(suspects)} of 90")
    check(tensors("o") == tensors("m"), "by file and number as by index and name")
    for text, says in (("image,label\n90,rows\n", "must be 0 to 89"), ("image,label\n1,shoe\n", "'shoe' is neither"),
                       ("file,label\nx.pgm,rows\n", "x.pgm is no image"), ("image,class\n1,rows\n", "a column 'label'"),
                       (f"image,file,label\n1,{files[2]},rows\n", "the file is for other data")):
        (root / "bad.csv").write_text(text)
        weft(*train, "--out", "p", "--labels", "bad.csv", code=4, says=says)
    weft("clean", "some", code=2, says="--folds 5")
    for text, says in (("image,label\n", "not a file of `weft train --folds`"),
                       ("image,file,fold,label,predicted,a,b\n", "has 2 classes"),
                       ("image,file,fold,label,predicted,a,b,c\n0,,1,0,0,1,0,0\n", "has 1 images")):
        (root / "bad.csv").write_text(text)
        weft("clean", "some", "--probabilities", "bad.csv", code=4, says=says)


def read_png(path):
    """Rows of a PNG."""
    pixels, height, width = png_pixels(pathlib.Path(path).read_bytes())
    check(len(pixels) == height * width, "grey")
    return [pixels[y * width:(y + 1) * width] for y in range(height)]


def check_means(root):
    for name, values in (("a", (0, 255)), ("b", (7, 8, 9))):
        for i, value in enumerate(values):
            (root / "flat" / name).mkdir(parents=True, exist_ok=True)
            (root / "flat" / name / f"{i}.pgm").write_bytes(b"P5 12 12 255\n" + bytes([value] * 144))
    weft("show", "flat", "--means", "--out", "means.png")
    sheet = read_png("means.png")
    check(len(sheet) == 68 and len(sheet[0]) == 132 and sheet[30][30] == 128 and sheet[30][100] == 8,
          "the mean of 0 and 255 is 128, that of 7, 8 and 9 is 8")
    weft("show", "tiny.net", "--means", code=2, says="is no data, which --means is for")


def check_neighbors(root):
    """`weft show --neighbors` against all correlations."""
    shown = json.loads(weft("show", "some", "--samples", 4, "--neighbors", 3, "-f", "json"))
    pixels = [p.read_bytes()[-SIDE * SIDE:] for kind in ("columns", "plain", "rows")
              for p in sorted((root / "some/train" / kind).iterdir())]
    units = []
    for p in pixels:
        centered = [v - statistics.fmean(p) for v in p]
        norm = math.sqrt(sum(v * v for v in centered))
        units.append([v / norm for v in centered])
    check(len(pixels) == shown["count"] and len(shown["neighbors"]) == 4, "the samples")
    for sample in shown["neighbors"]:
        scores = [sum(a * b for a, b in zip(units[sample["index"]], u)) for u in units]
        scores[sample["index"]] = -2
        best = sorted(scores, reverse=True)[:3]
        found = sample["nearest"]
        # A float32 sum of as many products as there are pixels, whose roundings are independent.
        by = SIDE * ROUNDING + PRINTED
        check([abs(scores[f["index"]] - b) < by and abs(f["correlation"] - b) < by for f, b in zip(found, best)] ==
              [True] * 3, f"the nearest of {sample['index']}: {found}, not {best}")
    for name in ("first.png", "second.png"):
        weft("show", "some", "--samples", 4, "--neighbors", 3, "--out", name)
    sheet = read_png("first.png")
    check((len(sheet), len(sheet[0])) == (4 + 4 * 64, 4 + 4 * 64), "four rows of four images, five times as large")
    first, near = shown["neighbors"][2]["index"], shown["neighbors"][2]["nearest"][1]["index"]
    for column, index in ((0, first), (2, near)):
        seen = [sheet[4 + 2 * 64 + 5 * y + 2][4 + column * 64 + 5 * x + 2] for y in range(SIDE) for x in range(SIDE)]
        check(seen == [*pixels[index]], f"row 2, column {column} of the sheet is image {index}")
    check(pathlib.Path("first.png").read_bytes() == pathlib.Path("second.png").read_bytes(), "the same bytes again")
    weft("show", "some", "--neighbors", 3, "--means", code=2, says="leave out --grid, --means and --augment")
    weft("show", "some", "--neighbors", 300, code=2, says="are more than 1000 images")
    weft("show", "tiny.net", "--neighbors", 1, code=2, says="is no data, which --neighbors is for")


def tensors(run):
    """The tensors of a run's last model, without its metadata."""
    data = pathlib.Path(run, "last.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return data[8 + length:]


def main():
    with tempfile.TemporaryDirectory(prefix="weft-search-") as name:
        os.chdir(name)
        os.environ.update(XDG_CACHE_HOME=name + "/cache", XDG_STATE_HOME=name + "/state")
        root = pathlib.Path(name)
        for split, count in (("train", 30), ("test", 15)):
            for kind, word in enumerate(("plain", "columns", "rows")):
                for i in range(count):
                    draw(root / "some" / split / word / f"{i}.pgm", kind, f"{split} {i}")
        for i in range(4):
            draw(root / f"slants/{i}.pgm", 3, i)
        (root / "tiny.net").write_text(
            f"input {SIDE} {SIDE} 1\nconv 8 3x3 relu\nmax-pool 2\nflatten\ndense 16 relu\n"
            "dense classes\nsoftmax\noptimizer adam 0.005\nbatch 10\n")
        weft("train", "-d", "cpu", "--net", "tiny.net", "--data", "some", "-e", 2, "--out", "run",
             "--val-split", 0)
        draw(root / "some/train/rows" / HOSTILE, 2, "hostile")
        vectors, images = check_embed(root)
        check_similar(vectors, images)
        check_duplicates(root)
        check_novelty(root)
        check_hostile(root)
        check_wrong(root, vectors)
        check_clean(root)
        check_means(root)
        check_neighbors(root)
        os.chdir("/")


main()
finish()
