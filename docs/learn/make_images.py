#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the images of docs/learn, and the text between ``` below comments like <!-- top -->.

    docs/learn/make_images.py WEFT [FOLDER_OF_FASHION_MNIST]

WEFT is the command. It takes half a minute, and the same machine gives the same images."""
import base64
import gzip
import html
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
IMAGES = HERE / "images"
SIDE, BOOT, FEW = 28, 0, 4000  # pixels; the test image; training images of the small part
FACTOR = 5
COLUMNS = 90
# Images below the headings of an explanation's page that begin so, and their factors.
PAGE = {"Evidence": (("", 1), ("occlusion.png", FACTOR), ("gradcam.png", FACTOR), ("smoothgrad.png", FACTOR)),
        "Filters": (("filters.png", 12),),
        "What each layer": (("conv1.png", 2),),
        "max-pool1": (("before.png", FACTOR), ("kept.png", FACTOR), ("after.png", 2 * FACTOR))}


def weft(work, *words):
    """The text that the command prints."""
    print("weft", *words, flush=True)
    return subprocess.run([WEFT, *map(str, words)], cwd=work, check=True, text=True, stdout=subprocess.PIPE,
                          env={**ENVIRONMENT, "COLUMNS": str(COLUMNS)}).stdout


def inline(page):
    """The texts of the headings of a page, with the PNG files below each."""
    found, heading = {}, ""
    for title, data in re.findall(r'<h[23][^>]*>(.*?)</h[23]>|src="data:image/png;base64,([^"]*)"', page, re.S):
        if title:
            heading = html.unescape(re.sub("<[^>]*>", "", title))
        else:
            found.setdefault(heading, []).append(base64.b64decode(data))
    return found


def decode(png):
    """Rows of bytes, and bytes of a pixel, of a PNG with 8 bits."""
    at, packed = 8, b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", png[at + 8:at + 18])
        packed += png[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    assert depth == 8
    step = {0: 1, 2: 3}[colour]
    raw, rows, above = zlib.decompress(packed), [], bytes(width * step)
    for row in range(height):
        begin = row * (width * step + 1)
        kind, line = raw[begin], bytearray(raw[begin + 1:begin + 1 + width * step])
        for i in range(len(line)):
            left, up, corner = (line[i - step], above[i], above[i - step]) if i >= step else (0, above[i], 0)
            near = min((abs(up - corner), 0, left), (abs(left - corner), 1, up),
                       (abs(left + up - 2 * corner), 2, corner))[2]
            line[i] = (line[i] + (0, left, up, (left + up) // 2, near)[kind]) & 255
        rows.append(bytes(line))
        above = line
    return rows, step


def encode(rows, step):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", len(rows[0]) // step, len(rows), 8, {1: 0, 3: 2}[step], 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def save(name, png, factor=1):
    """With pixels of factor x factor: pages smooth what they enlarge."""
    if factor > 1:
        rows, step = decode(png)
        png = encode([b"".join(row[i:i + step] * factor for i in range(0, len(row), step))
                      for row in rows for _ in range(factor)], step)
    (IMAGES / name).write_bytes(png)


def curves(page, name):
    """The first two drawings of a report, side by side, as a file of their own."""
    style = re.search("<style>(.*?)</style>", page, re.S)[1]
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)[:2]
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawings[0]).groups())
    placed = [d.replace("<svg", f'<svg x="{k * (width + 20)}" width="{width}" height="{height}"', 1)
              for k, d in enumerate(drawings)]
    (IMAGES / name).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 {2 * width + 40} {height + 20}">\n'
        f"<style>{style} svg {{ max-width: none; font-family: sans-serif; background: var(--paper); }}"
        f"</style>\n{''.join(placed)}</svg>\n")


def write_text(name, text):
    """Replaces the block below <!-- name -->."""
    block = re.compile(rf"(<!-- {name} -->\n```\n).*?(```\n)", re.S)
    for path in HERE.glob("*.md"):
        old = path.read_text()
        new = block.sub(lambda m: m[1] + text.rstrip() + "\n" + m[2], old)
        if new != old:
            path.write_text(new)


def block_of(text, first):
    """The lines from the one that begins with `first` to the empty one behind it."""
    lines = text.split("\n")
    begin = next(i for i, line in enumerate(lines) if line.startswith(first))
    end = next((i for i in range(begin, len(lines)) if not lines[i].strip()), len(lines))
    return "\n".join(lines[begin:end])


def read_idx(folder, name, header):
    return gzip.open(folder / name).read()[header:]


def write_few(folder, work):
    """The first images of the training part, as a dataset of their own."""
    (work / "few").mkdir()
    for name, header, item in (("train-images-idx3-ubyte", 16, SIDE * SIDE), ("train-labels-idx1-ubyte", 8, 1)):
        whole = gzip.open(folder / f"{name}.gz").read(header + FEW * item)
        (work / "few" / name).write_bytes(whole[:4] + FEW.to_bytes(4, "big") + whole[8:])


def make_inputs(folder, work):
    pixels = read_idx(folder, "t10k-images-idx3-ubyte.gz", 16)[BOOT * SIDE * SIDE:][:SIDE * SIDE]
    (work / "boot.pgm").write_bytes(b"P5 %d %d 255\n" % (SIDE, SIDE) + pixels)
    write_text("numbers", "\n".join(
        " ".join(f"{pixels[row * SIDE + column]:3d}" for column in range(1, SIDE, 2)) for row in range(1, SIDE, 2)))
    weft(work, "show", "fashion-mnist", "--grid", "15x15", "--out", IMAGES / "grid.png")
    boot = [pixels[i * SIDE:(i + 1) * SIDE] for i in range(SIDE)]
    save("boot.png", encode(boot, 1), FACTOR)
    for kernel in ("blur", "sharpen", "edges", "emboss"):
        weft(work, "filter", "boot.pgm", "--kernel", kernel, "--out", "filtered.png")
        save(f"{kernel}.png", (work / "filtered.png").read_bytes(), FACTOR)


def make_layers(work):
    printed = weft(work, "explain", "learn", "boot.pgm", "--html", "boot.html", "--shift", "--color", "never")
    tables = printed[printed.index("The "):]
    write_text("top", block_of(printed, "Answer"))
    write_text("evidence", block_of(printed, "The "))
    write_text("layers", block_of(tables, "Layer"))
    write_text("shift", block_of(tables[tables.index("Moved"):], "Shift") + "\n\n" + block_of(tables, "A shift"))
    found = inline((work / "boot.html").read_text())
    for start, names in PAGE.items():
        images = next(images for heading, images in found.items() if heading.startswith(start))
        for (name, factor), image in zip(names, images):
            if name:
                save(name, image, factor)


WEFT = str(pathlib.Path(sys.argv[1]).resolve())
ENVIRONMENT = dict(os.environ)


def main():
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/datasets/fashion-mnist")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        make_inputs(folder, work)
        write_few(folder, work)
        write_text("train", weft(work, "train", "--net", "small", "--epochs", "3", "--seed", "1", "--out", "learn"))
        weft(work, "train", "--net", "small", "--data", "few", "--val-split", "50%", "--epochs", "100", "--batch", "32",
             "--lr", "0.001", "--test", "none", "--out", "few-run")
        curves((work / "learn" / "report.html").read_text(), "learn.svg")
        curves((work / "few-run" / "report.html").read_text(), "overfit.svg")
        make_layers(work)


main()
