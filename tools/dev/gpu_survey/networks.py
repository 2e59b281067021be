# SPDX-License-Identifier: Apache-2.0
"""Networks of the survey, in weft's network language: the built-in ones, and those of the
literature."""
import pathlib
import re

BUILTIN = pathlib.Path(__file__).resolve().parents[3] / "src/net/builtin"
END = "softmax\noptimizer sgd 0.1 momentum=0.9 nesterov=yes\nbatch 32\n"
IMAGENET = "input 224 224 3"


def conv(filters, window, stride=1, relu=True, groups=1, source="", name=""):
    """Convolution, batch normalization and perhaps relu."""
    norm = "batch-norm relu" if relu else "batch-norm"
    return [f"conv {filters} {window} stride={stride} pad=same groups={groups} bias=no{source}",
            norm + (f" as={name}" if name else "")]


def resnet(blocks, bottleneck):
    """He et al. 2015, arXiv 1512.03385."""
    lines = [IMAGENET, *conv(64, "7x7", 2), "max-pool 3x3 stride=2 pad=same as=b0"]
    count, last = 0, 64
    for stage, repeats in enumerate(blocks):
        width = 64 << stage
        for i in range(repeats):
            stride = 2 if stage and not i else 1
            out = 4 * width if bottleneck else width
            source = f" from=b{count}"
            shortcut = f"b{count}"
            if stride > 1 or out != last:
                shortcut = f"s{count}"
                lines += conv(out, "1x1", stride, False, source=source, name=shortcut)
            if bottleneck:
                lines += conv(width, "1x1", source=source)
                lines += conv(width, "3x3", stride) + conv(out, "1x1", relu=False)
            else:
                lines += conv(width, "3x3", stride, source=source)
                lines += conv(out, "3x3", relu=False)
            count, last = count + 1, out
            lines.append(f"add {shortcut} relu as=b{count}")
    return "\n".join([*lines, "global-avg-pool", "dense 1000", END])


def mobilenet():
    """MobileNetV2: Sandler et al. 2018, arXiv 1801.04381."""
    lines, last, count = [IMAGENET, *conv(32, "3x3", 2, name="b0")], 32, 0
    for expansion, width, repeats, first_stride in (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
            (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(repeats):
            stride, wide = (1 if i else first_stride), expansion * last
            joined = stride == 1 and width == last
            if expansion > 1:
                lines += conv(wide, "1x1", source=f" from=b{count}")
            lines += conv(wide, "3x3", stride, groups=wide)
            count += 1
            lines += conv(width, "1x1", relu=False, name="" if joined else f"b{count}")
            if joined:
                lines.append(f"add b{count - 1} as=b{count}")
            last = width
    return "\n".join([*lines, *conv(1280, "1x1"), "global-avg-pool", "dense 1000", END])


MLP = "input 64 64 1\nflatten\ndense 4096 relu\ndense 4096 relu\ndense 10\n" + END
# First layers of 1 and 3 channels, with little behind them.
GRAY = "input 28 28 1\nconv 32 5x5 relu pad=same\nmax-pool 2\nflatten\ndense 10\n" + END
COLOR = "input 32 32 3\nconv 32 3x3 relu pad=same\nmax-pool 2\nflatten\ndense 10\n" + END


def without_unused_names(text):
    """The language refuses a name that is not referred to."""
    return re.sub(r" as=(\w+)", lambda m: m[0] if re.search(
        rf"(from=|add ){m[1]}\b", text) else "", text)


NETWORKS = {
    "resnet18": resnet((2, 2, 2, 2), False),
    "resnet50": resnet((3, 4, 6, 3), True),
    "mobilenetv2": mobilenet(),
    "mlp4096": MLP,
    "first-gray": GRAY,
    "first-color": COLOR,
}
BUILTIN_INPUTS = {
    "small": ("28 28 1", 10), "medium": ("28 28 1", 10), "resnet9": ("32 32 3", 10),
    "resnet20": ("32 32 3", 10), "lite0": ("224 224 3", 1000),
}


def text_of(name):
    """The network's text with its input."""
    if name in BUILTIN_INPUTS:
        shape, classes = BUILTIN_INPUTS[name]
        text = (BUILTIN / f"{name}.net").read_text(encoding="utf-8")
        return f"input {shape}\n" + re.sub(r"\bdense classes\b", f"dense {classes}", text)
    return without_unused_names(NETWORKS[name])


def names():
    return [*NETWORKS, *BUILTIN_INPUTS]
