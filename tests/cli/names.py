# SPDX-License-Identifier: Apache-2.0
"""Names of others in every output: names.py WEFT. A file name, class, network or option
with control characters reaches neither terminal nor spreadsheet nor Markdown as such; and
a full disk is an error of every command."""

import csv
import fcntl
import io
import json
import os
import pathlib
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios

from bench_results import layer, row, run_of
from checks import SANITIZED, check, finish

WEFT = os.path.abspath(sys.argv[1])
TESTS = pathlib.Path(__file__).resolve().parent
# Escape sequences, a bell, C1 controls as character and as byte, bidirectional controls,
# separators, a line break; markup; a formula.
EVIL = [b"ev\x1b[31mil\x07\x1b]0;PWN\x07.png", "c1\u009b31m.png".encode(), b"byte\x9b31m.png",
        "bidi\u202egnp.png".encode(), "\u2066iso\u2069\u200f\u061c.png".encode(),
        "line\u2028\u2029.png".encode(), b"two\nlines\r.png", b"tab\t.png",
        b"=1+1.png", b"+x.png", b"-x.png", b"@SUM(A1).png", b"<b>|*x*`[a](b).png"]
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
                 "\ufeff\ufffd]")


def weft(*words, code=None):
    done = subprocess.run([WEFT, *words], capture_output=True, check=False, timeout=120)
    check(code is None or done.returncode == code,
          f"{words}: exit code {done.returncode}: {done.stderr[-300:]}")
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    for stream, text in [("stdout", out), ("stderr", err)]:
        found = BAD.search(text)
        check(not found, f"{words}: {stream} has {found and ascii(found.group())}")
    return out, err


def check_page(path, markup):
    """A page has nothing of others as markup, no control characters, and loads nothing."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    found = BAD.search(text)
    check(not found, f"{path}: has {found and ascii(found.group())}")
    check(markup not in text and markup.replace("<", "&lt;").replace(">", "&gt;") in text,
          f"{path}: markup of a name is text")
    check("default-src 'none'" in text and "<script" not in text, f"{path}: loads nothing")


def files():
    """Images in a folder, whole and damaged, in every format."""
    os.makedirs("evil")
    for name in EVIL:
        shutil.copy("images/0.png", os.path.join(b"evil", name))
    out, _ = weft("predict", "run/best.safetensors", "evil", "-d", "cpu", code=0)
    check(len(out.splitlines()) == len(EVIL), "human: one line for each image")
    out, _ = weft("predict", "run/best.safetensors", "evil", "-d", "cpu", "-f", "csv",
                  "-k", "1", code=0)
    rows = list(csv.reader(io.StringIO(out)))
    check(len(rows) == len(EVIL) + 1, "csv: one row for each image")
    out, _ = weft("predict", "run/best.safetensors", "evil", "-d", "cpu", "-f", "jsonl", code=0)
    check(len([json.loads(line) for line in out.splitlines()]) == len(EVIL), "jsonl: one line each")
    pathlib.Path("labels.csv").write_text("path,label\n" + "".join(
        f'"{name}",upper\n' for name in ("evil/<b>|*x*`[a](b).png", "evil/=1+1.png")), encoding="utf-8")
    weft("predict", "run/best.safetensors", "evil", "-d", "cpu", "--labels", "labels.csv", "--report",
         "evil.html", "--sort-into", "sorted", "--preview", "seen", code=0)
    check_page("evil.html", "<b>|")
    names = {os.path.basename(path) for path, _, found in os.walk(b"sorted") for path in found}
    check(names == set(EVIL), f"sorted: the names of the files: {names}")
    check(len(os.listdir("seen")) == len(EVIL), "previews: one for each image")
    os.chdir("evil")
    model = "../run/best.safetensors"
    out, _ = weft("predict", model, "=1+1.png", "+x.png", "@SUM(A1).png", "./-x.png", "-d",
                  "cpu", "-f", "csv", "-k", "1", code=0)
    cells = [line.split(",")[0] for line in out.splitlines()[1:]]
    check(cells == ['"\'=1+1.png"', '"\'+x.png"', '"\'@SUM(A1).png"', "./-x.png"],
          f"csv: formulas are text: {cells}")
    out, _ = weft("predict", model, "<b>|*x*`[a](b).png", "-d", "cpu", "-f", "md", code=0)
    check("\\<b\\>\\|\\*x\\*\\`\\[a\\](b).png" in out, f"md: markup is escaped: {out}")
    out, _ = weft("predict", model, "bidi\u202egnp.png", "-d", "cpu", "-f", "json", code=0)
    check('bidi\\u202egnp.png' in out and "bidi\u202egnp.png" in
          json.dumps(json.loads(out), ensure_ascii=False), "json: escaped, the same text")
    os.chdir("..")
    for name in EVIL:
        with open(os.path.join(b"evil", name), "wb") as file:
            file.write(b"\x89PNG no image")
    for form in ["human", "md", "csv", "json", "jsonl"]:
        weft("predict", "run/best.safetensors", "evil", "-d", "cpu", "-f", form, code=4)


def words():
    """Commands, options, their values, networks and data."""
    evil = "\x1b[31mx\u009b\u202e\ny"
    for line in [[evil], ["help", evil], ["-" + evil], ["show", "--" + evil],
                 ["show", "-" + "\x1b"], ["show", evil], ["show", "small", evil],
                 ["show", "small", "--samples", evil], ["eval", evil], ["compare", evil],
                 ["train", "--data", evil, "-d", "cpu"],
                 ["train", "--data", "data", "--net", evil, "-d", "cpu"],
                 ["train", "--data", "data", "--out", "run/log.jsonl/" + evil, "-d", "cpu"],
                 ["verify", "-d", evil], ["verify", "-d", "cpu", "--op", evil],
                 ["verify", "-d", "cpu", "--op", "add", "--cases", "1", "--json",
                  "none/" + evil]]:
        _, err = weft(*line)
        check(err and len(err.splitlines()) <= 3, f"{line}: one message: {err!r}")
    pathlib.Path("evil.net").write_text("input 8 8 1\nconv 3 \u009b31m\x1b[2J\u202e\n",
                                        encoding="utf-8")
    weft("show", "evil.net", code=4)


def classes():
    """Class names with bidirectional controls, markup, a formula, and what leads to another
    folder; in pages and folders too."""
    shutil.copytree("data", "named")
    pathlib.Path("named/classes.txt").write_text("=top\nmi\u202eddle\n<b>/../low\n",
                                                 encoding="utf-8")
    weft("train", "-d", "cpu", "--data", "named", "--net", "tiny.net", "--epochs", "1",
         "--out", "named-run", code=0)
    model = "named-run/best.safetensors"
    check_page("named-run/report.html", "<b>/")
    for form in ["human", "md", "csv", "json"]:
        weft("show", model, "-f", form, code=0)
        weft("show", "named", "-f", form, code=0)
        weft("eval", model, "-d", "cpu", "-f", form, "--report", "eval.html", code=0)
        check_page("eval.html", "<b>/")
    for form in ["human", "md", "csv", "json", "jsonl"]:
        out, _ = weft("predict", model, "images", "-d", "cpu", "-f", form, "--sort-into", "by-class",
                      "--review", "by-class", code=0)
        check(form != "csv" or (",=top" not in out and '"\'=top"' in out), "csv: a class is no formula")
    folders = set(os.listdir("by-class"))
    check(folders and folders <= {"=top", "mi_ddle", "_b__.._low"}, f"folders of classes: {folders}")
    place = "by-class/" + folders.pop()
    done = weft("predict", model, place, "-d", "cpu", "--labels", "folders", "-f", "json", code=0)
    labels = json.loads(done[0])["labels"]
    check(labels["right"] == labels["images"] > 0 == labels["other"], f"folders are labels: {labels}")


def metadata():
    """A model whose metadata were written by someone else."""
    evil = "<b>\x1b[31mx\u009b\u202e\n=1+1"
    data = pathlib.Path("run/best.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    for key in ("run.data", "data.release", "net.name", "author", evil):
        header["__metadata__"][key] = evil
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path("meta.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])
    for form in ["human", "md", "csv", "json"]:
        weft("show", "meta.safetensors", "-f", form, "--force")
        weft("eval", "meta.safetensors", "-d", "cpu", "-f", form, "--force", "--data", "data",
             "--report", "meta.html")
        weft("predict", "meta.safetensors", "images", "-d", "cpu", "-f", form, "--force",
             "--labels", "folders")
    check("<b>\\x" not in pathlib.Path("meta.html").read_text(encoding="utf-8"), "the page of it")


HOSTILE = "=1+<b>|*x*`[a](b)\x1b[31m\x07\u009b\u202e\u2028\r\ny\ufeff"


def all_strings(value):
    """The same with hostile strings, but for those that have a meaning."""
    known = {"schema", "workload", "unit", "phase", "created"}
    if isinstance(value, dict):
        return {k: v if k in known else all_strings(v) for k, v in value.items()}
    if isinstance(value, list):
        return [all_strings(v) for v in value]
    return HOSTILE + value if isinstance(value, str) else value


def formulas(text, what):
    """A cell of CSV that a spreadsheet would compute."""
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    check(not [c for c in cells if c[:1] in "=+@" and c], f"{what}: csv has a formula: {cells[:20]}")


def devices():
    """Names of devices, drivers, networks, layers and errors in results of weft bench, as
    another machine may have written them."""
    shutil.copy("tiny.net", "<b>=1+1.net")
    for form in ["human", "md", "csv", "json"]:
        out, _ = weft("bench", "train", "layers", "-d", "cpu", "--net", "<b>=1+1.net", "--data", "data", "-b", "8",
                      "--quick", "--time", "0.02s", "-f", form, "--json", "odd.json", "--report", "odd.html", code=0)
        if form == "csv":
            formulas(out, "bench")
    check_page("odd.html", "<b>=1+1")
    for i, speed in enumerate((1000, 3000)):
        made = all_strings(run_of("GPU", speed, [
            row("train", speed), row("train", 2 * speed, batch=512), row("latency", 1e5 / speed),
            row("inference", 5, passed=False, error="wrong"), layer("conv1", 0.8, 1e9),
            row("convergence", 3.5, accuracy=0.81, accuracy_standard_error=0.004, target_accuracy=0.8, steps=100)]))
        made["device"]["id"] += str(i)
        pathlib.Path(f"hostile{i}.json").write_text(json.dumps(made), encoding="utf-8")
    for form in ["human", "md", "csv", "json"]:
        for names in (["hostile0.json", "hostile1.json"], ["hostile0.json"], ["hostile0.json", "odd.json", "hostile1.json"]):
            out, _ = weft("compare", *names, "-f", form, "--report", "hostile.html")
            check_page("hostile.html", "=1+<b>|")
            check("1+" in out or len(names) == 1, f"compare {names}: the names")
            if form == "csv":
                formulas(out, names)
            if form == "md":
                check("<b>" not in out.replace("\\<b", ""), f"compare: md has markup: {out[:300]}")


def runs():
    """Names of runs, and what their logs say, in a comparison of runs."""
    evil = [os.fsdecode(name) for name in (b"=1+<b>\x1b[31m\x9b\ny", "ru\u202en".encode())]
    for name in evil:
        shutil.copytree("run", name)
        lines = [json.loads(line) for line in pathlib.Path(name, "log.jsonl").read_text(encoding="utf-8").splitlines()]
        known = {"schema"}
        lines[0] = {k: v if k in known else all_strings(v) for k, v in lines[0].items()}
        pathlib.Path(name, "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for form in ["human", "md", "csv", "json"]:
        out, _ = weft("compare", "./" + evil[0], evil[1], "run", "-f", form, "--report", "evil-runs.html", code=0)
        check_page("evil-runs.html", "=1+<b>")
        if form == "csv":
            formulas(out, "compare of runs")
        weft("show", evil[1] + "/log.jsonl", "-f", form, code=0)


def full():
    """A full disk below standard output."""
    for line in [["help"], ["--version"], ["help", "train"], ["train", "--help"],
                 ["train", "-d", "cpu", "--data", "data", "--net", "tiny.net", "--epochs", "1",
                  "--out", "full"],
                 ["show", "small"], ["eval", "run/best.safetensors", "-d", "cpu"],
                 ["predict", "run/best.safetensors", "images/0.png", "-d", "cpu"],
                 ["devices"], ["verify", "-d", "cpu", "--op", "add", "--cases", "1"]]:
        with open("/dev/full", "w", encoding="utf-8") as out:
            done = subprocess.run([WEFT, *line], stdout=out, stderr=subprocess.PIPE, text=True,
                                  check=False, timeout=120)
        check(done.returncode == 1 and "No space left on device" in done.stderr,
              f"{line} > /dev/full: {done.returncode} {done.stderr[-200:]}")


def on_terminal(columns, line):
    """The lines that a command prints on a terminal of this width, without progress."""
    child, terminal = pty.fork()
    if not child:
        os.environ.update(TERM="xterm", NO_COLOR="1")
        os.execv(WEFT, [WEFT, *line])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    text = b""
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:
            break
        text += part
    os.waitpid(child, 0)
    lines = text.decode().replace("\r\n", "\n").split("\n")
    return [re.sub("\x1b\\[[0-9;]*[mK]", "", text.split("\r")[-1]) for text in lines]


def narrow():
    """Tables fit a terminal of 80 columns, with all their columns; a file has one block."""
    bench = ["bench", "train", "latency", "layers", "-d", "cpu", "--net", "tiny.net", "--data",
             "data", "--quick", "--time", "0.05s", "--json", "b.json"]
    for line in [bench, ["compare", "b.json", "b.json"], ["show", "medium"],
                 ["explain", "tiny.net", "-d", "cpu", "--layers", "--data", "data"],
                 ["explain", "run", "images/0.png", "-d", "cpu", "--shift"],
                 ["devices"], ["devices", "--test", "-d", "cpu"],
                 ["verify", "-d", "cpu", "--op", "add", "--cases", "1"]]:
        lines = on_terminal(80, line)
        table = [text for text in lines if "  " in text.strip()
                 and not text.startswith(("Memory ", "Step "))]
        wide = [text for text in table if len(text) > 80]
        check(table and not wide, f"{line}: a table is wider than 80: {wide[:2]}")
    text = "\n".join(on_terminal(80, bench))
    for title in ["Median", "Samples", "Roofline", "Kernels", "Result"]:
        check(title in text, f"the column {title} is shown on a narrow terminal")
    out, _ = weft("show", "medium", code=0)
    check(max(map(len, out.splitlines())) > 80 and "..." not in out, "a file is not cut")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([sys.executable, TESTS / "cli_data.py", "."], check=True)
        weft("train", "-d", "cpu", "--data", "data", "--net", "tiny.net", "--epochs", "2",
             "--out", "run", code=0)
        for test in [files, words, classes, metadata, devices, runs, full] + [narrow] * (not SANITIZED):
            test()
        os.chdir("/")
    finish()


main()
