# SPDX-License-Identifier: Apache-2.0
"""Small data, a small network and their models, for tests of training runs."""
import json, os, random, struct, subprocess, sys, tempfile

from checks import check

WEFT = os.path.realpath(sys.argv[1])
SIDE, CLASSES = 8, 3
CONV = """conv 8 3x3 relu pad=same
max-pool 2
flatten
dense 3
softmax
optimizer adam 0.01
batch 16
"""


def weft(code, *args):
    args = [str(a) for a in args]
    result = subprocess.run([WEFT, *args], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL)
    check(result.returncode == code,
          f"{' '.join(args)}: exit code {result.returncode}, should be {code}", result)
    return result


def says(result, text):
    check(text in result.stdout + result.stderr, f"lacks '{text}'", result)


def images(count, seed):
    """A bright square on noise; its row is the class."""
    rng = random.Random(seed)
    pixels, labels = [], bytes(i % CLASSES for i in range(count))
    for label in labels:
        image = [rng.randrange(60) for _ in range(SIDE * SIDE)]
        at = label * SIDE // CLASSES
        for i in (0, 1, SIDE, SIDE + 1):
            image[at * (SIDE + 1) + i] = 250
        pixels.append(bytes(image))
    return pixels, labels


def idx(path, extents, data):
    with open(path, "wb") as f:
        f.write(bytes([0, 0, 8, len(extents)]) + struct.pack(f">{len(extents)}I", *extents))
        f.write(data)


def write_data(folder, train, test):
    os.makedirs(folder, exist_ok=True)
    for part, (pixels, labels) in {"train": train, "t10k": test}.items():
        idx(f"{folder}/{part}-images-idx3-ubyte", (len(labels), SIDE, SIDE), b"".join(pixels))
        idx(f"{folder}/{part}-labels-idx1-ubyte", (len(labels),), labels)


def train(code, *args, net="conv.net", data="data"):
    return weft(code, "train", "-d", "cpu", "--data", data, "--net", net, *args)


class Model:
    """A safetensors file."""

    def __init__(self, path):
        bytes_ = open(path, "rb").read()
        size = struct.unpack("<Q", bytes_[:8])[0]
        self.header = json.loads(bytes_[8:8 + size])
        self.metadata = self.header["__metadata__"]
        self.data = bytearray(bytes_[8 + size:])

    def values(self, name):
        begin, end = self.header[name]["data_offsets"]
        return list(struct.unpack(f"<{(end - begin) // 4}f", self.data[begin:end]))

    def set(self, name, values):
        begin, end = self.header[name]["data_offsets"]
        self.data[begin:end] = struct.pack(f"<{len(values)}f", *values)

    def write(self, path):
        """Without a checksum, as other programs write it."""
        self.metadata.pop("weft.checksum", None)
        self.metadata.pop("weft.format", None)
        header = json.dumps(self.header).encode()
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(header)) + header + self.data)


def log_of(folder):
    """Header and epochs."""
    lines = [json.loads(line) for line in open(folder + "/log.jsonl")]
    return [line for line in lines if "results" not in line]


def read(path):
    return open(path, "rb").read()


def run_cases(cases, prepare):
    """Runs the cases, or those that the command line names, each in a folder of its own with
    data, conv.net and what `prepare` writes."""
    chosen = sys.argv[2:]
    top = os.getcwd()
    for case in cases:
        if chosen and case.__name__ not in chosen:
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            write_data("data", images(300, 0), images(90, 5))
            with open("conv.net", "w") as f:
                f.write(CONV)
            prepare()
            case()
            os.chdir(top)
