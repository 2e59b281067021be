# SPDX-License-Identifier: Apache-2.0
"""The steps of networks as the library would give them to a card: runs the recorder."""
import dataclasses
import json
import subprocess
import tempfile

from gpu_survey import networks


class Refused(Exception):
    """The library refuses the step; its sentence."""


@dataclasses.dataclass
class Launch:
    kernel: str
    source: str           # name of the program's source
    options: str
    groups: list          # number of work-groups in each dimension
    local: list
    args: list

    @property
    def group_count(self):
        return self.groups[0] * self.groups[1] * self.groups[2]

    @property
    def group_items(self):
        return self.local[0] * self.local[1] * self.local[2]


@dataclasses.dataclass
class Part:
    """A layer in one phase, such as forward."""
    name: str
    layer: str
    phase: str
    flops: float          # of the direct algorithm
    bytes: float          # read and written, at least
    config: str
    launches: list


@dataclasses.dataclass(frozen=True)
class Workload:
    net: str
    batch: int
    mode: str = "train"
    precision: str = "float32"

    @classmethod
    def parse(cls, text):
        """NET:BATCH[:inference][:float16]"""
        net, batch, *rest = text.split(":")
        return cls(net, int(batch), "inference" if "inference" in rest else "train",
                   "float16" if "float16" in rest else "float32")

    def __str__(self):
        more = [word for word in (self.mode, self.precision) if word not in ("train", "float32")]
        return ":".join([self.net, str(self.batch), *more])


def read_launch(line, programs):
    source, options = programs[line["program"]]
    local = [max(n, 1) for n in line["local"]]
    groups = [-(-n // size) for n, size in zip(line["global"], local)]
    return Launch(line["launch"], source, options, groups, local, line["args"])


def record(recorder, card, workload, folder, family="auto"):
    """The parts of a step. Sources of programs go to the folder."""
    with tempfile.NamedTemporaryFile("w", suffix=".net") as file:
        file.write(networks.text_of(workload.net))
        file.flush()
        done = subprocess.run(
            [recorder, file.name, workload.mode, str(workload.batch), workload.precision, family,
             folder, *card.driver_properties()], capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Refused(lines[-1].removeprefix("gpu_recorder: "))
    programs, parts = {}, []
    for line in map(json.loads, done.stdout.splitlines()):
        if "build" in line:
            programs[line["build"]] = (line["source"], line["options"])
        elif "part" in line:
            parts.append(Part(line["part"], line["layer"], line["phase"], line["flops"],
                              line["bytes"], line["kernels"], []))
        elif "launch" in line:
            parts[-1].launches.append(read_launch(line, programs))
    return parts
