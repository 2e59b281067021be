#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Drivers that crash or hang: crash.sh WEFT LAYER OTHER. In the smoke test they are
# excluded with a warning; later the crash handler names them. OTHER is a program without
# either, and must fail here.
set -u
weft=$(realpath "$1")
layer=$(realpath "$2")
other=$(realpath "$3")
tests=$(dirname "$(realpath "$0")")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
python3 "$tests/cli_data.py" . || exit 1
failed=0

fail() {
    echo "FAILED: $1: exit code $code"
    sed 's/^/    | /' out | tail -20
    failed=$((failed + 1))
}

# survives FAULT PATTERN SECONDS COMMAND...: with this fault it names the driver and
# continues
survives() {
    OPENCL_LAYERS=$layer WEFT_LAYER_FAULT=$1 WEFT_DRIVER_TIMEOUT=$3 \
        XDG_CACHE_HOME=$dir/$1 timeout 60 "${@:4}" >out 2>&1
    code=$?
    [ $code -eq 0 ] && tr '\n' ' ' <out | grep -qE "pocl.icd $2.*\* +0 +cpu"
}

# reports COMMAND...: killed after printing "1/100000", it names the driver and exits with
# 1
reports() {
    "$@" >out 2>&1 &
    for _ in $(seq 100); do
        grep -q 1/100000 out && break
        sleep 0.1
    done
    # The handler of PoCL's LLVM expects the first signal to repeat.
    for _ in 1 2 3; do
        kill -SEGV $! 2>/dev/null
        sleep 0.3
    done
    kill -KILL $! 2>/dev/null
    wait $! 2>/dev/null
    code=$?
    # The signal arrives in the driver, or between its calls.
    [ $code -eq 1 ] && grep -q 'crashed (SIGSEGV), most likely in the driver' out ||
        { [ $code -eq 139 ] && grep -q "crashed (SIGSEGV) in weft's own code" out; }
}

crashes='crashes on first use'
for fault in ids info context build kernel write; do
    survives $fault-crash "$crashes" 20 "$weft" devices || fail $fault-crash
done
for fault in info build launch; do
    survives $fault-hang 'did not respond within 1 s' 1 "$weft" devices ||
        fail $fault-hang
done
reports "$weft" train -d 0 --data data --net tiny.net --epochs 100000 --out run ||
    fail 'a late crash'

# A crash while weft itself waits for its data is not the driver's.
mkfifo data.csv
"$weft" train -d cpu --data data --net tiny.net --epochs 1 --out model >out 2>&1
(
    ulimit -c 0
    exec "$weft" eval model/best.safetensors -d 0 --data data.csv
) >out 2>&1 &
for _ in $(seq 100); do
    grep -q ^Device out && break
    sleep 0.1
done
sleep 1
for _ in 1 2 3; do
    kill -SEGV $! 2>/dev/null
    sleep 0.3
done
wait $! 2>/dev/null
code=$?
{ [ $code -eq 139 ] && grep -q "crashed (SIGSEGV) in weft's own code" out; } ||
    fail "a crash of weft's own code"

# Proof that these checks can fail.
survives build-crash "$crashes" 20 "$other" -d portable act && fail 'OTHER survives'
reports bash -c 'echo 1/100000; sleep 30 & wait' && fail 'OTHER reports'
echo "11 crashes and hangs, 2 planted, $failed failed"
exit $((failed > 0))
