# SPDX-License-Identifier: Apache-2.0
"""tools/dev/driver-matrix without drivers, with a script in place of weft that passes, fails or
crashes; and tools/dev/intel.py with local wheels. Usage: driver_matrix.py ROOT."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import sys
import tempfile
import zipfile

from checks import check, finish

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "tools" / "dev"))
sys.dont_write_bytecode = True

# Prints output like weft; $FAULT selects a fault of Mesa's rusticl.
WEFT = """#!/usr/bin/env python3
import json, os, sys
fault = os.environ["FAULT"] if "rusticl" in os.environ["OCL_ICD_VENDORS"] else ""
if fault == sys.argv[1]:
    sys.exit("weft: the driver crashed")
print("progress")
if sys.argv[1] == "devices":
    print(json.dumps({"devices": [] if fault == "none" else [
        {"index": 1, "name": "cpu", "kind": "host"},
        {"index": 0, "name": "one", "platform": "p", "driver": "d  1", "version": "v",
         "kind": "CPU", "family": "vec"}]}))
elif sys.argv[1] == "verify":
    mismatch = fault == "wrong" and "tile" in sys.argv
    print(json.dumps({"passed": 1500 - mismatch, "failed": int(mismatch), "skipped": 0,
                      "max_error_ratio": 0.625, "failures": [{"case": "conv 3x3"}] * mismatch}))
    sys.exit(5 if mismatch else 0)
else:
    print(json.dumps({"test": {"accuracy": 0.86 if fault == "worse" else 0.87,
                               "standard_error": 0.003},
                      "epochs": [{"images_per_second": 10}, {"images_per_second": 20}]}))
"""


def load():
    """tools/dev/driver-matrix as a module."""
    loader = importlib.machinery.SourceFileLoader(
        "driver_matrix", str(ROOT / "tools" / "dev" / "driver-matrix"))
    spec = importlib.util.spec_from_loader("driver_matrix", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def run(matrix, folder, fault, *words):
    """Exit code, stdout and stderr."""
    os.environ["FAULT"] = fault
    sys.argv = ["driver-matrix", "--folder", str(folder / "matrix"), "--weft", str(folder / "weft"),
                "--slow", *words]
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = matrix.main()
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), said.getvalue()


def test_driver_matrix(folder):
    matrix = load()
    matrix.VENDORS = f"{folder}/"
    (folder / "weft").write_text(WEFT)
    (folder / "weft").chmod(0o755)
    (folder / "pocl.icd").touch()
    both = ["pocl-3", "rusticl-22"]

    code, out, said = run(matrix, folder, "", *both)
    check(code == 0 and "rusticl-22: skipped" in said, f"one is missing: {code}, {said}")
    check("1,500 ok in 300; 0.62" in out and "| d 1 |" in out, f"a right row: {out}")
    check("87.00 % ±0.30 | 20 |" in out, f"its accuracy and best speed: {out}")
    (folder / "rusticl.icd").touch()
    for fault, expected, sentence in (
            ("", 0, ""), ("wrong", 5, "rusticl-22, tile: conv 3x3"),
            ("worse", 5, "accuracies differ by 1.00 points"),
            ("verify", 5, "rusticl-22, vec: weft: the driver crashed"),
            ("train", 5, "rusticl-22, training: weft: the driver crashed"),
            ("none", 0, "skipped: it has no device")):
        code, out, said = run(matrix, folder, fault, *both)
        check(code == expected and sentence in said, f"{fault}: {code}, {said}")

    run(matrix, folder, "wrong", "rusticl-22")
    code, out, said = run(matrix, folder, "", "pocl-3", "--merge", "--save",
                          str(folder / "page.md"), "--json", str(folder / "page.json"))
    check(code == 5 and "1 of 1500 MISMATCHES" in out, f"merged results: {code}, {out}")
    check("1 of 1500 MISMATCHES" in (folder / "page.md").read_text(), "the page")
    document = json.loads((folder / "page.json").read_text())
    check([row["name"] for row in document["rows"]] == both, "the rows of the document")
    code, _, said = run(matrix, folder, "", "unicorn")
    check(code == 2 and "no implementation unicorn; there are pocl-3" in said, said)


def test_intel(folder):
    import intel

    lib = "some-1.data/data/lib/"
    with zipfile.ZipFile(folder / "some.whl", "w") as wheel:
        for name in ("libOpenCL.so.1", "libintelocl.so", "libintelocl.so.9"):
            wheel.writestr(lib + name, "the library" if "intel" in name else "a loader")
        wheel.writestr("some-1.data/data/bin/tool", "a tool")
    (folder / "lib").mkdir()
    intel.unpack([folder / "some.whl"], folder / "lib")
    names = sorted(os.listdir(folder / "lib"))
    check(names == ["libintelocl.so", "libintelocl.so.9"], f"what is unpacked: {names}")
    check((folder / "lib" / names[0]).stat().st_nlink == 2, "it is stored twice")

    intel.SPACE = 0
    os.environ.update(PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull)
    try:
        intel.fetch(folder / "nothing", 50)
        check(False, "it is fetched without an index")
    except intel.Missing as why:
        check("cannot download" in str(why) or "needs x86_64" in str(why), str(why))
    check(not (folder / "nothing" / "intel64.icd").exists(), "an .icd file without a library")
    intel.download = lambda scratch, _: os.rename(folder / "some.whl", f"{scratch}/a.whl")
    intel.platform.machine = lambda: "x86_64"
    icd = intel.fetch(folder / "here", 1)
    named = pathlib.Path(icd.read_text().strip())
    check(named.read_text() == "the library", f"{icd} names {named}")
    check(intel.fetch(folder / "here", 1) == icd, "an existing download is fetched again")


for test in (test_driver_matrix, test_intel):
    with tempfile.TemporaryDirectory() as name:
        test(pathlib.Path(name))
finish()
