# SPDX-License-Identifier: Apache-2.0
"""The network as an ONNX model, for inference runtimes."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

import jobs

OPSET = 20  # the first with Gelu
TENSORS = {
    "conv": ("weight", "bias"),
    "dense": ("weight", "bias"),
    "batch-norm": ("weight", "bias", "running_mean", "running_var"),
    "layer-norm": ("weight", "bias"),
    "prelu": ("weight",),
}


def pooling(layer, **more):
    return {"kernel_shape": layer.window, "strides": layer.stride, "pads": layer.pads,
            "ceil_mode": int(layer.ceil), **more}


# The operator and its attributes, where a layer is one.
NODES = {
    "conv": lambda l: ("Conv", {"kernel_shape": l.window, "strides": l.stride, "pads": l.pads,
                                "dilations": l.dilation, "group": l.groups}),
    "dense": lambda l: ("Gemm", {"transB": 1}),
    "max-pool": lambda l: ("MaxPool", pooling(l)),
    "avg-pool": lambda l: ("AveragePool", pooling(l, count_include_pad=int(l.counts_pads))),
    "batch-norm": lambda l: ("BatchNormalization", {"epsilon": l.epsilon}),
    "global-max-pool": lambda l: ("GlobalMaxPool", {}),
    "global-avg-pool": lambda l: ("GlobalAveragePool", {}),
    "flatten": lambda l: ("Flatten", {}),
    "prelu": lambda l: ("PRelu", {}),
    "add": lambda l: ("Add", {}),
    "concat": lambda l: ("Concat", {"axis": 1}),
    "relu": lambda l: ("Relu", {}),
    "sigmoid": lambda l: ("Sigmoid", {}),
    "hard-sigmoid": lambda l: ("HardSigmoid", {"alpha": 1 / 6}),
    "tanh": lambda l: ("Tanh", {}),
    "gelu": lambda l: ("Gelu", {}),
    "hard-swish": lambda l: ("HardSwish", {}),
    "leaky-relu": lambda l: ("LeakyRelu", {"alpha": l.slope}),
}


class Graph:
    """Nodes and constants; each method returns the name of its output."""

    def __init__(self, tensors):
        self.nodes, self.tensors = [], dict(tensors)

    def node(self, kind, inputs, **attributes):
        name = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values, kind=np.int64):
        name = f"c{len(self.tensors)}"
        self.tensors[name] = np.array(values, kind)
        return name

    def reshape(self, x, *shape):
        return self.node("Reshape", [x, self.constant(shape)])

    def clip(self, x, low, high):
        return self.node("Clip", [x, self.constant(low, np.float32), self.constant(high, np.float32)])

    def shuffle(self, layer, x):
        height, width, channels = layer.place
        x = self.reshape(x, 0, layer.units, channels // layer.units, height, width)
        x = self.node("Transpose", [x], perm=[0, 2, 1, 3, 4])
        return self.reshape(x, 0, channels, height, width)

    def layer_norm(self, layer, x, *tensors):
        if layer.place[:2] != (1, 1):
            x = self.node("Transpose", [x], perm=[0, 2, 3, 1])
        x = self.node("LayerNormalization", [x, *tensors], epsilon=layer.epsilon)
        return self.node("Transpose", [x], perm=[0, 3, 1, 2]) if layer.place[:2] != (1, 1) else x

    def slice(self, layer, x):
        ends = [self.constant([at]) for at in (layer.first, layer.first + layer.units, 1)]
        return self.node("Slice", [x, *ends])


# Layers of several operators, or of constants.
PARTS = {
    "slice": Graph.slice,
    "layer-norm": Graph.layer_norm,
    "channel-shuffle": Graph.shuffle,
    "dropout": lambda g, l, x: x,
    "scale": lambda g, l, x, y: g.node("Mul", [x, g.reshape(y, 0, -1, 1, 1)]),
    "relu6": lambda g, l, x: g.clip(x, 0, 6),
    "clip": lambda g, l, x: g.clip(x, l.low, l.high),
    "silu": lambda g, l, x: g.node("Mul", [x, g.node("Sigmoid", [x])]),
    "linear": lambda g, l, x: g.node("Mul", [x, g.constant(l.slope, np.float32)]),
}


def model(job, batch):
    """The bytes of a model from x, [batch][channel][row][column], to logits."""
    graph = Graph(job.tensors)
    names = {-1: "x"}
    for number, layer in enumerate(job.net.layers):
        own = [f"{layer.name}.{t}" for t in TENSORS.get(layer.kind, ())]
        inputs = [names[at] for at in layer.inputs] + [name for name in own if name in graph.tensors]
        if layer.kind == "prelu" and layer.place[:2] != (1, 1):
            graph.tensors[own[0]] = graph.tensors[own[0]].reshape(-1, 1, 1)
        if layer.kind in PARTS:
            names[number] = PARTS[layer.kind](graph, layer, *inputs)
        else:
            kind, attributes = NODES[layer.kind](layer)
            names[number] = graph.node(kind, inputs, **attributes)
    height, width, channels = job.net.input
    end = graph.node("Flatten", [names[len(job.net.layers) - 1]])
    made = helper.make_graph(
        graph.nodes,
        job.net.name,
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [batch, channels, height, width])],
        [helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, ["batch", "class"])],
        [numpy_helper.from_array(t, name) for name, t in graph.tensors.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    made = helper.make_model(made, opset_imports=opset, ir_version=10)
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
