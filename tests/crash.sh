#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Drivers that die or hang: crash.sh WEFT LAYER. At the first touch they cost a line that
# names them, later a sentence, and never the command.
set -u
weft=$(realpath "$1")
layer=$(realpath "$2")
tests=$(dirname "$(realpath "$0")")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
python3 "$tests/cli_data.py" . || exit 1
failed=0

# try FAULT PATTERN SECONDS: with this fault `weft devices` names the driver and goes on
try() {
    OPENCL_LAYERS=$layer WEFT_LAYER_FAULT=$1 WEFT_PROBE_SECONDS=$3 \
        XDG_CACHE_HOME=$dir/$1 timeout 60 "$weft" devices >out 2>&1
    code=$?
    if [ $code -ne 0 ] || ! tr '\n' ' ' <out | grep -qE "pocl.icd $2.*\* +0 +cpu"; then
        echo "FAILED: $1: exit code $code"
        sed 's/^/    | /' out
        failed=$((failed + 1))
    fi
}

for fault in ids info context build kernel write; do
    try $fault-crash 'crashes when it is first used' 20
done
for fault in info build finish; do
    try $fault-hang 'did not answer within 1 s' 1
done

# Later: whose driver it was is said, and the exit code is that of a failure.
"$weft" train -d 0 --data data --net tiny.net --epochs 100000 --out run >out 2>&1 &
for _ in $(seq 100); do
    grep -q 1/100000 out && break
    sleep 0.1
done
# LLVM's handler, which PoCL brings, takes the first for one that will come again.
for _ in 1 2 3; do
    kill -SEGV $! 2>/dev/null
    sleep 0.3
done
kill -KILL $! 2>/dev/null
wait $!
code=$?
if [ $code -ne 1 ] || ! grep -q 'crashed (SIGSEGV), most likely in the driver' out; then
    echo "FAILED: a late crash: exit code $code"
    tail -5 out
    failed=$((failed + 1))
fi
echo "10 crashes and hangs, $failed wrong"
exit $((failed > 0))
