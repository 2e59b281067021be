#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libFuzzer on every reader of this folder's targets, with sanitizers:
#
#     fuzz.sh FOLDER SECONDS             of addresses and undefined behaviour
#     fuzz.sh FOLDER --memory SECONDS    of memory that is not initialized
#     fuzz.sh FOLDER --control           targets with faults, which must be found
#     fuzz.sh FOLDER --keep              writes the small inputs of the corpora to
#                                        fuzz_corpus.txt, which the tests read
#
# SECONDS is the time of all readers together. Needs clang and its runtime
# (libclang-rt-14-dev in Debian); the first inputs come from the build $B. Corpora,
# findings and counts stay in FOLDER, and grow with each run.
set -eu
here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../..")
tests=${B:-$root/build}/tests
mkdir -p "$1"
cd "$1"

sanitize=address,undefined
options="-Db_sanitize=address,undefined"
if [ "$2" = --memory ]; then
    # Libraries are not instrumented: few of them, and msan_libraries.c for the rest.
    sanitize=memory
    options="-Db_sanitize=memory -Dpng=disabled -Djpeg=disabled -Dlibdeflate=disabled
        -Dopencl=disabled"
    shift
fi
flags="-g -O1 -fno-sanitize-recover=all"

if [ "$2" = --control ]; then
    cat >control.c <<'C'
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const unsigned char *b, unsigned long n);
int LLVMFuzzerTestOneInput(const unsigned char *b, unsigned long n)
{
    volatile unsigned char *c = malloc(16);
    volatile int x = n && b[0] == 87 ? BUG == 1 ? b[n] : c[n % 16] == 3 : 0;
    if (x == 1)
        abort();
    free((void *)c);
    return 0;
}
C
    found=0
    for bug in 1:address,undefined 2:memory; do
        # shellcheck disable=SC2086
        clang $flags -DBUG="${bug%:*}" -fsanitize="fuzzer,${bug#*:}" control.c \
            -o control 2>control.log || {
            echo "skipped: clang cannot link libFuzzer; see $1/control.log"
            exit 77
        }
        ./control -max_total_time=60 >control.log 2>&1 || found=$((found + 1))
    done
    echo "$found of 2 planted faults found"
    [ "$found" = 2 ]
    exit
fi

if [ "$2" = --keep ]; then
    python3 - "$here/fuzz_corpus.txt" <<'PYTHON'
import base64, pathlib, sys
lines = []
for folder in sorted(pathlib.Path(".").glob("corpus-*")):
    files = sorted(folder.iterdir(), key=lambda path: (path.stat().st_size, path.name))
    data = [path.read_bytes() for path in files if path.stat().st_size <= 1200]
    lines += [f"{folder.name[7:]} {base64.b64encode(d).decode()}\n" for d in data[:150]]
pathlib.Path(sys.argv[1]).write_text("".join(lines))
print(f"{len(lines)} inputs kept")
PYTHON
    exit
fi

build=build-${sanitize%,*} # no comma, which linkers take for their own
echo 'int main(void) { return 0; }' >links.c
clang -fsanitize="$sanitize" links.c -o links 2>links.log || {
    echo "skipped: clang cannot link its sanitizers; see $1/links.log"
    exit 77
}
# shellcheck disable=SC2086
[ -f "$build/build.ninja" ] ||
    CC=clang meson setup "$build" "$root" $options -Db_lundef=false -Dtests=false \
        -Dc_args=-fsanitize=fuzzer-no-link >setup.log
meson compile -C "$build" >build.log 2>&1 || {
    tail -n 5 build.log
    exit 1
}

# Sources and objects of fuzz_$1, and its options.
parts() {
    case $1 in
    files)
        for name in core_json core_paths core_plain_text core_statistics core_table \
            core_term core_text_file report_html report_report report_report_bars \
            report_report_common report_report_plots report_report_tables \
            results_comparison_text results_device_table results_results \
            results_results_query; do
            echo "$build/tools/weft.p/cmd_$name.c.o"
        done
        echo "$build/tools/weft.p/meson-generated_.._html_style.c.o $here/fuzz_files.c"
        [ "$sanitize" = memory ] || echo -DFUZZ_OPENCL
        ;;
    *) echo "$here/fuzz_$1.c" ;;
    esac
    [ "$sanitize" != memory ] || echo "$here/msan_libraries.c" \
        -Wl,--wrap=inflate,--wrap=inflateInit2_,--wrap=json_loadb \
        -Wl,--wrap=stat64,--wrap=lstat64,--wrap=fstat64
}

libraries=$(pkg-config --libs zlib jansson)
[ "$sanitize" = memory ] ||
    libraries="$libraries $(pkg-config --libs libpng libturbojpeg libdeflate OpenCL \
        clblast)"
readers=$(for target in data models files; do
    "$tests/fuzz_$target" --list | sed "s/^/$target /"
done)
share=$(echo "$readers" | awk -v s="$2" '{ n++ } END { print int(s / n) }')
status=0 reports=0 own='' images=''
mkdir -p seeds crashes
for target in data models files; do
    # shellcheck disable=SC2046,SC2086
    clang $flags -fsanitize="fuzzer,$sanitize" -I"$root/tests" -I"$root/include" \
        -I"$root/src" -I"$root/cl" -I"$root/tools/cmd" "$here/fuzz_target.c" \
        $(parts $target) $build/src/libweft.a $libraries -lm -ldl -pthread \
        -o "fuzz_$target-$sanitize"
    "$tests/fuzz_$target" --save seeds >/dev/null 2>&1 || true
done
while read -r target reader kind; do
    [ "$sanitize $reader" != "memory cache" ] || continue # of OpenCL
    mkdir -p "corpus-$reader" "seeds/$reader"
    log=$reader-$sanitize.log
    OCL_ICD_VENDORS=/nowhere "./fuzz_$target-$sanitize" -max_total_time="$((share + 1))" \
        -timeout=5 -rss_limit_mb=1024 -max_len=16384 -close_fd_mask=1 \
        -artifact_prefix="crashes/$reader-" -print_final_stats=1 \
        "corpus-$reader" "seeds/$reader" -ignore_remaining_args=1 "--reader=$reader" \
        >"$log" 2>&1 </dev/null || {
        status=1
        reports=$((reports + 1))
        echo "$reader: $(grep -m 1 -E 'ERROR|SUMMARY|not so' "$log" || tail -n 1 "$log")"
    }
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    count=$((${count:-0} + $(cat "$reader-$sanitize.count" 2>/dev/null || echo 0)))
    echo "$count" >"$reader-$sanitize.count"
    echo "$reader: $count inputs so far"
    if [ "$kind" = decoder ]; then
        images=$(printf '%s\n' $images "$count" | sort -n | head -n 1)
    else
        own=$(printf '%s\n' $own "$count" | sort -n | head -n 1)
    fi
done <<END
$readers
END
case $sanitize in
memory) echo "figures: builds=1 memory=$own failed=$reports" ;;
*) echo "figures: own=$own images=$images reports=$reports" ;;
esac
exit $status
