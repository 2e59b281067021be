# SPDX-License-Identifier: Apache-2.0
"""Keras on TensorFlow: fit() on arrays in memory."""

import functools
import os
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from keras import layers

import jobs

version = f"{keras.__version__}, TensorFlow {tf.__version__}"
# Duration or number of batches of one fit(), long enough to amortize its start-up.
FIT_SECONDS, MAX_BATCHES = 0.6, 40

MAKERS = {
    "conv": lambda l: layers.Conv2D(
        l.units, l.window, padding="same" if l.same else "valid", use_bias=l.bias
    ),
    "dense": lambda l: layers.Dense(l.units, use_bias=l.bias),
    "max-pool": lambda l: layers.MaxPooling2D(l.window),
    "batch-norm": lambda l: layers.BatchNormalization(
        momentum=1 - l.momentum, epsilon=l.epsilon
    ),
    "global-max-pool": lambda l: layers.GlobalMaxPooling2D(),
    "flatten": lambda l: layers.Flatten(),
    "relu": lambda l: layers.Activation("relu"),
    "gelu": lambda l: layers.Activation(
        functools.partial(keras.activations.gelu, approximate=False)
    ),
}
OPTIMIZERS = {
    "adam": lambda o: keras.optimizers.Adam(o.rate),
    "sgd": lambda o: keras.optimizers.SGD(
        o.rate, momentum=o.momentum, nesterov=o.nesterov
    ),
}
TENSORS = ("weight", "bias", "running_mean", "running_var")  # in Keras' order


class Baseline:
    def __init__(self, job):
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
        self.job = job
        made = [(layer, MAKERS[layer.kind](layer)) for layer in job.net.layers]
        self.model = keras.Sequential(
            [layers.Input(job.net.input)] + [own for _, own in made]
        )
        for layer, own in made:
            if own.weights:
                names = [f"{layer.name}.{t}" for t in TENSORS]
                tensors = [job.tensors[n] for n in names if n in job.tensors]
                own.set_weights([jobs.channels_last(layer, t) for t in tensors])
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
