# SPDX-License-Identifier: Apache-2.0
# What weft needs of Debian and Ubuntu, and installing it. Read by other scripts with `.`
# shellcheck shell=sh

# To build: the compiler, Meson, and a package for each dependency() of the build files.
PACKAGES_BUILD="gcc libc6-dev meson pkg-config ocl-icd-opencl-dev libclblast-dev
    zlib1g-dev libdeflate-dev libjansson-dev libpng-dev libturbojpeg0-dev"

# To train on any machine: an OpenCL driver for its processor, and Fashion-MNIST.
PACKAGES_RUN="pocl-opencl-icd dataset-fashion-mnist"

# To test: C++ for the headers, clang for kernels and formatting, two more OpenCL drivers
# (Mesa's, and the one that watches kernels), pip for Intel's, and the results that come
# with ONNX.
PACKAGES_TEST="g++ clang clang-format mesa-opencl-icd oclgrind python3-pip
    libonnx-testdata"

# The packages among "$@" that are not installed.
missing_packages() {
    for package; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
        [ "$status" = installed ] || echo "$package"
    done
}

# Runs a command as root; false if we cannot become root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 1
    fi
}

# Without what a package only recommends: it would be a desktop's worth.
apt_install() {
    as_root apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# Installs what is missing among "$@". Never ends the script: what is truly needed is
# asked for again by the build, and a test that misses its package says so and is skipped.
install_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        echo "No apt here: going on with what is installed. Debian's names of what is"
        echo "wanted: $*"
        return 0
    fi
    missing=$(missing_packages "$@" | tr '\n' ' ')
    if [ -z "$missing" ]; then
        echo "All that is needed is installed."
        return 0
    fi
    echo "Installing: $missing"
    as_root apt-get update -qq || echo "No fresh package lists: trying with the old ones."
    # shellcheck disable=SC2086
    apt_install $missing && return 0
    echo "Not all at once; one by one:"
    for package in $missing; do
        apt_install "$package" || echo "  $package: not installed; going on without"
    done
}
