#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small data that tests/cli/cli.sh works on, in the folder of its argument.

Images are 12 x 12, of three classes: bright in the upper third, the middle, the lower third,
with noise. They can be learned in a few steps, but not at once.
"""
import gzip
import os
import random
import struct
import sys
import zlib

SIDE, CLASSES = 12, 3
random.seed(7)


def image(label):
    rows = range(label * 4, label * 4 + 4)
    return bytes(min(255, max(0, int(random.gauss(82 if y in rows else 62, 45))))
                 for y in range(SIDE) for _ in range(SIDE))


def part(count):
    labels = [random.randrange(CLASSES) for _ in range(count)]
    return [image(label) for label in labels], labels


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def idx(folder, stem, images, labels):
    os.makedirs(folder, exist_ok=True)
    head = struct.pack(">IIII", 0x803, len(images), SIDE, SIDE)
    write(f"{folder}/{stem}-images-idx3-ubyte", head + b"".join(images))
    head = struct.pack(">II", 0x801, len(labels))
    write(f"{folder}/{stem}-labels-idx1-ubyte", head + bytes(labels))


def csv(path, images, labels):
    lines = ["label," + ",".join(f"pixel{i + 1}" for i in range(SIDE * SIDE))]
    lines += [",".join(map(str, [label, *pixels])) for pixels, label in zip(images, labels)]
    write(path, ("\n".join(lines) + "\n").encode())


def npy(path, shape, values):
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    head = head.ljust(128 - 10 - 1) + "\n"
    write(path, b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + bytes(values))


def png(path, pixels):
    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    rows = b"".join(b"\0" + pixels[y * SIDE:(y + 1) * SIDE] for y in range(SIDE))
    write(path, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)) +
          chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main(out):
    train, train_labels = part(640)
    test, test_labels = part(100)
    idx(f"{out}/data", "train", train, train_labels)
    idx(f"{out}/data", "t10k", test, test_labels)
    write(f"{out}/data/classes.txt", b"upper\nmiddle, \"so\"\nlower\n")
    # Half of these test images are training images.
    csv(f"{out}/leak.csv", train[:50] + test[:50], train_labels[:50] + test_labels[:50])

    # Images of two channels, which no image file has.
    npy(f"{out}/two.npy", (64, SIDE, SIDE, 2), [v for p in train[:64] for v in p for _ in "ab"])
    npy(f"{out}/two-labels.npy", (64,), train_labels[:64])

    os.makedirs(f"{out}/images/below", exist_ok=True)
    for i in range(3):
        png(f"{out}/images/{i}.png", test[i])
    write(f"{out}/images/below/a.pgm", f"P5\n{SIDE} {SIDE}\n255\n".encode() + test[3])
    # Images in a light frame, and the same with each pixel doubled in both directions.
    frames = [bytes(230 if {y, x} & {0, 1, 10, 11} else p[y * SIDE + x]
                    for y in range(SIDE) for x in range(SIDE)) for p in test]
    doubled = [bytes(p[y // 2 * SIDE + x // 2] for y in range(2 * SIDE) for x in range(2 * SIDE))
               for p in frames]
    for name, side, pixels in ("frames", SIDE, frames), ("doubled", 2 * SIDE, doubled):
        os.makedirs(f"{out}/{name}", exist_ok=True)
        for i, p in enumerate(pixels):
            write(f"{out}/{name}/{i:03}.pgm", f"P5\n{side} {side}\n255\n".encode() + p)
    write(f"{out}/images/notes.txt", b"not an image, and not named as one\n")
    write(f"{out}/cut.png", open(f"{out}/images/0.png", "rb").read()[:60])
    whole = open(f"{out}/data/t10k-images-idx3-ubyte", "rb").read()
    write(f"{out}/cut.idx", whole[:1000])
    write(f"{out}/huge.idx", struct.pack(">IIII", 0x803, 0xFFFFFFFF, 0xFFFF, 0xFFFF))
    write(f"{out}/whole.idx.gz", gzip.compress(whole))
    write(f"{out}/cut.idx.gz", gzip.compress(whole)[:-40])

    write(f"{out}/tiny.net", b"conv 4 3x3 relu\nmax-pool 2\nflatten\ndropout 0.1\ndense 3\nsoftmax\n"
          b"optimizer adam 0.01\nbatch 16\n")
    write(f"{out}/wrong.net", b"conv 4 3x3 relu\nflatten\ndens 3\nsoftmax\n")
    write(f"{out}/explodes.net", b"flatten\ndense 64\ndense 3\nsoftmax\noptimizer sgd 1e6\nbatch 16\n")


main(sys.argv[1])
