#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy) on every file of src that is built and was not
# found clean before with the same headers and checks.
#   check_tidy.sh BUILD_FOLDER   as configured by CMake
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "$0")/.."

tidy=$(command -v clang-tidy-14 || command -v clang-tidy || true)
if [[ -z $tidy ]]; then
  echo "check_tidy: skipped, clang-tidy is not installed"
  exit 77
fi

# Without the precompiled header, which is g++'s own, as are some warnings.
clean="$build/tidy"
mkdir -p "$clean"
sed 's/-Winvalid-pch -include [^ ]*cmake_pch.hxx//; s/-fpch-preprocess//' \
  "$build/compile_commands.json" >"$clean/compile_commands.json"

common=$(find include src -name '*.h' | sort | xargs cat .clang-tidy |
  cat - <("$tidy" --version) | sha256sum)
todo=()
while read -r file; do
  key=$(cat "$file" - <<<"$common" | sha256sum | cut -c -32)
  [[ -e $clean/$key ]] || todo+=("$file" "$clean/$key")
done < <(sed -n "s|^  \"file\": \"$PWD/\(src/.*\)\".*|\1|p" "$build/compile_commands.json")
echo "check_tidy: $((${#todo[@]} / 2)) files to look at"
((${#todo[@]})) || exit 0

# shellcheck disable=SC2016  # expanded by the inner shell
printf '%s\0' "${todo[@]}" | xargs -0 -n 2 -P "$(nproc)" bash -c '
  if said=$("$0" --quiet --extra-arg=-Wno-unknown-warning-option -p "$1" \
    "$2" 2>&1); then
    touch "$3"
  else
    printf "%s\n" "$said" | grep -v "warnings\? generated\.$"
    exit 1
  fi' "$tidy" "$clean"
