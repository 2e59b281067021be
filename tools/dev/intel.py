#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Downloads Intel's OpenCL runtime for CPUs, which Debian lacks, from the Python package
index into a folder. It is the only CPU driver with sub-groups.

  tools/dev/intel.py FOLDER [--time-limit SECONDS]

OCL_ICD_VENDORS=FOLDER/intel64.icd selects it; nothing is installed. An existing download is
reused. Exit code 1, with the reason, if it is unavailable."""

import argparse
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile

PACKAGES = ["intel-opencl-rt", "intel-cmplr-lib-rt"]
# Its own loader, which would replace the system's, and compiler plugins.
UNWANTED = ("libOpenCL", "icx-lto")
SPACE = 2 << 30


class Missing(Exception):
    """Why it is unavailable."""


def download(folder, time_limit):
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-input",
               "--disable-pip-version-check", "-d", folder, *PACKAGES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=time_limit,
                              stdin=subprocess.DEVNULL, errors="replace")
    except subprocess.TimeoutExpired:
        raise Missing(f"pip did not end within {time_limit:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise Missing(f"pip cannot download {' '.join(PACKAGES)}: {lines[-1][:200]}")


def unpack(wheels, folder):
    """Unpacks all libraries into one folder, where they find each other. Wheels have no links:
    copies of one file become hard links."""
    seen = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                path = pathlib.PurePosixPath(member.filename)
                if path.parts[-3:-1] != ("data", "lib") or \
                        path.name.startswith(UNWANTED):
                    continue
                out = folder / path.name
                same = seen.setdefault((member.CRC, member.file_size), out)
                if same == out:
                    out.write_bytes(archive.read(member))
                else:
                    os.link(same, out)


def fetch(folder, time_limit):
    """Downloads if needed and returns the .icd file in `folder`; raises Missing."""
    icd, library = folder / "intel64.icd", folder / "lib" / "libintelocl.so"
    if icd.exists() and library.exists():
        return icd
    if platform.machine() != "x86_64":
        raise Missing(f"it needs x86_64, and this is {platform.machine()}")
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < SPACE:
        raise Missing("it needs 2 GB of free disk space")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        download(scratch, time_limit)
        lib = pathlib.Path(scratch) / "lib"
        lib.mkdir()
        unpack(sorted(pathlib.Path(scratch).glob("*.whl")), lib)
        if not (lib / library.name).exists():
            raise Missing(f"{' '.join(PACKAGES)} have no {library.name}")
        shutil.rmtree(folder / "lib", ignore_errors=True)
        lib.rename(folder / "lib")
    icd.write_text(f"{library.resolve()}\n", encoding="utf-8")
    return icd


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--time-limit", type=float, default=900, metavar="SECONDS",
                        help="of the download; default 900")
    args = parser.parse_args()
    try:
        print(fetch(args.folder, args.time_limit))
    except (Missing, OSError) as why:
        print(f"Intel's runtime is unavailable: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
