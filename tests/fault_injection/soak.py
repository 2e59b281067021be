# SPDX-License-Identifier: Apache-2.0
"""A long training whose memory and descriptors are watched.

    soak.py BUILD [--seconds N] [--device DEV] [--control]

Memory is right if its median in the last third of the time is at most 1 MB above that of the
middle third, and descriptors if no more are open. --control: a process that leaks both
must be found."""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.path.dirname(HERE), "cli", "cli_data.py")
LEAK = "import os, time\nx = []\nfor i in range(10**6):\n" \
       "    x.append(bytes(100000)); os.open('/dev/null', 0); time.sleep(0.05)\n"
LARGEST_GROWTH = 1 << 20


def sample(pid):
    """(bytes of resident memory, open descriptors)."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        resident = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024
    return resident, len(os.listdir(f"/proc/{pid}/fd"))


def watch(process, seconds):
    """The samples of the last two thirds, as two lists."""
    begin, parts = time.monotonic(), ([], [], [])
    while (passed := time.monotonic() - begin) < seconds:
        if process.poll() is not None:
            sys.exit(f"soak.py: the process ended after {passed:.0f} s, exit code "
                     f"{process.returncode}: {process.stderr.read()[-300:]}")
        parts[int(3 * passed / seconds)].append(sample(process.pid))
        time.sleep(min(1.0, seconds / 100))
    return parts[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--control", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, DATA, folder], check=True)
        command = [os.path.abspath(args.build) + "/tools/weft", "train", "-d", args.device,
                   "--data", "data", "--net", "tiny.net", "--epochs", "1000000",
                   "--out", "run", "--keep-going"]
        process = subprocess.Popen([sys.executable, "-c", LEAK] if args.control else command,
                                   cwd=folder, text=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            middle, end = watch(process, args.seconds)
        finally:
            process.kill()
            process.communicate()
    grown = statistics.median(m for m, _ in end) - statistics.median(m for m, _ in middle)
    opened = max(d for _, d in end) - max(d for _, d in middle)
    wrong = grown > LARGEST_GROWTH or opened > 0
    print(f"{args.seconds:.0f} s: memory grew by {grown / 1e6:.2f} MB, {opened} descriptors "
          f"more, {max(m for m, _ in end) / 1e6:.0f} MB in all")
    print(f"figures: seconds={args.seconds:.0f} kilobytes={grown / 1024:.0f} "
          f"descriptors={opened}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
