# SPDX-License-Identifier: Apache-2.0
"""A server of `weft serve`, requests to it byte by byte, and images to send."""

import json
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib

from checks import check
from tiny_runs import SIDE, WEFT, weft

LONG = "--long" in sys.argv


class Server:
    """A server on any free port."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [WEFT, "serve", "run/last.safetensors", "-d", "cpu", "--port", "0", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.at = "127.0.0.1", int(self.url.rsplit(":", 1)[1].strip("/")) if self.url else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        code = self.stop()
        check(code == 0, f"exit code {code} after SIGTERM")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, self.said = self.process.communicate(timeout=60)
        check("runtime error" not in self.said and "Sanitizer" not in self.said, self.said[-900:])
        return self.process.returncode

    def memory(self):
        """MB in use."""
        text = open(f"/proc/{self.process.pid}/status").read()
        return int(text.split("VmRSS:")[1].split()[0]) / 1000

    def connect(self):
        made = socket.create_connection(self.at, timeout=20)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def ask(self, method, path, body=None, **headers):
        """Status, headers and body of the reply; None: the connection was closed."""
        with self.connect() as s:
            s.sendall(request(method, path, body, **headers))
            return read_reply(s, method == "HEAD")

    def json(self, method, path, body=None, **headers):
        reply = self.ask(method, path, body, **headers)
        return (reply[0], json.loads(reply[2])) if reply else (0, {})


def request(method, path, body=None, **headers):
    fields = {"Host": "localhost"}
    if body is not None:
        fields["Content-Length"] = len(body)
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v is not None)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def split_reply(data, bare=False):
    """A complete reply at the beginning of `data`, and its size; None: it is incomplete.
    `bare`: it has no body."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    lines = head.decode().split("\r\n")
    fields = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    length = 0 if bare else int(fields.get("content-length", 0))
    if len(body) < length:
        return None
    return (int(lines[0].split()[1]), fields, body[:length]), len(head) + 4 + length


def read_reply(s, bare=False):
    data = b""
    try:
        while True:
            found = split_reply(data, bare)
            if found:
                return found[0]
            more = s.recv(1 << 16)
            if not more:
                return None
            data += more
    except ConnectionError:
        return None


def pgm(pixels, side=SIDE):
    return b"P5\n%d %d\n255\n" % (side, side) + pixels


def png(pixels, side=SIDE):
    rows = b"".join(b"\0" + pixels[y * side:(y + 1) * side] for y in range(side))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def form(*files):
    """A body of several parts, and its Content-Type."""
    body = b"".join(
        b'--cut\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n'
        b"Content-Type: image/png\r\n\r\n%s\r\n" % (name.encode(), data) for name, data in files)
    return body + b"--cut--\r\n", "multipart/form-data; boundary=cut"


def expected(files):
    """The predictions of weft predict."""
    for i, data in enumerate(files):
        with open(f"image{i}", "wb") as file:
            file.write(data)
    out = weft(0, "predict", "run/last.safetensors", "-d", "cpu", "-f", "json",
               *(f"image{i}" for i in range(len(files)))).stdout
    return [image["predictions"] for image in json.loads(out)["images"]]


def near(a, b):
    return [x["class"] for x in a] == [x["class"] for x in b] and all(
        x["probability"] == y["probability"] for x, y in zip(a, b))


def load(server, files, right, count, connections):
    """Times, and answers that are not `right`."""
    chosen = selectors.DefaultSelector()
    requests = [request("POST", "/predict", data) for data in files]
    sent, times, wrong = 0, [], []

    def send(s, state):
        nonlocal sent
        if sent < count:
            state.update(file=sent % len(files), data=b"", time=time.monotonic())
            s.sendall(requests[state["file"]])
            sent += 1
        else:
            chosen.unregister(s)
            s.close()
    for _ in range(connections):
        s, state = server.connect(), {}
        chosen.register(s, selectors.EVENT_READ, state)
        send(s, state)
    while chosen.get_map():
        ready = chosen.select(20)
        if not ready:
            wrong.append("no answer in 20 s")
            break
        for key, _ in ready:
            state = key.data
            more = key.fileobj.recv(1 << 16)
            state["data"] += more
            found = split_reply(state["data"])
            if not found and more:
                continue
            result = json.loads(found[0][2]) if found else {}
            answer = result["images"][0]["predictions"][0] if "images" in result else result
            if "class" not in answer or found[0][0] != 200 or not near([answer], [right[state["file"]]]):
                wrong.append(answer)
            times.append(time.monotonic() - state["time"])
            send(key.fileobj, state)
    return times, wrong
