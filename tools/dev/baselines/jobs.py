# SPDX-License-Identifier: Apache-2.0
"""The configuration of a measurement: network, weights, images, order."""

import gzip
import json
import math
import os

import network
import numpy as np
import safetensors


def images_of(data, split):
    """The bytes of a folder of IDX files, or of an NPZ file, which has no test images."""
    if data.endswith(".npz"):
        return np.load(data)["train_images"]
    with gzip.open(f"{data}/{split}-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read()[16:], np.uint8)


def labels_of(data, split):
    if data.endswith(".npz"):
        return np.load(data)["train_labels"]
    with gzip.open(f"{data}/{split}-labels-idx1-ubyte.gz") as file:
        return np.frombuffer(file.read()[8:], np.uint8)


class BenchmarkConfig:
    def __init__(self, source):
        about = json.load(source)
        self.training = about["training"]
        self.seconds = about["seconds"]
        self.threads = len(os.sched_getaffinity(0))
        self.net = network.read(about["net"])
        self.batch = about["batch"]
        self.sample_count = about["sample_count"]
        self.data = about["data"]
        with safetensors.safe_open(about["model"], "np") as file:
            metadata = file.metadata()
            names = [n for n in file.keys() if not n.startswith("optim.")]
            self.tensors = {name: file.get_tensor(name) for name in names}
        self.mean, self.stddev = (np.array(metadata[f"data.{name}"].split(), np.float32)
                                  for name in ("mean", "deviation"))

    def images(self, split):
        """Normalized images, [n][row][column][channel], of "train" or "t10k"."""
        x = images_of(self.data, split).reshape(-1, *self.net.input).astype(np.float32) / 255
        return (x - self.mean) / self.stddev

    def labels(self, split):
        return labels_of(self.data, split).astype(np.int64)

    def order(self, count):
        """Yields batches of shuffled indices, endlessly."""
        rng = np.random.default_rng(0)
        while True:
            shuffled = rng.permutation(count)
            for at in range(0, count - self.batch + 1, self.batch):
                yield shuffled[at : at + self.batch]


def channels_last(layer, tensor):
    """Converts a weight from PyTorch's layout to channels-last."""
    if tensor.ndim == 1:
        return tensor
    if layer.kind == "conv":
        return np.ascontiguousarray(tensor.transpose(2, 3, 1, 0))
    height, width, channels = layer.place
    planes = tensor.reshape(layer.units, channels, height, width)
    return planes.transpose(2, 3, 1, 0).reshape(math.prod(layer.place), layer.units)


def channels_first(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
