# SPDX-License-Identifier: Apache-2.0
"""Parts of data from end to end: folders of images, lists of them, names of classes, the cache,
--input, --resume with a validation part, IDX under dotted names. Usage: data.py WEFT SLOW_READS"""

import fcntl
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from checks import PRINTED, SANITIZED, check, finish, near

WEFT, SLOW_READS = map(os.path.abspath, sys.argv[1:3])
F_GETPIPE_SZ = 1032  # of the module fcntl from Python 3.10 on
SIDE, CLASSES = 8, ("ant", "bee", "cow")
NET = ("conv 4 3x3 pad=same relu\nmax-pool 2\nflatten\ndense classes\nsoftmax\n"
       "optimizer adam 0.01\nbatch 8\n")
COUNTS = {"train": 8, "validation": 3, "test": 4}  # images of each class


def weft(*words, code=0, says=""):
    """Runs weft, checks exit code and output; returns stdout and stderr."""
    done = subprocess.run([WEFT, *map(str, words)], capture_output=True, text=True, timeout=120,
                          check=False)
    both = done.stdout + done.stderr
    check(done.returncode == code and says in both,
          f"{words}: exit code {done.returncode}, not {code}, or not '{says}': {both[-600:]}")
    return both


def pixels(label, rng):
    return bytes(250 if y == 2 + label else rng.randrange(60) for y in range(SIDE)
                 for _ in range(SIDE))


def pgm(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"P5 %d %d 255\n" % (SIDE, SIDE) + body)


def photos(root):
    """A folder for each part and class, with nested folders, a loop of links, a damaged file."""
    rng = random.Random(1)
    for part, count in COUNTS.items():
        for label, name in enumerate(CLASSES):
            for i in range(count):
                below = "deep/er" if i % 2 else ""
                pgm(root / part / name / below / f"{i}.pgm", pixels(label, rng))
    (root / "train/ant/deep/loop").symlink_to("../..")
    (root / "train/bee/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")


def train(*words, code=0, says="", data="photos"):
    return weft("train", "-d", "cpu", "--data", data, "--net", "t.net", *words, code=code, says=says)


def same(a, b):
    return pathlib.Path(a, "last.safetensors").read_bytes() == \
        pathlib.Path(b, "last.safetensors").read_bytes()


def same_layers(a, b):
    """The same weights; metadata name the data."""
    def tensors(folder):
        data = pathlib.Path(folder, "last.safetensors").read_bytes()
        return data[8 + int.from_bytes(data[:8], "little"):]
    return tensors(a) == tensors(b)


def evaluate(*words):
    done = subprocess.run([WEFT, "eval", *map(str, words), "-d", "cpu", "-f", "json"], check=False,
                          capture_output=True, timeout=120)
    check(done.returncode == 0, f"eval {words}: {done.stderr}")
    return json.loads(done.stdout)


def folders():
    photos(pathlib.Path("photos"))
    out = train("-e", 4, "--out", "a", "--cache", "kept",
                says="24 for training, 9 for validation, 12 for test")
    check("1 of 25 files left out: photos/train/bee/bad.png: damaged PNG" in out, f"left out: {out}")
    check("Decoded 25 image files" in out and "loop" not in out, "each file once")
    kept = sorted(pathlib.Path("kept").iterdir())
    check(len(kept) == 3 and all(p.stat().st_mode & 0o77 == 0 for p in kept), "a file for each part")
    out = train("-e", 2, "--out", "b", "--cache", "kept")
    check("Decoded" not in out, "decoded images are known")
    touched = next(pathlib.Path("photos/train").rglob("0.pgm"))
    times = touched.stat()
    touched.write_bytes(touched.read_bytes())
    os.utime(touched, ns=(times.st_atime_ns, times.st_mtime_ns))
    out = train("-e", 2, "--out", "w", "--cache", "kept")
    check("Decoded" in out and same("b", "w"), "a file whose time was set back is decoded again")
    held, other = (next(pathlib.Path("photos/validation", name).rglob("0.pgm"))
                   for name in CLASSES[:2])
    right = held.read_bytes()
    held.write_bytes(other.read_bytes())
    train("-e", 4, "--out", "b", "--resume", code=4,
          says="the validation images, labels or their order differ from those")
    held.write_bytes(right)
    train("-e", 4, "--out", "b", "--resume", "--cache", "kept")
    check(same("a", "b"), "a resumed run with a validation part has the same bits")
    for file in kept:
        file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    out = train("-e", 4, "--out", "c", "--cache", "kept")
    check("Decoded 25 image files" in out and same("a", "c"), "a damaged cache is not used")
    out = train("-e", 4, "--out", "d", "--cache", "none", "--input", f"{SIDE}x{SIDE}x1")
    check("Decoded 25 image files" in out and same("a", "d"), "--cache none decodes each time")
    out = train("-e", 1, "--out", "e", "--cache", "kept", "--input", "5x6x3")
    check("5x6x3" in weft("show", "e"), "--input is the size of the model's images")
    file = pathlib.Path("photos/train/cow/0.pgm")
    long = b"P5\n#" + b"x" * 300000 + b"\n" + file.read_bytes()[3:]
    file.write_bytes(long)
    train("-e", 1, "--out", "l", "--cache", "kept")
    file.write_bytes(long[:-1] + bytes([long[-1] ^ 1]))
    train("-e", 2, "--out", "l", "--resume", code=4, says="labels or their order differ from those")
    file.unlink()
    train("-e", 6, "--out", "a", "--resume", code=4, says="labels or their order differ from those")
    train("-e", 1, "--out", "f", "--input", "0x8x1", code=2, says="must be HxWxC")


def lists():
    """CSV of image files, and names beside pixels."""
    root = pathlib.Path("lists")
    photos(root / "images")
    for part in COUNTS:
        rows = [f"{p.relative_to(root)},{p.relative_to(root).parts[2]}"
                for p in sorted(root.glob(f"images/{part}/*/**/*.pgm")) if "loop" not in p.parts]
        (root / f"{part}.csv").write_text("\n".join(["path,label", *rows, ""]))
    train("-e", 2, "--out", "g", data="lists", says="24 for training, 9 for validation, 12 for test")
    train("-e", 2, "--out", "h", data="lists/images")
    check(json.loads(weft("show", "g", "-f", "json"))["classes"] == list(CLASSES), "names in the model")
    check(same_layers("g", "h"), "a list of a folder's files gives the same weights")
    report = evaluate("g")
    check(report["count"] == 12 and report["classes"] == list(CLASSES), "eval of a list")
    # One class of the three, and one that is unknown.
    (root / "some.csv").write_text("path,label\n" + "".join(
        f"images/test/cow/{i}.pgm,cow\n" for i in (0, 2)))
    report = evaluate("g", "--data", root / "some.csv")
    check([sum(row) for row in report["confusion"]] == [0, 0, 2], "a list without some classes")
    (root / "wrong.csv").write_text("path,label\nimages/test/cow/0.pgm,cows\n")
    weft("eval", "g", "-d", "cpu", "--data", root / "wrong.csv", code=4,
         says="has class \"cows\", which the training data has not")
    train("-e", 1, "--test", root / "wrong.csv", "--out", "i", code=4, says="has class \"cows\"")
    rng = random.Random(2)
    rows = [",".join(map(str, [*pixels(i % 3, rng), CLASSES[i % 3]])) for i in range(30)]
    head = ",".join(f"p{i}" for i in range(SIDE * SIDE))
    pathlib.Path("names.csv").write_text("\n".join([head + ",kind", *rows, ""]))
    train("-e", 1, "--out", "j", data="names.csv", code=4, says="column 65, \"kind\"")
    pathlib.Path("names.csv").write_text("\n".join([head + ",class", *rows, ""]))
    train("-e", 1, "--out", "j", data="names.csv", says="27 for training")
    check(json.loads(weft("show", "j", "-f", "json"))["classes"] == list(CLASSES), "names of a CSV")


def weights():
    """Class weights: the run resumes to the bit, and refuses other weights."""
    rng = random.Random(4)
    for label, count in enumerate((12, 3, 6)):
        for i in range(count):
            pgm(pathlib.Path("uneven") / CLASSES[label] / f"{i}.pgm", pixels(label, rng))
    some = ("--val-split", 0, "--class-weights")
    train("-e", 4, "--out", "w4", *some, "balanced", data="uneven",
          says="Weights balanced: the classes weigh 0.583 to 2.33 in the loss")
    train("-e", 2, "--out", "w2", *some, "balanced", data="uneven")
    train("-e", 4, "--out", "w2", "--resume", data="uneven", says="Weights balanced")
    check(same("w4", "w2"), "a resumed run with class weights has the same bits")
    pathlib.Path("w.txt").write_text("0.583333333333 # ant\n2.33333333333\n\n1.16666666667\n")
    train("-e", 4, "--out", "wf", *some, "w.txt", data="uneven")
    check(same_layers("w4", "wf"), "the same weights from a file")
    train("-e", 4, "--out", "w0", "--val-split", 0, data="uneven")
    check(not same_layers("w4", "w0"), "weights change the result")
    log = pathlib.Path("w4/log.jsonl").read_text()
    check('"class_weights": "balanced"' in log, f"the log has them: {log[:900]}")
    pathlib.Path("w.txt").write_text("1\n2\n3\n")
    train("-e", 5, "--out", "wf", "--resume", data="uneven", code=4, says="continue with the same class weights")
    pathlib.Path("w.txt").write_text("1\n2\n")
    train("-e", 1, *some, "w.txt", data="uneven", code=4, says="the weights end after 2")
    pathlib.Path("w.txt").write_text("1\n-2\n3\n")
    train("-e", 1, *some, "w.txt", data="uneven", code=4, says="no weight for class 1")
    train("-e", 1, *some, "balance", data="uneven", code=4, says="it is balanced, none or a file")
    some = ("--val-split", 0, "--augment", "flip", "--batch", 8)
    train("-e", 4, "--out", "b4", *some, "--balance", data="uneven",
          says="3 classes are drawn equally often: an image 0.583 to 2.33 times in an epoch")
    train("-e", 2, "--out", "b2", *some, "--balance", data="uneven")
    train("-e", 4, "--out", "b2", "--resume", data="uneven", says="Balance 3 classes")
    check(same("b4", "b2"), "a resumed run with balanced sampling has the same bits")
    check('"balance": true' in pathlib.Path("b4/log.jsonl").read_text(), "the log has it")
    train("-e", 5, "--out", "w0", "--resume", "--balance", data="uneven", code=2,
          says="without --balance, which cannot change")
    train("-e", 1, "--balance", "--class-weights", "balanced", data="uneven", code=2,
          says="give one of them")


def many():
    """65,536 classes, and one more."""
    folder = pathlib.Path("many")
    folder.mkdir()
    rows = "".join(f"{label},{10 * i},0,{5 * i},7\n" for i, label in enumerate((0, 65535, 3, 65535, 9, 0)))
    (folder / "train.csv").write_text("label,p1,p2,p3,p4\n" + rows)
    (folder / "classes.txt").write_text("".join(f"class number {i}\n" for i in range(65536)))
    pathlib.Path("m.net").write_text("flatten\ndense classes\nsoftmax\nbatch 3\n")
    weft("train", "-d", "cpu", "--data", folder, "--net", "m.net", "-e", 2, "--out", "m", "--val-split", 0)
    report = evaluate("m", "--split", "train")
    check(report["classes"][65535] == "class number 65535" and "confusion" not in report and
          sum(cell[2] for cell in report["confusions"]) == 6, "eval of 65,536 classes")
    check("class number" in weft("eval", "m", "-d", "cpu", "--split", "train"), "as a table")
    (folder / "classes.txt").write_text("".join(f"class number {i}\n" for i in range(65537)))
    weft("show", folder, code=4, says="names 65537 classes, must be 2 to 65536")
    (folder / "train.csv").write_text("label,p1\n65536,1\n")
    weft("show", folder, code=4, says="is not an integer from 0 to 65535")
    (folder / "train.csv").write_text("label,p1\n" + "".join(f"c{i},1\n" for i in range(65537)))
    weft("show", folder, code=4, says="line 65538: more than 65536 classes")


def dotted():
    rng = random.Random(3)
    idx("idx", 24, rng)
    path = idx("idx-test", 9, rng)
    for part in ("images.idx3", "labels.idx1"):
        os.rename(path.with_name(f"train-{part}-ubyte"), f"idx/t10k-{part}-ubyte")
    train("-e", 1, "--out", "k", data="idx", says="22 for training, 2 for validation, 9 for test")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path, label, rng):
    rows = pixels(label, rng)
    lines = b"".join(b"\0" + rows[y * SIDE:][:SIDE] for y in range(SIDE))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def as_needed():
    """More image files than are measured: decoded in the first epoch, with the same bits."""
    rng, root = random.Random(5), pathlib.Path("pngs")
    for i in range(600):
        png(root / f"train/{CLASSES[i % 3]}/{i:03}.png", i % 3, rng)
    for i in range(3):
        shutil.copytree(root / f"train/{CLASSES[i]}", root / f"test/{CLASSES[i]}",
                        ignore=lambda _, names: [n for n in names if not n.startswith("00")])
    words = ("--batch", 64, "--val-split", 50)
    out = train("-e", 2, *words, "--out", "o", "--cache", "png", data="pngs")
    check("Decoded 512 image files" in out and "; the others in the first epoch" in out and
          out.index("in the first epoch") < out.index("Decoded 600 image files") and
          "*** LEAK: 10 of the 10" in out, f"in the first epoch: {out}")
    check(all(p.suffix == ".images" for p in pathlib.Path("png").iterdir()), "the file is complete")
    out = train("-e", 2, *words, "--out", "p", "--cache", "png", data="pngs")
    check("Decoded" not in out and same("o", "p"), "the second run decodes none, with the same bits")
    train("-e", 2, *words, "--out", "q", "--cache", "none", data="pngs")
    check(same("o", "q"), "all decoded first, with the same bits")
    bad = root / "train/ant/018.png"  # is not measured
    body = bytearray(bad.read_bytes())
    body[45] ^= 0xff
    bad.write_bytes(body)
    words = ("-e", 1, "--val-split", 0, "--cache", "png")
    out = train(*words, "--out", "r", data="pngs",
                says="an image file is left out when you start again: pngs/train/ant/018.png")
    check("the run begins again" in out and "599 for training" in out and
          "1 of 600 files left out" in out, f"begins again: {out}")
    out = train(*words, "--out", "s", data="pngs", says="599 for training")
    check("Decoded" not in out and same("r", "s"), f"left out: {out}")
    late(("--val-split", 0, "--cache", "png3", "--out", "v", "--time-limit", "1s"))
    # The plan for a time limit is made again, of what is left.
    words = ("--val-split", 0, "--cache", "png2")
    out = train("--time-limit", "1s", *words, "--out", "t", data="pngs", says="the run begins again")
    check("599 for training" in out, f"begins again with a time limit: {out}")
    if "Time limit reached" not in out: # on a loaded machine
        train("-e", out.rsplit("Plan", 1)[1].split()[0], *words, "--out", "u", data="pngs")
        check(same("t", "u"), "the planned run is that of its epochs")


def late(words):
    """A run that begins again after its time limit plans one epoch: it waits to write its first
    line for longer than the limit, before it reads the damaged image."""
    reader, writer = os.pipe()
    os.write(writer, bytes(fcntl.fcntl(writer, F_GETPIPE_SZ)))
    process = subprocess.Popen([WEFT, "train", "-d", "cpu", "--data", "pngs", "--net", "t.net",
                                *map(str, words)], stdout=writer, stderr=writer)
    os.close(writer)
    time.sleep(1.1)
    with os.fdopen(reader, "rb") as pipe:
        out = pipe.read().strip(b"\0").decode()
    again = out.find("the run begins again")
    check(process.wait() == 0 and 0 <= again < out.rfind("Plan    1 epochs"), f"a late run: {out}")


def idx(folder, count, rng):
    labels = bytes(i % 3 for i in range(count))
    body = b"".join(pixels(label, rng) for label in labels)
    os.mkdir(folder)
    path = pathlib.Path(folder, "train-images.idx3-ubyte")
    path.write_bytes(struct.pack(">IIII", 0x803, count, SIDE, SIDE) + body)
    pathlib.Path(folder, "train-labels.idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels)
    return path


def streamed():
    """--stream: the same bits, commands that need all pixels, and the checkpoint of an error."""
    path = idx("streamed", 300, random.Random(6))
    words = ("-e", 2, "--val-split", 30)
    out = train(*words, "--out", "st", "--stream", data="streamed", says="sent to the device batch by batch")
    check("% of the time for images" in out, f"the time of waiting: {out[-600:]}")
    out = train(*words, "--out", "su", data="streamed")
    check(same("st", "su") and "Stream" not in out, "--stream gives the same bits")
    stalls()
    for kind in ("images.idx3", "labels.idx1"): # the test images stay in their file, too
        shutil.copy(f"streamed/train-{kind}-ubyte", f"streamed/t10k-{kind}-ubyte")
    last = [[line.split("%")[1:] for line in train(*words, "--out", out, "--tta", "flip", *more, data="streamed").split("\n")
             if "flip test-time augmentation" in line] for out, more in (("tr", ()), ("ts", ["--stream"]))]
    check(len(last[0]) == 3 and last[0] == last[1], f"--tta of images that stay in their file: {last}")
    with open("err", "wb") as err:
        process = subprocess.Popen([WEFT, "train", "-d", "cpu", "--data", "streamed", "--net", "t.net",
                                    "-e", "100000", "--out", "sv", "--stream"], stdout=err, stderr=err)
        while process.poll() is None and not pathlib.Path("sv/best.safetensors").exists():
            time.sleep(0.02)
        os.truncate(path, 5000)
        code = process.wait(60)
    out = pathlib.Path("err").read_text(encoding="utf-8")
    check(code == 1 and "ends at byte 5000, but had 19216" in out and "resume with `weft train --resume" in out
          and pathlib.Path("sv/last.safetensors").exists(), f"a read error: {code}: {out[-900:]}")


def stalls():
    """The time for which a run waits for its images, of which only a slow disk causes a warning."""
    pathlib.Path("wide.net").write_text(NET.replace("conv 4 3x3", "conv 128 5x5"))
    slow = {"LD_PRELOAD": SLOW_READS, "SLOW_READS": "2"}
    disks = [("fast", "wide.net", {})]
    if not SANITIZED:  # AddressSanitizer must be the first library
        disks.append(("slow", "t.net", slow))
    for disk, net, variables in disks:
        done = subprocess.run([WEFT, "train", "-d", "cpu", "--data", "streamed", "--net", net, "-e", "2",
                               "--val-split", "30", "--out", disk, "--stream", "-f", "json"], check=False,
                              capture_output=True, text=True, timeout=120, env={**os.environ, **variables})
        check(done.returncode == 0, f"a {disk} disk: {done.stderr}")
        log = [json.loads(line) for line in pathlib.Path(disk, "log.jsonl").read_text().splitlines()]
        epochs = [line for line in log if "stall_fraction" in line]
        check(len(epochs) == 2 and all(near(e["stall_fraction"] * e["seconds"], e["stall_seconds"], 3 * PRINTED)
                                       for e in epochs), f"fractions in the log: {log}")
        fraction = json.loads(done.stdout)["stall_fraction"]
        # A wait of more than 0.05 is reported.
        check((0 <= fraction < 0.05) if disk == "fast" else (0.05 < fraction <= 1), f"{disk}: {fraction}")
        check(("for its images: the disk or the processor is slower" in done.stderr) == (disk == "slow"),
              f"the warning of a {disk} disk: {fraction} {done.stderr}")


def orientation():
    """A PNG of 2 rows and 4 columns that Exif turns by 90 degrees."""
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    pathlib.Path("turned.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 2, 8, 0, 0, 0, 0)) +
        chunk(b"eXIf", exif) + chunk(b"IDAT", zlib.compress(b"\0\1\2\3\4\0\5\6\7\x08")) + chunk(b"IEND", b""))
    found = json.loads(weft("show", "turned.png", "-f", "json"))
    check((found["height"], found["width"]) == (4, 2), f"Exif orientation: {found}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ.update(XDG_CACHE_HOME=folder + "/cache", XDG_STATE_HOME=folder)
        pathlib.Path("t.net").write_text(NET)
        for test in [folders, lists, weights, many, dotted, as_needed, streamed, orientation]:
            test()
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
    finish()


main()
