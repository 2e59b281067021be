# SPDX-License-Identifier: Apache-2.0
"""HTML pages of weft compare --report, weft bench --report, weft eval --report and of runs:
well-formed, self-contained, with every device and class, and safe against markup in their
names. Usage: report.py WEFT [--long]; pages.py looks at their layout."""

import base64
import html
import html.parser
import json
import math
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from bench_results import EVIL, crowd, layer, row, run_of
from checks import PRINTED, ROUNDING, near
from png_pixels import png_pixels

WEFT = os.path.abspath(sys.argv[1])
TESTS = pathlib.Path(__file__).resolve().parent
EMPTY = {"meta", "br", "hr", "img", "link"}
OPEN = {"td", "th", "tr", "p"}  # optional end tags


class Page(html.parser.HTMLParser):
    """Tags, attributes and text of a page; asserts that elements are nested correctly."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.words = [], [], []
        self.attributes = []
        self.feed(text)
        self.close()
        assert not [t for t in self.stack if t not in OPEN], self.stack

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in EMPTY:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        while self.stack and self.stack[-1] != tag and self.stack[-1] in OPEN:
            self.stack.pop()
        assert self.stack and self.stack.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        self.words.append(data)


def pixels(source):
    """The bytes of an image that is within the page, with its height and width."""
    kind, data = source.split(",", 1)
    assert kind == "data:image/png;base64", kind
    return png_pixels(base64.b64decode(data, validate=True))


def check(text, names):
    """Assertions for every page."""
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="(.*?)">', text)
    assert "<html" not in text or "default-src 'none'" in policy.group(1)
    text = text.replace(policy.group(0), "") if policy else text
    page = Page(text)
    said = "".join(page.words)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on") and name != "href", (name, value)
        assert name != "src" or pixels(value), value
        assert name != "alt" or value
    assert "http" not in text and "url(" not in text and "@import" not in text
    for name in names:
        assert name in said, name
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        root = xml.etree.ElementTree.fromstring(svg)
        assert root.get("aria-label")
        height = float(root.get("viewBox").split()[3])
        for number in re.findall(r"[-\d.]+", " ".join(p.get("d", "") for p in root)):
            assert -1 < float(number) < max(400, height), number
        names = [e for e in root if e.get("class", "").startswith("name ")]
        places = sorted(float(e.get("y")) for e in names)
        assert all(b - a > 12 for a, b in zip(places, places[1:])), places
        assert all(10 < y < height for y in places), places
        assert "nan" not in svg and "inf\"" not in svg
    return said


def proves():
    """The test detects bad pages."""
    for bad in ("<p><b></p>", "<a href='x'>x</a>", "<script>1</script>", "<p>http</p>"):
        try:
            check(bad, [])
        except AssertionError:
            continue
        sys.exit(f"the test itself is broken: {bad} passed")


def compare(files, report):
    subprocess.run([WEFT, "compare", *files, "--report", report], check=True,
                   capture_output=True)
    return pathlib.Path(report).read_text(encoding="utf-8")


def interval(values):
    """The narrowest symmetric pair of samples that contains the median with 95 %."""
    if len(values) > 40:
        at = [len(values) * i // 20 for i in range(21)]
        values = [statistics.median(values[a:b]) for a, b in zip(at, at[1:])]
    values, n = sorted(values), len(values)
    sure = [k for k in range(1, n // 2 + 1)
            if sum(math.comb(n, i) for i in range(k, n - k + 1)) / 2 ** n >= 0.95]
    return (values[sure[-1] - 1], values[n - sure[-1]]) if sure else None


def intervals():
    """Bars and table show the interval of the samples; five samples have none."""
    draw = random.Random(1)
    for count in (1, 5, 6, 7, 9, 20, 40, 41, 200):
        values = [draw.lognormvariate(7, 0.2) for _ in range(count)]
        median = statistics.median(values)
        pathlib.Path("i.json").write_text(json.dumps(
            run_of("I", 1, [row("train", median, values)])), encoding="utf-8")
        text = compare(["i.json"], "i.html")
        end = float(re.search(r'class="scale">.*?<span>([\d,]+) images/s</span>', text)[1].replace(",", ""))
        bar = re.findall(r'class="bar" style="width:([\d.]+)%', text)
        span = re.findall(r'class="span" style="left:([\d.]+)%;width:([\d.]+)%', text)
        sure = interval(values)
        assert len(bar) == 1 and len(span) == (sure is not None), (count, text)
        most = max(median, sure[1] if sure else 0)
        assert most <= end <= 1.6 * most, (most, end)
        if not sure:
            continue
        drawn = float(span[0][0]), float(span[0][0]) + float(span[0][1]), float(bar[0])
        for at, value in zip(drawn, (*sure, median)):
            assert abs(at - 100 * value / end) <= 2 * DECIMALS[2], (count, drawn, sure, median)
        assert "&ndash;".join(short(v) for v in sure) in text, (count, sure)


# The largest error of a number with N decimals, and a bit more for binary fractions.
DECIMALS = [0.5001 * 10 ** -n for n in range(4)]
DIGITS = 0.5001e-2  # the same of three digits, in parts of the number


def short(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def crowded():
    """Twenty equally fast devices in one plot."""
    files = []
    for i, made in enumerate(crowd()):
        files.append(f"crowd{i}.json")
        pathlib.Path(files[-1]).write_text(json.dumps(made), encoding="utf-8")
    text = compare(files, "crowd.html")
    check(text, [f"D{i}" for i in range(20)])
    assert len(re.findall('class="name ', text)) == 40


def merged():
    """Layers of networks in only one of two runs, energy, and the backend."""
    one = run_of("One", 9000, [layer("conv1", 0.8, 1e9)])
    two = run_of("Two", 9000, [
        layer("other", 0.5, 1e9), row("train", 5, joules_per_1000_images=12.25,
                            relative_error=1e-7),
        row("latency", 0.5, backend="host"),
        row("convergence", 3, accuracy=0.9, accuracy_standard_error=0.001,
            target_accuracy=0.8, steps=100)])
    one["rows"].append(row("convergence", 3, accuracy=0.8, accuracy_standard_error=0.001,
                           target_accuracy=0.8, steps=100))
    for name, run in (("m1.json", one), ("m2.json", two)):
        run["device"]["family"] = "vec"
        pathlib.Path(name).write_text(json.dumps(run), encoding="utf-8")
    two["rows"][0]["net"] = "second"
    pathlib.Path("m2.json").write_text(json.dumps(two), encoding="utf-8")
    text = compare(["m1.json", "m2.json"], "m.html")
    assert [text.count(f"<tr><th>{net}\n") for net in ("small", "second")] == [1, 1]
    said = check(text,
                 ["conv1", "other", "J/1,000", "12.2", "by C code", "90.0 %", "differs"])
    assert said.count("ok") >= 2
    assert "J/1,000" not in check(compare(["m1.json"], "m.html"), ["One"])


def busy():
    """A run with samples that vary as they do beside other work is marked as such; names of
    devices are short, with the full one once; default kernels are explained."""
    noisy = run_of("pthread-skylake-avx512-Intel(R) Xeon(R) Processor", 1, [
        row("train", 1000), row("train", 9403, [1815, 1900, 9000, 9403, 9500, 16000, 16891], batch=32)])
    noisy["device"].update(platform="Portable Computing Language", family="vec")
    noisy["tuning"] = "none"
    pathlib.Path("noisy.json").write_text(json.dumps(noisy), encoding="utf-8")
    text = compare(["noisy.json", "0.json"], "noisy.html")
    said = check(text, ["Intel Xeon (PoCL)", "weft tune was not run"])
    assert said.count("machine was busy") == 1
    assert "train small 28x28x1 batch 32 has a 95 % interval of 1,815 to 16,891 images/s" in said
    assert said.count(noisy["device"]["name"]) == 1


def weft(*words):
    done = subprocess.run([WEFT, *map(str, words)], check=True, capture_output=True, text=True)
    return done.stdout


def sections(text):
    return re.findall(r"<h2>(.*?)</h2>|<summary>(.*?)</summary>", text)


def timed(text, training):
    """Time by layer: a row a layer in their order, which add up to the whole and to the parts;
    bars in proportion."""
    table = re.search(r'<table class="times">.*?</table>', text, re.S)[0]
    rows = re.findall(r'<tr><th scope="row">(.*?)<td class="more">(.*?)<td><div class="track">(.*?)'
                      r'</div><td class="n">([\d.]+)<td class="n">([\d.]+) %<td class="n">', table)
    names = ["batch", "conv1", "dropout1", "dense1", "softmax1"] + training * ["optimizer"]
    found = [r[0] for r in rows]
    assert found == [n for n in names if n in found] and {"conv1", "dense1"} <= set(found), found
    assert rows[found.index("conv1")][1] == "conv 4 3x3 relu + max-pool 2x2", rows
    assert table.count('class="bar c1"') > 0 if training else 'class="bar c1"' not in table
    ms = [float(r[3]) for r in rows]
    assert abs(sum(float(r[4]) for r in rows) - 100) <= DECIMALS[1] * len(rows), rows
    for r, each in zip(rows, ms):
        width = sum(map(float, re.findall(r"width:([\d.]+)%", r[2])))
        # Two times have three digits, which are off by DIGITS; a bar has up to three parts.
        share = each / max(ms)
        assert abs(width - 100 * share) <= 200 * share * DIGITS + 3 * DECIMALS[2], (width, ms)
        share = each / sum(ms)
        assert abs(float(r[4]) - 100 * share) <= 200 * share * DIGITS + DECIMALS[1], (r, ms)
    parts = re.search(r"Parts of the step</summary>.*?</details>", text, re.S)[0]
    parts = re.findall(r'<tr><th scope="row">(.*?)<td>([a-z-]+)<td class="n">([\d.]+)', parts)
    assert ("conv1", "backward-weights") in [p[:2] for p in parts] or not training, parts
    assert abs(sum(float(p[2]) for p in parts) - sum(ms)) <= 2 * DIGITS * sum(ms), (parts, ms)


def calibrated():
    """The page of a calibrated model: the curve and the error before are those of the model
    that it was made of."""
    weft("calibrate", "run/last.safetensors", "-d", "cpu", "--out", "sure.safetensors")
    weft("eval", "sure.safetensors", "-d", "cpu", "--data", "data", "--report", "sure.html")
    said, curves = {}, {}
    for page in ("eval.html", "sure.html"):
        text = pathlib.Path(page).read_text(encoding="utf-8")
        said[page] = check(text, ["Calibration"])
        svg = re.search(r"<h2>Calibration</h2>.*?</svg>", text, re.S)[0]
        curves[page] = [(float(at), float(right)) for at, right in re.findall(
            r"images at ([\d.]+) %: ([\d.]+) % are right", svg)]
    error = re.search(r"expected calibration error ([\d.]+) %", said["eval.html"])[1]
    after, before = re.search(r"error ([\d.]+) %, ([\d.]+) % before", said["sure.html"]).groups()
    assert before == error and f"{before} % without it and {after} % with it" in said["sure.html"]
    assert "without it" not in said["eval.html"]
    # The points of the curve before are drawn first.
    assert len(curves["sure.html"]) > len(curves["eval.html"]) and all(
        abs(a - b) <= 2 * DECIMALS[1] for p, q in zip(curves["sure.html"], curves["eval.html"])
        for a, b in zip(p, q)), curves


def long_run():
    """A run of ten seconds has the time of its layers, and the model of one without."""
    words = ("train", "-d", "cpu", "--data", "data", "--net", "tiny.net", "-e", 100000, "--out")
    weft(*words, "long", "--time-limit", "11s", "--lr", 0.0001)
    timed(pathlib.Path("long/report.html").read_text(encoding="utf-8"), True)


def evaluation():
    """The pages of a run and of its evaluation have the numbers of the other outputs."""
    pathlib.Path("data/classes.txt").write_text(f"upper\n{EVIL}\nlower\n", encoding="utf-8")
    weft("train", "-d", "cpu", "--data", "data", "--net", "tiny.net", "-e", 3, "--out", "run")
    seen = {}
    out = weft("eval", "run/last.safetensors", "-d", "cpu", "--data", "data", "-f", "json",
               "--report", "eval.html")
    result = json.loads(out)
    labels = pathlib.Path("data/t10k-labels-idx1-ubyte").read_bytes()[8:]
    images = pathlib.Path("data/t10k-images-idx3-ubyte").read_bytes()[16:]
    rows = json.loads(weft("predict", "run/last.safetensors", "-d", "cpu", "-f", "json",
                           "data/t10k-images-idx3-ubyte"))["images"]
    for page in ("eval.html", "run/report.html"):
        text = pathlib.Path(page).read_text(encoding="utf-8")
        said = check(text, ["upper", EVIL, f"{100 * result['accuracy']:.2f} ±", "Calibration"])
        seen[page] = {name for pair in sections(text) for name in pair if name}
        table = re.search(r'<table class="map">.*?</table>', text, re.S)[0]
        names = [html.unescape(n) for n in re.findall(r'scope="row">(.*?)<', table)]
        cells = [int(n.replace(",", "").replace("&middot;", "0"))
                 for n in re.findall(r'class="heat.*?>([\d,]+|&middot;)', table)]
        known = {c: i for i, c in enumerate(result["classes"])}
        want = [result["confusion"][known[a]][known[b]] for a in names for b in names]
        assert sorted(names) == sorted(known) and cells == want, (names, cells, want)
        bins = {}
        for p, label in zip(rows, labels):
            best = p["predictions"][0]
            at = bins.setdefault(min(14, int(best["probability"] * 15)), [0, 0])
            at[0] += best["class"] == result["classes"][label]
            at[1] += best["probability"]
        error = sum(abs(right - sure) for right, sure in bins.values()) / len(labels)
        printed = float(re.search(r"expected calibration error ([\d.]+) %", said)[1])
        assert abs(printed - 100 * error) <= DECIMALS[2], (printed, error)
        shown = re.findall(r'<figure><img class="pixels".*?alt="image (\d+): .*?src="(.*?)">', text)
        assert len(shown) >= 25
        for index, source in shown:
            first = int(index) * 144
            assert pixels(source) == (images[first:first + 144], 12, 12), index
    common = {"Classes", "Confusion matrix", "Predictions", "Most confident mistakes", "Calibration"}
    times = {"Time by layer", "Parts of the step"}
    assert seen["eval.html"] == common | times, seen
    timed(pathlib.Path("eval.html").read_text(encoding="utf-8"), False)
    assert seen["run/report.html"] == common | {"Learning curves", "Training images", "Network",
                                                "All epochs"}, seen
    text = pathlib.Path("run/report.html").read_text(encoding="utf-8")
    assert "weft train -d cpu --data data --net tiny.net -e 3 --out run" in text
    assert 'http-equiv="refresh"' not in text
    mean = pixels(re.search(r'alt="mean image of upper" src="(.*?)"', text)[1])[0]
    assert sum(mean[:48]) / 48 > sum(mean[48:]) / 96 + 10  # the upper third is bright
    epochs = [json.loads(line) for line in open("run/log.jsonl")][1:-1]
    rows = re.findall(r"<tr><td class=\"n\">(\d+)<td class=\"n\">([\d.]+)<td", text)
    assert [(int(a), float(b)) for a, b in rows] == [
        (e["epoch"], float(f"{e['loss']:.3g}")) for e in epochs], rows


def explained():
    """The page and the JSON of an image: classes, covered parts and shifts as `weft predict`
    has them; what pooling keeps; the same bytes each time."""
    source = "data/t10k-images-idx3-ubyte"
    words = ["explain", "run/last.safetensors", source, "--index", 5, "-d", "cpu", "-f", "json"]
    text = weft(*words, "--shift", "--html", "explained.html")
    assert text == weft(*words, "--shift")
    result = json.loads(text)
    image = pathlib.Path(source).read_bytes()[16 + 5 * 144:16 + 6 * 144]

    def predict(changed):
        pathlib.Path("changed.pgm").write_bytes(b"P5 12 12 255\n" + changed)
        rows = json.loads(weft("predict", "run/last.safetensors", "-d", "cpu", "-f", "json",
                               "changed.pgm"))["images"][0]["predictions"]
        return [(p["class"], p["probability"]) for p in rows]

    for mine, (name, p) in zip(result["top"], predict(image)):
        assert mine["class"] == name
        assert near(mine["probability"], p, 16 * ROUNDING), (mine, p)
    best = result["top"][0]["class"]
    covered = result["occlusion"]
    assert covered["patch"] == [2, 2] and covered["patches"] == 121 == 11 * 11
    y, x = covered["largest_at"]
    mean = json.loads(weft("show", "run/last.safetensors", "-f", "json"))["mean"][0]
    sides = []  # two grey levels, with the mean between them
    for grey in math.floor(255 * mean), math.ceil(255 * mean):
        hidden = bytearray(image)
        for at in 12 * y + x, 12 * y + x + 1, 12 * y + x + 12, 12 * y + x + 13:
            hidden[at] = grey
        sides.append(dict(predict(bytes(hidden)))[best])
    assert min(sides) <= covered["probability_there"] <= max(sides), (sides, covered)
    for key in "occlusion", "grad_cam", "smoothgrad":
        assert len(result[key]["map"]) == 144 and max(map(abs, result[key]["map"])) > 0, key
    assert min(result["grad_cam"]["map"]) >= 0 and result["grad_cam"]["layer"] == "max-pool1"
    other = json.loads(weft(*words, "--seed", 2))
    assert other["smoothgrad"]["map"] != result["smoothgrad"]["map"]
    assert other["occlusion"] == result["occlusion"] and "shifts" not in other

    layers = {layer["layer"]: layer for layer in result["layers"]}
    assert 0 < layers["conv1"]["zeros_fraction"] < 1 and layers["conv1"]["kept_fraction"] is None
    assert layers["max-pool1"]["kept_fraction"] == 0.25
    assert 0.25 < layers["max-pool1"]["kept_energy"] < 1
    for shift in result["shifts"]:
        dy = ("down" in shift["direction"]) - ("up" in shift["direction"])
        dx = ("right" in shift["direction"]) - ("left" in shift["direction"])
        moved = bytes(image[12 * min(max(r - dy, 0), 11) + min(max(c - dx, 0), 11)]
                      for r in range(12) for c in range(12))
        rows = predict(moved)
        assert shift["answer"] == rows[0][0], shift
        assert near(shift["probability"], dict(rows)[best], 16 * ROUNDING), (shift, rows)
        assert shift["input"] > 0 and shift["spatial"] > 0
    means = [layers["max-pool1"]["shift_mean"], sum(s["spatial"] for s in result["shifts"]) / 8]
    assert near(*means, 10 * PRINTED), means

    text = pathlib.Path("explained.html").read_text(encoding="utf-8")
    said = check(text, ["upper", EVIL, "lower", result["evidence"], result["shift"]])
    assert "max-pool1 keeps 25.0 % of the values" in said
    assert [html.unescape(a or b) for a, b in sections(text)] == [
        "Most likely classes", f"Evidence for {best}",
        "Filters of the first layer", "Max-pooling", "Shifted by one pixel", "Layers",
        "What each layer makes of the image"], sections(text)
    assert pixels(re.search(r'alt="Input" src="(.*?)"', text)[1]) == (image, 12, 12)
    assert len(re.findall("<img", text)) == 4 + 1 + 3 + 3  # evidence, filters, pooling, layers
    lower = json.loads(weft(*words, "--class", "lower"))["explained"]
    assert lower == json.loads(weft(*words, "--class", 2))["explained"] and lower["class_id"] == 2

    for code, what, *more in (
            (4, "has no image 100", source, "--index", 100), (4, "no class", source, "--class", "x"),
            (4, "No such file", "no.png"), (2, "needs a model and an image", "--shift"),
            (2, "without an image", source, "--layers"),
            (1, "no/e.html cannot be written", source, "--html", "no/e.html")):
        done = subprocess.run([WEFT, "explain", "run/last.safetensors", "-d", "cpu",
                               *map(str, more)], capture_output=True, text=True)
        assert done.returncode == code and what in done.stderr, (what, done)
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr


def side_by_side():
    """Runs with other settings: a row each, and a curve each."""
    weft("train", "-d", "cpu", "--data", "data", "--net", "tiny.net", "-e", 2, "--lr", 0.02,
         "--val-split", 0, "--out", "other")
    runs = json.loads(weft("compare", "run", "other", "-f", "json", "--report", "runs.html"))["runs"]
    assert [(r["run"], r["epochs"]) for r in runs] == [("run", 3), ("other", 2)], runs
    assert runs[1]["settings"].startswith("images 640, learning_rate 0.02, epochs 2"), runs
    assert runs[0]["val_accuracy"] and runs[1]["val_accuracy"] is None and runs[1]["test_accuracy"]
    text = pathlib.Path("runs.html").read_text(encoding="utf-8")
    check(text, ["run", "other", "learning_rate 0.02"])
    assert text.count('class="curve c0"') == text.count('class="curve c1"') == 3
    done = subprocess.run([WEFT, "compare", "run", "data"], capture_output=True, text=True)
    assert done.returncode == 4 and "has no log.jsonl" in done.stderr, done.stderr


def main():
    proves()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if sys.argv[2:] == ["--long"]:
            subprocess.run([sys.executable, TESTS / "cli_data.py", "."], check=True)
            return long_run()
        runs = [run_of("Fast", 9000), run_of(EVIL, 3000), run_of("Slow", 1000)]
        for i, one in enumerate(runs):
            pathlib.Path(f"{i}.json").write_text(json.dumps(one), encoding="utf-8")
        text = compare(["0.json", "1.json", "2.json"], "three.html")
        said = check(text, ["Fast", EVIL, "Slow", "trained small", "81.0", "conv1", "170 %"])
        lede = re.search(r'<p class="lede">(.*?)</p>', text, re.S)[1]
        found = re.findall(r"<b>([\d.]+) \[([\d.]+) - ([\d.]+)\]</b> times as fast as <b class=.*?>(\w)", lede)
        assert [f[3] for f in found] == ["B", "C"] and "trained small (batch 512)" in said, lede
        for (ratio, low, high, _), right in zip(found, (3, 9)):
            assert float(low) <= right <= float(high) and float(ratio) == right, found
        title = re.search("<title>(.*?)</title>", text)[1]
        assert all(name in html.unescape(title) for name in ("Fast", EVIL, "Slow")), title
        scales = re.findall(r'<div class="scale"><span>0</span><span>[\d,.]+</span><span>([\d,.]+) ', text)
        assert scales == ["20,000", "120"], scales  # training and latency, of all devices
        dots = re.findall(r'<text class="point".*?>(.*?)</text>', text)
        assert dots.count("conv1 fwd") == dots.count("act3 fwd") == 3, dots
        assert "machine was busy" not in said and said.count("at batch") == 1
        assert text.count("<svg") == 4  # of training, and a roofline per device
        for i, letter in enumerate("ABC"):  # besides colour
            assert f">{letter}</text>" in text, letter
            assert f'<th class="heat key c{i}">{letter}' in text, letter
        check(compare(["0.json"], "one.html"), ["Fast"])
        wrong = run_of("Odd", 1, [row("train", 5, passed=False, error="wrong <b>"),
                                  row("inference", 0.001)])
        wrong.pop("roofline")
        pathlib.Path("odd.json").write_text(json.dumps(wrong), encoding="utf-8")
        check(compare(["odd.json"], "odd.html"), ["wrong <b>", "Odd"])
        subprocess.run([sys.executable, TESTS / "cli_data.py", "."], check=True)
        subprocess.run([WEFT, "bench", "inference", "-d", "cpu", "--data", "data", "--net",
                        "tiny.net", "-b", "8", "--quick", "--time", "0.1s", "--report",
                        "real.html"], check=True, capture_output=True)
        check(pathlib.Path("real.html").read_text(encoding="utf-8"), ["cpu", "tiny.net"])
        done = subprocess.run([WEFT, "compare", "0.json", "--report", "no/where.html"],
                              capture_output=True, text=True)
        assert done.returncode == 1 and "no/where.html cannot be written" in done.stderr
        evaluation()
        calibrated()
        explained()
        side_by_side()
        intervals()
        merged()
        busy()
        crowded()
    print("pages of 3 devices, of 1, of a failed one, of a real one: ok")


main()
