# SPDX-License-Identifier: Apache-2.0
"""tools/dev/baselines without frameworks. Usage: baselines.py ROOT.

Medians, ratios and tables; reading of networks; and whole comparisons with scripts in place of
weft and the frameworks, one of which mismatches, one is not installed, one is too slow."""

import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "tools" / "dev" / "baselines"))
sys.dont_write_bytecode = True

import figures
import load
import network

NET = {
    "name": "small",
    "text": "conv 4 3x3 relu\nmax-pool 2\ndense 2\nsoftmax\noptimizer sgd 0.1 momentum=0.8\n",
    "input": [6, 6, 1],
    "outputs": 2,
    "weights": 74,
    "flops": 1e9,
    "batch": 8,
    "layers": [
        {"layer": "conv1", "text": "conv 4 3x3 relu", "output": "4x4x4"},
        {"layer": "max-pool1", "text": "max-pool 2", "output": "2x2x4"},
        {"layer": "dense1", "text": "dense 2", "output": "1x1x2"},
        {"layer": "softmax1", "text": "softmax", "output": "1x1x2"},
    ],
}

# Prints output like weft. Its rounds yield 100, 300, 200, and a tenth with CLBlast.
WEFT = f"""#!{sys.executable}
import json, pathlib, sys
words, here = sys.argv[1:], pathlib.Path(__file__).parent
if words[0] == "show":
    document = {{"net": json.loads({json.dumps(NET)!r})}}
elif words[0] == "train":
    document = {{"last": "model"}}
elif words[0] == "predict":
    one = [{{"class_id": 1, "probability": 0.25}}, {{"class_id": 0, "probability": 0.75}}]
    document = {{"classes": ["a", "b"], "images": [{{"predictions": one}}] * 32}}
else:
    count = here / f"count{{'-clblast' if 'clblast' in words else ''}}"
    at = int(count.read_text()) if count.exists() else 0
    count.write_text(str(at + 1))
    figure = [100, 300, 200][at % 3] / (10 if "clblast" in words else 1)
    document = {{"rows": [{{"median": figure}}]}}
print(json.dumps(document))
"""

# Stands for a virtual environment's Python that runs baseline.py.
PYTHON = f"""#!{sys.executable}
import json, os, sys, time
module, job = sys.argv[2], json.load(sys.stdin)
assert not [name for name in os.environ if name.startswith("OPENBLAS")]
kept = "MALLOC_TRIM_THRESHOLD_" in os.environ
if module == "in_keras":
    sys.exit("ModuleNotFoundError: No module named 'keras'")
if module == "in_tinygrad":
    time.sleep(60)
p = [0.75, 0.25] if module != "in_jax" else [0.7, 0.3]
figures = [50.0, 1.0, 90.0] if kept else [25.0]
print("a framework's chatter")
print(json.dumps({{"version": "1", "rates": figures, "probabilities": [p] * 32}}))
"""


def test_figures():
    assert figures.spread([3, 1, 2]) == {"median": 2, "min": 1, "max": 3}
    assert figures.spread([4, 1, 2, 3])["median"] == 2.5
    assert figures.ratios([10, 30], [5, 10], False) == [2, 3]
    assert figures.ratios([10, 30], [5, 10], True) == [0.5, 10 / 30]
    assert figures.ratios([10, 30], [5, None], False) == [2]
    shown = [figures.number(x) for x in (0.05123, 4.266, 999.6, 48712)]
    assert shown == ["0.0512", "4.27", "1,000", "48,700"], shown


def test_disturbances():
    rows = [{"name": "a", "others": 0.05}, {"name": "b", "others": 0.9}, {"name": "c"}]
    (said,) = figures.disturbances({"rows": rows})
    assert said.startswith("b is unreliable") and "0.9" in said, said
    with load.Meter() as meter:
        subprocess.run([sys.executable, "-c", "sum(range(3000000))"], check=True)
    assert 0 <= meter.others < os.cpu_count() + 1, meter.others


def net_of(shape, rows):
    """A network of the rows (name, text, output), as `weft show` writes it: names are in the text."""
    text = "\n".join([*(text for _, text, _ in rows), "optimizer sgd 0.1"])
    return {**NET, "input": shape, "text": text, "layers": [
        {"layer": name, "text": text.partition(" as=")[0], "output": output} for name, text, output in rows]}


def test_network():
    net = network.read(NET)
    kinds = [layer.kind for layer in net.layers]
    assert kinds == ["conv", "relu", "max-pool", "flatten", "dense"], kinds
    assert network.chain(net)[4].place == (2, 2, 4) and net.layers[4].units == 2
    assert net.optimizer == network.Optimizer("sgd", 0.1, 0.8, False)
    rows = [("conv1", "conv 8 3x5 stride=2 pad=same groups=2 as=a", "3x3x8"),
            ("norm1", "batch-norm hard-swish", "3x3x8"), ("add1", "add a clip low=0", "3x3x8"),
            ("pool1", "avg-pool 2 stride=1 pad=0,0,1,1", "3x3x8"), ("cat1", "concat a", "3x3x16"),
            ("pool2", "global-avg-pool", "1x1x16"), ("dense1", "dense 2", "1x1x2")]
    made = network.read(net_of([6, 6, 4], rows)).layers
    assert [layer.inputs for layer in made] == [
        (-1,), (0,), (1,), (2, 0), (3,), (4,), (5, 0), (6,), (7,), (8,)], made
    assert made[0].pads == (0, 1, 1, 2) and made[0].stride == (2, 2) and made[0].groups == 2, made[0]
    assert made[4].low == 0 and made[5].pads == (0, 0, 1, 1), made
    assert network.read(NET).last_reads[1] == [0]
    for text, said in (
        ("attention 4", "do not support the layer 'attention'"),
        ("conv 4 3x3 causal=yes", "do not support the option 'causal'"),
    ):
        try:
            network.read(net_of([6, 6, 1], [("x1", text, "1x1x1")]))
        except network.Unknown as error:
            assert said in str(error), error
        else:
            raise AssertionError(f"'{text}' was accepted")
    for text in ("dropout 0.2", "conv 4 3x3 stride=2", "conv 4 3x3 groups=4", "max-pool 3x3 stride=1"):
        try:
            network.chain(network.read(net_of([6, 6, 4], [("x1", text, "4x4x4")])))
        except network.Unknown:
            continue
        raise AssertionError(f"a chain has '{text}'")


class Place:
    """A folder with scripts in place of weft and the virtual environment."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.script("weft", WEFT)
        self.script("venv/bin/python", PYTHON)
        pixels = struct.pack(">4I", 0x803, 40, 6, 6) + bytes(40 * 36)
        with gzip.open(self.folder / "t10k-images-idx3-ubyte.gz", "wb") as file:
            file.write(pixels)

    def script(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def compare(self, *words):
        where = ["--weft", self.folder / "weft", "--venv", self.folder / "venv"]
        command = [sys.executable, ROOT / "tools/dev/baselines/compare", *words, *where]
        return subprocess.run(
            [*map(str, command), "--data", str(self.folder)],
            capture_output=True,
            text=True,
            env={**os.environ, "OPENBLAS_CORETYPE": "Haswell"},
        )


def rows_of(done):
    assert done.stdout, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["rows"]}


def test_train(place):
    words = ["--timeout", "6", "-f", "json", "--min-ratio", "torch=4"]
    done = place.compare("train", "small", *words)
    assert done.returncode == 5, done.stderr
    rows = rows_of(done)
    assert rows["weft"]["median"] == 200 and rows["weft"]["samples"] == [100, 300, 200]
    assert rows["torch"]["ratio"] == {"median": 8, "min": 4, "max": 12}
    assert rows["torch-tuned"]["ratio"]["median"] == 4
    assert "No module named 'keras'" in rows["keras"]["skipped"]
    assert rows["tinygrad-cl"]["skipped"] == "no result within 6 s"
    assert "differ from weft's by 0.05" in rows["jax"]["mismatch"]
    assert done.stderr.rstrip().endswith(rows["jax"]["mismatch"])


def test_thresholds(place):
    only = ["--only", "torch", "--rounds", "1"]
    assert place.compare("train", "small", *only).returncode == 0
    done = place.compare("train", "small", *only, "--min-ratio", "torch=1000")
    assert done.returncode == 5 and "required 1000 or more" in done.stderr, done.stderr
    assert "| torch 1" in done.stdout and "within 0.0e+00" in done.stdout, done.stdout
    done = place.compare("train", "small", *only, "--min-ratio", "jax=1")
    assert done.returncode == 5 and "was not measured" in done.stderr, done.stderr
    done = place.compare("train", "small", "--only", "trch")
    assert done.returncode == 2 and "not trch" in done.stderr, done.stderr


def test_gemm(place):
    words = ["--only", "weft-clblast", "-f", "json", "--min-ratio", "weft-clblast=8"]
    done = place.compare("gemm", "64", *words)
    assert done.returncode == 0, done.stderr
    rows = rows_of(done)
    assert rows["weft"]["median"] == 200, rows  # GFLOP/s at 1 GFLOP per image
    assert rows["weft-clblast"]["ratio"]["median"] == 10, rows


def test_latency(place):
    done = place.compare("latency", "small", "--only", "torch-tuned", "-f", "json")
    assert done.returncode == 0, done.stderr
    row = rows_of(done)["torch-tuned"]
    assert row["median"] == 20 and row["ratio"] == {"median": 4, "min": 2, "max": 6}


def test_weft_fails(place):
    place.script("weft", f"#!{sys.executable}\nimport sys\nsys.exit('weft: no such net')\n")
    done = place.compare("train", "smal")
    assert done.returncode == 1 and "no such net" in done.stderr, done.stderr


def test_portfolio(place):
    """A comparison that is saved is not repeated."""
    words = [sys.executable, ROOT / "tools/dev/baselines/portfolio", place.folder / "out", "--what",
             "train,latency", "--nets", "small"]
    more = ["--", "--weft", place.folder / "weft", "--venv", place.folder / "venv", "--data", place.folder,
            "--only", "torch-tuned"]
    for _ in range(2):
        done = subprocess.run([*map(str, words + more)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "| small | train | 8 | 200 images/s | 4.00 [2.00 - 6.00] | torch-tuned 1 |" in done.stdout, done
        assert "| small | latency | 1 | 5 ms | 4.00 [2.00 - 6.00] | torch-tuned 1 |" in done.stdout, done
        place.script("weft", f"#!{sys.executable}\nimport sys\nsys.exit('weft is run again')\n")
    done = subprocess.run([*map(str, words[:3] + ["--nets", "nosuch"])], capture_output=True, text=True)
    assert done.returncode == 2 and "there is no nosuch" in done.stderr, done.stderr


ALONE = (test_figures, test_disturbances, test_network)
PLACED = (test_train, test_thresholds, test_gemm, test_latency, test_weft_fails, test_portfolio)
for test in ALONE:
    test()
for test in PLACED:
    with tempfile.TemporaryDirectory() as folder:
        test(Place(folder))
print(f"{len(ALONE) + len(PLACED)} passed, 0 failed")
