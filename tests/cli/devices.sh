#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft devices --test and --doctor: devices.sh WEFT LAYER. --test detects mismatches,
# crashes and bad timers; the doctor diagnoses simulated machines, which are folders.
set -u
weft=$(realpath "$1")
layer=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# expect CODE REGEX COMMAND...: checks the exit code and the output
expect() {
    local code=$1 regex=$2 got
    shift 2
    timeout 100 "$@" >"$dir/out" 2>&1 </dev/null
    got=$?
    if [ $got -eq "$code" ]; then
        says "$regex" "$*"
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $*: exit code $got, should be $code"
    sed 's/^/    | /' "$dir/out" | head -20
}

# says REGEX [COMMAND]: checks the output of the previous command, joined to one line
says() {
    if tr -s '\n ' ' ' <"$dir/out" | grep -qE -- "$1"; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: ${2-the same}: should say '$1'"
    sed 's/^/    | /' "$dir/out" | head -20
}

# plant FAULT COMMAND...: runs the command with this fault in the driver and an empty
# cache
plant() {
    local fault=$1
    shift
    env OPENCL_LAYERS="$layer" WEFT_LAYER_FAULT="$fault" XDG_CACHE_HOME="$dir/$fault" "$@"
}
export -f plant
export layer dir weft

# --- --test
expect 0 'built-in C [0-9.]+ .* ok' "$weft" devices --test -d cpu
expect 3 'nosuch' "$weft" devices --test -d nosuch
expect 0 'PoCL vec [0-9.]+ [0-9.]+ [0-9.]+ .*reads 0 ok' bash -c \
    'plant timer-0 "$weft" devices --test -d 0'
expect 0 '"passed": ?true' "$weft" devices --test -d cpu -f json
expect 5 'FAILED.* conv .* should be .* 1 of 1 devices failed' bash -c \
    'plant result-plus-1 "$weft" devices --test -d 0'
expect 5 'pocl.icd crashes .*could not be tested' bash -c \
    'plant kernel-crash "$weft" devices --test -d 0'

# --- a device whose name has markup, a formula, and controls of terminals and of text
# harmless FILE FORMAT COMMAND: it has the name, without what does harm there
harmless() {
    local name='1\+1' bad='[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]'
    case $2 in
    csv) bad="$bad|(^|,)\"?=" ;;
    html) name='1\+1&lt;b&gt;' bad="$bad|1<b>" ;;
    md) bad="$bad|1<b>" ;;
    esac
    if grep -qE "$name" "$1" && ! LC_ALL=C grep -qP "$bad" "$1"; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $3 -f $2: lacks the name, or has controls, markup or a formula"
    cat -v "$1" | sed 's/^/    | /' | head -20
}
named=(env OPENCL_LAYERS="$layer" WEFT_LAYER_FAULT=name-controls
    XDG_CACHE_HOME="$dir/named" "$weft")
"${named[@]}" bench launch -d 0 --quick --time 0.05s --json "$dir/named.json" \
    --report "$dir/named.html" >"$dir/out" 2>&1
harmless "$dir/out" human bench
harmless "$dir/named.html" html bench
for format in human md csv json; do
    "${named[@]}" devices -f $format >"$dir/out" 2>/dev/null
    harmless "$dir/out" $format devices
    "$weft" compare "$dir/named.json" "$dir/named.json" -f $format \
        --report "$dir/pair.html" >"$dir/out" 2>"$dir/err"
    [ $format = csv ] || cat "$dir/err" >>"$dir/out" # it has the names
    harmless "$dir/out" ${format/md/human} compare
    harmless "$dir/pair.html" html compare
done

# --- one device through two drivers
twice=(env OPENCL_LAYERS="$layer" WEFT_LAYER_FAULT=platforms-twice
    XDG_CACHE_HOME="$dir/twice")
for known in 'nvidia/PCI address' 'intel/UUID' 'amd/name' '/machine.s processor'; do
    expect 0 "1 is the hardware of 0 through .*, by .* ${known#*/}; -d all takes 0" \
        "${twice[@]}" WEFT_LAYER_FAKE="${known%%/*}" "$weft" devices
done
expect 0 '"same_as": ?0' "${twice[@]}" "$weft" devices -f json
expect 0 'Left out 1 .*the hardware of 0' \
    "${twice[@]}" "$weft" bench launch -d all --quick --time 0.05s
expect 0 'chosen by "portable"' "${twice[@]}" "$weft" tune -d portable --show

# --- kernels that do not build are no wrong results
expect 1 'act .* BUILD FAILED .*does not build on ' bash -c \
    'plant build-fails "$weft" verify -d 0 --family vec --op act --cases 1 --tiny'

# --- a query that fails once is reported, whichever it is; thorough: each, else some
caches=${XDG_CACHE_HOME-}
export XDG_CACHE_HOME=$dir/queries
"$weft" tune -d 0 --show >/dev/null 2>&1 # fills the cache; it only opens the device
for call in clGetPlatformIDs clGetPlatformInfo clGetDeviceIDs clGetDeviceInfo; do
    step=1
    [[ ${TESTS_SCOPE-} == thorough || $call == *IDs ]] || step=8
    for ((n = 0; n < 100; n += step)); do
        OPENCL_LAYERS=$layer WEFT_LAYER_FAULT=$call:-5:$n:once timeout 100 \
            "$weft" tune -d 0 --show >"$dir/out" 2>&1
        grep -q '^layer: planted' "$dir/out" || break
        # An index never means another device.
        if grep -qE '^weft.*(left out|opencl).*CL_OUT_OF_RESOURCES' "$dir/out" &&
            ! grep -q '^Device.*host backend' "$dir/out"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED: $call fails once, as number $n, without a message"
        fi
    done
    expect 0 '^[1-9]' echo "$((n / step)) calls of $call failed"
done
# --- a failure leaves no memory that the driver still reads: the layer ends the process
for n in 1 2 3; do
    expect 1 'CL_OUT_OF_RESOURCES' env MALLOC_PERTURB_=90 OPENCL_LAYERS="$layer" \
        WEFT_LAYER_FAULT=clEnqueueWriteBuffer:-5:$n \
        "$weft" verify -d 0 --family vec --op memory --cases 1
done
export XDG_CACHE_HOME=$caches

# --- the doctor, on simulated machines
machine() {
    m=$dir/$1
    mkdir -p "$m/sys/bus/pci/devices" "$m/dev/dri" "$m/etc/OpenCL/vendors" "$m/proc/1"
    chmod -R a+rX "$dir"
}

# gpu ADDRESS CLASS VENDOR [MODULE]
gpu() {
    local at=$m/sys/bus/pci/devices/$1
    mkdir -p "$at"
    echo "$2" >"$at/class"
    echo "$3" >"$at/vendor"
    echo 0x744c >"$at/device"
    [ $# -lt 4 ] || ln -s "../../../../bus/pci/drivers/$4" "$at/driver"
}

# system ID VERSION: writes /etc/os-release
system() {
    printf 'NAME=x\nID=%s\nVERSION_ID="%s"\n' "$1" "$2" >"$m/etc/os-release"
}

# finds REGEX: checks the doctor's output for the machine
finds() {
    expect 0 "$1" env "${settings[@]}" "$weft" devices --doctor --root "$m"
}
settings=(CUDA_VISIBLE_DEVICES=0)
expect 2 'no such folder' "$weft" devices --doctor --root "$dir/nowhere"

machine nothing
finds 'Settings .*CUDA_VISIBLE_DEVICES=0: NVIDIA.*GPUs +- no GPU on the PCI bus'
says 'Drivers +- [^!]* has no .icd file.*Files +- no device file'
settings=(CUDA_VISIBLE_DEVICES= OCL_ICD_FILENAMES=/nowhere/lib.so)
finds '! OCL_ICD_FILENAMES names /nowhere/lib.so, which does not exist: unset'
says '! CUDA_VISIBLE_DEVICES= hides every GPU'
settings=(RUSTICL_ENABLE=swrast)

machine full
gpu 0000:00:02.0 0x030000 0x8086 i915
gpu 0000:01:00.0 0x030200 0x10de nouveau
gpu 0000:03:00.0 0x038000 0x1002 amdgpu
gpu 0000:04:00.0 0x030000 0x1234 bochs
gpu 0000:05:00.0 0x020000 0x8086 e1000
gpu 0000:06:00.0 0x030000 0x10de vfio-pci
gpu 0000:07:00.0 0x030000 0x1002
gpu 0000:08:00.0 0x120000 0x1e52
echo 0xfaca >"$m/sys/bus/pci/devices/0000:08:00.0/device"
touch "$m/dev/dri/renderD128"
system debian 12
finds '! 0000:00:02.0, a GPU of Intel [^!]*has no OpenCL driver: install intel-opencl-icd'
says '! 0000:01:00.0, [^!]* the driver nouveau in the kernel'
says '! 0000:03:00.0, a GPU of AMD [^!]*bookworm-[^!]*, and set RUSTICL_ENABLE=rad'
says '- 0000:04:00.0 [^!]*display controller'
says '- 0000:06:00.0, [^!]*reserved for a virtual machine'
says '! 0000:07:00.0, [^!]* has no driver in the kernel'
says '- 0000:08:00.0 .1e52:faca. is an accelerator without a known driver'
says 'ok /[^ ]*dev/dri/renderD128 can be opened'
if grep -q 0000:05 "$dir/out"; then
    failed=$((failed + 1))
    echo "FAILED: a network card is taken for a GPU"
fi
system fedora 41
finds 'Intel [^!]*: install intel-compute-runtime'
system unheard-of 1
finds 'Intel [^!]*: install Intel.s compute runtime'
printf 'ID=mint\nID_LIKE="ubuntu debian"\n' >"$m/etc/os-release"
finds 'AMD [^!]*or rocm-opencl-icd'
echo libm.so.6 >"$m/etc/OpenCL/vendors/rusticl.icd"
echo libnosuch.so >"$m/etc/OpenCL/vendors/intel.icd"
: >"$m/etc/OpenCL/vendors/empty.icd"
finds 'AMD [^!]*: set RUSTICL_ENABLE=radeonsi to enable'
says 'Intel [^!]*: the vendor.s driver is installed'
says '! [^!]*empty.icd registers no driver: it is empty: reinstall'
says '! [^!]*intel.icd registers libnosuch.so, which cannot be loaded .*cannot open'
says 'ok [^!]*rusticl.icd registers libm.so.6, which can be loaded'
settings=(OCL_ICD_VENDORS=/nowhere/)
finds '- 0000:00:02.0, [^!]*has no driver among those that OCL_ICD_VENDORS selects'
settings=(RUSTICL_ENABLE=swrast)
# The list prints errors too; a GPU with a driver is none.
expect 0 'Kernels .*! 0000:03:00.0, a GPU of AMD' "$weft" devices --root "$m"
expect 0 'ok 0000:03:00.0, a GPU of AMD .1002:744c. has an OpenCL driver' bash -c \
    'WEFT_LAYER_FAKE=amd plant "" "$weft" devices --doctor --root '"$m"
expect 0 '"severity": ?"error"' "$weft" devices --doctor --root "$m" -f json

# A container without device files, one with another GPU, WSL with and without its file.
machine contained
gpu 0000:03:00.0 0x030000 0x1002 amdgpu
gpu 0000:04:00.0 0x030000 0x10de nvidia
echo '0::/docker/1234' >"$m/proc/1/cgroup"
finds '! 0000:03:00.0[^!]*not passed to this container .docker.: start [^!]* /dev/kfd'
says '! 0000:04:00.0[^!]*with --gpus all'
says 'this is a container .docker.'
rm "$m/proc/1/cgroup"
finds '! 0000:04:00.0[^!]*lacks /dev/nvidiactl or /dev/nvidia-uvm: sudo nvidia-modprobe'
touch "$m/dev/nvidiactl" "$m/dev/nvidia-uvm" "$m/.dockerenv"
finds '! 0000:04:00.0[^!]*nvidia.icd in it with the line libnvidia-opencl.so.1'
mkdir -p "$m/sys/module/nvidia" "$m/usr/lib64"
echo 550.54 >"$m/sys/module/nvidia/version"
touch "$m/usr/lib64/libnvidia-opencl.so."{1,550.90}
finds '! 0000:04:00.0[^!]*restart: [^!]* driver 550.54, [^!]* is 550.90'
touch "$m/usr/lib64/libnvidia-opencl.so.550.54"
finds '! 0000:04:00.0[^!]*with the line'
rm "$m/.dockerenv"
echo 'Linux version 5.15.1-microsoft-standard-WSL2' >"$m/proc/version"
finds '! this is WSL without /dev/dxg'
touch "$m/dev/dxg"
finds '- this is WSL: GPUs are accessible only through /dev/dxg'

# A file that this user cannot open; root drops its privileges first.
machine closed
install -m 000 /dev/null "$m/dev/dri/renderD128"
install -m 060 /dev/null "$m/dev/dri/renderD129"
as=()
[ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
[ "$(id -u)" -ne 0 ] || chgrp video "$m/dev/dri/renderD129"
as+=(env XDG_CACHE_HOME=/nonexistent "$weft")
if "${as[@]}" --version >"$dir/out" 2>&1; then
    expect 0 '! /dev/dri/renderD128 cannot be opened .*: reinstall the driver.s package' \
        "${as[@]}" devices --doctor --root "$m"
    [ "$(id -u)" -ne 0 ] ||
        expect 0 '! /dev/dri/renderD129 [^!]*: join the group video .sudo usermod' \
            "${as[@]}" devices --doctor --root "$m"
else
    echo "skipped: another user cannot run this weft"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
