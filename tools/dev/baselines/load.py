# SPDX-License-Identifier: Apache-2.0
"""CPU load by other programs during a measurement."""

import os
import time

TICKS = os.sysconf("SC_CLK_TCK")


def machine_cpu_seconds():
    """CPU time of all processors since boot, from /proc/stat."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _, _, *interrupts = file.readline().split()[1:8]
    except OSError:
        return 0.0
    return sum(map(int, (user, nice, system, *interrupts))) / TICKS


def children_cpu_seconds():
    """CPU time of finished child processes."""
    times = os.times()
    return times.children_user + times.children_system


class Meter:
    """After `with Meter() as m`, m.others is the number of processors used by others."""

    def __enter__(self):
        self.start = time.monotonic(), machine_cpu_seconds() - children_cpu_seconds()
        self.others = 0.0
        return self

    def __exit__(self, *_):
        seconds = time.monotonic() - self.start[0]
        work = machine_cpu_seconds() - children_cpu_seconds() - self.start[1]
        self.others = max(0.0, work / seconds)
