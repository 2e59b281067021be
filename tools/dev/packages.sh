# SPDX-License-Identifier: Apache-2.0
# Packages of Debian and Ubuntu that weft needs, and their installation. To be sourced.
# shellcheck shell=sh

# To build: compiler, Meson, and a package for each dependency() of the build files.
PACKAGES_BUILD="gcc libc6-dev meson pkg-config ocl-icd-opencl-dev libclblast-dev
    zlib1g-dev libdeflate-dev libjansson-dev libpng-dev libturbojpeg0-dev
    libmicrohttpd-dev"

# To train on any machine: an OpenCL driver for CPUs, and Fashion-MNIST.
PACKAGES_RUN="pocl-opencl-icd dataset-fashion-mnist"

# To test: C++ for the headers, clang for kernels, formatting and fuzzing, two more OpenCL
# drivers (Mesa, Oclgrind), pip for Intel's, the test data of ONNX, a browser for pages.
PACKAGES_TEST="g++ clang libclang-rt-14-dev clang-format mesa-opencl-icd oclgrind
    python3-pip libonnx-testdata chromium"

# The packages among "$@" that are not installed.
missing_packages() {
    for package; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
        [ "$status" = installed ] || echo "$package"
    done
}

# Runs a command as root; fails without root or sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 1
    fi
}

# Without recommended packages, which include a desktop.
apt_install() {
    as_root apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# Installs the missing packages of "$@". Failures do not end the script: the build reports
# missing dependencies, and tests without their packages are skipped.
install_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        echo "apt is not available: continuing with installed packages. Required packages"
        echo "by their Debian names: $*"
        return 0
    fi
    missing=$(missing_packages "$@" | tr '\n' ' ')
    if [ -z "$missing" ]; then
        echo "All packages are installed."
        return 0
    fi
    echo "Installing: $missing"
    as_root apt-get update -qq || echo "Package lists cannot be updated."
    # shellcheck disable=SC2086
    apt_install $missing && return 0
    echo "Installing them together failed; trying one by one:"
    for package in $missing; do
        apt_install "$package" || echo "  $package: not installed, continuing without it"
    done
}
