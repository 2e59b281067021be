# SPDX-License-Identifier: Apache-2.0
"""The page of weft compare --report and weft bench --report: whole, self-contained, with
every device, and with nothing in it that a driver's name could do. Usage: report.py WEFT

Where Chromium is installed it must not scroll sideways on a phone; else that is left out."""

import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

WEFT = os.path.abspath(sys.argv[1])
TESTS = pathlib.Path(__file__).resolve().parent
EVIL = "<script>alert(1)</script>\" onload='x' & co"
EMPTY = {"meta", "br", "hr", "img", "link"}
OPEN = {"td", "th", "tr", "p"}  # whose end may be left out


class Page(html.parser.HTMLParser):
    """What a page consists of, and whether its elements end as they began."""

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


def check(text, names):
    """What holds of every page."""
    page = Page(text)
    said = "".join(page.words)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on") and name not in ("src", "href"), (name, value)
    assert "http" not in text and "url(" not in text and "@import" not in text
    for name in names:
        assert name in said, name
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        root = xml.etree.ElementTree.fromstring(svg)
        assert root.get("aria-label")
        for number in re.findall(r"[-\d.]+", " ".join(p.get("d", "") for p in root)):
            assert -1 < float(number) < 400, number
        assert "nan" not in svg and "inf\"" not in svg
    return said


def proves():
    """The test itself sees what is wrong."""
    for bad in ("<p><b></p>", "<a href='x'>x</a>", "<script>1</script>", "<p>http</p>"):
        try:
            check(bad, [])
        except AssertionError:
            continue
        sys.exit(f"the test itself is broken: {bad} passed")


def row(workload, median, **more):
    values = [median * (1 + 0.01 * i) for i in range(-4, 5)]
    unit = {"latency": "ms", "layers": "GFLOP/s", "learn": "s"}.get(workload, "pictures/s")
    return {"workload": workload, "net": "seed", "image": "28x28x1", "batch": 128,
            "unit": unit, "median": median, "min": values[0], "max": values[-1],
            "passed": True, "values": values, **more}


def layer(name, share, flops):
    return row("layers", share * 100, layer=name, text="conv 8 3x3", direction="forward",
               flops=flops, bytes=1e6, seconds=flops / share / 1e11, roof_share=share)


def run_of(name, speed, rows=()):
    rows = list(rows) or [
        row("train", speed), row("train", 2 * speed, batch=512), row("latency", 1e5 / speed),
        layer("conv1", 0.8, 1e9), layer("conv2", 1.7, 1e7), layer("act3", 0.01, 1e4),
        row("learn", 3.5, accuracy=0.81, accuracy_error=0.004, target=0.8, steps=100)]
    roofs = {"flops": 1e11, "launch_s": 1e-6, "round_trip_s": 1e-5,
             "memory": [{"bytes": 1 << 15, "read": 1e11, "copy": 1e11},
                        {"bytes": 1 << 27, "read": 1e10, "copy": 1e10}]}
    return {"schema": "weft.bench/1", "weft": "0.1.0", "commit": "0123abc", "rows": rows,
            "roofs": roofs, "device": {"name": name, "platform": "P", "driver": EVIL,
                                       "id": f"{name}@P#0"}}


def compare(files, report):
    subprocess.run([WEFT, "compare", *files, "--report", report], check=True,
                   capture_output=True)
    return pathlib.Path(report).read_text(encoding="utf-8")


def narrow(page):
    """Nothing is wider than a phone: the page tells by its own title."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        print("Chromium is not installed: the page's width on a phone is not looked at")
        return
    text = pathlib.Path(page).read_text(encoding="utf-8")
    probe = "<script>document.title = document.documentElement.scrollWidth</script></body>"
    frame = pathlib.Path("frame.html")
    pathlib.Path("probe.html").write_text(text.replace("</body>", probe), encoding="utf-8")
    frame.write_text("<iframe src=probe.html style='width:390px;height:800px;border:0' "
                     "onload='document.title = contentDocument.title'></iframe>"
                     .replace("contentDocument", "this.contentDocument"))
    done = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
         "--allow-file-access-from-files", "--virtual-time-budget=3000", frame.as_uri()
         if frame.is_absolute() else frame.resolve().as_uri()],
        capture_output=True, text=True, timeout=100)
    width = re.search(r"<title>(\d+)</title>", done.stdout)
    assert width, done.stderr[-500:]
    assert int(width[1]) <= 390, f"{width[1]} pixels wide on a phone of 390"


def main():
    proves()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        runs = [run_of("Fast", 9000), run_of(EVIL, 3000), run_of("Slow", 1000)]
        for i, one in enumerate(runs):
            pathlib.Path(f"{i}.json").write_text(json.dumps(one), encoding="utf-8")
        text = compare(["0.json", "1.json", "2.json"], "three.html")
        said = check(text, ["Fast", EVIL, "Slow", "trained seed", "81.0", "conv1", "170 %"])
        assert said.count("times faster than") == 2, said[:500]
        assert text.count("<svg") == 2
        for letter in "ABC":  # beside the colour, which not everybody tells apart
            assert f">{letter} train seed</text>" in text, letter
            assert f">{letter}</text>" in text and f'<th class="n">{letter}' in text
        check(compare(["0.json"], "one.html"), ["Fast"])
        wrong = run_of("Odd", 1, [row("train", 5, passed=False, fault="wrong <b>"),
                                  row("infer", 0.001)])
        wrong.pop("roofs")
        pathlib.Path("odd.json").write_text(json.dumps(wrong), encoding="utf-8")
        check(compare(["odd.json"], "odd.html"), ["wrong <b>", "Odd"])
        subprocess.run([sys.executable, TESTS / "cli_data.py", "."], check=True)
        subprocess.run([WEFT, "bench", "infer", "-d", "cpu", "--data", "data", "--net",
                        "tiny.net", "-b", "8", "--quick", "--seconds", "0.1s", "--report",
                        "real.html"], check=True, capture_output=True)
        check(pathlib.Path("real.html").read_text(encoding="utf-8"), ["cpu", "tiny.net"])
        done = subprocess.run([WEFT, "compare", "0.json", "--report", "no/where.html"],
                              capture_output=True, text=True)
        assert done.returncode == 1 and "no/where.html cannot be written" in done.stderr
        narrow("three.html")
    print("pages of 3 devices, of 1, of a failed one, of a real one: right")


main()
