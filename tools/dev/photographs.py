#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two models on photographs of clothing: what one that was trained on Fashion-MNIST makes of
them, beside one that was taught the classes of the shop.

Usage: photographs.py WEFT PHOTOS FASHION SHOP [OPTION...]

PHOTOS has a folder for each of ten classes, the test part of "Clothing dataset, small"
(A. Grigorev); FASHION and SHOP are models; options go to `weft predict`. Prints, as Markdown, the
accuracy on the seven classes that both have with its 95 % interval by Wilson, how many
images of them are unsure, and how many of the three that Fashion-MNIST does not have."""

import json
import math
import subprocess
import sys

# Folder: the classes of Fashion-MNIST that it is.
SHARED = {"dress": {"Dress"}, "longsleeve": {"Pullover"}, "outwear": {"Coat"}, "pants": {"Trouser"},
          "shirt": {"Shirt"}, "shoes": {"Sandal", "Sneaker", "Ankle boot"},
          "t-shirt": {"T-shirt/top"}}
OTHERS = ["hat", "shorts", "skirt"]


def predict(weft, model, folder, options):
    done = subprocess.run([weft, "predict", model, folder, "-f", "jsonl", *options],
                          stdout=subprocess.PIPE, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def interval(right, count):
    z, share = 1.959964, right / count
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return [100 * (middle + sign * spread) / (1 + z * z / count) for sign in (-1, 1)]


def percent(part, whole):
    return f"{100 * part / whole:.1f} ({part} of {whole})"


def row(name, results, classes):
    """`results`: of each folder. `classes`: what is right in a folder."""
    shared = [(classes(f), r) for f in SHARED for r in results[f]]
    right = sum(r["predictions"][0]["class"] in known for known, r in shared)
    sure = [(known, r) for known, r in shared if not r["unsure"]]
    sure_right = sum(r["predictions"][0]["class"] in known for known, r in sure)
    low, high = interval(right, len(shared))
    others = [r for f in OTHERS for r in results[f]]
    cells = [name, f"{100 * right / len(shared):.1f} [{low:.1f} - {high:.1f}]",
             percent(len(shared) - len(sure), len(shared)),
             percent(sure_right, len(sure)) if sure else "-",
             percent(sum(r["unsure"] for r in others), len(others))]
    print("| " + " | ".join(cells) + " |")


def main():
    weft, photos, fashion, shop, *options = sys.argv[1:]
    print("| model | right of the seven classes, % | unsure of the seven, % | right where sure, % | "
          "unsure of the three others, % |\n|---|---|---|---|---|")
    for name, model, classes in (("Fashion-MNIST", fashion, lambda f: SHARED[f]),
                                 ("shop", shop, lambda f: {f})):
        results = {f: predict(weft, model, f"{photos}/{f}", options) for f in [*SHARED, *OTHERS]}
        row(name, results, classes)


main()
