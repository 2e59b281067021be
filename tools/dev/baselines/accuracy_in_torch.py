#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test accuracy of a network trained by weft and by PyTorch, each from its own initial weights.

usage: accuracy_in_torch.py WEFT NET EPOCHS [SEEDS [DEVICE]]

Both train on a random 80 % of Fashion-MNIST's training images, as `weft train --val-split 20%`
does, with the network's optimizer, rate and batch; the accuracy is that of the last epoch. NET is a
built-in network or a file of the layers that the baselines know. Exit code 1: the means of the
seeds differ by more than 0.3 percentage points."""

import json
import statistics
import subprocess
import sys
import tempfile

import in_torch
import jobs
import network
import numpy as np
import torch

DATA = "/usr/share/datasets/fashion-mnist"
CLOSE = 0.3


def by_weft(command, net, epochs, seed, device):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [command, "train", "--net", net, "--data", DATA, "-e", str(epochs), "-s", str(seed),
             "--val-split", "20%", "--out", f"{folder}/run", "-f", "json", *device],
            check=True, stdout=subprocess.PIPE)
    return 100 * json.loads(done.stdout)["test"]["accuracy"]


def images_of(net, split):
    """Images with the mean 0 and the deviation 1 of the training images, and their labels."""
    x, train = (jobs.images_of(DATA, name).reshape(-1, *net.input).astype(np.float32) / 255
                for name in (split, "train"))
    y = torch.from_numpy(jobs.labels_of(DATA, split).astype(np.int64))
    return in_torch.as_tensor((x - train.mean()) / train.std()), y


def by_torch(net, epochs, seed, data):
    torch.manual_seed(seed)
    model = in_torch.build(net)
    optimizer = in_torch.optimizer_of(net.optimizer, model)
    loss, (x, y), (test_x, test_y) = torch.nn.CrossEntropyLoss(), *data
    kept = torch.randperm(len(x))[: len(x) * 4 // 5]
    model.train()
    for _ in range(epochs):
        for rows in kept[torch.randperm(len(kept))].split(net.batch):
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        right = sum(int((model(a).argmax(1) == b).sum())
                    for a, b in zip(test_x.split(1000), test_y.split(1000)))
    return 100 * right / len(test_y)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    command, name, epochs, *rest = sys.argv[1:]
    seeds, device = int(rest[0]) if rest else 3, ["-d", rest[1]] if rest[1:] else []
    shown = subprocess.run([command, "show", name, "-f", "json"], check=True, stdout=subprocess.PIPE)
    net = network.read(json.loads(shown.stdout)["net"])
    data = images_of(net, "train"), images_of(net, "t10k")
    found = {"weft": [], "torch " + in_torch.version: []}
    for seed in range(1, seeds + 1):
        for who, accuracy in zip(found, (by_weft(command, name, epochs, seed, device),
                                         by_torch(net, int(epochs), seed, data))):
            found[who].append(accuracy)
            print(f"{who}, seed {seed}: {accuracy:.2f} %", flush=True)
    means = [statistics.mean(values) for values in found.values()]
    for who, values in found.items():
        deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        print(f"{who}: {statistics.mean(values):.2f}{deviation} %")
    sys.exit(int(abs(means[0] - means[1]) > CLOSE))


main()
