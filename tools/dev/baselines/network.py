# SPDX-License-Identifier: Apache-2.0
"""A network as built by every baseline, read from `weft show NET -f json`.

Each framework has a table with an entry for every kind of KINDS; an activation on a layer's
line becomes a separate layer."""

import dataclasses

ACTIVATIONS = ("relu", "gelu")
KINDS = ("conv", "max-pool", "batch-norm", "global-max-pool", "flatten", "dense")
# Options of a line, and their parsers.
OPTIONS = {
    "bias": lambda text: text == "yes",
    "pad": str,
    "stride": int,
    "epsilon": float,
    "momentum": float,
    "nesterov": lambda text: text == "yes",
    "init": str,
}


class Unknown(Exception):
    """The baselines cannot build this network."""


@dataclasses.dataclass(frozen=True)
class Layer:
    kind: str  # of KINDS or ACTIVATIONS
    name: str  # prefix of its tensors in the model file, such as "conv1"
    channels: int  # of the input
    units: int = 0  # filters of a convolution, outputs of a dense layer
    window: tuple = ()
    place: tuple = ()  # dense: height, width, channels before flattening
    same: bool = False  # pad=same
    bias: bool = True
    epsilon: float = 1e-5
    momentum: float = 0.1  # of the running statistics: weight of the new batch


@dataclasses.dataclass(frozen=True)
class Optimizer:
    kind: str  # "adam" or "sgd"
    rate: float
    momentum: float = 0.9
    nesterov: bool = False


@dataclasses.dataclass(frozen=True)
class Network:
    name: str
    input: tuple  # height, width, channels
    weights: int  # number of trained weights
    batch: int
    layers: tuple
    optimizer: Optimizer


def words_of(text):
    """The words and options of a line: ("conv", "32", "3x3", "relu"), {"pad": "same"}."""
    words = [word for word in text.split() if "=" not in word]
    options = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if equals and key not in OPTIONS:
            raise Unknown(f"'{text}': the baselines do not support the option '{key}'")
        if equals:
            options[key] = OPTIONS[key](value)
    return words, options


def pair(text):
    first, _, second = text.partition("x")
    return int(first), int(second or first)


def layers_of(name, text, shape, place):
    """The layers of one line. `shape` is the input; `place` the input before flattening."""
    (kind, *words), options = words_of(text)
    if kind in ("flatten", "softmax"):  # read() flattens; the loss takes logits
        return
    act = words.pop() if words and words[-1] in ACTIVATIONS else None
    if kind in ACTIVATIONS:
        yield Layer(kind, name, shape[2])
        return
    if kind not in KINDS:
        raise Unknown(f"'{text}': the baselines do not support the layer '{kind}'")
    known = {k: options[k] for k in ("bias", "epsilon", "momentum") if k in options}
    known["same"] = options.get("pad") == "same"
    if kind in ("conv", "dense"):
        known["units"] = int(words[0])
    if kind in ("conv", "max-pool"):
        known["window"] = pair(words[-1])
    stride = options.get("stride", 1)
    if stride != 1 or (kind == "max-pool" and known["same"]):
        raise Unknown(f"'{text}': the baselines support it only without stride and padding")
    yield Layer(kind, name, shape[2], place=place, **known)
    if act:
        yield Layer(act, name, known.get("units", shape[2]))


def optimizer_of(text):
    for line in text.splitlines():
        words, options = words_of(line.partition("#")[0])
        if words[:1] == ["optimizer"] and words[1] in ("adam", "sgd"):
            odd = [key for key in options if key not in ("momentum", "nesterov")]
            if odd:
                raise Unknown(f"'{line}': the baselines do not support the option '{odd[0]}'")
            return Optimizer(words[1], float(words[2]), **options)
    raise Unknown("the baselines support sgd and adam only")


def read(net):
    """The Network of the object `net` of weft's JSON."""
    shape = place = tuple(net["input"])
    layers, flat = [], False
    for row in net["layers"]:
        more = list(layers_of(row["layer"], row["text"], shape, place))
        if more and more[0].kind == "dense" and not flat:
            layers.append(Layer("flatten", "", place[2], place=place))
            flat = True
        layers += more
        shape = tuple(int(extent) for extent in row["output"].split("x"))
        place = shape if more else place
    return Network(
        net["name"],
        tuple(net["input"]),
        net["weights"],
        net["batch"],
        tuple(layers),
        optimizer_of(net["text"]),
    )
