# SPDX-License-Identifier: Apache-2.0
"""Every page that weft makes, rendered by Chromium: pages.py WEFT [--shots DIR] [PAGE]...

At 390 and 1440 pixels, light and dark: texts do not overlap, nothing is outside the page or
cut off, contrast is 4.5 (of large text 3), images have a text, whatever the keyboard reaches
shows it, nothing is loaded from elsewhere, and nothing breaks the policy of the page. A page
with a fault of each kind shows first that each is found. --shots keeps screenshots."""

import collections
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import bench_results
from browser import Browser
from checks import check, finish, skip

WEFT = os.path.abspath(sys.argv[1])
SCRIPT = pathlib.Path(__file__).with_name("page_checks.js").read_text(encoding="utf-8")
SIDE, TRAIN, TEST = 12, 400, 120
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
           "Unterhaltungselektronikzubehör und Kleinteile", "Ankle boot"]
NET = "conv 8 3x3 relu\nmax-pool 2\nflatten\ndense 10\nsoftmax\noptimizer adam 0.01\nbatch 16\n"
MAY = {"crowd": "not whole: "}  # a table of 20 devices scrolls
WIDTHS = {390: 844, 1440: 900}

# The element that has the keyboard, and whether an outline of it, or of one around it, is seen.
FOCUS = """(() => {
  const e = document.activeElement;
  if (!e || e === document.body)
    return null;
  let shown = false;
  for (let at = e, i = 0; at && at !== document.body && i < 3; at = at.parentElement, i++) {
    const style = getComputedStyle(at), seen = at.getBoundingClientRect();
    shown ||= style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 &&
      Number(style.opacity) > 0 && seen.width > 1;
  }
  const index = [...document.querySelectorAll('*')].indexOf(e);
  return [index, shown, e.nodeName.toLowerCase() + ' ' + e.textContent.trim().slice(0, 30)];
})()"""
OPERATED = """[...document.querySelectorAll('*')].map((e, i) => [e, i])
  .filter(([e]) => e.matches('a[href], button, input, summary, [tabindex="0"]') &&
                   e.checkVisibility() && !e.disabled)
  .map(([e, i]) => [i, e.nodeName.toLowerCase() + ' ' + e.textContent.trim().slice(0, 30)])"""

# Planted in a page without faults: the beginning of the fault, and its markup.
PLANTED = {
    "overlap: 'under' over p 'over'": "<p>under</p><p style='margin-top:-44px'>over</p>",
    "overlap: 'another' over text": "<svg viewBox='0 0 99 40' aria-label='x'><text x='9' y='20'>a word</text>"
                                   "<text x='12' y='22'>another</text></svg>",
    "touches: '": "<svg viewBox='0 0 99 40' aria-label='x'><text x='50' y='20' text-anchor='end'>"
                                    "left</text><text x='50' y='20'>right</text></svg>",
    "outside: text 'too far": "<svg viewBox='0 0 99 40' aria-label='x' style='overflow:visible'>"
                              "<text x='95' y='20'>too far to the right of it</text></svg>",
    "cut off: b 'cut": "<div style='overflow:hidden;height:9px'><b>cut by a box</b></div>",
    "overflow: div": "<div style='width:2000px;height:9px'></div>",
    "overflow: 2": "<i></i>",
    "contrast: 2.8": "<p style='color:#999;background:#fff'>pale</p>",
    "contrast: 2.3": "<div style='background:#eee'><svg viewBox='0 0 400 60' aria-label='x'><rect width='400'"
                     " height='60' fill='#07a' fill-opacity='.7'/><text x='9' y='20' style='fill:#555'>"
                     "on a shape</text></svg></div>",
    "contrast: 1.": "<p style='opacity:.2'>faint</p>",
    "tiny: 7": "<p style='font-size:7px'>small print</p>",
    "no alt: ": "<img src='data:,'>",
    "no alt: svg": "<svg viewBox='0 0 9 9'></svg>",
    "broken image: ": "<img alt='x' src='data:image/png;base64,AAAA'>",
    "no label: input": "<input>",
    "heading: h4": "<h4>below h1</h4>",
    "focus is not seen: button": "<button style='outline:none'>go</button>",
    "the keyboard does not reach: a no": "<a href='#' tabindex='-1'>no</a>",
    "scroller without keyboard": "<div style='overflow-x:auto'><div style='width:1900px'>far</div></div>",
    "not whole: div": "<div class='whole'><div class='wide' tabindex='0' aria-label='x' style='overflow-x:"
                      "auto'><b style='white-space:nowrap'>" + 60 * "wide " + "</b></div></div>",
    "request: http://127.0.0.1:9/x.png": "<img alt='x' src='http://127.0.0.1:9/x.png'>",
    "policy: ": "<script>1</script>",
}
CONTROL = ("<!DOCTYPE html><html lang='en'><meta charset='utf-8'><meta name='viewport' content="
           "'width=device-width'><meta http-equiv='Content-Security-Policy' content=\"default-src "
           "'none'; img-src * data:; style-src 'unsafe-inline'\"><title>t</title><style>svg {width: "
           "25rem}</style><h1>Control</h1>")


def weft(*words):
    done = subprocess.run([WEFT, *map(str, words)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    check(not done.returncode, f"{words}: exit code {done.returncode}", done)
    return done.stdout


# ---- data ----

def image(draw, label):
    """A bright square whose place is the class, in noise that makes some mistakes."""
    y, x = divmod(label, 4)
    return bytes(min(255, max(0, int(draw.gauss(150 if 4 * y <= r < 4 * y + 4 and 3 * x <= c < 3 * x + 3
                                                else 60, 60))))
                 for r in range(SIDE) for c in range(SIDE))


def part(folder, stem, count, seed):
    draw = random.Random(seed)
    labels = bytes(draw.randrange(10) for _ in range(count))
    pixels = [image(draw, label) for label in labels]
    for kind, head, data in (("images-idx3", struct.pack(">4I", 0x803, count, SIDE, SIDE), b"".join(pixels)),
                             ("labels-idx1", struct.pack(">2I", 0x801, count), labels)):
        (folder / f"{stem}-{kind}-ubyte").write_bytes(head + data)


def png(pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[y * SIDE:(y + 1) * SIDE] for y in range(SIDE))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", SIDE, SIDE, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_data(root):
    data = root / "data"
    data.mkdir()
    part(data, "train", TRAIN, 1)
    part(data, "t10k", TEST, 2)
    (data / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    (root / "small.net").write_text(NET)
    draw = random.Random(3)
    rows = ["path,label"]
    for i in range(24):
        label, customer = draw.randrange(10), ("ann@example.org", "bob", "a customer of a rather long name")[i % 3]
        folder = root / "customers" / customer
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.png").write_bytes(png(image(draw, label)))
        rows.append(f"customers/{customer}/{i}.png,{CLASSES[label if i % 4 else (label + 1) % 10]}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


# ---- pages ----

def make_pages(root):
    """Name and file of every page."""
    train = ["train", "-d", "cpu", "--data", "data", "--net", "small.net", "-e", 3]
    weft(*train, "--out", "run")
    weft(*train, "--lr", 0.003, "--out", "other")
    weft(*train, "--folds", 3, "--out", "folds")
    weft("calibrate", "run", "-d", "cpu", "--out", "calibrated.safetensors", "--max-error", "60%")
    weft("eval", "calibrated.safetensors", "-d", "cpu", "--data", "data", "--report", "eval.html")
    weft("compare", "run", "other", "--report", "runs.html")
    weft("explain", "run", "data/t10k-images-idx3-ubyte", "-d", "cpu", "--shift", "--html", "explain.html")
    weft("similar", "run", "customers/bob", "-d", "cpu", "--in", "customers", "--report", "similar.html")
    weft("similar", "run", "customers", "-d", "cpu", "--duplicates", "--report", "duplicates.html")
    weft("clean", "data", "--probabilities", "folds", "--out", "clean")
    weft("audience", "calibrated.safetensors", "customers", "-d", "cpu", "--report", "audience.html")
    weft("predict", "run", "customers", "-d", "cpu", "--labels", "labels.csv", "--report", "predict.html")
    weft("bench", "train", "inference", "latency", "layers", "convergence", "-d", "cpu", "--data", "data",
         "--net", "small.net", "-b", "8,32", "--quick", "--time", "0.02s", "--json", "a.json",
         "--report", "device.html")
    real = json.loads(pathlib.Path("a.json").read_text(encoding="utf-8"))
    for name, made in (("devices", [real, *faster(real)]), ("crowd", bench_results.crowd()),
                       ("names", [bench_results.run_of(n, 3000) for n in ("Fast", bench_results.EVIL)])):
        files = []
        for i, result in enumerate(made):
            files.append(f"{name}{i}.json")
            pathlib.Path(files[-1]).write_text(json.dumps(result), encoding="utf-8")
        weft("compare", *files, "--report", f"{name}.html")
    return {"run": "run/report.html", "folds": "folds/report.html", "eval": "eval.html", "runs": "runs.html",
            "explain": "explain.html", "similar": "similar.html", "duplicates": "duplicates.html",
            "clean": "clean/review.html", "audience": "audience.html", "predict": "predict.html",
            "device": "device.html", "devices": "devices.html", "crowd": "crowd.html", "names": "names.html"}


def faster(result):
    """The results of other devices, with long names."""
    for name, speed in (("NVIDIA GeForce RTX 4090 Laptop GPU", 9.5),
                        ("AMD Instinct MI300X (gfx942:sramecc+:xnack-)", 40)):
        made = json.loads(json.dumps(result))
        made["device"].update(name=name, id=f"{name}@P#0")
        for row in made["rows"]:
            factor = 1 / speed if row.get("unit") in ("ms", "s") else speed
            for key in ("median", "min", "max"):
                row[key] = row[key] * factor if row.get(key) is not None else None
            row["values"] = [v * factor for v in row.get("values", [])]
        yield made


# ---- looking ----

def requests(browser, own):
    """Faults of what the page has loaded and reported."""
    found = []
    for event in browser.events:
        if event.get("sessionId") != browser.session:
            continue
        name, params = event["method"], event["params"]
        if name == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("data:", "blob:")) and not url.startswith(own):
                found.append(f"request: {url[:80]}")
        elif name == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            kind = "policy" if "Content Security Policy" in params["entry"]["text"] else "log"
            found.append(f"{kind}: {params['entry']['text'][:160]}")
        elif name == "Runtime.exceptionThrown":
            found.append(f"exception: {json.dumps(params)[:200]}")
    return found


def keyboard(browser):
    """Faults of the way through the page by the tabulator."""
    # The tabulator begins where the selection is.
    browser.run("document.activeElement.blur(); getSelection().collapse(document.body, 0)")
    operated, seen, faults = browser.run(OPERATED)[:12], set(), []
    for _ in range(len(operated) + 3):
        browser.key("Tab")
        at = browser.run(FOCUS)
        for _ in range(5):
            if not at or at[1]:
                break
            time.sleep(0.05)
            at = browser.run(FOCUS)
        if at and not at[1]:
            faults.append(f"focus is not seen: {at[2]}")
        seen.add(at and at[0])
    return faults + [f"the keyboard does not reach: {what}" for index, what in operated if index not in seen]


def faults(browser, url, own, shot=None, act=None):
    """At each width, in light and dark; `act` does something with the page first."""
    browser.open(url, "Network", "Log", "Runtime")
    browser.size(1440, 900)
    if act:
        act()
    browser.run("for (const e of document.querySelectorAll('details')) e.open = true")
    found = collections.Counter()
    for width, height in WIDTHS.items():
        for dark in (False, True):
            browser.size(width, height, dark)
            whole = browser.run("document.documentElement.scrollHeight")
            browser.size(width, max(height, min(whole, 20000)), dark)
            browser.run("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
            what = f"{width} {'dark' if dark else 'light'}"
            found.update((f, what) for f in browser.run(SCRIPT))
            if shot:
                browser.screenshot(f"{shot}-{width}-{'dark' if dark else 'light'}.png")
        found.update((f, str(width)) for f in keyboard(browser))
    found.update((f, "") for f in requests(browser, own))
    browser.close()
    by_fault = collections.defaultdict(list)
    for fault, where in found:
        by_fault[fault].append(where)
    return {fault: ", ".join(where) for fault, where in by_fault.items()}


def finds(browser):
    """Each planted fault is found, and a page without one has none."""
    path = pathlib.Path("control.html")
    for wrong, markup in [("", "<p>Nothing is wrong here.</p>"), ("", "".join(PLANTED.values()))]:
        path.write_text(CONTROL + markup, encoding="utf-8")
        found = faults(browser, path.resolve().as_uri(), path.resolve().as_uri())
        if markup.startswith("<p>N"):
            check(not found, f"a page without faults: {found}")
            continue
        for wrong in PLANTED:
            check(any(f.startswith(wrong) for f in found), f"the planted '{wrong}' is not found in {[*found]}")


def serve(browser, shots):
    """The page of weft serve with an answer to a file, and with one that cannot be read."""
    server = subprocess.Popen([WEFT, "serve", "run", "-d", "cpu", "--port", "0", "--unsure-below", "100%"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = server.stdout.readline().strip()

    def give():
        root = browser.call("DOM.getDocument")["root"]["nodeId"]
        node = browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        for path, done in (("customers/bob/1.png", "article figure:nth-of-type(3)"), ("labels.csv", "#status.wrong")):
            browser.call("DOM.setFileInputFiles", nodeId=node, files=[os.path.abspath(path)])
            browser.run(f"new Promise(done => {{ const wait = () => document.querySelector('{done}') ? done() "
                        ": setTimeout(wait, 20); wait(); })")
    if url:
        look(browser, "serve", url, url, shots, give)
    server.terminate()
    said = server.communicate(timeout=60)[1]
    if not url:
        check("libmicrohttpd" in said, f"weft serve: {said}")


def look(browser, name, url, own, shots, act=None):
    found = faults(browser, url, own, shots and f"{shots}/{name}", act)
    for fault, where in found.items():
        check(fault.startswith(MAY.get(name, "-")), f"{name} ({where}): {fault}")


def main():
    words = sys.argv[2:]
    shots = os.path.abspath(words[words.index("--shots") + 1]) if "--shots" in words else None
    chosen = [w for i, w in enumerate(words) if w != "--shots" and (not i or words[i - 1] != "--shots")]
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        os.chdir(folder)
        if browser.missing:
            skip(f"the pages are not rendered: {browser.missing}")
            finish()
        if not chosen or "control" in chosen:
            finds(browser)
        write_data(pathlib.Path("."))
        for name, file in make_pages(pathlib.Path(".")).items():
            if not chosen or name in chosen:
                url = pathlib.Path(file).resolve().as_uri()
                look(browser, name, url, url, shots)
        if not chosen or "serve" in chosen:
            serve(browser, shots)
        os.chdir("/")
    finish()


main()
