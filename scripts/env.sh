# Sourced by the other scripts: where things are and how compilers are called.
# Must not do anything but set variables.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${NESTFLOW_VENV:-$root/.venv}
python=$venv/bin/python

# On a build server each checkout is new: compiled dependencies live outside of it.
cache=${NESTFLOW_CACHE:-$HOME/.cache/nestflow}
if [ -n "${CI:-}" ]; then
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
    export PIP_CACHE_DIR=${PIP_CACHE_DIR:-$cache/pip}
else
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
fi

# An extension module takes Python's symbols from the interpreter that loads it, whichever that is.
export PYO3_BUILD_EXTENSION_MODULE=1 PYO3_NO_PYTHON=1

# Zig and its wrapper lie at one place for all checkouts: compiled dependencies remember the path of
# the compiler, and another path would mean another ten minutes.
tools=$cache/tools
export PATH=$tools/bin:$venv/bin:$PATH

# Zig links for glibc 2.17; elsewhere, the build is for this system only (requirements.txt says where).
case $(uname -sm) in
    "Linux x86_64" | "Linux aarch64") triple=$(uname -m)-unknown-linux-gnu ;;
    *) triple='' ;;
esac
triple=${NESTFLOW_TRIPLE-$triple}
compiled=$CARGO_TARGET_DIR/${triple:+$triple/}release
case $(uname -s) in
    Darwin) library_suffix=dylib ;;
    *) library_suffix=so ;;
esac

# The processors of 2009 and later. What newer ones can do is looked for when the program runs, by the
# libraries that search, hash, compress and check text.
case "${triple:-$(uname -m)} ${RUSTFLAGS:-}" in
    *target-cpu=*) ;; # said already: another one means that all is compiled again
    x86_64*) export RUSTFLAGS="-C target-cpu=x86-64-v2${RUSTFLAGS:+ $RUSTFLAGS}" ;;
esac
