# SPDX-License-Identifier: Apache-2.0
"""Runs every command line of the documentation, and checks the options named in its text.

Usage: doc_commands.py ROOT BUILD WEFT. Command lines are the lines of indented blocks and of
`sh` blocks that begin with a PROGRAM. Each runs in a scratch folder with the files that the
documents mention, after the substitutions of SHORTER, which make it short; those of SKIPPED
run no further than the check beside the reason. A block that is marked `net` is a network,
which `weft show` must accept. `weft COMMAND --option` and `--option` between backquotes must
name options that exist. So must files and
the targets of links. A planted document proves that each kind of error is found."""

import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/*.md", "docs/learn/*.md", "benchmarks/README.md")
PROGRAM = re.compile(r"(?:weft|meson|python3|cc|(?:tools|build|tests)/[\w./-]*\w) (?![>=:])"
                     r"|(?:tools|build)/[\w./-]*\w$")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
SIDE, CLASSES = 28, 10

# Pattern, replacement, reason.
SHORTER = [
    (r"^build/", "BUILD/", "the build folder of this test"),
    (r" -C build\b", " -C BUILD", "the build folder of this test"),
    (r"\bbuild/tools/weft\b", "WEFT", "the command of this build"),
    (r"\bfashion-mnist\b", "data", "the package is large, and may be missing"),
    (r"^(weft train(?!.*--resume).*)", r"\1 --epochs 1", "ten epochs by default"),
    (r"^(weft train(?!.*--data).*)", r"\1 --data data", "see above"),
    (r"^(weft train.*)--net (?:resnet9|medium)", r"\1--net small", "a large network"),
    (r"^(weft train.*)", r"\1 -d cpu", "nothing to compile"),
    (r"^(weft sweep.*)", r"\1 -d cpu --data data --epochs 1", "nothing to compile, time"),
    (r"--find-rate", "--find-rate --batch 8", "time"),
    (r"lr=0.001,0.003,0.01 batch=64,128", "lr=0.001,0.01", "time"),
    (r"--(seeds|folds) \d", r"--\1 2", "time"),
    (r"^(weft verify.*)", r"\1 -d cpu --tiny", "nothing to compile"),
    (r"--mixed 300", "--mixed 10", "time"),
    (r"^(weft verify(?!.*--(cases|mixed)).*)", r"\1 --cases 2", "time"),
    (r"--cases 40", "--cases 2", "time"),
    (r"^(weft bench (?!.*-d).*)", r"\1 -d cpu", "nothing to compile"),
    (r"^(weft bench.*)", r"\1 --data data --time 0.01s --time-limit 1s", "time"),
    (r"^(weft bench.* -d all.*) --time-limit 1s", r"\1 --time-limit 20s", "a slow machine"),
    (r"^(weft bench conv.*)", r"\1 --shape 1x6x6x2:2x3x3", "time"),
    (r"--net small,medium", "--net small", "time"),
    (r"-d all", "-d all train --quick -b 8", "time"),
    (r"^weft explain small (.*--family)", r"weft explain tiny.net \1", "time"),
    (r"^(weft explain (?!runs).*)", r"\1 --data data", "the package may be missing"),
    (r"^(weft filter.*)", r"\1 -d cpu", "nothing to compile"),
    (r"\b(?:shoe\.jpg|boot\.png)", "shoe.pgm", "a file of the user's own"),
    (r"--data few\b", "--data data", "a folder of the user's own"),
    (r"^(weft explain(?!.*--family).*)", r"\1 -d cpu", "nothing to compile"),
    (r"medium --layers -b 256", "small --layers -b 2 --time 0.01s", "time"),
    (r"^(weft tune(?!.*--(show|reset)).*)", r"\1 --time-limit 1s", "minutes"),
    (r"^(tools/dev/scaling.py.*)", r"\1 batch -- --quick -d cpu --data data --time 0.01s -b 1,16",
     "minutes"),
    (r"^(weft predict.*)", r"\1 -d cpu", "nothing to compile"),
    (r"^(weft eval.*)", r"\1 -d cpu", "nothing to compile"),
    (r"^(weft calibrate.*)", r"\1 -d cpu --keep-temperature", "a model that learned little"),
    (r"^(weft audience[^>]*)", r"\1 -d cpu ", "nothing to compile"),
    (r"--max-error \d+%", "--max-error 100%", "few images"),
    (r"^(weft similar.*) photos/", r"\1 data", "a folder of the user's own"),
    (r"^(weft (?:embed|similar).*)", r"\1 -d cpu", "nothing to compile"),
    (r"\bother\.csv\b", "photos.csv", "a file of the user's own"),
    (r"^weft compare runs/\*", "weft compare runs/a runs/patient", "folders of other kinds"),
    (r"(check_op -d cpu conv)", r"\1 -n 20", "time"),
]

# Pattern, what is run instead (None: the program must exist), reason.
SKIPPED = [
    (r"^tools/quickstart", "sh -n ROOT/tools/quickstart", "installs packages"),
    (r"^weft devices --test$", "weft help devices", "a test of its own"),
    (r"^tools/pretrained", "tools/pretrained --help", "downloads a package"),
    (r"(lite0|shop).safetensors", None, "the package may be missing"),
    (r"^tools/dev/photographs", None, "the photographs may be missing"),
    (r"^tools/check(?: --thorough)?$", "sh -n ROOT/tools/check", "runs this test"),
    (r"^tools/dev/accuracy", "tools/dev/accuracy --help", "minutes"),
    (r"^tools/dev/calibration", "tools/dev/calibration --help", "minutes"),
    (r"^tools/dev/decoding", "tools/dev/decoding --help", "minutes on a quiet machine"),
    (r"^docs/learn/make_images.py", None, "half a minute"),
    (r"^tools/dev/gpu_survey/install.py", None, "downloads compilers"),
    (r"^tools/dev/gpu-survey", "tools/dev/gpu-survey --help", "downloads compilers"),
    (r"^tools/dev/driver-matrix", "tools/dev/driver-matrix --help", "downloads packages"),
    (r"^tools/dev/scorecard", "tools/dev/scorecard --help", "minutes"),
    (r"^weft serve", "weft help serve", "runs until a signal"),
    (r"^python3 (tests/cli/serve.py).*", r"test -f ROOT/\1", "a test of its own"),
    (r"^tools/dev/baselines/first_steps", None, "needs numpy"),
    (r"^tools/dev/baselines/setup", None, "downloads frameworks"),
    (r"^(tools/dev/baselines/(?:compare|portfolio)).*", r"\1 --help",
     "needs PyTorch and others"),
    (r"^tools/dev/check-throughput.py", None, "minutes on a quiet machine"),
    (r"^python3 (tests/ops/mutation_test.py).*", r"test -f ROOT/\1", "a test of its own, and minutes"),
    (r"^python3 (tests/fault_injection/interruptions.py).*", r"test -f ROOT/\1", "a test of its own"),
    (r"^meson setup", None, "this test runs in a build"),
    (r"^meson test -C BUILD$", "meson test -C BUILD --list", "runs this test"),
    (r"^(meson test -C BUILD --suite.*)", r"\1 --list", "a test of its own"),
]

# Files of the project; NAME and x stand for another name.
SOURCE = re.compile(r"(?:src|cl|include|tests|tools|docs|benchmarks)/"
                    r"(?!.*(?:NAME|(?:\b|_)x\.))[\w./-]+$")
LINK = re.compile(r"\]\((?!http)([^)#]+)")

# Options of other programs in the text.
FOREIGN = {"--device", "--each", "--gpus", "--list", "--half", "--held-out", "--photographs"}


def fenced(text, language):
    return [body for name, body in FENCED.findall(text) if name == language]


def indented(text):
    """The lines of blocks that Markdown shows as code by their indentation."""
    block = False
    previous = ""
    for line in FENCED.sub("", text).split("\n"):
        block = line.startswith("    ") and (block or not previous.strip())
        if block:
            yield line.strip()
        previous = line


def command_lines(text):
    for line in [*indented(text), *"".join(fenced(text, "sh")).split("\n")]:
        for command in re.sub(r"\s+#.*", "", line).split(" && "):
            if PROGRAM.match(command):
                yield command


def spans(text):
    """The texts between backquotes, with a line break as a blank."""
    return [re.sub(r"\s+", " ", span)
            for span in re.findall(r"`([^`]+)`", FENCED.sub("", text))]


def shorter(command):
    """The command to run (None: nothing), and why it is another one ("": it is not)."""
    for pattern, replacement, _ in SHORTER:
        command = re.sub(pattern, replacement, command)
    for pattern, instead, reason in SKIPPED:
        if re.search(pattern, command):
            return (re.sub(pattern, instead, command) if instead else None), reason
    return command, ""


class Place:
    """The scratch folder with what the documents mention, and the programs."""

    def __init__(self, root, build, weft, folder):
        self.root, self.build, self.weft = root, build, weft
        self.folder = folder
        self.environment = dict(os.environ)
        (folder / "bin").mkdir()
        (folder / "bin/weft").symlink_to(weft)
        (folder / "tools").symlink_to(root / "tools")
        (folder / "tests").symlink_to(root / "tests")
        self.environment["PATH"] = f"{folder}/bin:{os.environ['PATH']}"
        self.environment["PKG_CONFIG_PATH"] = f"{build}/meson-uninstalled"
        self.environment["XDG_STATE_HOME"] = f"{folder}/state"
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self.files()
        self.help = {}

    def files(self):
        random.seed(7)
        idx(self.folder / "data", "train", 120)
        idx(self.folder / "data", "t10k", 64)
        rows = (f"{i % CLASSES}," + ",".join(map(str, image(i % CLASSES))) for i in range(100))
        head = "label," + ",".join(f"pixel{i + 1}" for i in range(SIDE * SIDE))
        (self.folder / "photos.csv").write_text("\n".join([head, *rows]) + "\n")
        for label in map(str, range(CLASSES)):
            (self.folder / "photos" / label).mkdir(parents=True)
            (self.folder / "photos" / label / "a.pgm").write_bytes(
                b"P5 28 28 255\n" + bytes(image(int(label))))
        (self.folder / "labels.csv").write_text("path,label\nphotos/3/a.pgm,3\n")
        (self.folder / "customers").symlink_to("photos")
        (self.folder / "orders.csv").write_text("path,email\nphotos/3/a.pgm,a@b.org\n")
        language = (self.root / "docs/network-language.md").read_text()
        (self.folder / "my.net").write_text(fenced(language, "net")[0])
        (self.folder / "shoe.pgm").write_bytes(b"P5 28 28 255\n" + bytes(image(3)))
        (self.folder / "mine.txt").write_text("0 1 0 1 -4 1 0 1 0\n")
        (self.folder / "tiny.net").write_text("conv 4 3x3 relu\nflatten\ndense 10\nsoftmax\n")
        embedding = (self.root / "docs/embedding.md").read_text()
        (self.folder / "train.c").write_text(fenced(embedding, "c")[0])
        shutil.copy(self.root / "tests/unit/example_embed.c", self.folder / "embed.c")
        for command in ("weft train --data data --epochs 1 --out runs/a",
                        "weft bench train inference --json after.json"):
            complaint = self.run(command)
            if complaint:
                sys.exit(f"{command}:\n{complaint}")

    def run(self, command):
        """The end of the output of a command that failed, or nothing."""
        command, _ = shorter(command)
        if command is None:
            return ""
        for name in ("ROOT", "BUILD", "WEFT"):
            command = re.sub(rf"\b{name}\b", str(getattr(self, name.lower())), command)
        done = subprocess.run(command, shell=True, cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=120)
        if done.returncode == 0:
            return ""
        tail = (done.stdout + done.stderr).strip().split("\n")[-6:]
        return f"exit code {done.returncode} of `{command}`\n    " + "\n    ".join(tail)

    def show(self, text):
        (self.folder / "shown.net").write_text(text)
        return self.run("weft show shown.net")

    def options_of(self, command):
        """The help of a command, "" if there is no such command."""
        if command not in self.help:
            done = subprocess.run([self.weft, "help", command], capture_output=True, text=True)
            self.help[command] = done.stdout if done.returncode == 0 else ""
        return self.help[command]

    def check_span(self, span):
        """Why the command, option or file in the text does not exist, or nothing."""
        if SOURCE.match(span) and not (self.root / span).exists():
            return "no such file"
        options = re.findall(r"(?<![\w-])--[a-z][\w-]*", span)
        words = span.split()
        if words[0] == "weft" and len(words) > 1 and re.fullmatch("[a-z]+", words[1]):
            text = self.options_of(words[1])
            if not text and words[1] != "help":
                return f"there is no command `{words[1]}`"
        elif words[0].startswith("--"):
            listed = subprocess.run([self.weft, "help"], capture_output=True, text=True).stdout
            text = "".join(map(self.options_of, re.findall(r"^  weft (\w+)  ", listed, re.M)))
        else:
            return ""
        missing = [o for o in options if o not in FOREIGN and not re.search(rf"{o}\b", text)]
        return f"no option {' '.join(missing)}" if missing else ""


def image(label):
    return [min(255, 120 * (y * CLASSES // SIDE == label) + random.randrange(100))
            for y in range(SIDE) for _ in range(SIDE)]


def idx(folder, stem, count):
    folder.mkdir(exist_ok=True)
    labels = [i % CLASSES for i in range(count)]
    head = struct.pack(">IIII", 0x803, count, SIDE, SIDE)
    pixels = b"".join(bytes(image(label)) for label in labels)
    (folder / f"{stem}-images-idx3-ubyte").write_bytes(head + pixels)
    (folder / f"{stem}-labels-idx1-ubyte").write_bytes(
        struct.pack(">II", 0x801, count) + bytes(labels))


def complaints(place, name, text, seen):
    """Complaints about a document; a command that stands in several runs once."""
    for command in command_lines(text):
        program = command.split()[0]
        if program.startswith("tools/") and not os.access(place.root / program, os.X_OK):
            yield f"{name}: {command}\n    there is no program {program}"
        elif command not in seen:
            seen.add(command)
            complaint = place.run(command)
            if complaint:
                yield f"{name}: {command}\n    {complaint}"
    for network in fenced(text, "net"):
        complaint = place.show(network)
        if complaint:
            yield f"{name}: network\n{network}    {complaint}"
    for link in LINK.findall(text):
        if not ((place.root / name).parent / link).exists():
            yield f"{name}: link to {link}: no such file"
    for span in spans(text):
        complaint = place.check_span(span)
        if complaint:
            yield f"{name}: `{span}`: {complaint}"


PLANTED = [
    "    weft show small --no-such-option\n",
    "    weft frobnicate\n",
    "```sh\nweft show no-such-net\n```\n",
    "text\n\n    weft show small && weft show no-such-net # a comment\n",
    "    tools/no-such-program\n",
    "    cc train.c -lno-such-library\n",
    "    meson test -C build --suite no-such-suite\n",
    "```net\nconv 32 3x3\ndens 10\nsoftmax\n```\n",
    "Text with `weft show --no-such-option`.\n",
    "Text with `weft\nfrobnicate --help`.\n",
    "Text with `--no-such-option`.\n",
    "Text with `src/no/such/file.c`.\n",
    "Text with [a link](docs/no-such-file.md).\n",
]
CLEAN = "[Link](docs/devices.md#drivers) and `src/ops/NAME.c`. Text with `weft show --input 28x28x1` and `--format`.\n\n    weft show small # shows\n"


def prove(place):
    for text in PLANTED:
        if not list(complaints(place, "planted", text, set())):
            sys.exit(f"the test itself is broken: this passed:\n{text}")
    found = list(complaints(place, "planted", CLEAN, set()))
    if found:
        sys.exit(f"the test itself is broken: {found}")


def main(root, build, weft):
    with tempfile.TemporaryDirectory() as folder:
        place = Place(root, build, weft, pathlib.Path(folder))
        prove(place)
        found, seen = [], set()
        for pattern in DOCUMENTS:
            for path in sorted(root.glob(pattern)):
                name = str(path.relative_to(root))
                found += complaints(place, name, path.read_text(), seen)
        print("\n".join(found))
        for command in sorted(seen):
            instead, reason = shorter(command)
            if reason:
                print(f"not run: {command}: {reason}" + (f"; {instead}" if instead else ""))
        print(f"{len(seen)} command lines, {len(found)} complaints; "
              f"{len(PLANTED)} planted ones found")
        sys.exit(1 if found or not seen else 0)


main(*(pathlib.Path(argument).resolve() for argument in sys.argv[1:4]))
