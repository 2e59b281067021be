#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft devices beyond its list: devices.sh WEFT LAYER. --test tells wrong, crashed and
# hanging devices from right ones, and timers that lie.
set -u
weft=$(realpath "$1")
layer=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# expect CODE REGEX COMMAND...: exit code, and what its words are, in one line
expect() {
    local code=$1 regex=$2 got
    shift 2
    timeout 100 "$@" >"$dir/out" 2>&1 </dev/null
    got=$?
    if [ $got -eq "$code" ] && tr -s '\n ' ' ' <"$dir/out" | grep -qE -- "$regex"; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $*: exit code $got, should be $code and say '$regex'"
    sed 's/^/    | /' "$dir/out" | head -20
}

# plant FAULT...: the command with this fault in the driver, its first touch forgotten
plant() {
    local fault=$1
    shift
    env OPENCL_LAYERS="$layer" WEFT_LAYER_FAULT="$fault" XDG_CACHE_HOME="$dir/$fault" "$@"
}
export -f plant
export layer dir weft

# --- --test
expect 0 'built-in C [0-9.]+ .* right' "$weft" devices --test -d cpu
expect 3 'nosuch' "$weft" devices --test -d nosuch
expect 0 'PoCL vec [0-9.]+ [0-9.]+ [0-9.]+ .*reads 0 right' bash -c \
    'plant timer-0 "$weft" devices --test -d 0'
expect 0 '"passed": ?true' "$weft" devices --test -d cpu -o json
expect 5 'FAILED.* conv .* should be .* 1 of 1 devices failed' bash -c \
    'plant result-plus-1 "$weft" devices --test -d 0'
expect 5 'pocl.icd crashes .*could not be tested' bash -c \
    'plant kernel-crash "$weft" devices --test -d 0'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
