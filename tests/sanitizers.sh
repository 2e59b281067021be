#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A build with sanitizers, and its tests:
#
#     sanitizers.sh FOLDER address,undefined|thread
#     sanitizers.sh --prove                planted bugs, each of which must be reported
#
# Below address,undefined the calls of memory and files fail too, for $S seconds. The
# sanitizer of memory runs on the readers of files alone (unit/fuzz.sh): libraries are not
# built with it, and each of their bytes would be reported.
set -eu
here=$(dirname "$(realpath "$0")")

if [ "$1" = --prove ]; then
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    cat >"$dir/bug.c" <<'C'
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
static int shared;
static void *add(void *unused)
{
    for (int i = 0; i < 100000; i++)
        shared++;
    return unused;
}
int main(int argc, char **argv)
{
    volatile int large = INT_MAX;
    volatile char *bytes = malloc(argc);
    pthread_t thread;
    (void)argv;
    if (BUG == 1)
        bytes[argc] = 1;
    if (BUG == 2)
        large += argc;
    pthread_create(&thread, NULL, add, NULL);
    add(NULL);
    pthread_join(thread, NULL);
    free((void *)bytes);
    return 0;
}
C
    found=0
    for bug in 1:address 2:undefined 3:thread; do
        cc -g -DBUG="${bug%:*}" -fsanitize="${bug#*:}" -fno-sanitize-recover=all \
            "$dir/bug.c" -o "$dir/bug" -pthread
        "$dir/bug" >/dev/null 2>&1 || found=$((found + 1))
    done
    echo "$found of 3 planted bugs reported"
    [ "$found" = 3 ]
    exit
fi

folder=$1-$2
[ -f "$folder/build.ninja" ] ||
    meson setup "$folder" "$here/.." -Db_sanitize="$2" -Db_lundef=false >/dev/null
meson compile -C "$folder" >"$folder/build.log" 2>&1 || {
    tail -n 5 "$folder/build.log"
    exit 1
}
if [ "$2" = thread ]; then
    suites="--suite cpu --suite net"
else
    suites="--suite cpu --suite net --suite data --suite cli --suite opencl"
    suites="$suites --suite oracle"
fi
status=0
# shellcheck disable=SC2086
meson test -C "$folder" --no-rebuild --timeout-multiplier 10 $suites \
    >"$folder/tests.log" 2>&1 || status=1
grep -E '(FAIL|TIMEOUT|ERROR)' "$folder/tests.log" | head -n 20 || true
if [ "$2" != thread ]; then
    for kind in memory files; do
        python3 "$here/fault_injection/failing_calls.py" "$folder" \
            --seconds "${S:-30}" $kind >"$folder/$kind.log" 2>&1 || status=1
        grep WRONG "$folder/$kind.log" | head -n 20 || true
    done
fi
echo "$2: $(grep -E '^(Ok|Fail|Skipped|Timeout):' "$folder/tests.log" | tr -s ' \n' ' ')"
count() {
    sed -n "s/^$1: *//p" "$folder/tests.log" | awk '{ n += $1 } END { print n + 0 }'
}
failed=$(($(count Fail) + $(count Timeout)))
[ "$failed" -gt 0 ] || failed=$status
echo "figures: builds=1 tests=$(count Ok) skipped=$(count Skipped) failed=$failed"
exit $status
