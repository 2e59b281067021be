# SPDX-License-Identifier: Apache-2.0
"""The network as an ONNX model, for inference runtimes."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

import jobs

OPSET = 20  # the first with Gelu


def conv(layer):
    pads = [extent // 2 for extent in layer.window] if layer.same else [0, 0]
    return "Conv", {"kernel_shape": layer.window, "pads": pads * 2}


NODES = {
    "conv": conv,
    "dense": lambda layer: ("Gemm", {"transB": 1}),
    "max-pool": lambda layer: (
        "MaxPool",
        {"kernel_shape": layer.window, "strides": layer.window},
    ),
    "batch-norm": lambda layer: ("BatchNormalization", {"epsilon": layer.epsilon}),
    "global-max-pool": lambda layer: ("GlobalMaxPool", {}),
    "flatten": lambda layer: ("Flatten", {}),
    "relu": lambda layer: ("Relu", {}),
    "gelu": lambda layer: ("Gelu", {}),
}
TENSORS = {
    "conv": ("weight", "bias"),
    "dense": ("weight", "bias"),
    "batch-norm": ("weight", "bias", "running_mean", "running_var"),
}


def model(job, batch):
    """The bytes of a model from x, [batch][channel][row][column], to logits."""
    nodes, at = [], "x"
    for number, layer in enumerate(job.net.layers):
        names = [f"{layer.name}.{t}" for t in TENSORS.get(layer.kind, ())]
        inputs = [at] + [name for name in names if name in job.tensors]
        at = f"{layer.kind}-{number}"
        kind, attributes = NODES[layer.kind](layer)
        nodes.append(helper.make_node(kind, inputs, [at], **attributes))
    height, width, channels = job.net.input
    shape = [batch, channels, height, width]
    graph = helper.make_graph(
        nodes,
        job.net.name,
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(at, onnx.TensorProto.FLOAT, ["batch", "class"])],
        [numpy_helper.from_array(t, name) for name, t in job.tensors.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


class Baseline:
    """Shared by the runtimes: `load(bytes)` returns a function from images to outputs."""

    def __init__(self, job):
        self.job = job
        learned = [t for n, t in job.tensors.items() if ".running_" not in n]
        self.weights = sum(tensor.size for tensor in learned)

    def run_on(self, x):
        run = self.load(model(self.job, len(x)))
        images = jobs.channels_first(x)
        return lambda: run(images)

    def predict(self, x):
        return np.asarray(self.run_on(x)())

    def infer(self, x):
        return self.run_on(x)
