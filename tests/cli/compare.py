# SPDX-License-Identifier: Apache-2.0
"""Saved results: weft compare reads what weft bench writes; regressions are found, and only
those; damaged files are rejected with a message. Usage: compare.py WEFT"""

import copy
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

from checks import SANITIZED, SCOPE

# Speeds, many comparisons, and all devices: no other C code. The others are not run without
# sanitizers, unless thorough.
LONG = {"test_energy", "test_percentiles", "test_no_false_alarms", "test_all_devices"}
weft = os.path.abspath(sys.argv[1])
tests = pathlib.Path(__file__).resolve().parent
passed = 0


def run(*args, code=0, says="", **env):
    """Stdout of a command, after checking its exit code and output."""
    global passed
    done = subprocess.run(
        [weft, *map(str, args)],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env={**os.environ, **env},
    )
    both = done.stdout + done.stderr
    if done.returncode != code or says not in both:
        sys.exit(f"weft {args}: exit {done.returncode}, not {code}, or not '{says}':\n{both}")
    passed += 1
    return done.stdout


def terminal(columns, *args):
    """Output of a command on a terminal of this width."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 50, columns, 0, 0))
    subprocess.run([weft, *map(str, args), "--color", "never"], stdout=its, check=True,
                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    shown = os.read(ours, 1 << 16).decode().replace("\r", "")
    os.close(ours), os.close(its)
    return shown


def row(workload, values, **more):
    values = [float(v) for v in values]
    middle = sorted(values)[len(values) // 2]
    unit = "ms" if workload == "latency" else "images/s"
    return {"workload": workload, "net": "small", "input": "28x28x1", "batch": 128,
            "unit": unit, "median": middle, "passed": True, "values": values, **more}


def result(name, rows, **more):
    device = {"name": name, "platform": "P", "driver": "1", "id": name + "@P#0"}
    return {"schema": "weft.bench/2", "weft": "0.1.0", "device": device, "rows": rows,
            **more}


def write(name, content):
    text = content if isinstance(content, str) else json.dumps(content)
    pathlib.Path(name).write_text(text, encoding="utf-8")
    return name


def noisy(middle, seed, count=9, spread=0.01):
    draw = random.Random(seed)
    return [middle * draw.gauss(1, spread) for _ in range(count)]


def test_written_is_read():
    run("bench", "train", "latency", "-d", "cpu", "--data", "data", "--net", "tiny.net",
        "-b", "8", "--time", "0.1s", "--quick", "--json", "real.json")
    real = json.loads(pathlib.Path("real.json").read_text())
    assert real["schema"] == "weft.bench/2" and real["commit"] and real["created"]
    assert real["host"]["cores"] > 0 and real["tuning"] == "none"
    assert all(len(r["values"]) >= 3 for r in real["rows"])
    j = json.loads(run("compare", "real.json", "real.json", "-f", "json"))
    assert j["schema"] == "weft.compare/2" and j["regressions"] == 0
    assert [r["result"] for r in j["rows"]] == ["same", "same"], j
    assert all(r["speedup"] == 1 and r["speedup_low"] <= 1 <= r["speedup_high"]
               for r in j["rows"])
    run("bench", "train", "-d", "cpu", "--json", "none/a.json", code=1,
        says="none/a.json cannot be written: No such file")


def all_devices(columns, first):
    """The table of all devices on a terminal of this width; how it begins."""
    shown = terminal(columns, "bench", "train", "-d", "all", "--data", "data", "--net",
                     "tiny.net", "-b", "8", "--time", 0.1, "--quick")
    assert shown.startswith(first) and "not verified" in shown, shown
    assert max(map(len, shown.split("\n"))) <= columns, shown
    return shown


def test_energy():
    """A counter that grows by a joule per 10 ms and wraps around during the run."""
    zone = pathlib.Path("sys/sys/class/powercap/intel-rapl:0")
    zone.mkdir(parents=True)
    write(zone / "max_energy_range_uj", "262143328850\n")
    begin, over = time.monotonic(), threading.Event()

    def count():
        while not over.wait(0.002):
            used = int(1e8 * (time.monotonic() - begin))
            write(zone / "next", f"{(262143328850 - 2000000 + used) % 262143328850}\n")
            os.replace(zone / "next", zone / "energy_uj")

    counter = threading.Thread(target=count)
    counter.start()
    run("bench", "inference", "-d", "cpu", "--data", "data", "--net", "tiny.net", "-b", "8",
        "--time", "0.5s", "--quick", "--json", "energy.json", WEFT_SYS_ROOT="sys")
    os.environ["WEFT_SYS_ROOT"] = "sys"
    table = all_devices(250, "Device  ")
    assert table.count("J/1,000") == 2, table
    assert "J/1,000: joules" in " ".join(table.split()), table
    over.set()
    counter.join()
    row = json.loads(pathlib.Path("energy.json").read_text())["rows"][0]
    watts = row["joules_per_1000_images"] * row["median"] / 1000
    assert 50 < watts < 200, watts
    run("bench", "inference", "-d", "cpu", "--data", "data", "--net", "tiny.net", "-b", "8",
        "--time", "0.1s", "--quick", "--json", "none.json", WEFT_SYS_ROOT="nowhere")
    assert "joules" not in pathlib.Path("none.json").read_text()
    os.environ["WEFT_SYS_ROOT"] = "nowhere"
    assert "J/1,000" not in all_devices(60, "A  ")
    del os.environ["WEFT_SYS_ROOT"]


def test_regressions():
    a = write("a.json", result("X", [row("train", noisy(1000, 1)),
                                     row("latency", noisy(2, 2))]))
    same = write("same.json", result("X", [row("train", noisy(1000, 3)),
                                           row("latency", noisy(2, 4))]))
    slow = write("slow.json", result("X", [row("train", noisy(800, 5)),
                                           row("latency", noisy(2, 6))]))
    late = write("late.json", result("X", [row("train", noisy(1000, 7)),
                                           row("latency", noisy(2.5, 8))]))
    wild = write("wild.json", result("X", [row("train", noisy(900, 9, 4, 0.3))]))
    other = write("other.json", result("Y", [row("train", noisy(220, 10))]))
    run("compare", a, a, says="same")
    run("compare", a, same, "--fail-above", "5%")
    run("compare", a, slow, code=5, says="1 significant regressions")
    run("compare", slow, a, says="faster")
    run("compare", a, late, code=5, says="REGRESSION")
    run("compare", a, slow, "--fail-above", "50%", says="slower")
    run("compare", a, wild, says="same")
    run("compare", a, other, says="X (P) trained small (batch 128) 4.5")
    heads = [run("compare", a, b).splitlines()[0].split()[1:3] for b in (same, other)]
    assert heads == [["Before", "After"], ["First", "Second"]], heads
    run("compare", a, other, "--fail-above", "5%", code=5)
    run("compare", a, code=4, says="nothing to compare it with")
    assert "| X (P)" not in run("compare", a, same, "-f", "md")
    assert run("compare", a, same, "-f", "csv").startswith("workload,before_device")
    # An interval of a ratio is not symmetric, and never below zero.
    few = write("few.json", result("Z", [row("train", [1000, 80, 30000, 900])]))
    text = run("compare", a, few)
    found = re.search(r"small \(batch 128\) (\S+) \[(\S+) - (\S+)\] times", text)
    ratio, low, high = map(float, found.groups())
    # Half of the last decimal, in parts of the number.
    off = [0.5 * 10 ** -len(t.partition(".")[2]) / float(t) for t in found.groups()]
    assert 0 < low < ratio < high and abs(ratio / low / (high / ratio) - 1) < 1.1 * (sum(off) + off[0]), text
    assert "no interval includes" in text and "±" not in text and "+-" not in text


def test_same_build():
    """Two runs of one device, commit and tuning have no difference; of others they may."""
    about = {"commit": "0123456789ab", "tuning": "none"}
    a = write("a.json", result("X", [row("train", noisy(1000, 1))], **about))
    slow = write("slow.json", result("X", [row("train", noisy(800, 5))], **about))
    text = run("compare", a, slow, says="same device and build, so there is no difference")
    assert "REGRESSION" not in text and re.search(r"batch 128 .* same", text), text
    for more in [{"commit": "ba9876543210"}, {"tuning": "abc"}]:
        other = write("other.json",
                      result("X", [row("train", noisy(800, 5))], **{**about, **more}))
        run("compare", a, other, code=5, says="REGRESSION")
    dirty = {**about, "commit": "0123456789ab-dirty"}
    a = write("a.json", result("X", [row("train", noisy(1000, 1))], **dirty))
    slow = write("slow.json", result("X", [row("train", noisy(800, 5))], **dirty))
    run("compare", a, slow, code=5, says="REGRESSION")


def test_percentiles():
    """No percentile that would be the maximum."""
    for seconds, workload in [("0.05s", "train"), ("0.2s", "latency")]:
        run("bench", workload, "-d", "cpu", "--data", "data", "--net", "tiny.net", "-b", "8",
            "--time", seconds, "--quick", "--json", "p.json")
        for r in json.loads(pathlib.Path("p.json").read_text())["rows"]:
            n = len(r["values"])
            assert (r.get("p95") is not None) == (n >= 20), (n, r)
            assert (r.get("p99") is not None) == (n >= 100), (n, r)


def test_no_false_alarms():
    """No regression by 5 % among 40 pairs of one distribution; nearly all of 40 pairs that
    are 10 % slower."""
    found = {1000: 0, 900: 0}
    for middle in found:
        for seed in range(40):
            a = write("f.json", result("X", [row("train", noisy(1000, 2 * seed, 7))]))
            b = write("g.json", result("X", [row("train", noisy(middle, 2 * seed + 1, 7))]))
            j = subprocess.run([weft, "compare", a, b], capture_output=True)
            assert j.returncode in (0, 5), j
            found[middle] += j.returncode == 5
    assert found[1000] == 0 and found[900] >= 36, found


def test_sets():
    runs = [result("X", [row("train", noisy(1000, 1))]),
            result("Y", [row("train", noisy(200, 2))]),
            result("Z", [], error="the driver crashed")]
    both = write("set.json", {"schema": "weft.bench-set/2", "weft": "0", "runs": runs})
    out = run("compare", both, says="Z (P): driver 1, weft 0.1.0 , ; failed: the driver")
    assert "X (P) trained small (batch 128) 5.0" in out, out
    slower = copy.deepcopy(runs)
    slower[1]["rows"][0]["values"] = noisy(150, 3)
    after = write("after.json",
                  {"schema": "weft.bench-set/2", "weft": "0", "runs": slower[::-1]})
    j = json.loads(run("compare", both, after, "-f", "json", code=5))
    assert [r["result"] for r in j["rows"]] == ["same", "REGRESSION"], j


def broken(run_of):
    """Yields results with one error each, and its message."""
    def change(path, value):
        copied = copy.deepcopy(run_of)
        place = copied
        for step in path[:-1]:
            place = place[step]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return copied

    yield change(["schema"], "weft.model/1"), "not results of weft bench"
    yield change(["schema"], "weft.bench/1"), "measure again with weft bench --json"
    yield change(["rows"], None), '"rows" must be a list'
    yield change(["rows"], {}), '"rows" must be a list'
    yield change(["device"], []), '"device" must be an object'
    yield change(["device", "name"], 3), '"name" must be a text'
    yield change(["device", "name"], "x" * 5000), '"name" must be a text'
    yield change(["rows", 0, "values"], ["a"]), '"values" must be non-negative'
    yield change(["rows", 0, "values"], [-1]), '"values" must be non-negative'
    yield change(["rows", 0, "values"], [1.0] * 10001), "at most 10000"
    yield change(["rows", 0, "passed"], 1), '"passed" must be true or false'
    yield change(["rows", 0, "median"], "1"), '"median" must be a number'
    yield change(["rows"], run_of["rows"] * 5000), "at most 4096"
    yield change(["roofline"], {"memory": 1}), '"memory" must be a list'
    yield [run_of], "not results of weft bench"
    yield '{"schema":', "is not JSON"
    yield "", "is not JSON"
    yield "[" * 100000, "is not JSON"
    yield '{"schema": "weft.bench/2", "schema": 1}', "is not JSON"


def test_damaged():
    good = result("X", [row("train", noisy(1000, 1))])
    write("good.json", good)
    for content, says in broken(good):
        run("compare", "good.json", write("bad.json", content), code=4,
            says="bad.json: ")
        run("compare", "good.json", "bad.json", code=4, says=says)
    run("compare", "good.json", "nowhere.json", code=4, says="No such file")
    run("compare", "good.json", ".", code=4)
    text, draw = json.dumps(good, indent=1).encode(), random.Random(11)
    for _ in range(30 if SANITIZED else 150):  # fuzz_files has more
        bytes_ = bytearray(text)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(bytes_))
            bytes_[at:at + draw.randint(0, 9)] = draw.randbytes(draw.randint(0, 3))
        pathlib.Path("bad.json").write_bytes(bytes_)
        done = subprocess.run([weft, "compare", "good.json", "bad.json"],
                              capture_output=True)
        assert done.returncode in (0, 4, 5), (done, bytes_)
        assert done.returncode == 0 or done.stderr.count(b"weft compare:") == 1, done


def test_all_devices():
    what = ["train", "convergence", "-d", "all", "--data", "data", "--net", "tiny.net", "-b",
            "16,8"]
    out = run("bench", *what, "--time", 0.05, "--target-accuracy", "1%", "--json", "all.json")
    runs = json.loads(pathlib.Path("all.json").read_text())["runs"]
    assert len(runs) >= 2, runs
    for one in runs:
        assert {row["workload"] for row in one["rows"]} == {"train", "convergence"}, one
        assert all(row["passed"] for row in one["rows"]), one
        reached = [row for row in one["rows"] if row["workload"] == "convergence"]
        assert [row["batch"] for row in reached] == [16, 8]  # devices by the first
        assert f"{100 * reached[0]['accuracy']:.1f} " in out, out
    assert out.count("ok") == len(runs) and re.search(" faster than | as fast as ", out), out
    run("compare", "all.json", "all.json")
    run("bench", "-d", "all", "trian", code=2, says="did you mean train?")
    run("bench", "train", "-d", "all", "--data", "nowhere", code=5, says="nowhere")


def test_hostile_names():
    name = "\x1b[31m<script>alert(1)</script>\u009b|\"&'"
    evil = result(name, [row("train", noisy(1000, 1), layer="\x1b]0;x\x07")])
    out = run("compare", write("evil.json", evil), "evil.json")
    assert "\x1b" not in out and "\u009b" not in out, out


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    subprocess.run([sys.executable, tests / "cli_data.py", "."], check=True)
    for name, test in list(globals().items()):
        left_out = {"sanitized": name in LONG, "usual": name not in LONG}
        if name.startswith("test_") and not left_out.get(SCOPE):
            test()
print(f"{passed} commands ended as expected")
