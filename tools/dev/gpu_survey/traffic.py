# SPDX-License-Identifier: Apache-2.0
"""Main memory that a launch moves at least, and how many rounds of its main loop a
work-item runs, from the arguments and options of the launch. A row of KERNELS for each
kernel; of another, the bytes of its instructions in one round."""
import math
import re


def up(a, b):
    """a / b, rounded up."""
    return -(-int(a) // int(b))


class Call:
    """A launch with its arguments and options by name."""

    def __init__(self, launch, parameters):
        self.launch = launch
        self.args = dict(zip(parameters, launch.args))
        self.options = {name: int(value) for name, value in
                        re.findall(r"-D(\w+)=(-?\d+)", launch.options)}

    def __getitem__(self, name):
        return self.args[name] if name in self.args else self.options[name]

    def get(self, name, otherwise):
        return self.options.get(name, otherwise)

    @property
    def items(self):
        return self.launch.group_count * self.launch.group_items


# ---- products ----

FORWARD, DATA, WEIGHTS = range(3)


def product_depth(call):
    """k of a product, in elements."""
    groups, taps = call.get("GROUPS", 1), call["R"] * call["S"]
    if call["PASS"] == WEIGHTS:
        return call["images"] * call["OUT_H"] * call["OUT_W"]
    return taps * call["C" if call["PASS"] == FORWARD else "K"] // groups


def product_rounds(call):
    """Rounds of the main loop; of a strided data gradient, whose phases have different
    numbers of taps, the mean."""
    depth = product_depth(call)
    splits = call.launch.groups[1]
    if call["PASS"] == DATA:
        phases = call["STRIDE_Y"] * call["STRIDE_X"]
        return max(1, up(depth, call["KWG"] * phases * splits))
    return up(min(call["k_per_split"], depth), call["KWG"])


def partial_sum_bytes(call):
    splits = call.launch.groups[1]
    return 4.0 * splits * call["partial_stride"] if splits > 1 else 0.0


# ---- the others: (bytes, rounds) ----

def rows_of(moved, rounds):
    """Rows of C channels; `moved`: bytes for an element."""
    return lambda call: (moved * call["rows"] * call["C"], rounds(call))


def merge(call):
    parts = up(call["rows"], call["ROWS"])
    return 8.0 * parts * call["C"], up(parts, call.get("WORK_GROUP_SIZE", 1))


def elements(moved):
    return lambda call: (float(moved) * call["count"], 1)


def pool_forward(call):
    """Large windows: up to 8 loads of a row together (cl/primitives/pool.cl)."""
    out = call["items"] * call["VW"]
    area = call["POOL_R"] * call["POOL_S"]
    scale = call["H"] * call["W"] / (call["POOL_OUT_H"] * call["POOL_OUT_W"])
    rounds = area if area <= 16 else up(area, min(call["POOL_S"], 8))
    return 4.0 * out * min(scale, area) + 5.0 * out, rounds


def pool_backward(call):
    out = call["items"] * call["VW"]
    scale = call["H"] * call["W"] / (call["POOL_OUT_H"] * call["POOL_OUT_W"])
    covering = call["POOL_R"] * call["POOL_S"] // (call["POOL_STRIDE_Y"] * call["POOL_STRIDE_X"])
    return 4.0 * out + 5.0 * out / scale, max(1, covering)


def softmax(call):
    """A work-item for each row, or ROW_ITEMS, in three passes."""
    return 12.0 * call["n"] * call["classes"], 3 * up(
        call["classes"], call["VW"] * max(1, call.get("ROW_ITEMS", 1)))


def split_reduction(call):
    return 4.0 * call["count"] * (call["splits"] + 1), up(call["splits"],
                                                          call.get("REDUCE_SLICES", 1))


def batch(call):
    return 5.0 * call.launch.groups[1] * call["pixels"], up(
        call["pixels"], call["VW"] * call.launch.groups[0] * call.launch.local[0])


def depthwise(call):
    """The tensors once; a round is a column of a work-item's rows."""
    n = call.launch.groups[2] * call.launch.local[2]
    moved = n * call["C"] * (call["H"] * call["W"] +
                             call["OUT_H"] * call["OUT_W"] * (1 + call.get("ACT_GRAD", 0)))
    return 4.0 * moved, call["COLUMNS_PER_ITEM"] * call["VECTORS_PER_ITEM"] * \
        call["TILES_PER_ITEM"]


def depthwise_weights(call):
    """x and dz once, and the splits' sums."""
    moved = call["images"] * call["C"] * (call["H"] * call["W"] +
                                          call["OUT_H"] * call["OUT_W"])
    return 4.0 * moved + partial_sum_bytes(call), up(call["positions"], call["STRANDS"])


KERNELS = {
    "conv_depthwise": depthwise,
    "conv_bwd_weights_depthwise_tile": depthwise_weights,
    "bn_stats_partials": rows_of(8.0, lambda c: c["ROWS"]),
    "bn_grad_partials": rows_of(8.0, lambda c: up(c["ROWS"], 2)),
    "bn_stats_partials_tree": rows_of(4.0, lambda c: up(c["ROWS"], 8 * c["DOWN"])),
    "bn_grad_partials_tree": rows_of(8.0, lambda c: up(c["ROWS"], 4 * c["DOWN"])),
    "bn_apply": rows_of(8.0, lambda c: c["ROWS"]),
    "bn_bwd_data": rows_of(12.0, lambda c: c["ROWS"]),
    "bn_stats_merge_tree": merge, "bn_stats_merge_serial": merge,
    "bn_grad_merge_tree": merge, "bn_grad_merge_serial": merge,
    "max_forward": pool_forward, "avg_forward": pool_forward,
    "max_backward": pool_backward, "avg_backward": pool_backward,
    "sgd": elements(20), "adam": elements(28), "add": elements(12), "add_act_grad": elements(16),
    "act_forward": elements(8), "act_backward": elements(12), "dropout": elements(8),
    "softmax": softmax, "cross_entropy": softmax, "gemm_split_k_reduce": split_reduction,
    "make_batch": batch,
}


def of(call, kernel):
    """(bytes, rounds, whether they are known)."""
    rule = KERNELS.get(call.launch.kernel)
    if rule:
        try:
            return *rule(call), True
        except KeyError:  # the kernel has other arguments than the rule
            pass
    whole = kernel.whole
    return call.items * (whole.get("load_bytes", 0) + whole.get("store_bytes", 0)), 1, False


def shape(call):
    """A convolution's shape as text, or an empty one."""
    if "PASS" not in call.options:
        return ""
    text = f"{call['H']}x{call['W']}x{call['C']}:{call['K']}x{call['R']}x{call['S']}"
    if call["STRIDE_Y"] > 1:
        text += f" /{call['STRIDE_Y']}"
    groups = call.get("GROUPS", 1)
    return text + (f" groups {groups}" if groups > 1 else "")


def group_count(launch):
    return math.prod(launch.groups)
