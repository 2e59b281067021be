# SPDX-License-Identifier: Apache-2.0
# What weft needs of Debian and Ubuntu, and installing it. Read by other scripts with `.`
# shellcheck shell=sh

# To build: the compiler, Meson, and one package for each dependency() in the build files.
PACKAGES_BUILD="gcc libc6-dev meson pkg-config ocl-icd-opencl-dev libclblast-dev zlib1g-dev \
libjansson-dev libpng-dev libturbojpeg0-dev"

# To train on any machine: an OpenCL driver for its processor, and Fashion-MNIST.
PACKAGES_RUN="pocl-opencl-icd dataset-fashion-mnist"

# To test: C++ for the headers, clang for kernels and formatting, two more OpenCL drivers
# (Mesa's and the one that watches kernels), and the results that come with ONNX.
PACKAGES_TEST="g++ clang clang-format mesa-opencl-icd oclgrind libonnx-testdata"

# The packages among "$@" that are not installed.
missing_packages() {
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            echo "$package"
    done
}

# Runs apt-get as root; false if we cannot become root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 1
    fi
}

# Installs what is missing among "$@". Never ends the script: what is truly needed is asked
# for again by the build, and a test whose package is missing says so and is skipped.
install_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        echo "No apt here: going on with what is installed. Debian calls what is wanted:"
        echo "  $*"
        return 0
    fi
    missing=$(missing_packages "$@" | tr '\n' ' ')
    if [ -z "$missing" ]; then
        echo "All packages are installed."
        return 0
    fi
    echo "Installing: $missing"
    as_root apt-get update -qq || echo "apt-get update failed: trying with the lists there are."
    # shellcheck disable=SC2086
    as_root apt-get install -qq -y --no-install-recommends $missing >/dev/null && return 0
    echo "Not all at once; one by one:"
    for package in $missing; do
        as_root apt-get install -qq -y --no-install-recommends "$package" >/dev/null ||
            echo "  $package could not be installed: going on without."
    done
}
