#!/usr/bin/env bash
# From a fresh machine to a tested build: set-up, build, the whole suite.
#   scripts/test.sh          in build/
#   scripts/test.sh --asan   in build/asan/, under the address and undefined
#                            behaviour sanitizers
#   scripts/test.sh --tsan   in build/tsan/, under the thread sanitizer: the
#                            layers that share data between threads; it cannot
#                            follow libtorch's OpenMP
set -euo pipefail
cd "$(dirname "$0")/.."

build=build
options=(-DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON)
targets=()
tests=()
case ${1:-} in
  --asan)
    build=build/asan
    options+=("-DSOUP_SANITIZE=address,undefined")
    ;;
  --tsan)
    build=build/tsan
    options+=("-DSOUP_SANITIZE=thread")
    targets=(--target soup_core_test soup_checkpoint_test soup_recipe_test
      soup_data_test)
    tests=(--label-regex '^(core|checkpoint|recipe|data)$')
    ;;
  "") ;;
  *)
    echo "usage: scripts/test.sh [--asan | --tsan]" >&2
    exit 2
    ;;
esac

scripts/setup.sh --tests
cmake -S . -B "$build" -G Ninja "${options[@]}"
cmake --build "$build" "${targets[@]}"
ctest --test-dir "$build" --parallel "$(nproc)" --output-on-failure "${tests[@]}"
