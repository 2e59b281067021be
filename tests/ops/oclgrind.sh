#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a program on Oclgrind, an OpenCL device that watches every access of every kernel.
#
#     oclgrind.sh PROGRAM ARGUMENT...    fails if it fails, or on any report
#     oclgrind.sh --prove FAULTS         fails unless each planted fault is reported
set -eu

command -v oclgrind >/dev/null || {
    echo "skipped: oclgrind is not installed"
    exit 77
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The program sees Oclgrind's platform alone.
export OCL_ICD_VENDORS=/nowhere

watch() {
    : >"$log"
    oclgrind --data-races --uninitialized --check-api --max-errors 100 --log "$log" "$@"
}

if [ "$1" = --prove ]; then
    watch "$2" none
    if [ -s "$log" ]; then
        cat "$log"
        echo "a kernel without a fault is reported"
        exit 1
    fi
    for fault in bounds data-race uninitialized; do
        watch "$2" "$fault" || true
        if [ ! -s "$log" ]; then
            echo "planted fault \"$fault\" is not reported"
            exit 1
        fi
        echo "$fault: $(grep -m 1 . "$log")"
    done
    exit 0
fi

status=0
watch "$@" || status=$?
if [ -s "$log" ]; then
    head -n 60 "$log"
    echo "$(grep -c . "$log") lines of reports"
    echo "figures: families=1 reports=$(grep -c . "$log")"
    exit 1
fi
[ "$status" -ne 0 ] || printf 'no reports\nfigures: families=1 reports=0\n'
exit "$status"
