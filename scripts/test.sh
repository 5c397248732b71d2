#!/usr/bin/env bash
# From a fresh machine to a tested build: set-up, build, the whole suite.
#   scripts/test.sh          in build/
#   scripts/test.sh --asan   in build/asan/, under the address and undefined
#                            behaviour sanitizers
set -euo pipefail
cd "$(dirname "$0")/.."

build=build
options=(-DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON)
case ${1:-} in
  --asan)
    build=build/asan
    options+=("-DSOUP_SANITIZE=address,undefined")
    ;;
  "") ;;
  *)
    echo "usage: scripts/test.sh [--asan]" >&2
    exit 2
    ;;
esac

scripts/setup.sh --tests
cmake -S . -B "$build" -G Ninja "${options[@]}"
cmake --build "$build"
ctest --test-dir "$build" --parallel "$(nproc)" --output-on-failure
