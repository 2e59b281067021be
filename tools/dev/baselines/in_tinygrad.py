# SPDX-License-Identifier: Apache-2.0
"""tinygrad on OpenCL, on the first device of the first platform, its only choice."""

import importlib.metadata
import math
import os

os.environ["DEV"] = "CL"

import numpy as np
from tinygrad import Context, Device, Tensor, TinyJit, nn

import jobs
import network

version = f"{importlib.metadata.version('tinygrad')}, {Device['CL'].device_name}"


def padding(layer):
    return tuple(extent // 2 for extent in layer.window) if layer.same else 0


MAKERS = {
    "conv": lambda l: nn.Conv2d(
        l.channels, l.units, l.window, padding=padding(l), bias=l.bias
    ),
    "dense": lambda l: nn.Linear(math.prod(l.place), l.units, bias=l.bias),
    "max-pool": lambda l: lambda x: x.max_pool2d(l.window),
    "batch-norm": lambda l: nn.BatchNorm(l.channels, eps=l.epsilon, momentum=l.momentum),
    "global-max-pool": lambda l: lambda x: x.max((2, 3)),
    "flatten": lambda l: lambda x: x.flatten(1),
    "relu": lambda l: Tensor.relu,
    "gelu": lambda l: lambda x: x.gelu(approximate="none"),
}
OPTIMIZERS = {
    "adam": lambda o, p: nn.optim.Adam(p, lr=o.rate),
    "sgd": lambda o, p: nn.optim.SGD(
        p, lr=o.rate, momentum=o.momentum, nesterov=o.nesterov
    ),
}
LEARNED = ("weight", "bias")


class Baseline:
    def __init__(self, job):
        self.job = job
        self.layers = [MAKERS[layer.kind](layer) for layer in network.chain(job.net)]
        self.learned = []
        for layer, own in zip(job.net.layers, self.layers):
            for name in LEARNED + ("running_mean", "running_var"):
                if getattr(own, name, None) is not None:
                    tensor = job.tensors[f"{layer.name}.{name}"]
                    getattr(own, name).assign(Tensor(tensor)).realize()
                    self.learned += [getattr(own, name)] if name in LEARNED else []
        self.weights = sum(math.prod(w.shape) for w in self.learned)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def predict(self, x):
        return self.forward(Tensor(jobs.channels_first(x))).numpy()

    def infer(self, x):
        images = Tensor(jobs.channels_first(x)).contiguous().realize()
        run = TinyJit(lambda x: self.forward(x).realize())
        return lambda: run(images).numpy()

    def train(self, x, y):
        spec = self.job.net.optimizer
        optimizer = OPTIMIZERS[spec.kind](spec, self.learned)

        @TinyJit
        def update(x, y):
            with Context(TRAINING=1):
                optimizer.zero_grad()
                loss = self.forward(x).sparse_categorical_crossentropy(y).backward()
                optimizer.step()
                return loss.realize()

        images, labels = jobs.channels_first(x), y.astype(np.int32)
        order = self.job.order(len(x))

        def step():
            rows = next(order)
            batch = Tensor(images[rows]).realize(), Tensor(labels[rows]).realize()
            update(*batch).numpy()

        return step, self.job.batch
