# SPDX-License-Identifier: Apache-2.0
"""A network as built by every baseline, read from `weft show NET -f json`: a list of layers, each
with the indices of those that it reads.

Each framework has a table with an entry for the kinds that it builds; an activation on a layer's
line is a layer of its own. docs/network-language.md defines the words."""

import dataclasses

IMAGES = -1  # in place of the index of a layer: the batch
ACTIVATIONS = ("relu", "relu6", "sigmoid", "hard-sigmoid", "tanh", "gelu", "silu", "hard-swish",
               "leaky-relu", "linear", "clip")
KINDS = ("conv", "dense", "max-pool", "avg-pool", "global-max-pool", "global-avg-pool", "batch-norm",
         "layer-norm", "prelu", "add", "concat", "slice", "scale", "channel-shuffle", "dropout")
JOINS = ("add", "concat", "scale")  # whose words are names of layers
# Lines of training alone, and options of the layers that change neither shapes nor results.
HEAD = ("input", "width-multiplier", "output", "loss", "optimizer", "schedule", "average", "augment",
        "batch")
IGNORED = ("init", "rate", "bias-rate", "decay", "frozen")
# The layers of chains, for jax and tinygrad.
SIMPLE = ("conv", "max-pool", "batch-norm", "global-max-pool", "flatten", "dense", "relu", "gelu")


class Unknown(Exception):
    """The baselines cannot build this network."""


@dataclasses.dataclass(frozen=True)
class Layer:
    kind: str  # of KINDS or ACTIVATIONS, or flatten
    name: str  # prefix of its tensors in the model file, such as "conv1"
    inputs: tuple  # indices of layers, or IMAGES
    place: tuple  # height, width, channels of the first input
    shape: tuple  # the same of the output
    units: int = 0  # filters, outputs of a dense layer, groups of a shuffle, channels of a slice
    first: int = 0  # channel of a slice
    window: tuple = ()
    stride: tuple = (1, 1)
    dilation: tuple = (1, 1)
    pads: tuple = (0, 0, 0, 0)  # top, left, bottom, right
    groups: int = 1
    bias: bool = True
    ceil: bool = False
    counts_pads: bool = False  # an average counts padding as zeros
    epsilon: float = 1e-5
    momentum: float = 0.1  # of the running statistics: weight of the new batch
    rate: float = 0.0  # of dropout
    slope: float = 0.01
    low: float = -1.0
    high: float = 1.0

    @property
    def channels(self):
        return self.place[2]

    @property
    def same(self):
        """The padding is that of pad=same without a stride."""
        return self.stride == (1, 1) and self.shape[:2] == self.place[:2]

    @property
    def even(self):
        """The padding of opposite sides is equal."""
        return self.pads[:2] == self.pads[2:]


@dataclasses.dataclass(frozen=True)
class Optimizer:
    kind: str  # "adam", "adamw" or "sgd"
    rate: float
    momentum: float = 0.9
    nesterov: bool = False
    decay: float = 0.0


@dataclasses.dataclass(frozen=True)
class Network:
    name: str
    input: tuple  # height, width, channels
    weights: int  # number of trained weights
    batch: int
    layers: tuple
    optimizer: Optimizer

    @property
    def last_reads(self):
        """For each layer, the layers that nothing reads after it."""
        last = {at: number for number, layer in enumerate(self.layers) for at in layer.inputs}
        return [[at for at, by in last.items() if by == number] for number in range(len(self.layers))]


def pair(text):
    first, _, second = text.partition("x")
    return int(first), int(second or first)


def is_yes(text):
    return text == "yes"


# Options whose values need nothing else: their field, and what parses them.
FIELDS = {
    "bias": ("bias", is_yes), "stride": ("stride", pair), "dilation": ("dilation", pair),
    "groups": ("groups", int), "ceil": ("ceil", is_yes),
    "count-include-pad": ("counts_pads", is_yes), "epsilon": ("epsilon", float),
    "momentum": ("momentum", float), "slope": ("slope", float), "low": ("low", float),
    "high": ("high", float),
}


def words_of(text):
    """The words and options of a line: ["conv", "32", "3x3", "relu"], {"pad": "same"}."""
    parts = text.partition("#")[0].split()
    options = dict(word.split("=", 1) for word in parts if "=" in word)
    return [word for word in parts if "=" not in word], options


def pads_of(text, window, stride, dilation, place):
    """Top, left, bottom, right."""
    if "," in text:
        return tuple(int(side) for side in text.split(","))
    if text == "valid":
        return 0, 0, 0, 0
    if text != "same":
        return pair(text) * 2
    sums = [max(0, (-(-size // step) - 1) * step + (extent - 1) * apart + 1 - size)
            for size, step, extent, apart in zip(place, stride, window, dilation)]
    return (*[total // 2 for total in sums], *[total - total // 2 for total in sums])


def fields_of(kind, words, options, place, text):
    """The fields of a layer that its line gives."""
    found = {}
    for key, value in options.items():
        if key not in FIELDS and key not in (*IGNORED, "pad", "as", "from"):
            raise Unknown(f"'{text}': the baselines do not support the option '{key}'")
        if key in FIELDS:
            name, parse = FIELDS[key]
            found[name] = parse(value)
    if kind in ("conv", "dense", "channel-shuffle"):
        found["units"] = int(words[0])
    if kind == "slice":
        found["first"], found["units"] = int(words[0]), int(words[1])
    if kind == "dropout":
        found["rate"] = float(words[0])
    if kind == "linear":
        found.setdefault("slope", 1.0)
    if kind in ("conv", "max-pool", "avg-pool"):
        window = found["window"] = pair(words[-1])
        stride = found.setdefault("stride", (1, 1) if kind == "conv" else window)
        dilation = found.get("dilation", (1, 1))
        found["pads"] = pads_of(options.get("pad", "valid"), window, stride, dilation, place)
    return found


class Reader:
    def __init__(self, net):
        self.layers, self.named = [], {"input": IMAGES}
        self.shape = {IMAGES: tuple(net["input"])}
        self.last = IMAGES

    def add(self, kind, name, inputs, shape, **more):
        self.layers.append(Layer(kind, name, tuple(inputs), self.shape[inputs[0]], shape, **more))
        self.last = len(self.layers) - 1
        self.shape[self.last] = shape

    def is_flat(self, at):
        """True: it is a vector, which a dense layer may read."""
        return at != IMAGES and self.layers[at].kind in ("flatten", "dense") or (
            at != IMAGES and self.layers[at].kind in ACTIVATIONS + ("dropout", "prelu")
            and self.is_flat(self.layers[at].inputs[0]))

    def line(self, row, more):
        name, text = row["layer"], row["text"]
        shape = tuple(int(extent) for extent in row["output"].split("x"))
        (kind, *words), options = words_of(text)
        options = {**more, **options}
        act = words.pop() if words and words[-1] in ACTIVATIONS else None
        at = self.named[options["from"]] if "from" in options else self.last
        if kind not in KINDS + ACTIVATIONS + ("flatten", "softmax"):
            raise Unknown(f"'{text}': the baselines do not support the layer '{kind}'")
        inputs = [at] + ([self.named[word] for word in words] if kind in JOINS else [])
        fields = fields_of(kind, words, options, self.shape[at], text)
        if kind == "dense" and not self.is_flat(at):
            self.add("flatten", "", [at], self.shape[at])
            inputs = [self.last]
        if kind not in ("flatten", "softmax"):  # the loss takes logits
            own = {k: v for k, v in fields.items() if not act or k not in ("slope", "low", "high")}
            self.add(kind, name, inputs, shape, **own)
        if act:
            own = {k: fields[k] for k in ("slope", "low", "high") if k in fields}
            if act == "linear":
                own.setdefault("slope", 1.0)
            self.add(act, name, [self.last], shape, **own)
        if "as" in options:
            self.named[options["as"]] = self.last


def optimizer_of(text):
    for line in text.splitlines():
        words, options = words_of(line)
        if words[:1] == ["optimizer"]:
            for key in options:
                if key not in ("momentum", "nesterov", "decay"):
                    raise Unknown(f"'{line}': the baselines do not support the option '{key}'")
            parsed = {k: is_yes(v) if k == "nesterov" else float(v) for k, v in options.items()}
            return Optimizer(words[1], float(words[2]), **parsed)
    raise Unknown("the network has no optimizer")


def read(net):
    """The Network of the object `net` of weft's JSON."""
    reader = Reader(net)
    # The rows have the sizes; the text has the names of branches.
    lines = [words_of(line) for line in net["text"].splitlines()]
    lines = [options for words, options in lines if words and words[0] not in HEAD]
    for row, options in zip(net["layers"], lines, strict=True):
        reader.line(row, options)
    return Network(net["name"], tuple(net["input"]), net["weights"], net["batch"],
                   tuple(reader.layers), optimizer_of(net["text"]))


def chain(net):
    """The layers, for frameworks that build chains of simple ones."""
    for number, layer in enumerate(net.layers):
        plain = layer.stride == (layer.window if layer.kind == "max-pool" else (1, 1))
        if layer.kind not in SIMPLE or layer.inputs != (number - 1,) or not plain or layer.groups > 1:
            raise Unknown(f"'{layer.kind}': this baseline builds chains of {', '.join(SIMPLE)}")
        if any(layer.pads) and (layer.kind != "conv" or not layer.same):
            raise Unknown(f"'{layer.kind}': this baseline pads convolutions alone, by pad=same")
    if net.optimizer.kind == "adamw" or net.optimizer.decay:
        raise Unknown("this baseline has no weight decay")
    return net.layers
