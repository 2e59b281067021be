# SPDX-License-Identifier: Apache-2.0
"""PyTorch: eager training in channels-last format, the fastest on CPUs."""

import math

import torch
from torch import nn
from torch.nn import functional as F

version = torch.__version__

# Layers with tensors.
MAKERS = {
    "conv": lambda l: nn.Conv2d(
        l.channels, l.units, l.window, l.stride, l.pads[:2] if l.even else 0, l.dilation, l.groups,
        l.bias
    ),
    "dense": lambda l: nn.Linear(math.prod(l.place), l.units, bias=l.bias),
    "batch-norm": lambda l: nn.BatchNorm2d(
        l.channels, eps=l.epsilon, momentum=l.momentum
    ),
    "layer-norm": lambda l: nn.LayerNorm(l.channels, eps=l.epsilon),
    "prelu": lambda l: nn.PReLU(l.channels, init=0.25),
}


def padded(layer, x, value=0.0):
    """The input with what no argument pads."""
    top, left, bottom, right = layer.pads
    return x if layer.even else F.pad(x, (left, right, top, bottom), value=value)


def max_pool(layer, x):
    pads = layer.pads[:2] if layer.even else 0
    x = padded(layer, x, -math.inf)
    return F.max_pool2d(x, layer.window, layer.stride, pads, ceil_mode=layer.ceil)


def avg_pool(layer, x):
    x = padded(layer, x)
    y = F.avg_pool2d(x, layer.window, layer.stride, layer.pads[:2] if layer.even else 0, layer.ceil,
                     layer.counts_pads or not layer.even)
    if layer.even or layer.counts_pads:
        return y
    inside = padded(layer, torch.ones(1, 1, *layer.place[:2]))
    return y / F.avg_pool2d(inside, layer.window, layer.stride, 0, layer.ceil)


def layer_norm(layer, x, own):
    return own(x) if x.ndim == 2 else own(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


# Functions of a layer, its first input, and its module or its other inputs.
RUN = {
    "conv": lambda l, x, own: own(padded(l, x)),
    "dense": lambda l, x, own: own(x),
    "batch-norm": lambda l, x, own: own(x),
    "layer-norm": layer_norm,
    "prelu": lambda l, x, own: own(x),
    "flatten": lambda l, x: x.flatten(1),
    "max-pool": max_pool,
    "avg-pool": avg_pool,
    "global-max-pool": lambda l, x: F.adaptive_max_pool2d(x, 1),
    "global-avg-pool": lambda l, x: F.adaptive_avg_pool2d(x, 1),
    "add": lambda l, x, y: x + y,
    "concat": lambda l, *all: torch.cat(all, 1),
    "slice": lambda l, x: x[:, l.first:l.first + l.units],
    "scale": lambda l, x, y: x * y.reshape(len(y), -1, 1, 1),
    "channel-shuffle": lambda l, x: F.channel_shuffle(x, l.units),
    "relu": lambda l, x: F.relu(x),
    "relu6": lambda l, x: F.relu6(x),
    "sigmoid": lambda l, x: torch.sigmoid(x),
    "hard-sigmoid": lambda l, x: F.hardsigmoid(x),
    "tanh": lambda l, x: torch.tanh(x),
    "gelu": lambda l, x: F.gelu(x),
    "silu": lambda l, x: F.silu(x),
    "hard-swish": lambda l, x: F.hardswish(x),
    "leaky-relu": lambda l, x: F.leaky_relu(x, l.slope),
    "linear": lambda l, x: l.slope * x,
    "clip": lambda l, x: x.clamp(l.low, l.high),
}
OPTIMIZERS = {
    "adam": lambda o, p: torch.optim.Adam(p, lr=o.rate),
    "adamw": lambda o, p: torch.optim.AdamW(p, lr=o.rate),
    "sgd": lambda o, p: torch.optim.SGD(
        p, lr=o.rate, momentum=o.momentum, nesterov=o.nesterov
    ),
}


def optimizer_of(spec, model):
    """Weights decay, biases and norms do not."""
    groups = [{"params": [p], "weight_decay": spec.decay if p.ndim > 1 else 0.0}
              for p in model.parameters()]
    return OPTIMIZERS[spec.kind](spec, groups)


def as_tensor(images):
    """An NCHW view of images [n][row][column][channel]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


class Model(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.layers, self.last_reads = net.layers, net.last_reads
        for layer in net.layers:
            if layer.kind in MAKERS:
                self.add_module(layer.name, MAKERS[layer.kind](layer))

    def forward(self, images):
        """Releases each value after its last reader: inference is slower otherwise."""
        values = {-1: images}
        for number, layer in enumerate(self.layers):
            inputs = [values[at] for at in layer.inputs]
            if layer.kind == "dropout":
                values[number] = F.dropout(*inputs, layer.rate, self.training)
            else:
                own = [self.get_submodule(layer.name)] if layer.kind in MAKERS else []
                values[number] = RUN[layer.kind](layer, *inputs, *own)
            del inputs
            for at in self.last_reads[number]:
                del values[at]
        return values[len(self.layers) - 1].flatten(1)


def build(net):
    return Model(net).to(memory_format=torch.channels_last)


class Baseline:
    def __init__(self, job):
        torch.set_num_threads(job.threads)
        self.job = job
        self.model = build(job.net)
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
        optimizer = optimizer_of(self.job.net.optimizer, self.model)
        loss = nn.CrossEntropyLoss()
        order = self.job.order(len(x))

        def step():
            rows = torch.from_numpy(next(order))
            optimizer.zero_grad()
            loss(self.model(images[rows]), labels[rows]).backward()
            optimizer.step()

        return step, self.job.batch
