#!/usr/bin/env bash
# Is every file formatted as .clang-format says? --fix formats them.
set -euo pipefail
cd "$(dirname "$0")/.."

# Another version breaks lines elsewhere.
format=$(command -v clang-format-14 || command -v clang-format || true)
if [[ -z $format || $("$format" --version) != *"version 14."* ]]; then
  echo "check_format: skipped, clang-format 14 is not installed"
  exit 77
fi
options=(--dry-run --Werror)
[[ ${1:-} != --fix ]] || options=(-i)
find include src tests -name '*.h' -print0 -o -name '*.cpp' -print0 |
  xargs -0 "$format" "${options[@]}"
