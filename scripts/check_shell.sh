#!/usr/bin/env bash
# Runs shellcheck on the project's shell scripts.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v shellcheck >/dev/null || exit 77
shellcheck scripts/*.sh .ci/run
