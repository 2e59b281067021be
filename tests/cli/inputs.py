# SPDX-License-Identifier: Apache-2.0
"""Data as users have it: columns of CSV, pipes, odd files, texts of other systems, and memory
in proportion to the file. Usage: inputs.py WEFT"""

import gzip
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

from checks import check, finish

WEFT = os.path.abspath(sys.argv[1])
SIDE, CLASSES = 8, 3
NET = ("conv 4 3x3 pad=same relu\nmax-pool 2\nflatten\ndense 3\nsoftmax\n"
       "optimizer adam 0.01\nbatch 16\n")


def weft(*words, code=0, says="", **rest):
    """Runs weft, checks exit code and output; returns stdout."""
    done = subprocess.run([WEFT, *map(str, words)], capture_output=True, text=True, timeout=120,
                          check=False, **rest)
    both = done.stdout + done.stderr
    check(done.returncode == code and says in both,
          f"{words}: exit code {done.returncode}, not {code}, or not '{says}': {both[-500:]}")
    return done.stdout


def images(count, seed):
    """Images with a dark border; the bright row is the class."""
    rng = random.Random(seed)
    for i in range(count):
        label = i % CLASSES
        yield label, [0 if x in (0, 7) or y in (0, 7) else
                      250 if y == 2 + label else rng.randrange(60)
                      for y in range(SIDE) for x in range(SIDE)]


def csv(path, header, row, count, seed, separator=","):
    lines = [separator.join(header)] if header else []
    lines += [separator.join(map(str, row(i, label, pixels)))
              for i, (label, pixels) in enumerate(images(count, seed))]
    path.write_text("\n".join(lines) + "\n")


def accuracy(model, data):
    text = weft("eval", model, "-d", "cpu", "--data", data, "-f", "json")
    return json.loads(text)["accuracy"] if text else None


def test_columns(folder):
    """One model has the same accuracy on the same images in every order of columns."""
    names = [f"pixel{k + 1}" for k in range(SIDE * SIDE)]
    forms = {
        "first": (["label", *names], lambda i, l, p: [l, *p]),
        "last": ([*names, "class"], lambda i, l, p: [*p, l]),
        "middle": ([*names[:9], "Target", *names[9:]], lambda i, l, p: [*p[:9], l, *p[9:]]),
        "index": (["", "Y", *names], lambda i, l, p: [i, l, *p]),
        "unnamed": (["Unnamed: 0", *names, '"Digit"'], lambda i, l, p: [i, *p, l]),
        "id": (["image_id", "class_id", *names], lambda i, l, p: [f"{i}.png", l, *p]),
        "plain-first": (None, lambda i, l, p: [l, *p]),
        "plain-last": (None, lambda i, l, p: [*p, l]),
        "plain-index": (None, lambda i, l, p: [i, l, *p]),
        "floats": (["label", *names], lambda i, l, p: [float(l), *(v / 255 for v in p)]),
    }
    (folder / "n.net").write_text(NET)
    csv(folder / "train.csv", *forms["first"], 300, 1)
    weft("train", "-d", "cpu", "--data", folder / "train.csv", "--net", folder / "n.net",
         "--epochs", 6, "--out", folder / "r")
    model = folder / "r" / "best.safetensors"
    for name, (header, row) in forms.items():
        for separator in ",;\t" if header else ",":
            path = folder / f"{name}.csv"
            csv(path, header, row, 90, 2, separator)
            got = accuracy(model, path)
            check(got == 1.0, f"{path}, separated by {separator!r}: accuracy {got}")
    weft("show", folder / "last.csv", says='column 65, "class", has the labels')
    weft("show", folder / "plain-last.csv", says="column 65 has the labels, by its numbers")
    # The first of two files decides the scale of both.
    csv(folder / "levels.csv", names + ["label"], lambda i, l, p: [*(v + 0.25 for v in p), l], 90, 2)
    csv(folder / "parts.csv", names + ["label"], lambda i, l, p: [*(v / 255 for v in p), l], 90, 2)
    for data, test in (("levels", "parts"), ("parts", "levels")):
        weft("train", "-d", "cpu", "--data", folder / f"{data}.csv", "--test",
             folder / f"{test}.csv", "--net", folder / "n.net", "-e", 1, "--out", folder / data,
             code=4, says="save both at one scale")
    refused = {
        "without labels": (names, lambda i, l, p: p),
        "images without labels": (["id", *names], lambda i, l, p: [i, *p]),
        "both columns": (["label", *names, "digit"], lambda i, l, p: [l, *p, l]),
        "one-hot": (["class_0", "class_1", *names], lambda i, l, p: [l, 1 - l, *p]),
        '"fold"': (["label", "fold", *names], lambda i, l, p: [l, 1, *p]),
    }
    for words, (header, row) in refused.items():
        csv(folder / "bad.csv", header, row, 30, 3)
        weft("show", folder / "bad.csv", code=4, says=words)
    return model


def test_pipes(folder, model):
    """A pipe is read once; its kind is that of its contents."""
    for path, says in ((folder / "first.csv", "90 images of 8x8x1, 3 classes"),
                       (folder / "n.net", "28x28x1 to 3 classes"),
                       (model, "8x8x1 to 3 classes")):
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
            weft("show", "/dev/stdin", says=says, stdin=cat.stdout)
    with subprocess.Popen(["gzip", "-c", folder / "first.csv"], stdout=subprocess.PIPE) as cat:
        weft("show", "/dev/stdin", says="90 images of 8x8x1", stdin=cat.stdout)


def test_texts(folder):
    """Byte order marks, line ends and spaces of other systems."""
    text = NET.replace("conv 4", "conv\u00a04")
    for data in (b"\xef\xbb\xbf" + text.encode(), text.replace("\n", "\r\n").encode(),
                 text.replace("\n", "\r").encode()):
        (folder / "t.net").write_bytes(data)
        weft("show", folder / "t.net", "--input", "8x8x1", says="8x8x1 to 3 classes, 5 layers")
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        (folder / "t.net").write_bytes(NET.encode(encoding))
        weft("show", folder / "t.net", code=4, says="is a text in UTF-16; save it in UTF-8")
        (folder / "t.json").write_bytes("{}  ".encode(encoding))
        weft("compare", folder / "t.json", code=4, says="is a text in UTF-16")
    (folder / "t.json").write_bytes(b"\xef\xbb\xbf{}")
    weft("compare", folder / "t.json", code=4, says="not results of weft bench")


def peak_mib(*words):
    """Peak memory of a run that must refuse its input."""
    pid = os.fork()
    if not pid:
        out = os.open(os.devnull, os.O_WRONLY)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.execv(WEFT, [WEFT, *map(str, words)])
    _, status, usage = os.wait4(pid, 0)
    check(os.waitstatus_to_exitcode(status) == 4, f"{words}: not refused")
    return usage.ru_maxrss / 1024


def test_memory(folder, model):
    """Damaged and hostile files: little memory before they are refused."""
    least = peak_mib("show", folder / "n.net", "--input", "1x1x1")
    zeros = folder / "zeros.safetensors"
    with open(zeros, "wb") as file:
        file.truncate(2 << 30)
    long = folder / "long.safetensors"
    long.write_bytes(model.read_bytes())
    os.truncate(long, 2 << 30)
    bomb = folder / "bomb.csv.gz"
    block = gzip.compress(b"0," * (32 << 20), 9)
    bomb.write_bytes(block * 16)
    idx = folder / "train-images-idx3-ubyte.gz"
    idx.write_bytes(gzip.compress(struct.pack(">IIII", 0x803, 1 << 20, 32, 32)) + block * 16)
    size = bomb.stat().st_size / (1 << 20)
    for path, most in ((zeros, 40), (long, 40), (bomb, 64 + 33 * size + 40),
                       (idx, 64 + 33 * size + 40)):
        used = peak_mib("show", path) - least
        check(used < most, f"{path.name}: {used:.0f} MiB, more than {most:.0f}")
    for path in (zeros, long, bomb, idx):
        path.unlink()


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ.update(XDG_CACHE_HOME=str(folder / "cache"), XDG_STATE_HOME=str(folder))
        model = test_columns(folder)
        test_pipes(folder, model)
        test_texts(folder)
        if b"__asan_" not in pathlib.Path(WEFT).read_bytes():  # it keeps freed memory
            test_memory(folder, model)
    finish()


main()
