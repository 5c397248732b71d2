#!/usr/bin/env bash
# From a fresh machine to a better model: set-up, build, and a greedy soup of
# the fine-tuned checkpoints in configs/zoo, chosen on held-out pictures.
#   scripts/demo.sh [FOLDER]   where the soups are written; else build/demo
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/demo}

scripts/setup.sh >&2
if [[ ! -e build/CMakeCache.txt ]]; then
  cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_TESTING=OFF >&2
fi
cmake --build build --target soup >&2
mkdir -p "$out"

soup() {
  echo "\$ soup $*"
  build/soup "$@" --force --table
  echo
}
held_out=(--val fashion-mnist --test fashion-mnist-test)
soup uniform configs/zoo "${held_out[@]}" -o "$out/uniform.safetensors"
soup greedy configs/zoo "${held_out[@]}" -o "$out/greedy.safetensors"
