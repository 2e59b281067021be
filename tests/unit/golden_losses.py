#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden losses of tests/unit/test_train.c with PyTorch, in double precision.

usage: test_train --save-golden DIR; golden.py DIR

The first weights come from the files that test_train saves: that they fit by name and shape also
shows that PyTorch understands them. Images, their order and the step are done again here. Run by
hand (needs torch and numpy); its output is pasted into test_train.c.
"""
import json
import struct
import sys

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
SIDE, CLASSES, COUNT, BATCH, SEED = 12, 4, 200, 16, 7
M = 0xFFFFFFFF


def load(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    notes = head.pop("__metadata__")
    t = {k: torch.tensor(np.frombuffer(raw[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]],
                                       np.float32).reshape(v["shape"]).astype(np.float64))
         for k, v in head.items() if not k.startswith("optim.")}
    return t, notes


def images():
    i, y, x = np.meshgrid(np.arange(COUNT), np.arange(SIDE), np.arange(SIDE), indexing="ij")
    label = np.arange(COUNT) * 7 % CLASSES
    stripe = np.where(label[:, None, None] & 1, y + i, 0) + np.where(label[:, None, None] & 2, x + i, 0)
    p = (i * 37 + y * 11 + x * 7 + i * y * x * 5) % 97 + stripe % 3 * 70
    return p.astype(np.uint8), label


def mix(x):
    x ^= x >> 16
    x = x * 0x7FEB352D & M
    x ^= x >> 15
    x = x * 0x846CA68B & M
    return x ^ x >> 16


def shuffle(index, count, which):
    half = 1
    while 1 << 2 * half < count:
        half += 1
    mask = (1 << half) - 1
    key = mix(SEED ^ mix(0 ^ mix(which ^ 0x9E3779B9)))
    while True:
        left, right = index >> half, index & mask
        for r in range(6):
            left, right = right, left ^ mix(right ^ (key + r * 0xBB67AE85 & M)) & mask
        index = left << half | right
        if index < count:
            return index


class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 8, 3, padding=1)
        self.dense1, self.dense2 = nn.Linear(32, 16), nn.Linear(16, 4)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x).relu(), 2)
        x = F.max_pool2d(self.conv2(x).tanh(), 2).flatten(1)
        return self.dense2(self.dense1(x).sigmoid())


class Second(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(6, 9, (2, 3), groups=3, dilation=(1, 2))
        self.dense1, self.dense2 = nn.Linear(9 * 5 * 2, 12), nn.Linear(12, 4)

    def forward(self, x):
        x = F.silu(self.conv2(F.gelu(self.conv1(x)))).flatten(1)
        return self.dense2(F.leaky_relu(self.dense1(x), 0.05))


class Third(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(8, momentum=0.2, eps=1e-3)
        self.conv3, self.norm3 = nn.Conv2d(8, 8, 2), nn.BatchNorm2d(8)
        self.dense1, self.norm4 = nn.Linear(128, 12), nn.BatchNorm1d(12)
        self.dense2 = nn.Linear(12, 4)

    def forward(self, x):
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        x = self.norm3(self.conv3(F.gelu(self.norm2(self.conv2(x))))).flatten(1)
        return self.dense2(self.norm4(self.dense1(x)).relu())


class Fourth(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.conv3, self.conv4 = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 8, 3)
        self.conv5, self.dense1 = nn.Conv2d(8, 12, (2, 3)), nn.Linear(12, 4)

    def forward(self, x):
        x = self.conv1(x)
        x = (self.conv3(self.conv2(x).relu()) + x).relu()
        x = F.avg_pool2d(x, (3, 2), 2, 1, count_include_pad=False)
        x = self.conv4(x).tanh()
        x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) + x
        return self.dense1(self.conv5(x).tanh().amax((2, 3)))


def run(path, net, make, smoothing):
    tensors, notes = load(path)
    net.load_state_dict(tensors)
    p, label = images()
    x = p.astype(np.float64) / 255
    x = torch.tensor((x - float(notes["data.mean"])) / float(notes["data.deviation"]))[:, None]
    y = torch.tensor(label)
    opt = make(net.parameters())
    per_epoch = COUNT // BATCH
    for step in range(10):
        rows = [shuffle(step % per_epoch * BATCH + k, COUNT, step // per_epoch) for k in range(BATCH)]
        loss = F.cross_entropy(net(x[rows]), y[rows], label_smoothing=smoothing)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(f"{loss.item():.9f},", end=" " if step % 5 != 4 else "\n")
    net.eval()
    print(f"then {F.cross_entropy(net(x), y).item():.9f}")


d = sys.argv[1]
run(f"{d}/golden1.safetensors", First(), lambda p: torch.optim.Adam(p, lr=3e-3), 0.0)
run(f"{d}/golden2.safetensors", Second(),
    lambda p: torch.optim.SGD(p, lr=5e-2, momentum=0.8, nesterov=True, weight_decay=1e-3), 0.1)
run(f"{d}/golden3.safetensors", Third(),
    lambda p: torch.optim.SGD(p, lr=1e-1, momentum=0.9, nesterov=True, weight_decay=1e-3), 0.0)
run(f"{d}/golden4.safetensors", Fourth(),
    lambda p: torch.optim.SGD(p, lr=3e-2, momentum=0.9, nesterov=True), 0.0)
