# SPDX-License-Identifier: Apache-2.0
"""weft predict: predict.py WEFT. Formats, order of images that threads decode, paths on standard
input, labels, sorted files, names that are hostile."""

import csv
import io
import json
import math
import os
import pathlib
import pty
import shutil
import struct
import subprocess
import sys
import tempfile

from checks import PRINTED, ROUNDING, check, finish, near
from png_pixels import png_pixels

WEFT = os.path.abspath(sys.argv[1])
TESTS = pathlib.Path(__file__).resolve().parent
MODEL = "run/best.safetensors"


def weft(*words, code=0, model=MODEL, stdin=b""):
    done = subprocess.run([WEFT, "predict", "-d", "cpu", model, *map(str, words)], input=stdin,
                          capture_output=True, check=False, timeout=120)
    err = done.stderr.decode(errors="replace")
    check(done.returncode == code, f"{words}: exit code {done.returncode}, not {code}: {err[-300:]}")
    return done.stdout, err


def lines(*words, **more):
    return [json.loads(line) for line in weft(*words, "-f", "jsonl", **more)[0].splitlines()]


def images(*words, **more):
    return json.loads(weft(*words, "-f", "json", **more)[0])


def unpack(data):
    """The rows of an NPY file of float32."""
    check(data[:8] == b"\x93NUMPY\x01\0" and len(data) % 4 == 0, "NPY: the beginning")
    size = struct.unpack("<H", data[8:10])[0]
    head = eval(data[10:10 + size])  # pylint: disable=eval-used
    check((10 + size) % 64 == 0 and head["descr"] == "<f4" and not head["fortran_order"], head)
    count, classes = head["shape"]
    values = struct.unpack(f"<{count * classes}f", data[10 + size:])
    return [values[i * classes:(i + 1) * classes] for i in range(count)]


def formats():
    """The same results in every format."""
    result = images("mixed", "-k", 3, code=4)
    read = [f for f in sorted(os.listdir("mixed")) if f not in BROKEN]
    check([r["file"] for r in result["images"]] == ["mixed/" + f for f in read], "the order")
    check([f.split(":")[0] for f in result["failed"]] == ["mixed/" + f for f in BROKEN],
          f"the order of failures: {result['failed']}")
    rows = lines("mixed", "-k", 3, code=4)
    check([r["file"] for r in rows] == ["mixed/" + f for f in sorted(os.listdir("mixed"))],
          "jsonl: an object for each file, in order")
    check([r for r in rows if "error" not in r] == result["images"], "jsonl: as in json")
    check([r["error"] for r in rows if "error" in r] == result["failed"], "jsonl: the reasons")
    table = list(csv.DictReader(io.StringIO(weft("mixed", "-k", 3, "-f", "csv", code=4)[0].decode())))
    flat = [(r["file"], p["class"], p["probability"], r["margin"], r["unsure"])
            for r in result["images"] for p in r["predictions"]]
    check([(t["file"], t["class"], float(t["probability"]), float(t["margin"]), t["unsure"] == "true")
           for t in table] == flat, "csv: as in json")
    matrix = unpack(weft("mixed", "-f", "npy", code=4)[0])
    check(len(matrix) == len(rows), "npy: a row for each file")
    for row, values in zip(rows, matrix):
        if "error" in row:
            check(all(map(math.isnan, values)), "npy: NaN for a file that cannot be read")
            continue
        for p in row["predictions"]:
            check(near(p["probability"], values[p["class_id"]]), "npy: the probabilities")
        top = sorted(values, reverse=True)
        check(near(row["margin"], top[0] - top[1], ROUNDING + PRINTED), "the margin")
        check(row["unsure"] == (top[0] < 0.5), "unsure below one half")
    weft("mixed", "-f", "npy", "--out", "out.npy", code=4)
    check(len(unpack(pathlib.Path("out.npy").read_bytes())) == len(rows), "npy: a file")
    check("--out needs -f npy" in weft("mixed", "--out", "x", code=2)[1], "--out alone")
    everything = lines("frames", "--unsure-below", 1)
    check(all(r["unsure"] for r in everything), "all are unsure below 1")
    check(not any(r["unsure"] for r in lines("frames", "--unsure-below", 0.01)), "none below 0.01")
    check(all(r["unsure"] == (r["margin"] < 0.25) for r in
              lines("frames", "--unsure-below", 0.01, "--unsure-margin", 0.25)), "by the margin")
    child, terminal = pty.fork()
    if not child:
        os.execv(WEFT, [WEFT, "predict", "-d", "cpu", MODEL, "frames", "-f", "npy"])
    text = os.read(terminal, 4096).decode()
    check(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2 and "--out FILE" in text,
          f"npy on a terminal: {text}")


def threads():
    """Files that threads decode have the results of an IDX file, which is read image by image."""
    a = [r["predictions"] for r in lines("frames", "--invert", "no")]
    pixels = b"".join(pathlib.Path(f"frames/{i:03}.pgm").read_bytes()[-144:] for i in range(100))
    pathlib.Path("frames.idx").write_bytes(struct.pack(">IIII", 0x803, 100, 12, 12) + pixels)
    b = lines("frames.idx", "--invert", "no")
    check(a == [r["predictions"] for r in b], "threads: the same bits")
    check(b[99]["file"] == "frames.idx[99]", "the index")
    many = [f"frames/{i % 100:03}.pgm" for i in range(700)]
    c = lines("frames.idx", *many, "frames.idx", "--invert", "no")
    check([r["predictions"] for r in c] == a * 9, "threads: 900 images in order")


def standard_input():
    """An image, or paths, which are answered line by line."""
    image = pathlib.Path("images/0.png").read_bytes()
    alone = lines("images/0.png")[0]["predictions"]
    for data in image, pathlib.Path("frames/000.pgm").read_bytes(), struct.pack(
            ">IIII", 0x803, 1, 12, 12) + bytes(144):
        found = lines("-", stdin=data)
        check(len(found) == 1 and found[0]["file"].startswith("stdin"), f"an image: {found}")
    check(lines("-", stdin=image)[0]["predictions"] == alone, "the same image")
    text = b"\xef\xbb\xbfimages/0.png\r\n\nno.png\nframes\n\x00zero\n" + b"x" * 40000 + b"\nimages/1.png"
    found = lines("images/2.png", "-", "images/below", stdin=text, code=4)
    frames = [f"frames/{i:03}.pgm" for i in range(100)]
    check([r["file"] for r in found if "predictions" in r] ==
          ["images/2.png", "images/0.png", *frames, "images/1.png", "images/below/a.pgm"], "the order")
    check([r["error"][:13] for r in found if "error" in r] ==
          ["no.png: No su"], f"what cannot be read: {[r for r in found if 'error' in r]}")
    err = weft("-", stdin=text, code=4)[1]
    check("stdin, line 5: has a zero byte" in err and "stdin, line 6: is longer" in err, err)
    for data, what in (b"", "is empty"), (b"RIFF\x10\0\0\0WEBP", "is not a PNG"), (b"\n", ""):
        check(what in weft("-", stdin=data, code=4 if what else 0)[1], f"{data}: {what}")
    with open("images/0.png", "rb") as file:
        done = subprocess.run([WEFT, "predict", "-d", "cpu", MODEL, "-"], stdin=file,
                              capture_output=True, check=False, timeout=60)
        check(b"%" in done.stdout, "an image by redirection")
    with subprocess.Popen([WEFT, "predict", "-d", "cpu", MODEL, "-f", "jsonl", "-"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        for name in "images/0.png", "images/none.png", "images/1.png":
            process.stdin.write(name.encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            check(answer["file"] == name and ("error" in answer) == ("none" in name), f"{answer}")
        process.stdin.close()
        check(process.stdout.read() == b"" and process.wait(60) == 4, "the end")


def labels():
    """Accuracy beside labels from folders and a CSV, and a page."""
    result = lines("frames")
    classes = ["upper", 'middle, "so"', "lower", "none of them"]
    guesses = [r["predictions"][0]["class"] for r in result]
    known = [classes[(classes.index(g) + (i % 4 == 0)) % 4] for i, g in enumerate(guesses)]
    os.makedirs("list")
    with open("list/labels.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "label"])
        for i, label in enumerate(known[:90]):
            writer.writerow([i, f"../frames/{i:03}.pgm" if i % 2 else f"frames/{i:03}.pgm", label])
    shutil.copytree("frames", "list/photos")
    with open("list/below.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([f"photos/{i:03}.pgm", label] for i, label in enumerate(known[:90]))
    for k, label in enumerate(classes):
        folder = f"known/{label.replace('/', '_')}"
        os.makedirs(folder)
        for i in range(90):
            if known[i] == label:
                shutil.copy(f"frames/{i:03}.pgm", folder)
    other = sum(k == classes[3] for k in known[:90])
    right = sum(k == g for k, g in zip(known[:90], guesses))
    for source, where, unlabelled in ("list/below.csv", "list/photos", 10), ("folders", "known", 0):
        score = images(where, "--labels", source)["labels"]
        check((score["images"], score["right"], score["other"], score["unlabelled"]) ==
              (90 - other, right, other, unlabelled), f"{source}: {score}")
        n, p, z = 90 - other, right / (90 - other), 1.959964
        middle, spread = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
        check(near(score["low"], (middle - spread) / (1 + z * z / n)) and
              near(score["high"], (middle + spread) / (1 + z * z / n)), "Wilson's interval")
        check(near(score["standard_error"], math.sqrt(p * (1 - p) / n)), "the standard error")
    out, err = weft("list/photos", "--labels", "list/below.csv", "--report", "page.html")
    page = pathlib.Path("page.html").read_text(encoding="utf-8")
    wrong = [f"{i:03}.pgm" for i in range(90) if known[i] not in (guesses[i], classes[3])]
    check("Most confident mistakes" in page and all(w in page for w in wrong), "the page's mistakes")
    check("labelled images are right, 95 % interval" in err, err)
    check("labelled middle" in out.decode(), "mistakes in the table")
    rows = list(csv.DictReader(io.StringIO(weft("frames", "--labels", "list/labels.csv", "-k", 1,
                                                "-f", "csv")[0].decode())))
    check([(r["label"], r["right"]) for r in rows[::2][:45]] ==
          [(k, str(k == g).lower()) for k, g in zip(known[::2][:45], guesses[::2])], "csv: labels")
    pathlib.Path("two.csv").write_text("path,label\na.png,x\n./a.png,y\n", encoding="utf-8")
    check("a.png has two labels" in weft("frames", "--labels", "two.csv", code=4)[1], "two labels")
    pathlib.Path("odd.csv").write_text("a,b,c\n1,2,3\n", encoding="utf-8")
    check("no columns called path" in weft("frames", "--labels", "odd.csv", code=4)[1], "no columns")
    check("--report needs --labels" in weft("frames", "--report", "x", code=2)[1], "no labels")


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*") if not p.is_dir())


def sorted_files():
    """Links and copies by class; no file is replaced, and again is the same."""
    result = images("frames")["images"]
    guess = {r["file"][7:]: r["predictions"][0]["class"].replace('"', "_") for r in result}
    expected = sorted(f"{c}/{f}" for f, c in guess.items())
    for _ in range(2):
        weft("frames", "--sort-into", "sorted", "-f", "csv")
        check(tree("sorted") == expected, f"sorted: {tree('sorted')[:3]}")
    link = "sorted/" + expected[0]
    check(os.path.islink(link) and os.readlink(link) == os.path.abspath("frames/" + expected[0].split("/")[1]),
          "an absolute link")
    os.makedirs("again")
    shutil.copy("frames/000.pgm", "again/001.pgm")
    before = os.readlink(f"sorted/{guess['001.pgm']}/001.pgm")
    for _ in range(2):
        weft("again", "--sort-into", "sorted")
        check(len(tree("sorted")) == 101, "a name that is taken gets another one, once")
    check(os.readlink(f"sorted/{guess['001.pgm']}/001.pgm") == before, "the first link stays")
    for _ in range(2):
        weft("frames", "again", "--sort-into", "copies", "--copy")
        check(len(tree("copies")) == 101 and not any(p.is_symlink() for p in pathlib.Path("copies").rglob("*")),
              f"copies: {len(tree('copies'))}")
    data = {pathlib.Path("copies", n).read_bytes() for n in tree("copies")}
    check(data == {pathlib.Path("frames", n).read_bytes() for n in guess}, "copies: the contents")
    place = f"kept/{guess['000.pgm']}"
    os.makedirs(place)
    pathlib.Path(place, "000.pgm").write_bytes(b"mine")
    weft("frames/000.pgm", "--sort-into", "kept", "--copy")
    check(pathlib.Path(place, "000.pgm").read_bytes() == b"mine" and len(tree("kept")) == 2, "a file stays")
    median = sorted(r["predictions"][0]["probability"] for r in result)[50]
    weft("frames", "--sort-into", "sure", "--review", "unsure", "--unsure-below", f"{median:.9f}")
    unsure = {r["file"][7:] for r in result if r["predictions"][0]["probability"] < float(f"{median:.9f}")}
    check({n.split("/")[1] for n in tree("unsure")} >= unsure and len(tree("unsure")) < 60 and
          len(tree("sure")) + len(tree("unsure")) == 100, "the unsure apart")
    err = weft("frames.idx", "--sort-into", "never", "--preview", "seen")[1]
    check("100 images have no file of their own" in err and not os.path.exists("never"), err)
    check(len(tree("seen")) == 100 and png_pixels(pathlib.Path("seen/frames.idx[7].png").read_bytes())[0] ==
          pathlib.Path("frames/007.pgm").read_bytes()[-144:], "previews: the pixels")
    out, _ = weft("doubled/007.pgm", "--preview", "seen2")
    check(b"(resized" in out and len(png_pixels(pathlib.Path("seen2/007.pgm.png").read_bytes())[0]) == 144, "a preview")
    pathlib.Path("file").write_bytes(b"")
    check("cannot be written" in weft("frames", "--sort-into", "file", code=1)[1], "no folder")
    check("--copy needs" in weft("frames", "--copy", code=2)[1], "--copy alone")


BROKEN = ["0.png", "050.pgm", "z.png"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ.update(XDG_CACHE_HOME=folder + "/cache", LC_ALL="C", TERM="dumb")
        subprocess.run([sys.executable, TESTS / "cli_data.py", "."], check=True)
        subprocess.run([WEFT, "train", "-d", "cpu", "--data", "data", "--net", "tiny.net", "--epochs",
                        "1", "--out", "run"], check=True, capture_output=True)
        shutil.copytree("frames", "mixed")
        for name in BROKEN:
            pathlib.Path("mixed", name).write_bytes(b"\x89PNG and then nothing")
        for test in formats, threads, standard_input, labels, sorted_files:
            test()
        os.chdir("/")
    finish()


main()
