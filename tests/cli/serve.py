# SPDX-License-Identifier: Apache-2.0
"""weft serve. Usage: serve.py WEFT [--long] [CASE]...

Replies are those of weft predict; requests at once lose nothing, and p50 and p99 are printed;
slow clients, half requests, huge bodies, thousands of connections and garbage end in an
answer or a closed connection, and the server's memory does not grow; SIGTERM drains; the page
shows the answer to a file that is dropped on it, where Chromium is installed. --long: 10,000
requests, 10,000 connections, and all bytes of a body of 1 GB."""

import base64
import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from browser import Browser
from checks import check, finish, skip
from png_pixels import png_pixels
from serve_abuse import abuse
from serve_client import (LONG, Server, expected, form, load, near, pgm, png, read_reply,
                          request)
from tiny_runs import CONV, SIDE, WEFT, images, train, weft, write_data

REQUESTS = 10000 if LONG else 2000
EVIL = '<script>alert(1)</script>'


def replies():
    """The answers are the predictions of weft predict."""
    pixels, _ = images(6, 3)
    files = [pgm(pixels[0]), png(pixels[1]), pgm(bytes(range(0, 250, 1))[:225] + bytes(31), 16)]
    right = expected(files)
    with Server("--name", EVIL) as server:
        for data, predictions in zip(files, right):
            status, got = server.json("POST", "/predict", data)
            check(status == 200 and near(got["images"][0]["predictions"], predictions),
                  f"/predict: {status} {got}, not {predictions}")
        body, kind = form(("a.pgm", files[0]), (EVIL, b"nonsense"), ("empty", b""), ("b.png", files[1]))
        status, got = server.json("POST", "/predict?top=1&input", body, Content_Type=kind)
        shown = got["images"]
        check(status == 200 and [i.get("name") for i in shown] == ["a.pgm", EVIL, "empty", "b.png"],
              f"parts: {status} {got}")
        check(near(shown[0]["predictions"], right[0][:1]) and near(shown[3]["predictions"], right[1][:1]),
              f"parts: {got}")
        check(EVIL in shown[1]["error"] and "is empty" in shown[2]["error"], f"bad parts: {got}")
        sees = base64.b64decode(shown[3]["input"].split(",", 1)[1])
        check(png_pixels(sees) == (pixels[1], SIDE, SIDE), "the input of the network is another one")
        model = f"/v2/models/{EVIL.replace('<', '%3C').replace('>', '%3E')}"
        status, got = server.json("GET", model)
        check(status == 200 and got["name"] == EVIL and got["inputs"][0]["shape"] == [-1, SIDE, SIDE, 1]
              and got["outputs"][0]["shape"] == [-1, 3], f"model: {got}")
        for shape, data in (([2, SIDE, SIDE, 1], list(pixels[0] + pixels[1])),
                            ([2, SIDE, SIDE, 1], [list(pixels[0]), [list(pixels[1])]])):
            status, got = infer(server, model, shape, data, id="7")
            out = got.get("outputs", [{}])[0]
            order = [sorted(p["class_id"] for p in r) for r in right[:2]]
            flat = [next(p["probability"] for p in r if p["class_id"] == c)
                    for r, o in zip(right, order) for c in o]
            check(status == 200 and got["id"] == "7" and out["shape"] == [2, 3] and
                  out["data"] == flat, f"infer: {got}, not {flat}")
        for path, word in (("/v2", "weft"), ("/health", "ok"), ("/v2/health/live", "true"),
                           ("/v2/health/ready", "true"), (f"{model}/ready", "true")):
            reply = server.ask("GET", path)
            check(reply[0] == 200 and word in reply[2].decode(), f"{path}: {reply}")
        page = server.ask("GET", "/")
        check(EVIL.encode() not in page[2] and b"&lt;script&gt;alert" in page[2], "the page is not safe")
        check("default-src 'none'" in page[1]["content-security-policy"] and
              page[1]["x-content-type-options"] == "nosniff" and b"@" not in page[2], f"{page[1]}")
        check(server.ask("HEAD", "/")[1]["content-length"] == str(len(page[2])), "HEAD /")
    with Server("--unsure-below", "100%") as server:
        check(not server.json("POST", "/predict", files[0])[1]["images"][0]["sure"], "sure of all")
    with Server("--unsure-below", "1%") as server:
        check(server.json("POST", "/predict", files[0])[1]["images"][0]["sure"], "sure of nothing")


def heat():
    """A heat map is where the class is, comes on request alone, and no other request waits for it."""
    pixels, labels = images(3, 3)
    with Server() as server:
        for data, label in zip(pixels, labels):
            status, got = server.json("POST", "/predict?heat", pgm(data))
            got = got["images"][0]
            check(status == 200 and got["predictions"][0]["class_id"] == label, f"heat: {got}")
            width, height, red = shown(got["heat"])
            check((width, height) == (SIDE, SIDE) and any(r > g for r, g in red), f"a heat map: {width} x {height}")
            where = ("top left", "centre", "bottom right")[label]
            check(where in got["evidence"] and got["heat_method"] == "occlusion", f"{where}: {got['evidence']}")
        check("heat" not in server.json("POST", "/predict", pgm(pixels[0]))[1]["images"][0], "without a request")
        body, kind = form(("a.pgm", pgm(pixels[0])), ("b.pgm", pgm(pixels[1])))
        check(server.json("POST", "/predict?heat", body, Content_Type=kind)[0] == 400, "heat of two images")
        check(server.json("POST", "/predict?heat", b"nonsense")[0] == 400, "heat of nonsense")
        asked = [server.connect() for _ in range(40)]
        for s in asked:
            s.sendall(request("POST", "/predict?heat", pgm(pixels[0])))
        begin = time.monotonic()
        for _ in range(20):
            check(server.ask("POST", "/predict", pgm(pixels[1]))[0] == 200, "a request besides")
        took = time.monotonic() - begin
        got = [json.loads(read_reply(s)[2])["images"][0] for s in asked]
        maps, refused = (sum(bool(one.get(key)) for one in got) for key in ("heat", "heat_error"))
        check(maps + refused == 40 and maps and all(one["predictions"] for one in got), f"{maps} + {refused} of 40")
        check(took < 20, f"{took:.1f} s for 20 requests while heat maps are made")
        print(f"{maps} heat maps of 40 at once, the others have classes alone")
    with Server("--heat", "grad-cam") as server:
        got = server.json("POST", "/predict?heat", pgm(pixels[0]))[1]["images"][0]
        check(got["heat"] and got["heat_method"] == "grad_cam" and got["evidence"], f"Grad-CAM: {got}")


def shown(url):
    """Width, height, and red and green of the pixels of a PNG of weft."""
    data = base64.b64decode(url.split(",", 1)[1])
    width, height = struct.unpack(">2I", data[16:24])
    at = data.index(b"IDAT")
    lines = zlib.decompress(data[at + 4:at + 4 + struct.unpack(">I", data[at - 4:at])[0]])
    out = bytearray()
    for y in range(height):
        line = lines[y * (3 * width + 1) + 1:(y + 1) * (3 * width + 1)]
        out += bytes((v + (out[3 * width * (y - 1) + i] if y else 0)) % 256 for i, v in enumerate(line))
    return width, height, [(out[i], out[i + 1]) for i in range(0, len(out), 3)]


def infer(server, model, shape, data, name="image", datatype="UINT8", **more):
    text = json.dumps({"inputs": [{"name": name, "datatype": datatype, "shape": shape,
                                   "data": data}], **more})
    return server.json("POST", f"{model}/infer", text.encode())


def refusals():
    """Requests without an answer get a status and a sentence."""
    good = pgm(images(1, 1)[0][0])
    with Server("--max-size", "0.01") as server:
        for body in (b"nonsense", b"\x89PNG\r\n\x1a\n", b"", pgm(b"12"), b"P5\n99999 99999\n255\n",
                     b"\xff\xd8\xff\xe0" + bytes(99)):
            status, got = server.json("POST", "/predict", body)
            check(status == 400 and len(got["error"]) > 15, f"{body[:12]}: {status} {got}")
        for body, kind in ((b"", "multipart/form-data; boundary=cut"), form(), (b"--cut--", "multipart/mixed"),
                           (b"--cut\r\n\r\nx", "multipart/form-data; boundary=cut"),
                           (b"--cut\r\nA: b\r\n--cut--", 'multipart/form-data; boundary="cut"'),
                           (b"--cut\r\n\r\n\r\n" * 99 + b"--cut--", "multipart/form-data; boundary=cut"),
                           (b"x", "multipart/form-data; boundary=" + 99 * "b")):
            status, got = server.json("POST", "/predict", body, Content_Type=kind)
            check(status == 400 and got["error"], f"{body[:20]} {kind}: {status} {got}")
        model, shape = "/v2/models/last", [1, SIDE, SIDE, 1]
        row = list(range(64))
        for words in ({"shape": [1, 8, 8, 3]}, {"shape": [0, 8, 8, 1]}, {"data": row[:-1]}, {"data": row + [1]},
                      {"data": row[:-1] + [256]}, {"data": row[:-1] + [1.5]}, {"data": {}}, {"name": "x"},
                      {"datatype": "FP32"}, {"outputs": [{"name": "x"}]}, {"shape": [10 ** 18, 8, 8, 1]}):
            status, got = infer(server, model, **{"shape": shape, "data": row, **words})
            check(status == 400 and got["error"], f"infer {words}: {status} {got}")
        for body in (b"", b"[]", b"{", b"{}", b"[" * 5000, b'{"inputs": [1]}', b"\0" * 99):
            check(server.json("POST", f"{model}/infer", body)[0] == 400, f"infer {body[:20]}")
        check(infer(server, model, shape, row)[0] == 200, "infer")
        for status, method, path, body, headers in (
                (404, "GET", "/../../../../etc/passwd", None, {}), (404, "GET", "/page.html", None, {}),
                (404, "GET", "/%2e%2e/etc/passwd", None, {}), (404, "POST", "/v2/models/other/infer", b"", {}),
                (405, "GET", "/predict", None, {}), (405, "DELETE", "/", None, {}),
                (405, "OPTIONS", "/predict", None, {}), (413, "POST", "/predict", bytes(10001), {}),
                (413, "GET", "/", b"body", {}), (411, "POST", "/predict", None, {}),
                (411, "POST", "/predict", None, {"Transfer_Encoding": "chunked"}),
                (403, "GET", "/", None, {"Host": "example.org"}), (403, "GET", "/", None, {"Host": "127.0.0.1.example.org"}),
                (403, "GET", "/", None, {"Host": "[::1"}), (403, "POST", "/predict", good, {"Origin": "http://example.org"}),
                (403, "POST", "/predict", good, {"Origin": "null"}), (400, "POST", "/predict?top=0", good, {}),
                (400, "POST", "/predict?top=x", good, {})):
            got, answer = server.json(method, path, body, **headers)
            check(got == status and answer["error"], f"{method} {path} {headers}: {got}, not {status}: {answer}")
        for host in ("127.0.0.1:1", "[::1]:99", "localhost:8080", "LOCALHOST"):
            check(server.ask("GET", "/", Host=host)[0] == 200, f"Host: {host}")
        origin = {"Origin": "http://localhost:1", "Host": "localhost:1"}
        check(server.ask("POST", "/predict?top=999", good, **origin)[0] == 200, "the page's own request")
        check(server.json("GET", "/health")[1]["requests"] > 20, "/health")


def measure():
    """Many requests at once: none is lost, and each has its own answer."""
    pixels, _ = images(24, 9)
    files = [png(p) for p in pixels]
    right = [r[0] for r in expected(files)]
    with Server() as server:
        times, wrong = load(server, files, right, REQUESTS, 64)
        got = server.json("GET", "/health")[1]
        check(not wrong and len(times) == REQUESTS, f"{len(times)} answers, {wrong[:3]}")
        check(got["images"] == REQUESTS and got["batches"] < REQUESTS / 2, f"no batches: {got}")
        times.sort()
        print(f"{REQUESTS} requests from 64 connections: p50 {1e3 * statistics.median(times):.2f} ms, "
              f"p99 {1e3 * times[len(times) * 99 // 100]:.2f} ms, {got['batches']} batches")


def queue():
    """Requests share a batch, a full queue is answered with 503, SIGTERM drains."""
    good = pgm(images(1, 1)[0][0])
    whole = request("POST", "/predict", good)
    with Server("--queue", "4", "--batch-wait", "1000") as server:
        held = server.connect()
        held.sendall(whole[:-9])  # while it comes in, the others wait for it
        time.sleep(0.1)
        waiting = [server.connect() for _ in range(4)]
        for s in waiting:
            s.sendall(whole)
        time.sleep(0.3)
        reply = server.ask("POST", "/predict", good)
        check(reply[0] == 503 and reply[1]["retry-after"] == "1", f"a full queue: {reply}")
        for s in waiting[1:]:
            s.settimeout(0.05)
            try:
                check(False, f"no wait: {s.recv(99)}")
            except TimeoutError:
                s.settimeout(20)
        held.sendall(whole[-9:])
        answers = [read_reply(s) for s in [held, *waiting]]
        check(sorted(a[0] for a in answers) in ([200] * 5, [200] * 4 + [503]), f"{answers}")
        got = server.json("GET", "/health")[1]
        check(got["batches"] <= 2 and got["images"] in (4, 5), f"batches: {got}")
    server = Server("--batch-wait", "3000")
    held, other = server.connect(), server.connect()
    held.sendall(whole[:-9])
    time.sleep(0.1)
    other.sendall(whole)
    time.sleep(0.2)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    reply = None
    try:
        reply = server.ask("GET", "/health")
    except OSError:
        pass
    check(reply is None or reply[0] == 503, f"a request after SIGTERM: {reply}")
    held.sendall(whole[-9:])
    answers = [read_reply(held), read_reply(other)]
    check(all(a and a[0] == 200 for a in answers), f"requests at SIGTERM: {answers}")
    code = server.process.wait(20)
    server.stop()
    check(code == 0 and "2 images" in server.said, f"exit code {code} after SIGTERM: {server.said}")
    server = Server()
    held = server.connect()
    held.sendall(whole[:-9])
    time.sleep(0.1)
    for _ in range(2):
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    check(server.process.wait(20) == 130, "the second signal does not end it")
    server.process.communicate()


def starts():
    """Failures to start are one sentence."""
    with Server() as server:
        port = str(server.at[1])
        done = weft(1, "serve", "run", "-d", "cpu", "--port", port)
        check("--port 0" in done.stderr, f"a port in use: {done.stderr}")
    done = weft(2, "serve", "run", "-d", "cpu", "--listen", "example.org")
    check("--listen is 'example.org'" in done.stderr, done.stderr)
    weft(4, "serve", "data", "-d", "cpu")


def watch():
    """The page of a run follows it, and is loaded once more at its end."""
    process = subprocess.Popen([WEFT, "train", "-d", "cpu", "--data", "data", "--net", "conv.net",
                                "-e", "9", "--watch", "--out", "watched"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    at, pages = None, []
    for line in process.stderr:
        if line.startswith("Watch "):
            at = "127.0.0.1", int(line.rsplit(":", 1)[1].strip().strip("/"))
        if line.startswith("Watch ") or "loads the end" in line:
            for path, host, status in (("/", "localhost", 200), ("/log.jsonl", "localhost", 404),
                                       ("/", "example.org", 403)):
                with socket.create_connection(at, timeout=20) as s:
                    s.sendall(request("GET", path, Host=host))
                    reply = read_reply(s)
                check(reply[0] == status, f"{path} for {host}: {reply}")
                pages += [reply[2].decode()] if status == 200 else []
    check(process.wait(20) == 0 and len(pages) == 2, f"{len(pages)} pages")
    check('http-equiv="refresh"' in pages[0] and 'http-equiv="refresh"' not in pages[-1] and
          "Confusion matrix" in pages[-1], "the page does not follow the run")
    process = subprocess.Popen([WEFT, "train", "-d", "cpu", "--data", "data", "--net", "conv.net", "--seeds", "3",
                                "-e", "2", "--watch", "--out", "three"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    pages = []
    for line in process.stderr:
        if line.startswith("Watch "):
            at = "127.0.0.1", int(line.rsplit(":", 1)[1].strip().strip("/"))
        if "Run 2 of 3" in line or "loads the end" in line:
            with socket.create_connection(at, timeout=20) as s:
                s.sendall(request("GET", "/"))
                pages.append(read_reply(s)[2].decode())
    check(process.wait(20) == 0 and len(pages) == 2, f"{len(pages)} pages of three runs")
    check(pages[0].count('http-equiv="refresh"') == 1 and 'http-equiv="refresh"' not in pages[-1] and
          ", 3 seeds" in pages[-1], "the page does not follow all runs")
    done = weft(0, "train", "-d", "cpu", "--resume", "--out", "watched", "-e", "10", "--watch")
    check("http://127.0.0.1:" in done.stderr, f"a resumed run: {done.stderr}")


DROP = """
new Promise(done => {
  const bytes = Uint8Array.from(atob("%s"), c => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "%s", {type: "%s"}));
  const wait = () => document.querySelector("#status.wrong") || articles() > before
    ? Promise.all([...document.images].map(i => i.decode().catch(() => 0))).then(() => done({status: document.querySelector("#status").textContent,
            articles: articles(), text: document.querySelector("#results").innerText,
            sizes: [...document.querySelectorAll("article:first-child img")].map(i => [i.alt, i.naturalWidth]),
            bars: [...document.querySelectorAll("article:first-child .bar")].map(b => b.offsetWidth),
            wide: document.documentElement.scrollWidth, broken: window.broken || []}))
    : setTimeout(wait, 20);
  const articles = () => document.querySelectorAll("article").length, before = articles();
  document.querySelector("#status").className = "";
  const event = "%s" === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true})
    : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
  (document.querySelector("#drop")).dispatchEvent(event);
  setTimeout(wait, 50);
})"""


def page():
    """A file that is dropped, pasted or chosen is answered on the page."""
    pixels, _ = images(1, 1)
    right = expected([png(pixels[0])])[0]
    with Browser() as browser, Server() as server:
        if browser.missing:
            return skip(f"the page: {browser.missing}")
        browser.open(server.url)
        browser.size(390, 800)
        browser.run("window.broken = []; document.addEventListener('securitypolicyviolation', "
                    "e => broken.push(e.violatedDirective + ' ' + e.blockedURI))")

        def give(data, name, kind, how):
            time.sleep(0.1)
            return browser.run(DROP % (base64.b64encode(data).decode(), name, kind, how))
        got = give(png(pixels[0]), "shoe.png", "image/png", "drop")
        check(f"{right[0]['class']}, {100 * right[0]['probability']:.1f}\xa0%" in got["status"], f"a drop: {got}")
        # The heat map comes later, and is checked below.
        check(got["sizes"][:2] == [["Photograph: shoe.png", SIDE], ["What the network sees", SIDE]],
              f"images: {got}")
        check(len(got["bars"]) == 3 and got["bars"][0] > got["bars"][2], f"bars: {got}")
        check(got["wide"] == 390 and not got["broken"], f"layout and policy: {got}")
        got = browser.run("new Promise(done => { const wait = () => document.querySelectorAll('article img').length"
                          " === 3 ? done([document.querySelector('.evidence').textContent, [...document.images]"
                          ".pop().alt]) : setTimeout(wait, 20); wait(); })")
        check("top left" in got[0] and got[1].startswith("What it looks at: ") and got[1].endswith(got[0]), f"the heat map: {got}")
        got = give(pgm(pixels[0]), "shoe.pgm", "", "paste")
        check(got["articles"] == 2, f"a paste: {got}")
        got = give(b"nonsense", "<b>.png", "image/png", "drop")
        check("<b>.png cannot be read" in got["status"] and got["articles"] == 2, f"a bad file: {got}")
        with open("shoe.png", "wb") as file:
            file.write(png(pixels[0]))
        root = browser.call("DOM.getDocument")["root"]["nodeId"]
        node = browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        browser.call("DOM.setFileInputFiles", nodeId=node, files=[os.path.abspath("shoe.png")])
        got = browser.run("new Promise(done => { const wait = () => document.querySelectorAll('article')"
                          ".length === 3 ? done(document.activeElement.tagName) : setTimeout(wait, 20); wait(); })")
        check(got == "ARTICLE", f"a chosen file: {got}")
        if os.environ.get("SCREENSHOTS"):
            browser.screenshot(os.environ["SCREENSHOTS"] + "/serve-390.png")
            browser.size(1440, 1000, dark=True)
            browser.screenshot(os.environ["SCREENSHOTS"] + "/serve-1440-dark.png")


def main():
    chosen = [word for word in sys.argv[2:] if not word.startswith("--")]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_data("data", images(300, 0), images(90, 5))
        with open("conv.net", "w") as file:
            file.write(CONV)
        train(0, "-e", "2", "--out", "run")
        done = subprocess.run([WEFT, "serve", "run", "-d", "cpu", "--listen", "x"], capture_output=True,
                              text=True)
        if "libmicrohttpd" in done.stderr:
            skip(done.stderr.strip())
            finish()
        for case in (replies, refusals, heat, measure, abuse, queue, starts, watch, page):
            if case.__name__ in chosen or not chosen:
                case()
        os.chdir("/")
    finish()


main()
