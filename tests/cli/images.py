# SPDX-License-Identifier: Apache-2.0
"""Images on the command line: images.py WEFT [DEVICE]. Whole names in every format, things
in a folder that cannot be read, files of other kinds, memory in proportion to the file, and
programs that batches of all sizes share."""

import csv
import io
import json
import os
import pathlib
import random
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

from checks import check, finish
from png_pixels import png_pixels

WEFT = os.path.abspath(sys.argv[1])
DEVICE = sys.argv[2] if len(sys.argv) > 2 else "cpu"
TESTS = pathlib.Path(__file__).resolve().parent
MODEL = "run/best.safetensors"


def weft(*words, code=0, device="cpu", limits=None):
    done = subprocess.run([WEFT, words[0], *(["-d", device] if words[0] != "show" else []), *words[1:]],
                          capture_output=True, check=False, timeout=120, preexec_fn=limits,
                          stdin=subprocess.DEVNULL)
    err = done.stderr.decode(errors="replace")
    check(done.returncode == code, f"{words}: exit code {done.returncode}, not {code}: {err[-300:]}")
    return done.stdout, err


def predictions(*files, **more):
    out, _ = weft("predict", MODEL, *files, "-f", "json", "-k", "3", **more)
    return json.loads(out)


def names():
    """A path of 250 bytes is the file's in every format; the table shortens at characters."""
    folder = "deep/" + "/".join(["patient-\u00fc\u00fc\u00fc-series" * 2] * 5)
    os.makedirs(folder)
    for i in range(3):
        shutil.copy("images/0.png", f"{folder}/slice-{i}.png")
    paths = [f"{folder}/slice-{i}.png" for i in range(3)]
    check(all(len(p.encode()) > 200 for p in paths), "the paths are long")
    out, _ = weft("predict", MODEL, "deep", "-f", "csv", "-k", "1")
    rows = list(csv.DictReader(io.StringIO(out.decode())))
    check([r["file"] for r in rows] == paths, "csv has whole paths")
    check([r["file"] for r in predictions("deep")["images"]] == paths, "json has whole paths")
    out, _ = weft("predict", MODEL, "deep", "-f", "md", "-k", "1")
    check(all(p in out.decode() for p in paths), "md has whole paths")
    for shift in range(4):
        name = "a" * shift + "\u00fc" * 60 + ".png"
        shutil.copy("images/0.png", name)
        out, _ = weft("predict", MODEL, name)
        check(out.decode().startswith("...\u00fc"), "the table shortens before a character")
        out, _ = weft("predict", MODEL, f"no/{name * 2}", code=4)
    err = weft("predict", MODEL, "no/" + "x" * 200 + "/" + "y" * 200, code=4)[1]
    check("y" * 200 + ": No such" in err, "an error has the whole path")
    shutil.copy("whole.idx", f"{folder}/whole.idx")
    rows = predictions(f"{folder}/whole.idx")["images"]
    check(rows[99]["file"] == f"{folder}/whole.idx[99]", "the index of an IDX is whole")


def odd_things():
    """Each is named and skipped; nothing is waited for; the rest is predicted."""
    os.makedirs("odd/locked")
    os.makedirs("odd/sub")
    for name in "0.png", "b.jfif", "c.JPE", "sub/d.png":
        shutil.copy("images/0.png", "odd/" + name)
    for name in "x.webp", "y.webp", "z.BMP", "plain", ".hidden.webp":
        open("odd/" + name, "wb").close()
    os.mkfifo("odd/fifo.png")
    os.symlink("/dev/zero", "odd/zero.png")
    os.symlink("nowhere", "odd/dangling.png")
    os.symlink("sub", "odd/link.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("odd/socket.png")
    shutil.copy("images/0.png", "odd/locked/e.png")
    os.chmod("odd/locked", 0)
    locked = not os.access("odd/locked", os.R_OK)  # root may read it
    result = predictions("odd", code=4)
    os.chmod("odd/locked", 0o755)
    read = ["odd/" + n for n in ("0.png", "b.jfif", "c.JPE")]
    read += [] if locked else ["odd/locked/e.png"]
    check([i["file"] for i in result["images"]] == read + ["odd/sub/d.png"], f"odd: {result}")
    reasons = {"odd/dangling.png: No such file", "odd/fifo.png: is a FIFO",
               "odd/link.png: is a link to a folder", "odd/socket.png: is a socket",
               "odd/zero.png: is a device"}
    reasons |= {"odd/locked: Permission denied"} if locked else set()
    check(len(result["failed"]) == len(reasons), f"odd: {result['failed']}")
    check(all(any(f.startswith(r) for f in result["failed"]) for r in reasons), "reasons")
    check(result["skipped"] == [{"ending": ".webp", "files": 2}, {"ending": "", "files": 1},
                                {"ending": ".bmp", "files": 1}], f"kinds: {result['skipped']}")
    err = weft("predict", MODEL, "odd", code=4)[1]
    check("4 files of other kinds were skipped (.webp 2, none 1, .bmp 1)" in err, "the count")
    weft("predict", MODEL, "odd/fifo.png", code=4)
    os.makedirs("other")
    shutil.copy("odd/x.webp", "other")
    err = weft("predict", MODEL, "other", code=4)[1]
    check("no images in this folder" in err and "(.webp 1)" in err, "a folder without images")


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (250 << 20, 250 << 20))


def memory():
    """A small file that asks for much is refused in a sentence, within 250 MiB."""
    for name, head in ("bomb.png", b"P5 8000 8000 255\n"), ("zeros.png", b""):
        pack = zlib.compressobj(1, zlib.DEFLATED, 31)
        with open(name, "wb") as file:
            file.write(pack.compress(head))
            for _ in range(300):
                file.write(pack.compress(bytes(1 << 20)))
            file.write(pack.flush())
    err = weft("predict", MODEL, "bomb.png", code=4, limits=limit_memory)[1]
    check("bomb.png: decompresses to far more than is usual" in err, err)
    err = weft("predict", MODEL, "zeros.png", "/dev/zero", code=4, limits=limit_memory)[1]
    check("zeros.png: is not a PNG" in err and "/dev/zero: is a device" in err, err)
    with open("large.idx", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, 12, 5000, 5000))
        file.truncate(16 + 12 * 5000 * 5000)
    out = predictions("large.idx", limits=limit_memory)
    check(len(out["images"]) == 12, "an IDX of 300 MB is read one image at a time")
    os.unlink("large.idx")
    with open(MODEL, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    for side in 30000, 8000:
        header["__metadata__"].update({"net.input": f"{side} {side} 1", "net.text": "global-avg-pool\n"
                                       "dense 3\nsoftmax\n"})
        text = json.dumps({"__metadata__": header["__metadata__"], "dense1.weight":
                           {"dtype": "F32", "shape": [3, 1], "data_offsets": [0, 12]},
                           "dense1.bias": {"dtype": "F32", "shape": [3], "data_offsets": [12, 24]}})
        text = text.encode() + b" " * (-len(text) % 8)
        with open("huge.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + bytes(24))
        err = weft("predict", "huge.safetensors", "images/0.png", "images/1.png", "--force",
                   code=4 if side == 30000 else 1, limits=lambda: resource.setrlimit(
                       resource.RLIMIT_AS, (250 << 20, 250 << 20)))[1]
        check("huge.safetensors: " in err, f"{side}: the model is named: {err}")


def show():
    """The image as stored and as predict makes it; an archive gets a sentence about archives."""
    out, _ = weft("show", "doubled/001.pgm", "--model", MODEL)
    check(b"24x24x1\nInput 12x12x1: fit pad, trim no, invert no (resized)" in out, out)
    check(b"stored" in out and len(out.splitlines()) >= 14, out)
    result = json.loads(weft("show", "doubled/001.pgm", "--input", "6x6x3", "--fit", "crop", "--trim",
                             "yes", "--invert", "auto", "-f", "json")[0])
    check(result["kind"] == "image" and result["input"] == [6, 6, 3] and result["inverted"] and
          result["preprocess"] == {"fit": "crop", "trim": True, "invert": "auto",
                                   "filter": "area", "crop_fraction": 1}, result)
    out, _ = weft("show", "images/0.png", "-f", "csv")
    check(out.splitlines()[1] ==
          b'images/0.png,12,12,1,28x28x1,"fit pad, trim no, invert no",resized', out)
    check("channels" in weft("show", "images/0.png", "--input", "6x6x2", code=4)[1], "2 channels")
    check("damaged PNG" in weft("show", "cut.png", code=4)[1], "a damaged image")
    weft("show", "data", "--model", MODEL, code=2)
    with zipfile.ZipFile("z.npz", "w") as archive:
        archive.writestr("x.npy", b"")
    check("has x, but not y" in weft("show", "z.npz", code=4)[1], "an archive")


def evaluation():
    """Test images with each pixel doubled give the results of the same images undoubled."""
    os.makedirs("twice")
    pixels = pathlib.Path("whole.idx").read_bytes()[16:]
    rows = [pixels[i:i + 12] for i in range(0, len(pixels), 12)]
    doubled = b"".join(2 * bytes(v for v in row for _ in "ab") for row in rows)
    pathlib.Path("twice/t10k-images-idx3-ubyte").write_bytes(
        struct.pack(">IIII", 0x803, 100, 24, 24) + doubled)
    for name in "t10k-labels-idx1-ubyte", "classes.txt":
        shutil.copy(f"data/{name}", "twice")
    results = []
    for data in "data", "twice":
        out, err = weft("eval", MODEL, "--data", data, "-f", "json")
        results.append(json.loads(out))
        check(("24x24x1, made 12x12x1 for the model: fit pad" in err) == (data == "twice"), err)
    for key in "accuracy", "loss", "count":
        check(results[0][key] == results[1][key], f"eval: {key} {results[0][key]}, {results[1][key]}")
    err = weft("eval", MODEL, "--data", "twice", "--fit", "none", code=4)[1]
    check("24x24 pixels instead of 12x12" in err, err)


def batches():
    """The programs of batches of 1, 8 and 32 serve all counts up to 40, with the bits of an
    image alone where it runs alone."""
    files = [f"frames/{i:03}.pgm" for i in range(40)]
    cache = pathlib.Path("cache/pocl")
    seen, by_count = set(), {}
    for count in 1, 8, 32, 2, 3, 5, 7, 9, 12, 31, 33, 40:
        images = predictions(*files[:count], device=DEVICE)["images"]
        by_count[count] = [[p["probability"] for p in i["predictions"]] for i in images]
        programs = {str(p) for p in cache.rglob("*.so")} if DEVICE != "cpu" else set()
        check(count in (1, 8, 32) or programs <= seen, f"{count} images compile kernels")
        seen |= programs
    check(DEVICE == "cpu" or seen, "kernels were compiled")
    alone = by_count[1] + [[p["probability"] for p in predictions(f, device=DEVICE)
                            ["images"][0]["predictions"]] for f in files[1:7]]
    for count in 2, 3, 5, 7:
        check(by_count[count] == alone[:count], f"{count} images have the bits of one alone")
    for count in 9, 12, 31:
        check(by_count[count][:8] == by_count[8], f"{count} images have the bits of 8")


def convolved(pixels, height, width, channels, kernel, divisor=1):
    """The same by loops over whole numbers, the pixels of the edge repeated."""
    side = int(len(kernel) ** 0.5)
    taps = [(k // side - side // 2, k % side - side // 2, w) for k, w in enumerate(kernel) if w]
    out = bytearray()
    for y in range(height):
        for x in range(width):
            places = [((min(max(y + i, 0), height - 1) * width + min(max(x + j, 0), width - 1))
                       * channels, w) for i, j, w in taps]
            for c in range(channels):
                total = sum(w * pixels[at + c] for at, w in places)
                out.append(min(255, max(0, (2 * total + divisor) // (2 * divisor))))
    return bytes(out)


def filters():
    """Every pixel of a filtered image is that of whole numbers, also across tiles."""
    draw = random.Random(3)
    own = [draw.randrange(-3, 4) for _ in range(25)]
    pathlib.Path("own.txt").write_text("\n".join(" ".join(map(str, own[i:i + 5]))
                                                 for i in range(0, 25, 5)))
    pathlib.Path("half.txt").write_text("0 0 0\n0, 0.5, 0\n0 0 0.25\n")
    kernels = {"blur": ([1, 2, 1, 2, 4, 2, 1, 2, 1], 16),
               "sharpen": ([0, -1, 0, -1, 5, -1, 0, -1, 0], 1),
               "edges": ([-1, -1, -1, -1, 8, -1, -1, -1, -1], 1),
               "emboss": ([-2, -1, 0, -1, 1, 1, 0, 1, 2], 1),
               "own.txt": (own, 1), "half.txt": ([0, 0, 0, 0, 2, 0, 0, 0, 1], 4)}
    for height, width, channels in (23, 31, 3), (5, 270, 1), (1, 1, 1):
        pixels = draw.randbytes(height * width * channels)
        head = f"P{6 if channels == 3 else 5} {width} {height} 255\n".encode()
        pathlib.Path("source.ppm").write_bytes(head + pixels)
        for name, (kernel, divisor) in kernels.items():
            if DEVICE != "cpu" and (width == 1 or name not in ("blur", "own.txt")):
                continue
            weft("filter", "source.ppm", "--kernel", name, "--out", "f.png", device=DEVICE)
            want = convolved(pixels, height, width, channels, kernel, divisor)
            check(png_pixels(pathlib.Path("f.png").read_bytes()) == (want, height, width), f"filter {name} {width}")
    if DEVICE != "cpu":
        return
    bad = {"eight.txt": "1 2 3 4 5 6 7 8", "four.txt": "1 2\n3 4", "word.txt": "1 2 three",
           "large.txt": "1 " * 1089, "empty.txt": "", "nan.txt": "nan"}
    says = {"eight.txt": "has 8 numbers", "four.txt": "with an odd side", "word.txt": '"three" is no',
            "large.txt": "at most 31x31", "empty.txt": "has 0 numbers", "nan.txt": '"nan" is no',
            "blurr": "one of blur, sharpen"}
    for name, text in bad.items():
        pathlib.Path(name).write_text(text)
    for name, what in says.items():
        err = weft("filter", "source.ppm", "--kernel", name, code=4)[1]
        check(what in err and err.count("\n") <= 2, f"filter {name}: {err}")
    check("--kernel is missing" in weft("filter", "source.ppm", code=2)[1], "no kernel")
    check("No such file" in weft("filter", "no.ppm", "--kernel", "blur", code=4)[1], "no image")
    err = weft("filter", "source.ppm", "--kernel", "blur", "--out", "no/f.png", code=1)[1]
    check("no/f.png cannot be written" in err, err)
    check(b"after" in weft("filter", "images/0.png", "--kernel", "blur")[0], "drawn")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ.update(XDG_CACHE_HOME=folder + "/cache", LC_ALL="C", TERM="dumb",
                          POCL_CACHE_DIR=folder + "/cache/pocl")
        subprocess.run([sys.executable, TESTS / "cli_data.py", "."], check=True)
        shutil.copy("data/t10k-images-idx3-ubyte", "whole.idx")
        weft("train", "--data", "data", "--net", "tiny.net", "--epochs", "1", "--out", "run")
        for test in [batches, filters] if DEVICE != "cpu" else [names, odd_things, memory, show, evaluation, batches,
                                                                  filters]:
            test()
        os.chdir("/")
    finish()


main()
