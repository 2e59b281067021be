#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The losses of the first ten training steps: weft beside the same steps in double precision with
numpy, and beside PyTorch where it is installed.

usage: first_steps.py WEFT [DEVICE]

The data are one batch, so that the loss of an epoch is that of a step. Initial weights, images and
hyper-parameters are made again here; losses must agree within MOST, and so must the saved weights,
which are the average where there is one. That is the agreement which is promised; roundings, which
ten steps enlarge by what no bound says, take a hundredth of it (docs/numerics.md).
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np

MOST = 1e-4
SIDE, COUNT, CLASSES, STEPS, SEED, FILTERS, UNITS = 8, 64, 10, 10, 3, 6, 16
LAYERS = """conv 6 3x3 init=uniform bias=no
batch-norm relu
flatten
dense 16 tanh init=uniform
dense 10 init=uniform
softmax
loss smoothing=0.1
"""
SGD = {"kind": "sgd", "momentum": 0.0, "nesterov": False, "rate": 0.1}
ADAM = {"kind": "adam", "rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
# Lines of the network, and what they mean.
CASES = {
    "sgd": ("optimizer sgd 0.1 momentum=0", SGD),
    "sgd, decay, nesterov": ("optimizer sgd 0.1 momentum=0.9 nesterov=yes decay=0.01",
                             SGD | {"momentum": 0.9, "nesterov": True, "decay": 0.01}),
    "sgd, decay of all": ("optimizer sgd 0.1 momentum=0.9 decay=0.01 decay-norms=yes",
                          SGD | {"momentum": 0.9, "decay": 0.01, "decay_norms": True}),
    "adam": ("optimizer adam 0.01", ADAM),
    "adam, decay": ("optimizer adam 0.01 decay=0.01", ADAM | {"decay": 0.01}),
    "adamw": ("optimizer adamw 0.01 decay=0.1", ADAM | {"kind": "adamw", "decay": 0.1}),
    "cosine": ("optimizer sgd 0.1 momentum=0.9\nschedule cosine warmup=0.3",
               SGD | {"momentum": 0.9, "schedule": lambda p: p / 0.3 if p < 0.3 else
                      (1 + math.cos(math.pi * (p - 0.3) / 0.7)) / 2}),
    "triangle": ("optimizer sgd 0.2 momentum=0.85 nesterov=yes\nschedule linear warmup=0.23 start=0.2 "
                 "final=0.07",
                 SGD | {"rate": 0.2, "momentum": 0.85, "nesterov": True, "schedule": lambda p:
                        0.2 + 0.8 * p / 0.23 if p < 0.23 else 1 - 0.93 * (p - 0.23) / 0.77}),
    "ema": ("optimizer sgd 0.1 momentum=0.9\naverage ema 0.5 every=2",
            SGD | {"momentum": 0.9, "ema": 0.5, "every": 2}),
    "sgd, clip": ("optimizer sgd 0.1 momentum=0.9 decay=0.01 clip=0.5",
                  SGD | {"momentum": 0.9, "decay": 0.01, "clip": 0.5}),
    "adamw, clip": ("optimizer adamw 0.01 decay=0.1 clip=0.5",
                    ADAM | {"kind": "adamw", "decay": 0.1, "clip": 0.5}),
    "augmentation": ("optimizer sgd 0.1 momentum=0.9\naugment flip shift=1 cutout=3",
                     SGD | {"momentum": 0.9, "flip": True, "shift": 1, "cutout": 3}),
    "mixup": ("optimizer sgd 0.1 momentum=0.9\naugment flip shift=1 cutout=3 mixup=0.4",
              SGD | {"momentum": 0.9, "flip": True, "shift": 1, "cutout": 3, "beta": 0.4}),
    "cutmix": ("optimizer sgd 0.1 momentum=0.9\naugment cutmix=1 unmixed=0.25",
               SGD | {"momentum": 0.9, "beta": 1, "cut": True, "unmixed": 0.25}),
    "accumulation": ("optimizer sgd 0.1 momentum=0.9\naugment flip shift=1 cutout=3 mixup=1",
                     SGD | {"momentum": 0.9, "flip": True, "shift": 1, "cutout": 3, "beta": 1, "parts": 4}),
    "lookahead": ("optimizer sgd 0.1 momentum=0.9\naverage lookahead 0.7 every=3",
                  SGD | {"momentum": 0.9, "lookahead": 0.7, "every": 3}),
}
M = 0xFFFFFFFF


def philox(key0, key1, c):
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [second >> 32 ^ c[1] ^ key0, second & M, first >> 32 ^ c[3] ^ key1, first & M]
        key0, key1 = key0 + 0x9E3779B9 & M, key1 + 0xBB67AE85 & M
    return c


def uniform(node, role, shape, fan_in):
    count = int(np.prod(shape))
    u = [(philox(SEED, 0, [i, 0, node * 2 + role, 2])[0] + 0.5) / 2**32 for i in range(count)]
    return (np.float32((2 * np.array(u) - 1) / math.sqrt(fan_in))).astype(float).reshape(shape)


def initial_weights():
    """Layouts of weft: conv [row][column][in][out], dense [in][out]."""
    inner = (SIDE - 2)**2 * FILTERS
    return {
        "conv1.weight": uniform(0, 0, (3, 3, 1, FILTERS), 9),
        "norm1.weight": np.ones(FILTERS), "norm1.bias": np.zeros(FILTERS),
        "dense1.weight": uniform(4, 0, (inner, UNITS), inner), "dense1.bias": uniform(4, 1, (UNITS,), inner),
        "dense2.weight": uniform(6, 0, (UNITS, CLASSES), UNITS),
        "dense2.bias": uniform(6, 1, (CLASSES,), UNITS),
        "norm1.running_mean": np.zeros(FILTERS), "norm1.running_var": np.ones(FILTERS),
    }


def images():
    i, y, x = np.meshgrid(np.arange(COUNT), np.arange(SIDE), np.arange(SIDE), indexing="ij")
    label = np.arange(COUNT) * 7 % CLASSES
    return ((i * 37 + y * 11 + x * 7 + i * y * x * 5) % 97 + (y + x * label[:, None, None]) % 3 * 70), label


def below(bits, count):
    return bits * count >> 32


def reflect(at):
    return abs(at) if at < SIDE else 2 * SIDE - 2 - at


def hashed(v):
    v = (v ^ v >> 16) * 0x7FEB352D & M
    v = (v ^ v >> 15) * 0x846CA68B & M
    return v ^ v >> 16


def order(epoch):
    """The images in the order of the epoch: a Feistel network of two halves of 3 bits."""
    key, out = hashed(SEED ^ hashed(hashed(epoch ^ 0x9E3779B9))), []
    for left, right in ((i >> 3, i & 7) for i in range(COUNT)):
        for i in range(6):
            left, right = right, left ^ hashed(right ^ key + i * 0xBB67AE85 & M) & 7
        out.append(left << 3 | right)
    return out


def quantiles(a):
    """Quantiles of Beta(a, a) at multiples of 1/64 up to 1/2, by the power series of its integral."""
    terms = np.cumprod([1.0] + [(k - a) / k for k in range(1, 100)]) / (a + np.arange(100))
    t = 0.5 * np.arange(1 << 16)[1:]**(1 / a) / 65535**(1 / a)
    integral = t**a * np.polynomial.polynomial.polyval(t, terms)
    return np.interp(np.arange(33) / 32, np.append(0, integral / integral[-1]), np.append(0, t))


def share(o, bits):
    q, at = np.round(65536 * quantiles(o["beta"])), (bits & 0x7FFFFFFF) / 2**26
    part = (np.floor(np.interp(at, np.arange(33), q) + 0.5) + 8) // 16 / 4096
    return 1 - part if bits >> 31 else part


def mixed(o, x, label, step):
    """Each image with the next one of the epoch's order, and targets with two labels."""
    target, places = np.eye(CLASSES)[label], order(step)
    out, targets = x.copy(), target.copy()
    if "beta" not in o:
        return out, targets
    for i, other in zip(places, places[1:] + places[:1]):
        drawn, bits, y, z = philox(SEED, 0, [i, step, 8, 6])
        part, weight = share(o, bits), np.zeros((SIDE, SIDE))
        if below(drawn, 65536) < o.get("unmixed", 0) * 65536:
            continue
        weight[:] = part
        if "cut" in o:
            side = int(math.sqrt(1 - part) * SIDE + 0.5)
            top, left = below(y, SIDE) - side // 2, below(z, SIDE) - side // 2
            weight[:] = 1
            weight[max(0, top):top + side, max(0, left):left + side] = 0
            part = weight.mean()
        out[i] = weight * x[i] + (1 - weight) * x[other]
        targets[i] = part * target[i] + (1 - part) * target[other]
    return out, targets


def augmented(o, x, step):
    """The images of an epoch, which is a step: draws by seed, epoch and image."""
    if "flip" not in o:
        return x
    out = np.zeros_like(x)
    for i in range(COUNT):
        move, cut = (philox(SEED, 0, [i, step, draws, 6]) for draws in (0, 1))
        dy, dx = (below(bits, 2 * o["shift"] + 1) - o["shift"] for bits in move[1:3])
        top, left = (below(bits, SIDE) - o["cutout"] // 2 for bits in cut[:2])
        for r in range(SIDE):
            for c in range(SIDE):
                if top <= r < top + o["cutout"] and left <= c < left + o["cutout"]:
                    continue
                out[i, r, c] = x[i, reflect(r + dy), reflect((SIDE - 1 - c if move[0] & 1 else c) + dx)]
    return out


def clip(o, g):
    """As torch.nn.utils.clip_grad_norm_."""
    norm = math.sqrt(sum((v * v).sum() for v in g.values()))
    return {k: v * min(1, o.get("clip", math.inf) / (norm + 1e-6)) for k, v in g.items()}


def step_gradients(w, x, target):
    """Loss and gradients of the batch; moves the running statistics."""
    n, out = len(x), SIDE - 2
    patches = np.stack([x[:, r:r + out, s:s + out] for r in range(3) for s in range(3)], -1)
    z = patches @ w["conv1.weight"].reshape(9, FILTERS)
    rows = z.reshape(-1, FILTERS)
    mean, variance = rows.mean(0), rows.var(0)
    inverse = 1 / np.sqrt(variance + 1e-5)
    for name, value in (("mean", mean), ("var", variance * len(rows) / (len(rows) - 1))):
        w["norm1.running_" + name] += 0.1 * (value - w["norm1.running_" + name])
    normal = (rows - mean) * inverse
    a = np.maximum(normal * w["norm1.weight"] + w["norm1.bias"], 0)
    flat = a.reshape(n, -1)
    h = np.tanh(flat @ w["dense1.weight"] + w["dense1.bias"])
    logits = h @ w["dense2.weight"] + w["dense2.bias"]
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    q = 0.9 * target + 0.1 / CLASSES
    loss = -(q * np.log(p)).sum() / n
    d = (p - q) / n
    g = {"dense2.weight": h.T @ d, "dense2.bias": d.sum(0)}
    d = d @ w["dense2.weight"].T * (1 - h * h)
    g |= {"dense1.weight": flat.T @ d, "dense1.bias": d.sum(0)}
    d = (d @ w["dense1.weight"].T).reshape(rows.shape) * (a > 0)
    g |= {"norm1.weight": (d * normal).sum(0), "norm1.bias": d.sum(0)}
    d = w["norm1.weight"] * inverse * (d - d.mean(0) - normal * (d * normal).mean(0))
    g |= {"conv1.weight": (patches.reshape(-1, 9).T @ d).reshape(3, 3, 1, FILTERS)}
    return loss, g


def parts_of(o, step):
    """The images of each part of the batch."""
    return np.split(np.array(order(step)), o.get("parts", 1))


def decay_of(o, w, name):
    return o.get("decay", 0) if o.get("decay_norms") or w[name].ndim > 1 else 0


def rate_of(o, step):
    return o["rate"] * o.get("schedule", lambda p: 1)(step / STEPS)


def update(o, w, g, state, step):
    rate = rate_of(o, step)
    for k in g:
        decay, m, v = decay_of(o, w, k), *state.setdefault(k, [0, 0])
        gradient = g[k] + (0 if o["kind"] == "adamw" else decay * w[k])
        if o["kind"] == "sgd":
            m = o["momentum"] * m + gradient
            w[k] = w[k] - rate * (gradient + o["momentum"] * m if o["nesterov"] else m)
        else:
            m = o["beta1"] * m + (1 - o["beta1"]) * gradient
            v = o["beta2"] * v + (1 - o["beta2"]) * gradient**2
            move = m / (1 - o["beta1"]**(step + 1)) / (np.sqrt(v / (1 - o["beta2"]**(step + 1))) + o["epsilon"])
            w[k] = w[k] - rate * (move + (decay * w[k] if o["kind"] == "adamw" else 0))
        state[k] = [m, v]


def kept(o, steps):
    """The share of the average that an update after `steps` steps keeps."""
    if "ema" in o:
        t = steps // o["every"]
        return min(o["ema"], t / (9 + t))
    return o["lookahead"] * (steps / STEPS)**3


def average(o, w, e, steps):
    if "every" not in o or steps % o["every"]:
        return
    for k in w:
        e[k] = e[k] + (1 - kept(o, steps)) * (w[k] - e[k])
        if "lookahead" in o:
            w[k] = e[k].copy()


def with_numpy(o, x, label):
    w, state, losses = initial_weights(), {}, []
    e = {k: v.copy() for k, v in w.items()}
    for step in range(STEPS):
        batch, target = mixed(o, augmented(o, x, step), label, step)
        parts = [step_gradients(w, batch[rows], target[rows]) for rows in parts_of(o, step)]
        losses.append(sum(loss for loss, _ in parts) / len(parts))
        g = {k: sum(part[k] for _, part in parts) / len(parts) for k in parts[0][1]}
        update(o, w, clip(o, g), state, step)
        average(o, w, e, step + 1)
    return losses, e if "every" in o else w


def with_torch(o, x, label):
    import torch
    from torch import nn
    import torch.nn.functional as F
    torch.set_default_dtype(torch.float64)
    first = initial_weights()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(1, FILTERS, 3, bias=False), nn.BatchNorm2d(FILTERS)
            self.dense1 = nn.Linear((SIDE - 2)**2 * FILTERS, UNITS)
            self.dense2 = nn.Linear(UNITS, CLASSES)

        def forward(self, x):
            x = F.relu(self.norm1(self.conv1(x))).permute(0, 2, 3, 1).flatten(1)
            return self.dense2(torch.tanh(self.dense1(x)))

    def to_torch(k, v):
        return torch.tensor(v.transpose(3, 2, 0, 1) if v.ndim == 4 else v.T if v.ndim == 2 else v)

    net = Net()
    net.load_state_dict({k: to_torch(k, v) for k, v in first.items()}, strict=False)
    groups = [{"params": [p], "weight_decay": decay_of(o, first, k)} for k, p in net.named_parameters()]
    if o["kind"] == "sgd":
        optimizer = torch.optim.SGD(groups, lr=o["rate"], momentum=o["momentum"], nesterov=o["nesterov"])
    else:
        make = torch.optim.AdamW if o["kind"] == "adamw" else torch.optim.Adam
        optimizer = make(groups, lr=o["rate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"])
    e = {k: v.clone() for k, v in net.state_dict().items()}
    losses = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate_of(o, step)
        batch, target = map(torch.tensor, mixed(o, augmented(o, x, step), label, step))
        optimizer.zero_grad()
        total, parts = 0, parts_of(o, step)
        for rows in parts:
            loss = F.cross_entropy(net(batch[rows, None]), target[rows], label_smoothing=0.1) / len(parts)
            loss.backward()
            total += loss.item()
        if "clip" in o:
            torch.nn.utils.clip_grad_norm_(net.parameters(), o["clip"])
        optimizer.step()
        losses.append(total)
        if "every" in o and (step + 1) % o["every"] == 0:
            with torch.no_grad():
                for k, v in net.state_dict().items():
                    if v.is_floating_point():
                        e[k] += (1 - kept(o, step + 1)) * (v - e[k])
                        if "lookahead" in o:
                            v.copy_(e[k])
    return losses, None


def load(path):
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__")
    return {k: np.frombuffer(raw[8 + n:][v["data_offsets"][0]:v["data_offsets"][1]], np.float32)
            .reshape(v["shape"]).astype(float) for k, v in head.items()}


def to_weft(k, v):
    """In the order of model files; rows of the first dense follow the flattened image."""
    if v.ndim == 4:
        return v.transpose(3, 2, 0, 1)
    if k == "dense1.weight":
        side = SIDE - 2
        return v.reshape(side, side, FILTERS, UNITS).transpose(3, 2, 0, 1).reshape(UNITS, -1)
    return v.T


def with_weft(weft, device, lines, parts, folder):
    pixels, label = images()
    data, net, out = (os.path.join(folder, n) for n in ("data.csv", "net.net", "run"))
    with open(data, "w") as f:
        print("label," + ",".join(f"pixel{i}" for i in range(SIDE * SIDE)), file=f)
        for row, k in zip(pixels.reshape(COUNT, -1), label):
            print(k, *row, sep=",", file=f)
    with open(net, "w") as f:
        f.write(f"{LAYERS}{lines}\nbatch {COUNT}\n")
    subprocess.run([weft, "train", "--data", data, "--net", net, "--epochs", str(STEPS), "--seed", str(SEED),
                    "--val-split", "0", "--test", "none", "--out", out, "--device", device,
                    "--accumulate", str(parts)],
                   check=True, capture_output=True)
    log = [json.loads(line) for line in open(os.path.join(out, "log.jsonl"))]
    return [row["loss"] for row in log if "epoch" in row], load(os.path.join(out, "last.safetensors"))


def main():
    weft, device = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "cpu"
    pixels, label = images()
    x = pixels / 255.0
    x = (x - x.mean()) / x.std()
    try:
        import torch  # noqa: F401
        others = [("numpy", with_numpy), ("torch", with_torch)]
    except ImportError:
        others = [("numpy", with_numpy)]
    wrong = 0
    for name, (lines, o) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            losses, weights = with_weft(weft, device, lines, o.get("parts", 1), folder)
        for other, run in others:
            want, last = run(o, x, label)
            off = max(abs(a - b) for a, b in zip(losses, want, strict=True))
            if last:
                off = max(off, max(np.abs(weights[k] - to_weft(k, v)).max() for k, v in last.items()))
            wrong += not off <= MOST
            print(f"{'ok  ' if off <= MOST else 'FAIL'} {name}: {losses[0]:.4f} to {losses[-1]:.4f}, "
                  f"{other} within {off:.1e}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
