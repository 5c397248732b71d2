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
rm -rf "$out/greedy.safetensors.run"  # of another version, which cannot go on

soup() {
  echo "\$ soup $*"
  build/soup "$@"
  echo
}
uniform="$out/uniform.safetensors"
greedy="$out/greedy.safetensors"
recipe="$out/greedy.recipe.json"
soup uniform configs/zoo -o "$uniform" --force --table
soup greedy configs/zoo --val fashion-mnist -o "$greedy" \
  --recipe-out "$recipe" --force --table

# Now for the first time the test pictures. Greedy begins with the best single.
best=$(python3 -c '
import json, os, sys
recipe = json.load(open(sys.argv[1]))
folder = os.path.dirname(sys.argv[1])
print(os.path.relpath(os.path.join(folder, recipe["ingredients"][0]["path"])))
' "$recipe")
build/soup eval "$best" "$uniform" "$greedy" --json \
  --val fashion-mnist --val fashion-mnist-test | python3 -c '
import json, sys
scores = [json.loads(line) for line in sys.stdin]
paths = list(dict.fromkeys(s["path"] for s in scores))
datasets = list(dict.fromkeys(s["dataset"] for s in scores))
share = {(s["path"], s["dataset"]): s["value"] for s in scores}
width = max(map(len, paths))
print(f"{str():14}{str():{width}}", *(f"{d:>20}" for d in datasets))
for kind, path in zip(("best single", "uniform soup", "greedy soup"), paths):
    print(f"{kind:14}{path:{width}}",
          *(f"{100 * share[path, d]:18.2f} %" for d in datasets))
'
