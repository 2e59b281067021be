# SPDX-License-Identifier: Apache-2.0
"""The vendors' compilers: finds them, runs them, keeps what they made."""
import dataclasses
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from gpu_survey import amd, intel, isa, nvidia

HERE = pathlib.Path(__file__).resolve().parent
LIBRARIES = "usr/lib/x86_64-linux-gnu"
# The library's options are for OpenCL C 1.2; drivers define the version, clang does not.
CLANG = ["-x", "cl", "-w", "-O3", "-D__OPENCL_VERSION__=120"]
BUILTINS = ["-Xclang", "-finclude-default-header", "-Xclang", "-mlink-builtin-bitcode", "-Xclang"]


class Missing(Exception):
    """Why a vendor's compiler is unavailable."""


class Failed(Exception):
    """A program does not compile; the compiler's message."""


class Compilers:
    """Compilers out of a folder that install.py filled, or of the system. Results are kept
    in `cache`, by a hash of the source, options, target and compiler; of what reads them,
    too."""

    def __init__(self, folder, cache, sources):
        self.folder, self.cache, self.sources = map(pathlib.Path, (folder, cache, sources))
        self.debian = self.folder / "debian"
        self.cache.mkdir(parents=True, exist_ok=True)
        readers = (HERE / f"{name}.py" for name in ("isa", "amd", "nvidia", "intel"))
        self.readers = hashlib.sha256(b"".join(p.read_bytes() for p in readers)).hexdigest()[:8]
        self.versions = {}

    # ---- finding ----

    def find(self, *candidates):
        for path in candidates:
            found = shutil.which(path)
            if found:
                return found
        raise Missing(f"there is no {pathlib.Path(candidates[0]).name}; "
                      f"tools/dev/gpu_survey/install.py {self.folder} downloads it")

    def tools(self, vendor):
        """Paths of a vendor's programs, the first of which names the version."""
        clang = (self.debian / "usr/lib/llvm-19/bin/clang", "clang-19")
        if vendor == "intel":
            return [self.find(self.debian / "usr/bin/ocloc")]
        if vendor == "amd":
            return [self.find(*clang)]
        return [self.find(self.folder / "ptxas", "ptxas"), self.find(*clang),
                self.find(self.folder / "nvdisasm", "nvdisasm")]

    def builtins(self, name):
        """libclc's library of a target."""
        for root in (self.debian, pathlib.Path("/")):
            if (root / "usr/lib/clc" / name).exists():
                return root / "usr/lib/clc" / name
        raise Missing(f"there is no {name}; install libclc-19")

    def version(self, vendor):
        """Raises Missing."""
        if vendor not in self.versions:
            tools = self.tools(vendor)
            if vendor != "intel":
                self.builtins("amdgcn--amdhsa.bc")
                self.versions[vendor] = " ".join(
                    re.sub(r"\s+", " ", self.run([tool, "--version"]).stdout)
                    for tool in tools)
            else:
                self.versions[vendor] = hashlib.sha256(b"".join(
                    p.read_bytes() for p in sorted((self.debian / LIBRARIES).glob("libig*.so.*"))
                )).hexdigest()
        return self.versions[vendor]

    # ---- compiling ----

    def run(self, command, **more):
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.debian / LIBRARIES),
               **more.pop("env", {})}
        return subprocess.run(["nice", "-n", "10", *map(str, command)], capture_output=True,
                              text=True, errors="replace", env=env, **more)

    def clang(self, source, options, more, out):
        clang = self.find(self.debian / "usr/lib/llvm-19/bin/clang", "clang-19")
        done = self.run([clang, *CLANG, *options.split(), *more, source, "-o", out])
        if done.returncode:
            raise Failed(done.stderr)

    def compile_amd(self, source, options, target, folder):
        self.clang(source, options,
                   ["-target", "amdgcn-amd-amdhsa", f"-mcpu={target}", "-nogpulib", "-S",
                    *BUILTINS, self.builtins("amdgcn--amdhsa.bc")], folder / "k.s")
        return [(folder / "k.s").read_text()]

    def compile_nvidia(self, source, options, target, folder):
        ptxas, _, nvdisasm = self.tools("nvidia")
        ptx, cubin = folder / "k.ptx", folder / "k.cubin"
        options = re.sub(r"-cl-nv-\S+", "", options)
        self.clang(source, options,
                   ["-target", "nvptx64-nvidia-nvcl", "-Xclang", "-target-cpu", "-Xclang", target,
                    "-S", *BUILTINS, self.builtins("nvptx64--nvidiacl.bc")], ptx)
        done = self.run([ptxas, f"-arch={target}", "-v", ptx, "-o", cubin])
        if done.returncode:
            raise Failed(done.stderr)
        return [self.run([nvdisasm, "-c", cubin]).stdout, done.stderr]

    def compile_intel(self, source, options, target, folder):
        """The compiler compiles kernels that spill again, and keeps one of the two: the one
        that is in the binary."""
        dump = folder / "dump"
        done = self.run([self.debian / "usr/bin/ocloc", "compile", "-file", source, "-device",
                         target, "-options", options, "-out_dir", folder / "out", "-output", "k"],
                        env={"IGC_ShaderDumpEnable": "1", "IGC_DumpToCustomDir": f"{dump}/"})
        made = list((folder / "out").glob("*.bin"))
        if not made:
            raise Failed(done.stdout + done.stderr)
        binary = made[0].read_bytes()
        kept = {}
        for path in sorted(dump.glob("*.asm")):
            match = re.search(r"_simd(\d+)_entry_\d+\.asm$", path.name)
            text = path.read_text(errors="replace")
            name = re.search(r"^//\.kernel (\w+)", text, re.M)
            data = path.with_suffix(".dat")
            in_binary = data.exists() and data.read_bytes()[:512] in binary
            if match and name and (in_binary or name[1] not in kept):
                kept[name[1]] = (text, int(match[1]))
        return list(kept.values())

    READERS = {"amd": lambda made: amd.kernels(*made),
               "nvidia": lambda made: nvidia.kernels(*made), "intel": intel.kernels}

    # ---- keeping ----

    def kept(self, name, make):
        """JSON from the cache, or made."""
        path = self.cache / f"{name}.json.gz"
        if path.exists():
            return json.loads(gzip.decompress(path.read_bytes()))
        made = make()
        with tempfile.NamedTemporaryFile(dir=self.cache, delete=False) as file:
            file.write(gzip.compress(json.dumps(made).encode(), 5))
        os.replace(file.name, path)
        return made

    def assembly(self, key, source, options, card):
        """The compiler's output, or {"error": message}."""
        def make():
            with tempfile.TemporaryDirectory() as scratch:
                compile_program = getattr(self, f"compile_{card.vendor}")
                try:
                    return compile_program(source, options, card.target, pathlib.Path(scratch))
                except Failed as why:
                    return {"error": str(why)[:2000]}
        return self.kept(f"{key}-{card.target}", make)

    def key(self, source, options, version):
        text = (self.sources / f"{source}.cl").read_text() + "\0" + options + "\0" + version
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def kernels(self, source, options, card):
        """{name: isa.Kernel} of a program for a card. Raises Missing or Failed."""
        key = self.key(source, options, self.version(card.vendor))
        path = self.sources / f"{source}.cl"

        def read():
            made = self.assembly(key, path, options, card)
            if isinstance(made, dict):
                return made
            return [dataclasses.asdict(k) for k in self.READERS[card.vendor](made)]
        found = self.kept(f"{key}-{card.target}-{self.readers}", read)
        if isinstance(found, dict):
            raise Failed(found["error"])
        return {k["name"]: isa.Kernel(**k) for k in found}

    def parameters(self, source, options):
        """{kernel: names of its parameters}, from the preprocessed source."""
        key = self.key(source, options, "parameters")

        def read():
            with tempfile.TemporaryDirectory() as scratch:
                out = pathlib.Path(scratch) / "k.i"
                self.clang(self.sources / f"{source}.cl", options,
                           ["-target", "spir64", "-E", "-P"], out)
                return read_parameters(out.read_text())
        return self.kept(f"{key}-parameters", read)


def read_parameters(text):
    """Without attributes, whose parentheses may be nested."""
    while (start := text.find("__attribute__")) >= 0:
        end, depth = text.index("(", start), 0
        while True:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
            if not depth:
                break
        text = text[:start] + text[end:]
    return {name: [re.search(r"(\w+)\s*$", one)[1] for one in given.split(",")]
            for name, given in re.findall(
                r"(?:__kernel|\bkernel)\s+void\s+(\w+)\s*\(([^)]*)\)\s*\{", text)}
