# SPDX-License-Identifier: Apache-2.0
"""JAX: one compiled function of weights, state, images and labels per step."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jobs
import network

version = jax.__version__
LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv(layer, p, x, moving):
    pad = "SAME" if layer.same else "VALID"
    y = lax.conv_general_dilated(x, p["weight"], (1, 1), pad, dimension_numbers=LAYOUT)
    return y + p["bias"] if layer.bias else y


def dense(layer, p, x, moving):
    y = x @ p["weight"]
    return y + p["bias"] if layer.bias else y


def max_pool(layer, p, x, moving):
    window = (1, *layer.window, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


def batch_norm(layer, p, x, moving):
    """`moving`: running statistics, updated in training; see forward()."""
    mean, variance = moving["running_mean"], moving["running_var"]
    if moving["train"]:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        many = x.size // x.shape[-1]
        new = {"running_mean": mean, "running_var": variance * many / (many - 1)}
        for name, value in new.items():
            moving[name] += layer.momentum * (value - moving[name])
    scale = p["weight"] * lax.rsqrt(variance + layer.epsilon)
    return (x - mean) * scale + p["bias"]


RUN = {
    "conv": conv,
    "dense": dense,
    "max-pool": max_pool,
    "batch-norm": batch_norm,
    "global-max-pool": lambda layer, p, x, moving: x.max((1, 2)),
    "flatten": lambda layer, p, x, moving: x.reshape(len(x), -1),
    "relu": lambda layer, p, x, moving: jax.nn.relu(x),
    "gelu": lambda layer, p, x, moving: jax.nn.gelu(x, approximate=False),
}


def adam(o, weights, slots, gradient, count):
    m, v = slots
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
    rate = o.rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    move = lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-8)
    return jax.tree.map(move, weights, m, v), (m, v)


def sgd(o, weights, slots, gradient, count):
    v = jax.tree.map(lambda v, g: o.momentum * v + g, slots[0], gradient)
    if o.nesterov:
        move = lambda w, v, g: w - o.rate * (g + o.momentum * v)
    else:
        move = lambda w, v, g: w - o.rate * v
    return jax.tree.map(move, weights, v, gradient), (v,)


OPTIMIZERS = {"adam": (adam, 2), "sgd": (sgd, 1)}


class Baseline:
    def __init__(self, job):
        self.job = job
        self.learned, self.moving = {}, {}
        for layer in network.chain(job.net):
            for name in ("weight", "bias", "running_mean", "running_var"):
                tensor = job.tensors.get(f"{layer.name}.{name}")
                if tensor is not None and layer.kind in ("conv", "dense", "batch-norm"):
                    kind = self.moving if name.startswith("running") else self.learned
                    own = kind.setdefault(layer.name, {})
                    own[name] = jnp.asarray(jobs.channels_last(layer, tensor))
        self.weights = sum(w.size for w in jax.tree.leaves(self.learned))
        self.run = jax.jit(lambda w, m, x: self.forward(w, m, x, False)[0])

    def forward(self, learned, moving, x, train):
        """Logits and the updated running statistics."""
        after = {}
        for layer in self.job.net.layers:
            own = {**moving.get(layer.name, {}), "train": train}
            x = RUN[layer.kind](layer, learned.get(layer.name), x, own)
            if layer.kind == "batch-norm":
                del own["train"]
                after[layer.name] = own
        return x, after

    def predict(self, x):
        return np.asarray(self.run(self.learned, self.moving, x))

    def infer(self, x):
        images = jnp.asarray(x)
        return lambda: self.run(self.learned, self.moving, images).block_until_ready()

    def train(self, x, y):
        optimizer, slots = OPTIMIZERS[self.job.net.optimizer.kind]

        def loss(learned, moving, x, y):
            logits, moving = self.forward(learned, moving, x, True)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)
            return -chosen.mean(), moving

        @jax.jit
        def update(learned, moving, slots, count, x, y):
            gradient, moving = jax.grad(loss, has_aux=True)(learned, moving, x, y)
            learned, slots = optimizer(
                self.job.net.optimizer, learned, slots, gradient, count
            )
            return learned, moving, slots, count + 1

        zeros = jax.tree.map(jnp.zeros_like, self.learned)
        state = (zeros,) * slots, jnp.float32(1)
        order = self.job.order(len(x))

        def step():
            nonlocal state
            rows = next(order)
            after = update(self.learned, self.moving, *state, x[rows], y[rows])
            self.learned, self.moving, *state = jax.block_until_ready(after)

        return step, self.job.batch
