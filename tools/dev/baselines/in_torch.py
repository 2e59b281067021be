# SPDX-License-Identifier: Apache-2.0
"""PyTorch: eager training in channels-last format, the fastest on CPUs."""

import collections
import math

import torch
from torch import nn

version = torch.__version__


def padding(layer):
    if not layer.same:
        return 0
    odd = all(extent % 2 for extent in layer.window)
    return tuple(extent // 2 for extent in layer.window) if odd else "same"


MAKERS = {
    "conv": lambda l: nn.Conv2d(
        l.channels, l.units, l.window, padding=padding(l), bias=l.bias
    ),
    "dense": lambda l: nn.Linear(math.prod(l.place), l.units, bias=l.bias),
    "max-pool": lambda l: nn.MaxPool2d(l.window),
    "batch-norm": lambda l: nn.BatchNorm2d(
        l.channels, eps=l.epsilon, momentum=l.momentum
    ),
    "global-max-pool": lambda l: nn.AdaptiveMaxPool2d(1),
    "flatten": lambda l: nn.Flatten(),
    "relu": lambda l: nn.ReLU(),
    "gelu": lambda l: nn.GELU(),
}
OPTIMIZERS = {
    "adam": lambda o, p: torch.optim.Adam(p, lr=o.rate),
    "sgd": lambda o, p: torch.optim.SGD(
        p, lr=o.rate, momentum=o.momentum, nesterov=o.nesterov
    ),
}


def as_tensor(images):
    """An NCHW view of images [n][row][column][channel]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def build(net, named=()):
    """The model of a network; layers whose weights are among the tensors `named` have their names."""
    modules = collections.OrderedDict()
    for at, layer in enumerate(net.layers):
        own = f"{layer.name}.weight" in named and layer.name not in modules
        modules[layer.name if own else f"{layer.kind}-{at}"] = MAKERS[layer.kind](layer)
    return nn.Sequential(modules).to(memory_format=torch.channels_last)


class Baseline:
    def __init__(self, job):
        torch.set_num_threads(job.threads)
        self.job = job
        self.model = build(job.net, job.tensors)
        tensors = {k: torch.from_numpy(v) for k, v in job.tensors.items()}
        odd = self.model.load_state_dict(tensors, strict=False)
        missing = [k for k in odd.missing_keys if not k.endswith("num_batches_tracked")]
        assert not missing and not odd.unexpected_keys, odd
        self.weights = sum(p.numel() for p in self.model.parameters())

    def predict(self, x):
        self.model.eval()
        with torch.inference_mode():
            return self.model(as_tensor(x)).numpy()

    def infer(self, x):
        self.model.eval()
        images = as_tensor(x)

        def step():
            with torch.inference_mode():
                self.model(images)

        return step

    def train(self, x, y):
        self.model.train()
        images, labels = as_tensor(x), torch.from_numpy(y)
        spec = self.job.net.optimizer
        optimizer = OPTIMIZERS[spec.kind](spec, self.model.parameters())
        loss = nn.CrossEntropyLoss()
        order = self.job.order(len(x))

        def step():
            rows = torch.from_numpy(next(order))
            optimizer.zero_grad()
            loss(self.model(images[rows]), labels[rows]).backward()
            optimizer.step()

        return step, self.job.batch
