# SPDX-License-Identifier: Apache-2.0
"""Files that weft writes, and folders that it trusts. Usage: outputs.py WEFT

Devices, FIFOs and links given as outputs; cache folders of other users; drivers without a
cache folder; results of earlier runs that are out of date. Devices are nodes made in a
temporary folder, never those of /dev."""

import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

from checks import check, finish, skip

WEFT = os.path.abspath(sys.argv[1])
ROOT = os.geteuid() == 0
NOBODY = 65534
VERIFY = ["verify", "-d", "cpu", "--op", "add", "--cases", "1"]


def weft(*words, code=0, env=None, **rest):
    """Runs weft and checks its exit code; returns stdout and stderr."""
    words = [WEFT, *map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, **(env or {})}, **rest)
    check(done.returncode == code,
          f"{words}: exit code {done.returncode}, not {code}: {done.stderr[-300:]}")
    return done


def holds_result(path):
    try:
        return json.loads(path.read_text())["schema"].startswith("weft.verify")
    except (ValueError, OSError):
        return False


def read_fifo(path, out):
    with open(path, "rb") as file:
        out.append(file.read())


def outputs(folder):
    """Every kind of file at the path of an output."""
    plain = folder / "plain.json"
    weft(*VERIFY, "--json", plain)
    check(holds_result(plain), "a file is written")
    plain.write_text("old")
    plain.chmod(0o600)
    weft(*VERIFY, "--json", plain)
    check(holds_result(plain), "a file is replaced")
    check(stat.S_IMODE(plain.stat().st_mode) == 0o600, "the permissions are kept")

    link = folder / "link.json"
    link.symlink_to("plain.json")
    plain.write_text("old")
    weft(*VERIFY, "--json", link)
    check(link.is_symlink() and holds_result(plain), "a link is followed")
    hanging = folder / "hanging.json"
    hanging.symlink_to("absent.json")
    weft(*VERIFY, "--json", hanging)
    check(hanging.is_symlink() and holds_result(folder / "absent.json"),
          "a link to a file that does not exist creates it")

    fifo, got = folder / "fifo.json", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=read_fifo, args=(fifo, got), daemon=True)
    reader.start()
    weft(*VERIFY, "--json", fifo)
    reader.join(10)
    check(stat.S_ISFIFO(fifo.lstat().st_mode), "a FIFO stays one")
    check(got and b"weft.verify" in got[0], "the reader of a FIFO gets the results")

    # A redirected descriptor keeps what was written before and after.
    with open(folder / "stdout", "w+", encoding="utf-8") as file:
        subprocess.run([WEFT, *VERIFY, "--json", "/proc/self/fd/1"], stdout=file, check=False,
                       stderr=subprocess.DEVNULL)
        file.seek(0)
        text = file.read()
    check('"weft.verify' in text and "add" in text, "a redirected descriptor is written to")

    done = weft(*VERIFY, "--json", "-", cwd=folder)
    check('"weft.verify' in done.stdout and not (folder / "-").exists(), "- is stdout")

    directory = folder / "directory"
    directory.mkdir()
    done = weft(*VERIFY, "--json", directory, code=1)
    check("directory" in done.stderr, "a folder is refused by name")
    check(not list(folder.glob(".weft*")), "no temporary file is left behind")
    if ROOT:
        node = folder / "null"
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        saved = folder / "bench.json"
        weft(*VERIFY, "--json", node)
        weft("bench", "memory", "-d", "cpu", "--time", "0.01", "--shape", "act 64:relu",
             "--json", saved)
        weft("compare", saved, "--report", node)
        check(stat.S_ISCHR(node.lstat().st_mode), "a device node stays one")


def plant(cache):
    """Plants a result on the drivers, as an attacker would."""
    for result in cache.glob("drivers-*"):
        result.write_text("bad pocl.icd planted result\n")


def caches(folder):
    """Only a folder of this user's own is believed."""
    for kind in ["mode 777", "group", "owner", "link"]:
        base = folder / kind.replace(" ", "-")
        cache = base / "weft"
        env = {"XDG_CACHE_HOME": str(base)}
        weft("devices", env=env)  # makes the folder
        plant(cache)
        if kind == "mode 777":
            cache.chmod(0o777)
        elif kind == "group":
            cache.chmod(0o770)
        elif kind == "owner":
            if not ROOT:
                continue
            os.chown(cache, NOBODY, NOBODY)
        elif kind == "link":
            cache.rename(base / "elsewhere")
            cache.symlink_to("elsewhere")
        done = weft("verify", "-d", "portable", *VERIFY[3:], env=env)
        check("nothing is cached" in done.stderr, f"{kind}: a warning")
        check("planted result" not in done.stderr,
              f"{kind}: the result is not believed")


def stale(folder):
    """A result expires, also when the clock was set back; `evil.icd` is not used."""
    env = {"XDG_CACHE_HOME": str(folder / "stale")}
    cache = folder / "stale" / "weft"
    weft("devices", env=env)
    result = next(cache.glob("drivers-*"))
    for offset, believed in [(0, True), (-7200, False), (10**9, False)]:
        result.write_text("bad pocl.icd planted result\n")
        when = time.time() + offset
        os.utime(result, (when, when))
        done = subprocess.run([WEFT, "verify", "-d", "portable", *VERIFY[3:]], check=False,
                              capture_output=True, text=True, env={**os.environ, **env})
        check(("planted result" in done.stderr) == believed,
              f"a result of age {-offset} s is {'' if believed else 'not '}believed")
        if believed:
            check("tested 0 min ago" in done.stderr, "the age of a result is printed")


def of_nobody(folder):
    """The start of a command line of a user who cannot write HOME: root becomes another, with a
    copy of weft and its library, as the build may be below a folder that is closed to others.
    None where that does not run."""
    if not ROOT:
        return [WEFT]
    copy = folder / "copy"
    for part in [[pathlib.Path(WEFT)], pathlib.Path(WEFT).parent.glob("../src/libweft.so*")]:
        for path in filter(pathlib.Path.is_file, part):
            place = copy / path.resolve().parent.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / path.name)
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            str(copy / pathlib.Path(WEFT).parent.name / "weft")]
    done = subprocess.run([*user, "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        skip(f"drivers without a cache folder: another user cannot run weft: {done.stderr}")
    return None if done.returncode else user


def without_cache(folder):
    """PoCL has its devices where HOME cannot be written."""
    start = of_nobody(folder)
    base = {k: v for k, v in os.environ.items()
            if k not in ("POCL_CACHE_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME")}
    for home in ["/nonexistent", "/proc/self/fdinfo"]:
        if not start or (not ROOT and home == "/nonexistent" and os.access("/", os.W_OK)):
            continue
        words = [*start, "verify", "-d", "portable", *VERIFY[3:]]
        place = folder / "tmp"
        place.mkdir(exist_ok=True)
        place.chmod(0o1777)
        done = subprocess.run(words, env={**base, "HOME": home, "TMPDIR": str(place)},
                              capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"HOME={home}: PoCL works: {done.stderr[-300:]}")
        check("POCL_CACHE_DIR" in done.stderr, f"HOME={home}: a warning with advice")
        check(not list(place.iterdir()), f"HOME={home}: the folder is removed at exit")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        for test in [outputs, caches, stale, without_cache]:
            part = folder / test.__name__
            part.mkdir()
            test(part)
    finish()


main()
