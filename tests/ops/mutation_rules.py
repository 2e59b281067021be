# SPDX-License-Identifier: Apache-2.0
"""Mutants of kernels: one line of a file of cl/ is changed by a rule. The order of a file's
mutants is a hash of the line, independent of the rest of the file."""
import hashlib
import os
import re

# Mutations of a line: each match of a pattern, one at a time, is replaced.
RULES = [
    (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " + "), (r" / ", " * "),
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "),
    (r" == ", " != "), (r" != ", " == "), (r" && ", " || "), (r" \|\| ", " && "),
    (r" \+= ", " = "), (r" -= ", " += "), (r" \*= ", " += "), (r" & ", " | "),
    (r"\b0\.0f", "1.0f"), (r"\b1\.0f", "2.0f"), (r"\b0\.5f", "0.25f"),
    (r"\bmin\(", "max("), (r"\bmax\(", "min("), (r"\bMAD\(", "MINUS_MAD("),
    (r"\bbarrier\([^()]*\);", ";"), (r"= 0;", "= 1;"), (r" \+ 1\b", ""),
    (r" - 1\b", ""), (r"\[0\]", "[1]"), (r"\.lo\b", ".hi"), (r"\bSTRIDE_X\b", "STRIDE_Y"),
    (r"\bget_global_id\(1\)", "get_global_id(0)"), (r"\bsqrt\(", "("),
    (r" \? ([^?:]+) : ([^?:;]+);", r" ? \2 : \1;"),
]
MINUS_MAD = re.compile(r"MINUS_MAD\(")

# check_op arguments that execute a file of cl/, tried in order until one finds the mutant.
VEC, TILE, HALF, DRAW = ["-f", "vec"], ["-f", "tile"], ["--half"], ["--random-kernels"]
CONV, DENSE = ["conv"], ["dense"]
RUNS = {
    "act.cl": [VEC + ["act"]],
    "accumulate_gradient.cl": [VEC + ["accumulate-gradient"]],
    "add.cl": [VEC + ["add"]],
    "conv_depthwise.cl": [VEC + CONV, VEC + DRAW + CONV],
    "conv_depthwise_weights_tile.cl": [TILE + CONV, TILE + DRAW + CONV],
    "conv_depthwise_weights_vec.cl": [VEC + CONV, VEC + DRAW + CONV],
    "conv_prepare_vec.cl": [VEC + CONV, VEC + HALF + CONV],
    "conv_vec.cl": [VEC + CONV, VEC + DRAW + CONV],
    "conv_weights_vec.cl": [VEC + CONV, VEC + DRAW + CONV],
    "conv_winograd_tile.cl": [TILE + DRAW + CONV],
    "conv_winograd_vec.cl": [VEC + DRAW + CONV],
    "conv_winograd_weights_tile.cl": [TILE + DRAW + CONV],
    "conv_winograd_weights_vec.cl": [VEC + DRAW + CONV],
    "cast.cl": [VEC + HALF + ["cast"]],
    "channels.cl": [VEC + ["copy-channels", "scale", "channel-shuffle"]],
    "dense_clblast.cl": [["-g", "clblast"] + DENSE],
    "dropout.cl": [VEC + ["dropout"]],
    "gemm_mma.cl": [["-f", "mma"] + DENSE + CONV],
    "gemm_sg.cl": [["-f", "sg"] + DENSE + CONV],
    "gemm_sum.cl": [TILE + DENSE + CONV, TILE + DRAW + DENSE + CONV],
    "gemm_tile.cl": [TILE + DENSE + CONV, TILE + DRAW + DENSE],
    "gemm_vec.cl": [VEC + DENSE + CONV, VEC + DRAW + DENSE],
    "augment.cl": [VEC + ["batch"]],
    "augment.h": [VEC + ["batch"]],
    "augment_options.h": [VEC + ["batch"]],
    "augment_rows.cl": [VEC + ["batch"]],
    "batch.cl": [VEC + ["-n", "8", "batch"]],
    "batch.h": [VEC + ["batch"]],
    "balance.h": [VEC + ["batch"]],
    "batch_norm.cl": [VEC + ["batch-norm", "fold-batch-norm"], TILE + ["batch-norm"]],
    "layer_norm.cl": [VEC + ["layer-norm"], TILE + ["layer-norm"]],
    "prelu.cl": [VEC + ["prelu"], TILE + ["prelu"]],
    "channel_sums.h": [VEC + ["prelu", "layer-norm"], TILE + ["prelu", "layer-norm"]],
    "average.cl": [VEC + ["average"]],
    "clip_gradient.cl": [VEC + ["clip-gradient"]],
    "optimizer.cl": [VEC + ["optimizer"], TILE + ["optimizer"]],
    "pool.cl": [VEC + ["pool"], VEC + HALF + ["pool"]],
    "mma_probe.cl": [["-f", "mma", "act"]],
    "subgroup_probe.cl": [["-f", "sg", "act"]],
    "softmax.cl": [VEC + ["softmax", "loss"]],
    "activations.def": [VEC + ["act"]],
    "channels.h": [VEC + ["batch-norm", "fold-batch-norm"], VEC + HALF + ["fold-batch-norm", "batch-norm"]],
    "activation.h": [VEC + ["act", "layer-norm"]],
    "common.h": [VEC + ["act"]],
    "fast_math.h": [VEC + ["act"]],
    "im2col_gather.h": [TILE + CONV + DENSE, TILE + HALF + CONV],
    "gemm_main.h": [TILE + CONV + DENSE, TILE + DRAW + DENSE],
    "gemm_schedule.h": [TILE + CONV + DENSE],
    "gemm_stage.h": [TILE + CONV + DENSE, TILE + DRAW + DENSE],
    "mma.h": [["-f", "mma"] + DENSE],
    "strided_dgrad.h": [VEC + CONV],
    "split_batch_reduction.h": [VEC + CONV],
    "pool_shape.h": [VEC + ["pool"]],
    "conv_weights_pooled_vec.h": [VEC + CONV, VEC + HALF + CONV],
    "conv_pass.h": [TILE + CONV],
    "matrix_unit.h": [["-f", "mma"] + DENSE],
    "memory_layout.h": [VEC + CONV],
    "partial_sums.h": [VEC + CONV, VEC + ["optimizer"]],
    "subgroup_ext.h": [["-f", "sg"] + DENSE],
    "weight_groups.h": [VEC + ["optimizer"]],
    "workspace_layout.h": [VEC + DRAW + CONV, TILE + DENSE],
    "random.h": [VEC + ["dropout", "batch"]],
    "epilogue_options.h": [VEC + CONV],
    "gemm_epilogue.h": [TILE + DENSE + CONV],
    "conv_shape.h": [VEC + CONV],
    "state.h": [VEC + ["optimizer", "dropout"]],
    "storage.h": [VEC + HALF + ["act", "add"]],
    "store_part.def": [VEC + ["act", "batch-norm"], VEC + CONV],
    "subgroup.h": [["-f", "sg"] + DENSE],
    "winograd.h": [VEC + DRAW + CONV, TILE + DRAW + CONV],
    "winograd_conv.h": [VEC + DRAW + CONV, TILE + DRAW + CONV],
    "winograd_gradient.h": [VEC + DRAW + CONV, TILE + DRAW + CONV],
    "winograd_input.h": [VEC + DRAW + CONV, TILE + DRAW + CONV],
}
# Starts of a training and a prediction that execute a file of cl/, tried in order until one
# finds the mutant and gets other results by it: a network of first_step.c, the family of
# kernels, the precision, and the seed of a random choice of algorithms (0: the usual ones).
def starts(networks, family="vec", precision="float32", seeds="0"):
    return [[network, family, precision, seed] for network in networks.split()
            for seed in seeds.split()]


DIRECT = starts("conv dilated wide")
WINOGRAD = starts("wide", seeds="1 2 3 4 5 6")
TILED = starts("conv dense", "tile")
TILED_WINOGRAD = starts("wide", "tile", seeds="1 2 3 4 5 6")
FLOAT16 = starts("conv channels pools norms", precision="float16")
NORMS = starts("norms") + starts("norms", "tile") + starts("norms", precision="float16")
MMA, SUBGROUPS = starts("dense conv", "mma"), starts("dense conv", "sg")
STARTS = {
    "act.cl": starts("acts"),
    "activation.h": starts("acts conv channels norms"),
    "activations.def": starts("acts conv channels norms"),
    "add.cl": starts("pools") + starts("pools", precision="float16"),
    "batch.cl": starts("sgd") + starts("conv", precision="float16"),
    "batch_norm.cl": NORMS,
    "cast.cl": FLOAT16,
    "channel_sums.h": NORMS,
    "channels.cl": starts("channels") + starts("channels", precision="float16"),
    "channels.h": starts("channels norms") + starts("norms", precision="float16"),
    "common.h": starts("sgd acts conv pools"),
    "conv_depthwise.cl": starts("depthwise"),
    "conv_depthwise_weights_tile.cl": starts("depthwise", "tile"),
    "conv_depthwise_weights_vec.cl": starts("depthwise"),
    "conv_pass.h": TILED,
    "conv_prepare_vec.cl": DIRECT + FLOAT16,
    "conv_shape.h": DIRECT,
    "conv_vec.cl": DIRECT,
    "conv_weights_pooled_vec.h": DIRECT,
    "conv_weights_vec.cl": DIRECT,
    "conv_winograd_tile.cl": TILED_WINOGRAD,
    "conv_winograd_vec.cl": WINOGRAD,
    "conv_winograd_weights_tile.cl": TILED_WINOGRAD,
    "conv_winograd_weights_vec.cl": WINOGRAD,
    "dropout.cl": starts("acts") + starts("acts", precision="float16"),
    "epilogue_options.h": DIRECT,
    "fast_math.h": starts("acts sgd"),
    "gemm_epilogue.h": TILED + starts("dense pointwise"),
    "gemm_main.h": TILED,
    "gemm_mma.cl": MMA,
    "gemm_schedule.h": TILED,
    "gemm_sg.cl": SUBGROUPS,
    "gemm_stage.h": TILED,
    "gemm_sum.cl": TILED + starts("dense", "tile", seeds="1 2 3"),
    "gemm_tile.cl": TILED,
    "gemm_vec.cl": starts("pointwise dense"),
    "im2col_gather.h": TILED + starts("conv", "tile", "float16"),
    "layer_norm.cl": NORMS,
    "matrix_unit.h": MMA,
    "memory_layout.h": DIRECT,
    "mma.h": MMA,
    "optimizer.cl": starts("sgd acts conv") + starts("sgd", "tile"),
    "partial_sums.h": starts("conv sgd"),
    "pool.cl": starts("pools conv") + starts("pools", precision="float16"),
    "pool_shape.h": starts("pools"),
    "prelu.cl": NORMS,
    "random.h": starts("acts"),
    "softmax.cl": starts("sgd acts"),
    "split_batch_reduction.h": starts("conv depthwise"),
    "state.h": starts("acts sgd"),
    "storage.h": FLOAT16,
    "store_part.def": starts("conv acts dense"),
    "strided_dgrad.h": starts("conv dilated"),
    "subgroup.h": SUBGROUPS,
    "winograd.h": WINOGRAD,
    "winograd_conv.h": WINOGRAD,
    "winograd_gradient.h": WINOGRAD,
    "winograd_input.h": WINOGRAD,
    "workspace_layout.h": WINOGRAD + starts("dense", "tile"),
}
# Measurements, whose results are not verified.
UNVERIFIED = {"roofline.cl"}
# For the test suite: files whose kernels compile fast.
QUICK = {"act.cl", "cast.cl", "dropout.cl", "softmax.cl"}
QUICK_STARTS = {"softmax.cl"}

# Equivalent mutants, by the mutated line without leading and trailing blanks, and why.
NOTHING_LEFT = "the last work-item stores nothing: store_part accepts a count of 0"
WHOLE_PART = "store_part stores a full vector too"
UNUSED_LANE = "lanes after the last channel are computed, but never stored"
HOST = "used by the host only"
PRIVATE = "beyond a private array, which no compiler has to detect"
ROW_CHECKS = "checking the rows of a tile that is inside the image gives the same result"
FIRST_CHUNK = "the end of chunk 0 wraps: it sums all rows, and the other chunks none"
EQUIVALENT = {
    ("prelu.cl", "const uint end = min((chunk - 1) * ROWS, rows);"): FIRST_CHUNK,
    ("layer_norm.cl", "const uint end = min((chunk - 1) * ROWS, rows);"): FIRST_CHUNK,
    ("gemm_sum.cl", "if (n <= K)"): NOTHING_LEFT,
    ("add.cl", "if (i + VW < count)"): WHOLE_PART,
    ("cast.cl", "if (i + VW < count)"): WHOLE_PART,
    ("conv_depthwise.cl", "if (C % VW == 0 || left > VW)"): WHOLE_PART,
    ("conv_depthwise.cl", "const bool inside = top > 0 && top + SOURCE_ROWS <= H;"):
        ROW_CHECKS,
    ("conv_depthwise.cl", "const bool inside = top >= 0 && top + SOURCE_ROWS < H;"):
        ROW_CHECKS,
    ("conv_depthwise_weights_vec.cl",
     "const bool inside = rows == TILE && top > 0 && top + SOURCE_ROWS <= H;"): ROW_CHECKS,
    ("conv_depthwise_weights_vec.cl",
     "const bool inside = rows == TILE && top >= 0 && top + SOURCE_ROWS < H;"): ROW_CHECKS,
    ("cast.cl", "if (i > count)"): NOTHING_LEFT,
    ("optimizer.cl", "if (i > count)"): NOTHING_LEFT,
    ("dense_clblast.cl", "if (c > COLUMNS)"): NOTHING_LEFT,
    ("conv_prepare_vec.cl", "out < K_PER_BLOCK_GROUP ? LOAD_W(w + (from + in * step)) : 1.0f;"):
        UNUSED_LANE,
    ("conv_vec.cl", "for (int i = 0; i <= VW; i++)"):
        "the extra byte belongs to the next vector, which the same work-item stores afterwards",
    ("optimizer.cl", "for (uint lane = 0; lane <= VW; lane++)"): PRIVATE,
    ("gemm_main.h", "__local const float *as = LDS_TILE(a_tiles, step + 1);"):
        "with one tile or two the next tile is the previous one",
    ("gemm_mma.cl", "const float2 none = (float2)(1.0f);"):
        "epilogue() reads a bias or an activation gradient only if it is present",
    ("state.h", "STATE_WORDS = STATE_NORM_RING - STATE_RING_STEPS"): HOST,
    ("subgroup.h", ";                                                    \\"):
        "a data race that never happens on PoCL: it ends each iteration of such a loop with a barrier",
    ("gemm_main.h", "for (uint i = 0; i <= ACC_ROWS; i++)"): PRIVATE,
    ("subgroup.h",
     "#define LOCAL_EXTRA(count) __local float published[(count)*SUBGROUPS + LANES];"):
        "beyond an array in local memory, which no driver has to detect",
}


def code_lines(path):
    """(number, line) of the lines without a comment."""
    inside = False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            starts = line.lstrip().startswith("/*")
            if not inside and not starts and "/*" not in line and "//" not in line:
                yield number, line
            if (starts or "/*" in line) and "*/" not in line:
                inside = True
            elif "*/" in line:
                inside = False


def condition(path, number):
    """The innermost preprocessor condition of a line."""
    stack = []
    with open(path, encoding="utf-8") as file:
        for line in list(file)[:number - 1]:
            word = re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b", line)
            if word and word[1] == "endif":
                stack.pop()
            elif word and word[1].startswith("if"):
                stack.append(line.strip())
            elif word:
                stack[-1] += f" {line.strip()}"
    inner = [text for text in stack if not re.match(r"#ifndef WEFT_\w+_H$", text)]
    return f"under {inner[-1]}" if inner else "under no condition"


def mutations(line):
    """The mutations of a line."""
    if re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif|include|undef|error|line)", line):
        return
    for pattern, other in RULES:
        for match in re.finditer(pattern, line):
            changed = line[:match.start()] + match.expand(other) + line[match.end():]
            yield MINUS_MAD.sub("MAD(-", changed)


def of_file(path):
    """(number, mutated line) of one file, in hash order; one mutation of each line first."""
    name = os.path.basename(path)
    mutants = []
    for number, line in code_lines(path):
        ranked = sorted(set(mutations(line)), key=lambda m: hashlib.sha256(
            f"{name} {line.strip()} {m.strip()}".encode()).digest())
        mutants += [(turn, hashlib.sha256(f"{name} {m.strip()}".encode()).digest(), number, m)
                  for turn, m in enumerate(ranked)]
    return [(number, m) for turn, key, number, m in sorted(mutants)]


def all_files(folder):
    """Every file of cl/ that is verified; a file that is not in RUNS is an error."""
    paths = {name: os.path.join(at, name) for at, _, names in os.walk(folder)
             for name in names if name.endswith((".cl", ".h", ".def"))}
    unknown = sorted(n for n in paths if n not in RUNS and n not in UNVERIFIED)
    if unknown:
        raise SystemExit(f"tests/ops/mutation_rules.py does not know what executes {', '.join(unknown)}")
    stale = [f"{name}: {line}" for name, line in EQUIVALENT
             if line not in {m.strip() for _, m in of_file(paths[name])}]
    if stale:
        raise SystemExit("tests/ops/mutation_rules.py: no mutation gives " + "; ".join(stale))
    return [paths[n] for n in sorted(paths) if n in RUNS]
