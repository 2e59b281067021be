# SPDX-License-Identifier: Apache-2.0
"""Keras on TensorFlow: fit() on arrays in memory."""

import functools
import math
import os
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from keras import layers

import jobs
import network

version = f"{keras.__version__}, TensorFlow {tf.__version__}"
# Duration or number of batches of one fit(), long enough to amortize its start-up.
FIT_SECONDS, MAX_BATCHES = 0.6, 40

def conv(layer):
    """Padding is a layer of its own, as Keras pads strided windows in another way than weft."""
    more = {"strides": layer.stride, "dilation_rate": layer.dilation, "use_bias": layer.bias,
            "padding": "same" if layer.same else "valid"}
    if layer.groups == layer.channels == layer.units > 1:
        return layers.DepthwiseConv2D(layer.window, **more)
    return layers.Conv2D(layer.units, layer.window, groups=layer.groups, **more)


def pool(maker):
    return lambda l: maker(l.window, l.stride, "same" if l.same else "valid")


def activation(run):
    return lambda l: layers.Activation(run)


def shuffle(layer):
    place, channels = layer.place[:2], layer.channels
    apart = (-1, *place, layer.units, channels // layer.units)
    return layers.Lambda(lambda x: keras.ops.reshape(
        keras.ops.swapaxes(keras.ops.reshape(x, apart), 3, 4), (-1, *place, channels)))


# Layers of one input.
MAKERS = {
    "conv": conv,
    "dense": lambda l: layers.Dense(l.units, use_bias=l.bias),
    "max-pool": pool(layers.MaxPooling2D),
    "avg-pool": pool(layers.AveragePooling2D),
    "batch-norm": lambda l: layers.BatchNormalization(
        momentum=1 - l.momentum, epsilon=l.epsilon
    ),
    "layer-norm": lambda l: layers.LayerNormalization(epsilon=l.epsilon),
    "prelu": lambda l: layers.PReLU(shared_axes=[1, 2] if l.place[:2] != (1, 1) else None),
    "global-max-pool": lambda l: layers.GlobalMaxPooling2D(keepdims=True),
    "global-avg-pool": lambda l: layers.GlobalAveragePooling2D(keepdims=True),
    "flatten": lambda l: layers.Flatten(),
    "dropout": lambda l: layers.Dropout(l.rate),
    "slice": lambda l: layers.Lambda(lambda x: x[..., l.first:l.first + l.units]),
    "channel-shuffle": shuffle,
    "relu": activation("relu"),
    "relu6": activation("relu6"),
    "sigmoid": activation("sigmoid"),
    "hard-sigmoid": activation("hard_sigmoid"),
    "tanh": activation("tanh"),
    "gelu": activation(functools.partial(keras.activations.gelu, approximate=False)),
    "silu": activation("silu"),
    "hard-swish": activation("hard_silu"),
    "leaky-relu": lambda l: layers.LeakyReLU(l.slope),
    "linear": lambda l: layers.Rescaling(l.slope),
    "clip": lambda l: layers.Lambda(lambda x: keras.ops.clip(x, l.low, l.high)),
}
# Layers of several inputs.
JOINS = {
    "add": lambda l, x, y: layers.add([x, y]),
    "concat": lambda l, *all: layers.concatenate(all),
    "scale": lambda l, x, y: layers.multiply([x, layers.Reshape((1, 1, l.channels))(y)]),
}
OPTIMIZERS = {
    "adam": lambda o: keras.optimizers.Adam(o.rate),
    "adamw": lambda o: keras.optimizers.AdamW(o.rate, o.decay),
    "sgd": lambda o: keras.optimizers.SGD(
        o.rate, momentum=o.momentum, nesterov=o.nesterov
    ),
}
TENSORS = ("weight", "bias", "running_mean", "running_var")  # in Keras' order


def of_keras(layer, own, tensor):
    """A tensor of the model file in the layout of Keras."""
    if layer.kind == "prelu":
        return tensor.reshape(own.weights[0].shape)
    tensor = jobs.channels_last(layer, tensor)
    return tensor.swapaxes(2, 3) if isinstance(own, layers.DepthwiseConv2D) and tensor.ndim > 1 else tensor


def padded(layer, x):
    if layer.ceil or layer.counts_pads and any(layer.pads):
        raise network.Unknown(f"'{layer.kind}': Keras has no such windows")
    if layer.same or not any(layer.pads):
        return x
    if layer.kind == "avg-pool":
        raise network.Unknown(f"'{layer.kind}': Keras has no such padding")
    top, left, bottom, right = layer.pads
    sides = ((top, bottom), (left, right))
    if layer.kind == "conv":
        return layers.ZeroPadding2D(sides)(x)
    return layers.Lambda(lambda y: keras.ops.pad(y, ((0, 0), *sides, (0, 0)), constant_values=-math.inf))(x)


def build(net):
    """The model, and its layers of one input with those of the network."""
    values, made = {-1: layers.Input(net.input)}, []
    for number, layer in enumerate(net.layers):
        inputs = [values[at] for at in layer.inputs]
        if layer.kind in JOINS:
            values[number] = JOINS[layer.kind](layer, *inputs)
            continue
        own = MAKERS[layer.kind](layer)
        made.append((layer, own))
        values[number] = own(padded(layer, *inputs))
    end = layers.Flatten()(values[len(net.layers) - 1])
    return keras.Model(values[-1], end), made


class Baseline:
    def __init__(self, job):
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
        self.job = job
        self.model, made = build(job.net)
        for layer, own in made:
            if own.weights:
                names = [f"{layer.name}.{t}" for t in TENSORS]
                tensors = [job.tensors[n] for n in names if n in job.tensors]
                own.set_weights([of_keras(layer, own, t) for t in tensors])
        self.weights = sum(w.numpy().size for w in self.model.trainable_weights)

    def predict(self, x):
        return self.model(x, training=False).numpy()

    def infer(self, x):
        run = tf.function(lambda images: self.model(images, training=False))
        images = tf.constant(x)
        return lambda: run(images).numpy()

    def train(self, x, y):
        self.model.compile(
            optimizer=OPTIMIZERS[self.job.net.optimizer.kind](self.job.net.optimizer),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        batch = self.job.batch
        at = 0

        def fit(count):
            nonlocal at
            at = at if at + count <= len(x) else 0
            rows = slice(at, at + count)
            self.model.fit(x[rows], y[rows], batch_size=batch, epochs=1, verbose=0)
            at += count

        fit(2 * batch)  # compiles
        start = time.perf_counter()
        fit(4 * batch)
        batches = int(4 * FIT_SECONDS / (time.perf_counter() - start))
        count = batch * max(2, min(batches, MAX_BATCHES, len(x) // batch))
        return lambda: fit(count), count
