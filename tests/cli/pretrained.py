#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/pretrained on files of weights as torch wrote them before version 1.6, made here without
torch: tensors that are not contiguous, names that must not be imported, files that end early.

usage: pretrained.py ROOT WEFT
"""
import array
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import tempfile
import types

from checks import check, finish

ROOT, WEFT = pathlib.Path(sys.argv[1]).resolve(), os.path.abspath(sys.argv[2])
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("pretrained", str(ROOT / "tools/pretrained"))
pretrained = importlib.util.module_from_spec(importlib.util.spec_from_loader("pretrained", loader))
loader.exec_module(pretrained)

# Stand-ins for the names that torch's files have.
torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})


class FloatStorage:
    pass


def _rebuild_tensor_v2(*_):
    raise AssertionError("executed")


FloatStorage.__module__, _rebuild_tensor_v2.__module__ = "torch", "torch._utils"
FloatStorage.__qualname__, _rebuild_tensor_v2.__qualname__ = "FloatStorage", "_rebuild_tensor_v2"
torch.FloatStorage, utils._rebuild_tensor_v2 = FloatStorage, _rebuild_tensor_v2
class Stored:
    """A tensor whose elements are stored as `order` says: its dimensions from the outermost in."""

    def __init__(self, key, shape, values, order):
        self.key, self.shape, self.values = key, shape, values
        self.strides, step = [0] * len(shape), 1
        for dimension in reversed(order):
            self.strides[dimension] = step
            step *= shape[dimension]

    def __reduce__(self):
        return _rebuild_tensor_v2, (Key(self.key), 0, self.shape, tuple(self.strides), False, {})


class Key:
    def __init__(self, key):
        self.key = key


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return ("storage", FloatStorage, obj.key, "cpu", 0) if isinstance(obj, Key) else None


def legacy(state, extra=None):
    file = io.BytesIO()
    for value in (pretrained.LEGACY_MAGIC, 1001, {"little_endian": True}):
        pickle.dump(value, file, 2)
    Pickler(file, 2).dump(extra if extra is not None else state)
    pickle.dump([t.key for t in state.values()], file, 2)
    for tensor in state.values():
        file.write(struct.pack("<q", len(tensor.values)) + tensor.values.tobytes())
    return file.getvalue()


def refused(data, words):
    try:
        pretrained.read_state(data)
    except pretrained.Failure as failure:
        check(words in str(failure), f"'{words}' in '{failure}'")
        return
    check(False, f"refused: {words}")


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


def main():
    draw = random.Random(1)
    shapes = {"a.weight": (32, 1, 3, 3), "a.bias": (32,), "b.weight": (32, 32 * 13 * 13),
              "b.bias": (32,), "c.weight": (10, 32), "c.bias": (10,)}
    state, expected = {}, {}
    for key, (name, shape) in enumerate(shapes.items()):
        count = 1
        for extent in shape:
            count *= extent
        values = array.array("f", (draw.uniform(-0.1, 0.1) for _ in range(count)))
        order = list(range(len(shape)))
        draw.shuffle(order)
        tensor = state[name] = Stored(str(key), shape, values, order)
        index = [0]
        for extent, stride in zip(shape, tensor.strides):
            index = [i + k * stride for i in index for k in range(extent)]
        expected[name] = array.array("f", (values[i] for i in index))
    data = legacy(state)
    found = pretrained.read_state(data)
    for name, shape in shapes.items():
        check(found[name] == (shape, expected[name]), f"{name} in row order")

    folder = tempfile.TemporaryDirectory(prefix="weft-pretrained-")
    os.chdir(folder.name)
    refused(legacy(state, {"x": Evil()}), "names posix.system")
    check(not os.path.exists("executed"), "nothing is executed")
    for length in (0, 10, len(data) // 2, len(data) - 1):
        refused(data[:length], "the file of weights")
    refused(pickle.dumps(7), "legacy format")

    pathlib.Path("classes.txt").write_text("".join(f"kind {i}\n" for i in range(10)))
    pretrained.MODELS["tiny"] = {
        "package": "none", "net": "small", "input": (28, 28, 1), "mean": 0.25, "stddev": 0.5,
        "preprocess": "fit=crop trim=no invert=no filter=bicubic crop-fraction=0.875",
        "classes": os.path.abspath("classes.txt"), "dataset": "", "count": 1}
    pathlib.Path("weights.pth").write_bytes(data)
    pretrained.convert("tiny", pathlib.Path("weights.pth"), pathlib.Path("tiny.safetensors"))
    pathlib.Path("image.pgm").write_bytes(b"P5 40 30 255\n" + bytes(i % 251 for i in range(1200)))
    for words in (["show", "tiny.safetensors"], ["predict", "-d", "cpu", "tiny.safetensors",
                                                 "image.pgm"]):
        done = subprocess.run([WEFT, *words], capture_output=True, text=True, check=False)
        check(done.returncode == 0 and "kind" in done.stdout, f"{words}: {done.stdout}{done.stderr}")
        if words[0] == "show":
            check("center 87.5 %, bicubic" in done.stdout, done.stdout)

    wrong = {name: value for name, value in found.items() if not name.startswith("b.")}
    try:
        pretrained.rename(wrong, (ROOT / "src/net/builtin/small.net").read_text())
        check(False, "a missing layer is refused")
    except pretrained.Failure as failure:
        check("2 layers, the network 3" in str(failure), str(failure))
    os.chdir("/")
    folder.cleanup()


main()
finish()
