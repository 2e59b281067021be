# SPDX-License-Identifier: Apache-2.0
"""Every file that weft reads, as a FIFO, a socket, a device and a folder: never waited for,
refused by its name or, in weft's own folders, ignored. Usage: odd_files.py WEFT [DEVICE]"""

import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
import tempfile

from checks import check, finish

WEFT = os.path.abspath(sys.argv[1])
DEVICE = sys.argv[2] if len(sys.argv) > 2 else "cpu"
TESTS = pathlib.Path(__file__).resolve().parent
ROOT = os.geteuid() == 0
DEADLINE = 60 if DEVICE == "cpu" else 200  # kernels are compiled


def make_socket(path):
    """By a short name: sockets have no longer ones."""
    here = os.getcwd()
    os.chdir(path.parent)
    socket.socket(socket.AF_UNIX).bind(path.name[-80:])
    os.rename(path.name[-80:], path.name)
    os.chdir(here)


KINDS = {"a FIFO": os.mkfifo, "a socket": make_socket,
         "a device": lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5)),
         "a folder": os.mkdir}
D = ["-d", "cpu"]
TRAIN = ["train", *D, "--epochs", "2"]
# The path that is replaced, a command that reads it, exit code.
READ = [
    ("tiny.net", [*TRAIN, "--data", "data", "--net", "tiny.net", "--out", "new"], 4),
    ("tiny.net", ["explain", "tiny.net", "--data", "data", *D], 4),
    ("tiny.net", ["show", "tiny.net"], 4),
    ("run/best.safetensors", ["eval", "run/best.safetensors", *D], 4),
    ("run/best.safetensors", ["eval", "run", *D], 4),
    ("run/best.safetensors", ["predict", "run/best.safetensors", "images/0.png", *D], 4),
    ("run/best.safetensors", ["show", "run/best.safetensors"], 4),
    ("run/last.safetensors", [*TRAIN, "--resume", "--out", "run"], 4),
    ("run/log.jsonl", [*TRAIN, "--resume", "--out", "run", "--epochs", "3"], 4),
    ("run/log.jsonl", ["show", "run/log.jsonl"], 4),
    ("images/0.png", ["predict", "run", "images/0.png", *D], 4),
    ("images/0.png", ["predict", "run", "images", *D], 4),
    ("images/0.png", ["show", "images/0.png"], 4),
    ("images/0.png", ["explain", "run", "images/0.png", *D], 4),
    ("images/0.png", ["filter", "images/0.png", "--kernel", "blur", *D], 4),
    ("wrong.net", ["filter", "images/0.png", "--kernel", "wrong.net", *D], 4),
    ("whole.idx.gz", ["predict", "run", "whole.idx.gz", *D], 4),
    ("data/train-images-idx3-ubyte", ["show", "data"], 4),
    ("data/train-labels-idx1-ubyte", ["show", "data"], 4),
    ("data/t10k-labels-idx1-ubyte", ["eval", "run", "--data", "data", *D], 4),
    ("data/t10k-labels-idx1-ubyte",
     [*TRAIN, "--data", "data", "--net", "tiny.net", "--out", "new"], 4),
    ("data/classes.txt", ["show", "data"], 4),
    ("result.json", ["compare", "result.json", "other.json"], 4),
    ("other.json", ["compare", "result.json", "other.json"], 4),
]


def run(*words, env=None):
    """(exit code, output); None: it waited."""
    try:
        done = subprocess.run([WEFT, *words], capture_output=True, text=True, timeout=DEADLINE,
                              stdin=subprocess.DEVNULL, check=False, errors="replace",
                              env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


def replaced(path, kind):
    """Puts a thing of a kind at a path; False where this user cannot."""
    if kind == "a device" and not ROOT:
        return False
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    KINDS[kind](path)
    return True


def named(start):
    for path, words, expected in READ:
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                shutil.copytree(start, ".", dirs_exist_ok=True)
                if not replaced(pathlib.Path(path), kind):
                    continue
                if kind == "a folder" and path in ("images/0.png", "result.json", "other.json"):
                    continue
                code, text = run(*words)
                check(code is not None, f"{words}: {path} is {kind}: waits")
                check(code in (None, expected),
                      f"{words}: {path} is {kind}: exit code {code}, not {expected}: {text}")
                check(code is None or os.path.basename(path) in text or path.startswith("run"),
                      f"{words}: {path} is {kind}: not named: {text}")
                os.chdir("/")


def streams(start):
    """Streams that a user names are read."""
    os.chdir(start)
    for line in ["{w} train -d cpu --epochs 1 --data data --net <(cat tiny.net) --out a",
                 "{w} eval <(cat run/best.safetensors) --data data -d cpu",
                 "{w} eval run --data <(cat leak.csv) -d cpu",
                 "mkfifo f.csv; cat leak.csv >f.csv & {w} eval run --data f.csv -d cpu",
                 "mkfifo g.csv; (sleep 1; cat leak.csv) >g.csv & {w} eval run --data g.csv -d cpu",
                 "{w} show <(cat tiny.net)", "cat images/0.png | {w} predict run - -d cpu",
                 "{w} predict run <(cat images/0.png) -d cpu", "{w} show /dev/stdin <leak.csv",
                 "cat leak.csv | {w} show /dev/stdin",
                 "{w} compare <(cat result.json) <(cat result.json)"]:
        done = subprocess.run(["bash", "-c", line.format(w=WEFT)], capture_output=True, text=True,
                              timeout=60, check=False)
        check(done.returncode == 0, f"{line}: exit code {done.returncode}", done)
    os.chdir("/")


def own(start):
    """weft's own files, in cache and state folders: kernels, results of driver tests, tuning."""
    os.chdir(start)
    net = "input 12 12 1\n" + pathlib.Path("tiny.net").read_text()
    pathlib.Path("tune.net").write_text(net)
    made = pathlib.Path("made")
    words = ["verify", "-d", DEVICE, "--family", "vec", "--op", "add", "--cases", "1"]

    def folders(place):
        return {"XDG_CACHE_HOME": str(place.resolve() / "cache"),
                "XDG_STATE_HOME": str(place.resolve() / "state")}

    for command in [words, ["tune", "-d", DEVICE, "--reset"],
                    ["tune", "-d", DEVICE, "--net", "tune.net", "-b", "4", "--inference-batch",
                     "0", "--time-limit", "1s"]]:
        code, text = run(*command, env=folders(made))
        check(code == 0, f"{command}: exit code {code}: {text}")
    files = [p.relative_to(made) for folder in [made / "cache/weft", *made.glob("state/weft/*")]
             for p in folder.iterdir() if p.is_file()]
    # Also where nothing was tuned in so short a time.
    locks = [p for p in files if p.suffix == ".lock"]
    files += [q for p in locks for q in [p.with_suffix(""), p.with_suffix(".journal")]
              if q not in files]
    kinds = {p.suffix or p.name.partition("-")[0] for p in files}
    check({".txt", ".lock", "drivers"} <= kinds, f"weft's own files: {kinds}")
    for kind in ["a FIFO", "a folder"]:
        copy = pathlib.Path(kind.replace(" ", "-"))
        shutil.copytree(made, copy)
        for path in files:
            replaced(copy / path, kind)
        code, text = run(*words, env=folders(copy))
        check(code is not None, f"weft's own files as {kind}: waits")
        # A driver on a busy machine is excluded when it is tested again.
        check(code in (None, 0) or "did not respond" in text,
              f"weft's own files as {kind}: exit code {code}: {text}")
        code, text = run("tune", "-d", DEVICE, "--show", env=folders(copy))
        check(code is not None, f"weft's own files as {kind}: tune --show waits")
    os.chdir("/")


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, TESTS / "cli_data.py", folder], check=True)
        os.chdir(folder)
        if DEVICE == "cpu":
            code, text = run(*TRAIN, "--data", "data", "--net", "tiny.net", "--out", "run")
            check(code == 0, f"a model: exit code {code}: {text}")
            for name in ["result.json", "other.json"]:
                code, text = run("bench", "memory", *D, "--time", "0.01", "--shape",
                                 "act 64:relu", "--json", name)
                check(code == 0, f"{name}: exit code {code}: {text}")
            named(folder)
            streams(folder)
        else:
            own(folder)
        os.chdir("/")
    finish()


main()
