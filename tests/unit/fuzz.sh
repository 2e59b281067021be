#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libFuzzer on the targets of this folder, with the sanitizers of addresses and undefined
# behaviour:
#
#     fuzz.sh FOLDER SECONDS      as many for each target; the corpora stay in FOLDER
#     fuzz.sh FOLDER --control    a target that reads beyond its input: must be found
#
# Needs clang and its runtime (libclang-rt-14-dev in Debian); the first inputs come from
# the build $B.
set -eu
here=$(dirname "$(realpath "$0")")
root=$here/../..
flags="-g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined"
mkdir -p "$1"
cd "$1"
echo 'int LLVMFuzzerTestOneInput(const unsigned char *b, unsigned long n);
int LLVMFuzzerTestOneInput(const unsigned char *b, unsigned long n)
{ volatile int x = n > 1 && b[0] == 87 ? b[n] : 0; return x & 0; }' >control.c
# shellcheck disable=SC2086
clang $flags control.c -o control 2>control.log || {
    echo "skipped: clang cannot link libFuzzer; see $1/control.log"
    exit 77
}
if [ "$2" = --control ]; then
    if ./control -max_total_time=60 >control.log 2>&1; then
        echo "the planted fault is not found"
        exit 1
    fi
    echo "1 of 1 planted faults found"
    exit 0
fi

[ -f build/build.ninja ] ||
    CC=clang meson setup build "$root" -Db_sanitize=address,undefined -Db_lundef=false \
        -Dtests=false -Dc_args=-fsanitize=fuzzer-no-link >setup.log
meson compile -C build >build.log 2>&1 || {
    tail -n 5 build.log
    exit 1
}
libraries=$(pkg-config --libs zlib jansson libpng libturbojpeg libdeflate OpenCL clblast)
status=0 total=
for target in data models; do
    # shellcheck disable=SC2086
    clang $flags -I"$root/tests" -I"$root/include" -I"$root/src" -I"$root/cl" \
        "$here/fuzz_$target.c" build/src/libweft.a $libraries -lm -pthread \
        -o "fuzz_$target"
    mkdir -p "corpus-$target" "crashes-$target"
    "${B:-$root/build}/tests/fuzz_$target" --save "corpus-$target" >/dev/null 2>&1 || true
    OCL_ICD_VENDORS=/nowhere "./fuzz_$target" -max_total_time="$2" \
        -timeout=5 -rss_limit_mb=1024 -max_len=16384 \
        -artifact_prefix="crashes-$target/" -print_final_stats=1 "corpus-$target" \
        >"$target.log" 2>&1 || {
        status=1
        grep -m 3 -E 'ERROR|SUMMARY|not so' "$target.log" || true
    }
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$target.log" | tail -n 1)
    before=$(cat "$target.count" 2>/dev/null || echo 0)
    echo $((before + ${count:-0})) >"$target.count"
    total="$total$target: ${count:-0} inputs, $(cat "$target.count") so far; "
done
echo "${total% }"
exit $status
