#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures and plots cost against batch, image size, channels and depth with weft bench.

    tools/dev/scaling.py WEFT OUT [AXIS...] [-- OPTIONS of weft bench]

Writes OUT/AXIS.json, the output of weft bench, and OUT/AXIS.svg. Axes: batch, image,
channels, depth; default: all. An existing OUT/AXIS.json is plotted without measuring."""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

COLORS = ["#1b6ca8", "#c8553d", "#4f772d"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 70, 150, 40, 50


def powers(first, last, step=2):
    return [str(first * step**i) for i in range(99) if first * step**i <= last]


def depth_nets(folder):
    paths = []
    for depth in powers(1, 32):
        path = pathlib.Path(folder) / depth
        layers = "conv 16 3x3 relu pad=same\n" * int(depth)
        path.write_text(layers + "flatten\ndense 10\nsoftmax\n")
        paths.append(str(path))
    return ",".join(paths)


def rate(row):
    """Microseconds per image."""
    return 1e6 / row["median"]


# Per axis: the command; curve, x and y of a row; titles of x and y.
AXES = {
    "batch": (
        lambda folder: ["train", "inference", "--quick", "-b", ",".join(powers(1, 4096, 4))],
        lambda row: (row["workload"], row["batch"], rate(row)),
        ("images per step", "microseconds per image, net small"),
    ),
    "image": (
        lambda folder: ["train", "inference", "--quick", "-b", "32"]
        + ["--input", "28x28x1,56x56x1,112x112x1,224x224x1"],
        lambda row: (row["workload"], int(row["input"].split("x")[0]), rate(row)),
        ("rows and columns of an image", "microseconds per image, net small, batch 32"),
    ),
    "channels": (
        lambda folder: ["conv", "--shape"]
        + [",".join(f"16x14x14x{c}:{c}x3x3" for c in powers(1, 512))],
        lambda row: (
            row["phase"],
            int(row["shape"].split(":")[1].split("x")[0]),
            row["median"],
        ),
        ("channels in and out", "GFLOP/s, 3x3 on 14x14, 16 images"),
    ),
    "depth": (
        lambda folder: ["train", "inference", "--quick", "-b", "64", "--input", "14x14x1"]
        + ["--net", depth_nets(folder)],
        lambda row: (row["workload"], int(row["net"]), rate(row)),
        ("layers of conv 16 3x3 on 14x14", "microseconds per image, batch 64"),
    ),
}


def ticks(low, high, base):
    first, last = math.floor(math.log(low, base)), math.ceil(math.log(high, base))
    return [base**k for k in range(first, last + 1)]


def draw(lines, names):
    """An SVG of {name: [(x, y)]} on two logarithmic axes."""
    points = [p for line in lines.values() for p in line]
    xs, ys = ticks(*span(points, 0), 2), ticks(*span(points, 1), 10)

    def place(x, y):
        across = math.log(x / xs[0]) / math.log(xs[-1] / xs[0])
        up = math.log(y / ys[0]) / math.log(ys[-1] / ys[0])
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20">{names[1]}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" '
        f'text-anchor="middle">{names[0]}</text>',
    ]
    every = max(1, (len(xs) + 5) // 6)
    for i, x in enumerate(xs):
        (px, bottom), (_, top) = place(x, ys[0]), place(x, ys[-1])
        out.append(f'<path d="M{px:.1f} {bottom:.1f}V{top:.1f}" stroke="#eee"/>')
        if i % every == 0:
            out.append(
                f'<text x="{px:.1f}" y="{bottom + 16:.1f}" '
                f'text-anchor="middle">{x:g}</text>'
            )
    for y in ys:
        (left, py), (right, _) = place(xs[0], y), place(xs[-1], y)
        out.append(f'<path d="M{left:.1f} {py:.1f}H{right:.1f}" stroke="#ccc"/>')
        out.append(
            f'<text x="{left - 6:.1f}" y="{py + 4:.1f}" text-anchor="end">{y:g}</text>'
        )
    for i, (name, line) in enumerate(lines.items()):
        color, line = COLORS[i % len(COLORS)], [place(*p) for p in sorted(line)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in line)
        out.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for x, y in line:
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>')
        out.append(
            f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 16 + 18 * i}" '
            f'fill="{color}">{name}</text>'
        )
    return "\n".join(out + ["</svg>", ""])


def span(points, which):
    values = [p[which] for p in points]
    return min(values), max(values)


def measure(weft, axis, extra):
    with tempfile.TemporaryDirectory() as folder:
        command = [weft, "bench", *AXES[axis][0](folder), *extra, "-f", "json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{axis}: weft bench failed with exit code {done.returncode}")
        return done.stdout


def main(arguments):
    extra = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, extra = arguments[:at], arguments[at + 1 :]
    if len(arguments) < 2 or set(arguments[2:]) - set(AXES):
        sys.exit(__doc__)
    weft, out = arguments[0], pathlib.Path(arguments[1])
    out.mkdir(parents=True, exist_ok=True)
    for axis in arguments[2:] or AXES:
        saved = out / f"{axis}.json"
        if not saved.exists():
            saved.write_text(measure(weft, axis, extra))
        lines = {}
        for row in json.loads(saved.read_text())["rows"]:
            name, x, y = AXES[axis][1](row)
            lines.setdefault(name, []).append((x, y))
        (out / f"{axis}.svg").write_text(draw(lines, AXES[axis][2]))


main(sys.argv[1:])
