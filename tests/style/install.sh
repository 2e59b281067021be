#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs weft into an empty folder and uses it from there as a stranger would: the
# command, and a program that knows weft.pc and weft/weft.h alone.
#
#     install.sh BUILD SOURCE
set -eu

build=$1 source=$2
command -v pkg-config >/dev/null || {
    echo "skipped: pkg-config is not installed"
    exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$folder"

pc=$(find "$folder" -name weft.pc)
[ -n "$pc" ] || { echo "weft.pc is not installed"; exit 1; }
export PKG_CONFIG_PATH="${pc%/weft.pc}" PKG_CONFIG_SYSROOT_DIR="$folder"
libraries=$folder$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=libdir weft)
export LD_LIBRARY_PATH="$libraries"

cd "$folder"
cp "$source/tests/unit/example_embed.c" embed.c
# shellcheck disable=SC2046
cc -std=c11 -Wall -Wextra -Wpedantic -Werror embed.c -o embed \
    $(pkg-config --cflags --libs weft)
./embed cpu
[ -s embed.safetensors ] || { echo "no model was written"; exit 1; }

# The programs of docs/embedding.md. The last one builds a network and prints its text.
awk '/^```c$/ { file = "docs" ++n ".c"; next } /^```$/ { file = "" }
    file { print >file }' "$source/docs/embedding.md"
[ -s docs2.c ] || { echo "docs/embedding.md has no programs"; exit 1; }
for program in docs*.c; do
    # shellcheck disable=SC2046
    cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$program" -o "${program%.c}" \
        $(pkg-config --cflags --libs weft)
done
./docs2 | grep -qx 'dense 10' || { echo "docs2 did not print its network"; exit 1; }

# A program that asks for what the library does not have must not link.
sed 's/weft_predictor_run(/weft_foretell(/' embed.c >planted.c
# shellcheck disable=SC2046
if cc -std=c11 planted.c -o planted $(pkg-config --cflags --libs weft) 2>/dev/null; then
    echo "the test itself is broken: a planted call linked"
    exit 1
fi

command=$(find "$folder" -path '*/bin/weft')
[ -n "$command" ] || { echo "the command is not installed"; exit 1; }
"$command" --version
(cd "$folder" && find usr -type f | sort)
