# SPDX-License-Identifier: Apache-2.0
"""Images in terminals: graphics.py WEFT. A pseudo-terminal answers as one that draws by kitty's protocol, by
sixels, or not at all; what it receives is decoded into pixels, and nothing may remain in its
input or its mode."""

import base64
import fcntl
import os
import pathlib
import random
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zlib

from checks import check, finish

WEFT = os.path.abspath(sys.argv[1])
KITTY, SIXEL, BLOCKS = b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", b"\x1b[?62;22;4;28c", b"\x1b[?1;2c"
CELL_H, CELL_W = 16, 8
FAMILY = {"LANG": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor"}


class Terminal:
    """A terminal of `rows` lines and 100 columns that answers device attributes by `answer`, None: never, after `delay`."""

    def __init__(self, answer, delay=0.0, rows=40, typed=b"", stop=None, pixels=True):
        self.answer, self.delay, self.typed, self.stop = answer, delay, typed, stop
        self.master, self.slave = os.openpty()
        size = struct.pack("HHHH", rows, 100, 100 * CELL_W * pixels, rows * CELL_H * pixels)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)
        self.queries, self.left, self.code, self.out = 0, b"", None, b""

    def receive(self, child):
        """Until the command has ended."""
        pending = None
        while True:
            ended = child.poll() is not None
            if select.select([self.master], [], [], 0.02)[0]:
                self.out += os.read(self.master, 1 << 16)
                if self.out.count(b"\x1b[c") > self.queries:
                    self.queries += 1
                    pending = time.monotonic() + self.delay
                    if self.stop == b"\x03":
                        os.write(self.master, self.stop)
                    elif self.stop:
                        child.send_signal(self.stop)
            elif ended:
                return
            if pending and time.monotonic() >= pending and self.answer:
                os.write(self.master, self.answer)
                pending = None

    def show(self, *words, environment=None, stdin=None):
        before = termios.tcgetattr(self.slave)
        if self.typed:
            os.write(self.master, self.typed)
        env = {**{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TMUX", "STY", "COLUMNS")}, **FAMILY,
               **(environment or {})}
        child = subprocess.Popen([WEFT, *words], stdin=self.slave if stdin is None else stdin, stdout=self.slave,
                                 stderr=subprocess.PIPE, env=env, start_new_session=True,
                                 preexec_fn=lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0))
        begin = time.monotonic()
        self.receive(child)
        self.seconds, self.code = time.monotonic() - begin, child.returncode
        text = child.stderr.read().decode()
        check(self.code == 0 or self.stop, f"{words}: exit code {self.code}: {text}")
        check(termios.tcgetattr(self.slave) == before, f"{words}: the terminal's mode is restored")
        time.sleep(0.02)
        os.set_blocking(self.slave, False)
        raw = termios.tcgetattr(self.slave)
        raw[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self.slave, termios.TCSANOW, raw)
        try:
            self.left = os.read(self.slave, 4096)
        except BlockingIOError:
            self.left = b""
        os.close(self.slave)
        os.close(self.master)
        return self


def kitty_images(out):
    """Height, width and RGB of each image."""
    images, data = [], b""
    query = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
    for keys, payload in re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", out.replace(query, b"")):
        keys = dict(k.split(b"=") for k in keys.split(b","))
        check(keys[b"q"] == b"2" and len(payload) <= 4096, "chunks of at most 4096 letters, without an answer")
        check(keys[b"m"] == b"0" or len(payload) == 4096, "all but the last are full")
        if not data:
            first = keys
            check(keys[b"a"] + keys[b"f"] + keys[b"o"] + keys[b"C"] == b"T24z1", "keys of the first chunk")
        data += base64.b64decode(payload, validate=True)
        if keys[b"m"] == b"0":
            h, w = int(first[b"v"]), int(first[b"s"])
            pixels = zlib.decompress(data)
            check(len(pixels) == 3 * h * w, "as many bytes as pixels")
            images.append((h, w, pixels))
            data = b""
    check(not data, "the last chunk ends the image")
    return images


def sixel_images(out):
    images = []
    for h, w, body in re.findall(rb'\x1bP0;1;0q"1;1;(\d+);(\d+)([^\x1b]*)\x1b\\', out):
        w, h = int(h), int(w)
        pixels, palette, color, x, y = [None] * (h * w), {}, None, 0, 0
        parts = rb"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])"
        check(re.fullmatch(rb"(?:" + parts.replace(b"(\\d", b"(?:\\d") + rb")*", body) is not None, "nothing but sixels")
        for n, r, g, b, select_, count, repeated, single, move in re.findall(parts, body):
            if n:
                check(max(int(r), int(g), int(b)) <= 100 and int(n) < 256, "colours in percent")
                palette[int(n)] = [round(int(v) * 2.55) for v in (r, g, b)]
            elif select_:
                color = palette[int(select_)]
            elif move:
                x, y = 0, y + 6 * (move == b"-")
            else:
                bits = (repeated or single)[0] - 63
                for _ in range(int(count or 1)):
                    for i in range(6):
                        if bits >> i & 1:
                            check(pixels[(y + i) * w + x] is None, "a pixel has one colour")
                            pixels[(y + i) * w + x] = color
                    x += 1
        check(None not in pixels, "every pixel has a colour")
        images.append((h, w, bytes(v for p in pixels for v in p or [0, 0, 0])))
    return images


def write_image(path, h, w, channels):
    data = bytes(random.randrange(256) for _ in range(h * w * channels))
    pathlib.Path(path).write_bytes(b"P%d %d %d 255\n" % (5 if channels == 1 else 6, w, h) + data)
    return h, w, data if channels == 3 else bytes(v for v in data for _ in range(3))


def enlarged(image, factor):
    h, w, data = image
    rows = []
    for y in range(h):
        row = b"".join(data[3 * (y * w + x):3 * (y * w + x) + 3] * factor for x in range(w))
        rows += [row] * factor
    return h * factor, w * factor, b"".join(rows)


def halved(image):
    h, w, data = image
    at = lambda y, x, c: data[3 * (y * w + x) + c]
    return h // 2, w // 2, bytes((at(2 * y, 2 * x, c) + at(2 * y + 1, 2 * x, c) + at(2 * y, 2 * x + 1, c) +
                                  at(2 * y + 1, 2 * x + 1, c)) // 4
                                 for y in range(h // 2) for x in range(w // 2) for c in range(3))


def widest_error(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


def exact_pixels():
    """By kitty's protocol: small images enlarged by whole numbers, large ones as means."""
    grey, color = write_image("grey.pgm", 5, 7, 1), write_image("color.ppm", 30, 25, 3)
    large = write_image("large.ppm", 160, 640, 3)
    t = Terminal(KITTY).show("show", "grey.pgm", "--input", "5x7x1")
    check(kitty_images(t.out) == [enlarged(grey, CELL_W)] * 2, "stored and input, enlarged to 7 columns")
    check(t.left == b"" and t.queries == 1, "one question, and its answer is read")
    check(t.seconds < 0.9, "the answer is not waited for longer")
    check(t.out.endswith(b"\r\x1b[3B"), f"the cursor is below 3 lines of cells: {t.out[-20:]}")
    t = Terminal(KITTY).show("show", "color.ppm", "--input", "30x25x3")
    check(kitty_images(t.out) == [enlarged(color, CELL_W)] * 2, "colour")
    check(t.out.count(b"\x1b_G") > 4, "in several chunks")
    t = Terminal(KITTY).show("show", "large.ppm", "--input", "28x28x3")
    check(kitty_images(t.out)[0] == halved(large), "the mean of four pixels in 40 columns")
    t = Terminal(KITTY, rows=10).show("show", "color.ppm", "--input", "28x28x3")
    check(kitty_images(t.out)[0] == enlarged(color, 7 * CELL_H // 30), "not higher than the terminal")
    t = Terminal(KITTY, pixels=False).show("show", "grey.pgm", "--input", "5x7x1")
    check(kitty_images(t.out)[0] == enlarged(grey, 10), "cells of 20x10 where the terminal does not know")


def palette_of_sixels():
    grey, color = write_image("grey.pgm", 5, 7, 1), write_image("color.ppm", 30, 25, 3)
    t = Terminal(SIXEL).show("show", "grey.pgm", "--input", "5x7x1")
    images = sixel_images(t.out)
    check([i[:2] for i in images] == [(40, 56)] * 2, f"sizes: {[i[:2] for i in images]}")
    check(widest_error(images[0][2], enlarged(grey, CELL_W)[2]) <= 2, "greys within a percent")
    check(t.left == b"" and b"\x1b_Ga" not in t.out, "no other images")
    t = Terminal(SIXEL).show("show", "color.ppm", "--input", "30x25x3")
    shown, meant = sixel_images(t.out)[0], enlarged(color, CELL_W)
    check(shown[:2] == meant[:2] and widest_error(shown[2], meant[2]) <= 51, "colours within a level")
    errors = [a - b for a, b in zip(shown[2], meant[2])]
    tiles = [abs(sum(errors[3 * ((8 * y + j) * 200 + 8 * x + i) + c] for j in range(8) for i in range(8))) / 64
             for y in range(30) for x in range(25) for c in range(3)]
    check(max(tiles) < 51 / 16, f"the mean of 8x8 dithered pixels is off by {max(tiles)}")


def questions():
    """Asked only where an answer can come, and nothing is lost."""
    write_image("grey.pgm", 5, 7, 1)
    words = ("show", "grey.pgm", "--input", "5x7x1")
    block = "\u2580".encode()
    t = Terminal(BLOCKS).show(*words)
    check(block in t.out and t.left == b"" and t.seconds < 0.9, "without sixels: half blocks")
    t = Terminal(SIXEL, delay=0.5).show(*words)
    check(len(sixel_images(t.out)) == 2 and t.left == b"", "a slow line")
    t = Terminal(None).show(*words)
    check(block in t.out and t.queries == 1 and 0.9 < t.seconds < 5, f"no answer: half blocks after {t.seconds:.1f} s")
    t = Terminal(KITTY, typed=b"echo typed before\nand more").show(*words)
    check(block in t.out and t.queries == 0 and t.left == b"echo typed before\nand more", f"input is kept: {t.left}")
    for name, value in [("TMUX", "/tmp/tmux,1,0"), ("STY", "1.tty"), ("TERM", "screen-256color"), ("TERM", "linux"),
                        ("NO_COLOR", "1")]:
        t = Terminal(KITTY).show(*words, environment={name: value})
        check(t.queries == 0 and b"\x1b_G" not in t.out, f"{name}={value}: not asked")
    t = Terminal(KITTY).show(*words, stdin=subprocess.DEVNULL)
    check(t.queries == 0 and block in t.out, "standard input is no terminal")
    t = Terminal(KITTY).show(*words, "--graphics", "blocks")
    check(t.queries == 0 and block in t.out, "--graphics blocks")
    t = Terminal(KITTY).show(*words, "--graphics", "none")
    check(t.queries == 0 and block not in t.out and b"stored" not in t.out, "--graphics none")
    t = Terminal(KITTY).show("show", "small")
    check(t.queries == 0, "no image, no question")
    piped = subprocess.run([WEFT, *words, "--graphics", "kitty"], capture_output=True, check=True).stdout
    check(len(kitty_images(piped)) == 2, "--graphics kitty through a pipe")
    piped = subprocess.run([WEFT, *words], capture_output=True, check=True).stdout
    check(b"\x1b" not in piped, "no escape in a pipe")


def signals():
    """The mode is restored before a signal ends the command: checked by show()."""
    for stop, code in [(signal.SIGTERM, signal.SIGTERM), (signal.SIGHUP, signal.SIGHUP), (b"\x03", signal.SIGINT)]:
        t = Terminal(None, stop=stop).show("show", "grey.pgm", "--input", "5x7x1")
        check(t.code == -code and t.seconds < 0.9, f"{stop}: exit code {t.code} after {t.seconds:.1f} s")


def main():
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for test in [exact_pixels, palette_of_sixels, questions, signals]:
            test()
        os.chdir("/")
    finish()


main()
