#!/usr/bin/env bash
# Sets up everything the project needs, and says what it does: GDAL's library, a virtual environment,
# CPU torch, the GDAL bindings for exactly the library's version, and this project.
#
#   VENV=folder    where the virtual environment goes (default: .venv)
#   PYTHON=python  which Python to make it with (default: python3)
#   BROWSER=yes    Chromium too, which tests of the page of `dlpk serve` need
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
PYTHON=${PYTHON:-python3}
TORCH=2.13.0
# Bindings are rebuilt and packages installed again when one of these files or GDAL changes.
STAMP="$VENV/.set-up"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "'$*' needs root and there is no sudo: run it as root, then run this again"
    fi
}

UPDATED=
apt_install() {
    command -v apt-get >/dev/null || fail "$1 is missing and there is no apt-get: install it and run this again"
    if [ -z "$UPDATED" ]; then
        say "updating the list of Debian packages"
        as_root apt-get update -qq
        UPDATED=yes
    fi
    say "installing through apt: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

command -v "$PYTHON" >/dev/null || fail "no $PYTHON: install Python 3.10 or later"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || fail "$("$PYTHON" --version) is too old: Python 3.10 or later is needed"
command -v gdal-config >/dev/null || apt_install libgdal-dev
command -v bwrap >/dev/null || apt_install bubblewrap  # for dlpk classify --isolate
command -v g++ >/dev/null || apt_install g++
[ "${BROWSER:-}" != yes ] || command -v chromium >/dev/null || apt_install chromium
GDAL=$(gdal-config --version)

fingerprint() {
    { cat pyproject.toml scripts/setup.sh; printf '%s %s' "$GDAL" "$("$PYTHON" --version)"; } \
        | sha256sum | cut -d' ' -f1
}
if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ]; then
    exit 0
fi

if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    apt_install python3-venv
fi
HEADER=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h
[ -f "$HEADER" ] || apt_install python3-dev

say "virtual environment in $VENV"
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
PIP=("$VENV/bin/python" -m pip --disable-pip-version-check -qq)
"${PIP[@]}" install "numpy>=1.24" "setuptools>=77" wheel

if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
    # The registry's own build brings gigabytes of CUDA; the builds for the processor lie elsewhere.
    # Where neither can be had, the registry's build does too.
    say "torch $TORCH for the processor"
    "${PIP[@]}" install "torch==$TORCH+cpu" 2>/dev/null \
        || "${PIP[@]}" install --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu "torch==$TORCH+cpu" 2>/dev/null \
        || "${PIP[@]}" install "torch==$TORCH"
fi

BOUND=$("$VENV/bin/python" -c 'from osgeo import gdal, gdal_array; print(gdal.__version__)' 2>/dev/null || true)
if [ "$BOUND" != "$GDAL" ]; then
    say "bindings of GDAL $GDAL, built against the library"
    # Without build isolation the build sees numpy; without it reading arrays would be missing.
    "${PIP[@]}" install --no-build-isolation --no-cache-dir --no-binary gdal --force-reinstall --no-deps "gdal==$GDAL.*" \
        || fail "the bindings of GDAL $GDAL could not be built: is libgdal-dev installed?"
    "$VENV/bin/python" -c 'from osgeo import gdal_array' || fail "the bindings of GDAL came out without numpy"
fi

say "this project and its tests' needs"
"${PIP[@]}" install --no-build-isolation -e ".[run,studio,cluster,test]"
fingerprint >"$STAMP"
say "done"
