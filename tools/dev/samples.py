# SPDX-License-Identifier: Apache-2.0
"""Writes the first test image of each class of Fashion-MNIST as a PGM file.

Usage: samples.py FOLDER_OF_IDX_FILES OUT. Files are named after their class."""
import gzip
import pathlib
import sys

NAMES = "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot".split()
SIDE = 28

source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
# IDX: 16 bytes before the pixels, 8 before the labels.
pixels = gzip.open(source / "t10k-images-idx3-ubyte.gz").read()[16:]
labels = gzip.open(source / "t10k-labels-idx1-ubyte.gz").read()[8:]
for label, name in enumerate(NAMES):
    at = labels.index(label) * SIDE * SIDE
    image = b"P5 %d %d 255\n" % (SIDE, SIDE) + pixels[at : at + SIDE * SIDE]
    (out / f"{name}.pgm").write_bytes(image)
