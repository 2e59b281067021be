# SPDX-License-Identifier: Apache-2.0
"""Hostile inputs of every format: hostile.py WEFT [PLACES]

OBJECTS are put where a file is expected, for each of WAYS; contents() are files of one format
with numbers, sizes or nesting that no file needs; WHOLE are valid files, which are cut and have
a bit turned at as many PLACES, 4 unless said. Each run must end in time, without a signal, in
little memory, with the exit code of its row and a message of few lines; damaged models must
be refused."""

import gzip
import json
import os
import pathlib
import resource
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

WEFT = os.path.abspath(sys.argv[1])
DATA = pathlib.Path(__file__).resolve().parent / "cli_data.py"
SECONDS, DEADLINE, MEMORY = 20, 240, 700 << 20  # of the processor, of the clock
failures = []


def check(holds, what):
    if not holds:
        failures.append(what)
        print("FAILED:", what)


def limit_memory():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def peak(words):
    """(exit code, output, messages, bytes of memory at most)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([WEFT, *map(str, words)], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=err, preexec_fn=limit_memory)
        late = threading.Timer(DEADLINE, process.kill)
        late.start()
        _, status, usage = os.wait4(process.pid, 0)
        late.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return process.returncode, out.read(), err.read(), usage.ru_maxrss * 1024


def run(what, words, codes):
    code, out, err, used = peak(words)
    text = err.decode(errors="replace")
    check(code in codes, f"{what}: exit code {code}, expected {codes}: {text[-300:]!r}")
    check(used < MEMORY, f"{what}: {used >> 20} MiB")
    if code:
        # Lines on the run before it fails are no part of the message.
        text = text[max(text.rfind("\nweft "), 0):]
        lines = text.strip().splitlines()
        check(0 < len(lines) <= 4 and len(text) < 2000, f"{what}: message {text[:400]!r}")
    shown = out.decode(errors="replace") + text
    bad = [c for c in shown if ord(c) < 32 and c not in "\n\t" or 0x7f <= ord(c) < 0xa0]
    check(not bad, f"{what}: prints {bad[:3]!r}")


def be(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


def npy(header, data=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def png(width, height, depth=8, kind=0, data=b""):
    def chunk(name, body):
        return be(len(body)) + name + body + be(zlib.crc32(name + body))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", be(width, height) + bytes((depth, kind, 0, 0, 0)))
            + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def jpeg(height, width):
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00"
    return b"\xff\xd8" + frame + b"\xff\xd9"


def tensors(header, size=None, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def results(field, value):
    """Results with one number replaced, as text: JSON has no such numbers."""
    return ('{"schema": "weft.bench/2", "weft": "1", "device": {"name": "a", "platform": "b", '
            '"driver": "c", "id": "d"}, "rows": [{"workload": "train", "unit": "s", "passed": '
            f'true, "values": [1, 2], "{field}": {value}}}]}}').encode()


# Numbers that are no sizes.
NUMBERS = ["-1", "0", "2147483648", "4294967295", "4294967296", "9223372036854775807",
           "18446744073709551616", "99999999999999999999999999", "1e400", "nan", "0x10", "1e9"]
DEEP = 200000

RESUME = ["train", "-d", "cpu", "--resume", "--epochs", "1", "--out", "again"]
# name of the format: (file name, command with FILE for its path).
WAYS = {
    "dataset": ("x.csv", ["show", "FILE"]),
    "idx": ("x-images-idx3-ubyte", ["show", "FILE"]),
    "npy": ("x.npy", ["show", "FILE"]),
    "gzip": ("z-images-idx3-ubyte.gz", ["show", "FILE"]),
    "train": ("x.csv", ["train", "-d", "cpu", "--epochs", "1", "--out", "never", "--data", "FILE"]),
    "image": ("x.png", ["predict", "MODEL", "-d", "cpu", "FILE"]),
    "jpeg": ("x.jpg", ["predict", "MODEL", "-d", "cpu", "FILE"]),
    "pnm": ("x.pgm", ["predict", "MODEL", "-d", "cpu", "FILE"]),
    "model": ("x.safetensors", ["show", "FILE"]),
    "eval": ("x.safetensors", ["eval", "FILE", "-d", "cpu", "--data", "data"]),
    "network": ("x.net", ["show", "FILE", "--input", "8x8x1"]),
    "results": ("x.json", ["compare", "FILE", "FILE"]),
    "resume": ("again/last.safetensors", RESUME),
    "log": ("x.jsonl", ["show", "FILE"]),
    "resumed log": ("again/log.jsonl", RESUME),
    "classes": ("named/classes.txt", ["show", "named"]),
}


def sparse(path):
    with open(path, "wb") as file:
        file.truncate(64 << 20)


def node(minor):
    def make(path):
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
    return make


def bound_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


def text_in(encoding):
    return lambda path: path.write_text("conv 4 3x3\nlabel,pixel\n" * 9, encoding=encoding)


# Things that are no file of any format; the maker gets the path.
OBJECTS = {
    "empty": lambda path: path.write_bytes(b""),
    "one byte": lambda path: path.write_bytes(b"\x00"),
    "zeros": lambda path: path.write_bytes(bytes(5000)),
    "ones": lambda path: path.write_bytes(b"\xff" * 5000),
    "64 MiB of zeros": sparse,
    "a folder": lambda path: path.mkdir(),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a socket": bound_socket,
    "an endless device": node(5),
    "an empty device": node(3),
    "a web page": lambda path: path.write_text("<!DOCTYPE html>\n<title>404</title>\n" * 20),
    "a program": lambda path: shutil.copy("/bin/true", path),
    "UTF-16": text_in("utf-16"),
    "one line of 4 MB": lambda path: path.write_bytes(b"1," * (2 << 20)),
    "4 MB of line ends": lambda path: path.write_bytes(b"\n" * (4 << 20)),
    "quotes": lambda path: path.write_bytes(b'"' * 100001),
    "brackets": lambda path: path.write_bytes(b"[" * DEEP),
    "gzip in gzip": lambda path: path.write_bytes(gzip.compress(gzip.compress(bytes(1 << 20)))),
}
# Results that are right: objects that a way understands.
UNDERSTOOD = {("log", "empty"): (0,), ("classes", "a web page"): (0,),
              ("classes", "a link to nothing"): (0,)}
# A run continues without its log, with a warning.
UNDERSTOOD.update({("resumed log", what): (0, 4) for what in OBJECTS})


def contents():
    """(way, what, bytes) of every hostile content."""
    for number in NUMBERS:
        yield "dataset", f"label {number}", f"label,a,b,c,d\n{number},1,2,3,4\n1,1,2,3,4\n".encode()
        yield "npy", f"shape {number}", npy(
            f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({number}, 2, 2), }}", bytes(8))
        yield "pnm", f"width {number}", f"P5 {number} 2 255\n".encode() + bytes(9)
        yield "pnm", f"depth {number}", f"P2 2 2 {number}\n1 1 1 1".encode()
        for line in ("conv N 3x3", "conv 4 NxN", "conv 4 3x3 stride=N", "conv 4 3x3 pad=N",
                     "max-pool N", "dense N", "dropout N", "batch N", "optimizer sgd N",
                     "input N N N"):
            text = line.replace("N", number) + "\nflatten\ndense 3\nsoftmax\n"
            yield "network", line.replace("N", number), text.encode()
        for field in ("batch", "median", "flops", "seconds", "accuracy", "steps"):
            yield "results", f"{field} {number}", results(field, number)
        yield "results", f"values {number}", results("values", f"[{number}]")
        yield "log", f"epoch {number}", f'{{"epoch": {number}, "step": {number}}}\n'.encode()
        yield "model", f"offset {number}", tensors(
            f'{{"a": {{"dtype": "F32", "shape": [1], "data_offsets": [0, {number}]}}}}'.encode(),
            data=bytes(4))
        yield "model", f"shape {number}", tensors(
            f'{{"a": {{"dtype": "F32", "shape": [{number}, {number}], "data_offsets": [0, 4]}}}}'
            .encode(), data=bytes(4))
    for size in (0, 1, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1):
        yield "idx", f"{size} images", be(0x803, size, 28, 28) + bytes(784)
        yield "idx", f"{size} rows", be(0x803, 1, size, size) + bytes(784)
        yield "image", f"{size} pixels wide", png(size, 2, data=bytes(6))
        yield "image", f"{size} x {size} pixels", png(size, size, data=bytes(6))
        yield "jpeg", f"{size % 65536} lines", jpeg(size % 65536, size % 65536)
    for size in (0, 1, 1 << 31, 1 << 62, (1 << 64) - 9, (1 << 64) - 1):
        yield "model", f"header of {size} bytes", tensors({}, size=size)
        yield "eval", f"header of {size} bytes", tensors({}, size=size)
    for text in (b"[" * DEEP, b'{"a":' * DEEP, b"[" * DEEP + b"]" * DEEP,
                 b'"' + b"\\u0000" * 1000 + b'"', b"-" * DEEP, b"1" * DEEP, b'{"a":1,"a":2}'):
        yield "results", f"JSON {text[:12]!r}", text
        yield "log", f"JSON {text[:12]!r}", text
        yield "model", f"JSON {text[:12]!r}", tensors(text)
    many = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(20000)}
    yield "model", "20,000 empty tensors", tensors(many)
    yield "network", "100,000 layers", b"act relu\n" * 100000
    yield "network", "a line of 1 MB", b"conv " + b"9" * (1 << 20)
    yield "dataset", "100,000 columns of labels", b"label," * 100000 + b"\n"
    yield "dataset", "a number of 100,000 digits", b"label,a,b,c,d\n1,2,3,4," + b"5" * 100000
    yield "dataset", "a quote that does not end", b'label,a,b,c,d\n1,"2,3,4,5\n' * 1000
    yield "gzip", "a bomb", gzip.compress(be(0x803, 1 << 20, 20, 20) + bytes(300 << 20), 9)
    yield "gzip", "no end", gzip.compress(b"label,a\n" * 999)[:60]
    yield "classes", "names of 1 MB", b"a" * (1 << 20)
    yield "classes", "300,000 names", b"a\n" * 300000
    yield "classes", "one name twice", b"a\na\nb\n"
    yield "classes", "controls", b"\x1b[31m\n\xe2\x80\xae\n\x00\n"


# Valid files. The fuzz targets damage small ones at every place; these go through commands.
WHOLE = {
    "dataset": "few.csv", "idx": "data/t10k-images-idx3-ubyte", "npy": "two.npy",
    "gzip": "whole.idx.gz", "train": "few.csv", "image": "images/0.png",
    "pnm": "images/below/a.pgm", "model": "run/last.safetensors", "eval": "run/last.safetensors",
    "resume": "run/last.safetensors", "network": "tiny.net", "results": "results.json",
    "log": "run/log.jsonl", "resumed log": "run/log.jsonl", "classes": "data/classes.txt",
}
SEALED = {"model", "eval", "resume"}


def damaged(places):
    """(way, what, bytes) of valid files, cut and with a bit turned."""
    for way, name in WHOLE.items():
        data = pathlib.Path(name).read_bytes()
        yield way, "whole", data
        for i in range(places):
            at = (2 * i + 1) * len(data) // (2 * places)
            yield way, f"cut at {at}", data[:at]
            turned = bytearray(data)
            turned[at] ^= 1 << i % 8
            yield way, f"bit {i % 8} of byte {at} turned", bytes(turned)


def prepare(folder):
    os.chdir(folder)
    subprocess.run([sys.executable, DATA, "."], check=True)
    done = subprocess.run([WEFT, "train", "-d", "cpu", "--data", "data", "--net", "tiny.net",
                           "--epochs", "1", "--out", "run"], capture_output=True, check=False)
    check(not done.returncode, f"no model: {done.stderr[-300:]}")
    shutil.copytree("data", "named")
    for labels in ("x-labels-idx1-ubyte", "z-labels-idx1-ubyte"):
        shutil.copy("data/t10k-labels-idx1-ubyte", labels)
    shutil.copy("two-labels.npy", "y.npy")
    lines = pathlib.Path("leak.csv").read_text(encoding="utf-8").splitlines(True)
    pathlib.Path("few.csv").write_text("".join(lines[:7]), encoding="utf-8")
    pathlib.Path("results.json").write_bytes(results("batch", 8))


def try_one(way, what, make, codes):
    name, words = WAYS[way]
    shutil.rmtree("never", ignore_errors=True)
    if "--resume" in words:
        shutil.rmtree("again", ignore_errors=True)
        shutil.copytree("run", "again")
    path = pathlib.Path(name).absolute()
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    try:
        make(path)
    except PermissionError:
        return 0
    places = {"FILE": path, "MODEL": "run/last.safetensors"}
    run(f"{way}: {what}", [places.get(w, w) for w in words], codes)
    return 1


def main():
    count = 0
    with tempfile.TemporaryDirectory() as name:
        os.environ.pop("MALLOC_PERTURB_", None)  # makes all memory that is asked for resident
        os.environ.update(XDG_CACHE_HOME=name + "/cache", XDG_STATE_HOME=name + "/state")
        prepare(name)
        for way in WAYS:
            for what, make in OBJECTS.items():
                count += try_one(way, what, make, UNDERSTOOD.get((way, what), (4,)))
        for way, what, data in contents():
            count += try_one(way, what, lambda path, data=data: path.write_bytes(data), (0, 4))
        for way, what, data in damaged(int(sys.argv[2]) if len(sys.argv) > 2 else 4):
            codes = (0,) if what == "whole" else (4,) if way in SEALED else (0, 4)
            count += try_one(way, what, lambda path, data=data: path.write_bytes(data), codes)
        os.chdir("/")
    print(f"{count} hostile inputs, {len(failures)} failed")
    print(f"figures: inputs={count} wrong={len(failures)}")
    sys.exit(bool(failures))


main()
