#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetches Intel's OpenCL runtime for processors, which Debian has not, from the Python
package index into a folder: the one driver for processors with sub-groups.

  tools/dev/intel.py FOLDER [--limit SECONDS]

Then OCL_ICD_VENDORS=FOLDER/intel64.icd chooses it; nothing is installed. What is there
already is kept. Exit code 1, with the reason, where it cannot be had."""

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
# A loader of its own, which would hide the system's, and plugins of compilers.
UNWANTED = ("libOpenCL", "icx-lto")
SPACE = 2 << 30


class Missing(Exception):
    """Why it cannot be had."""


def download(folder, limit):
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-input",
               "--disable-pip-version-check", "-d", folder, *PACKAGES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit,
                              stdin=subprocess.DEVNULL, errors="replace")
    except subprocess.TimeoutExpired:
        raise Missing(f"pip did not end within {limit:g} s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise Missing(f"pip cannot download {' '.join(PACKAGES)}: {said[-1][:200]}")


def unpack(wheels, folder):
    """All libraries into one folder, where they find each other. A wheel has no links:
    what is in it under several names is written once."""
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


def fetch(folder, limit):
    """The .icd file in `folder`; raises Missing."""
    icd, library = folder / "intel64.icd", folder / "lib" / "libintelocl.so"
    if icd.exists() and library.exists():
        return icd
    if platform.machine() != "x86_64":
        raise Missing(f"it is for x86_64, and this is {platform.machine()}")
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < SPACE:
        raise Missing("2 GB are wanted for it, and the disk has less")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        download(scratch, limit)
        lib = pathlib.Path(scratch) / "lib"
        lib.mkdir()
        unpack(sorted(pathlib.Path(scratch).glob("*.whl")), lib)
        if not (lib / library.name).exists():
            raise Missing(f"there is no {library.name} in {' '.join(PACKAGES)}")
        shutil.rmtree(folder / "lib", ignore_errors=True)
        lib.rename(folder / "lib")
    icd.write_text(f"{library.resolve()}\n", encoding="utf-8")
    return icd


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--limit", type=float, default=900, metavar="SECONDS",
                        help="for the download")
    args = parser.parse_args()
    try:
        print(fetch(args.folder, args.limit))
    except (Missing, OSError) as why:
        print(f"Intel's runtime cannot be had: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
