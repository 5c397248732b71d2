#!/usr/bin/env bash
# Installs what soup needs to be built: packages of Debian or Ubuntu and, where
# there is no PyTorch >= 2.9, libtorch in a cache folder of the user.
#
#   scripts/setup.sh                    what the build and the demo need
#   scripts/setup.sh --tests            and what the tests need
#   scripts/setup.sh --print-libtorch   installs nothing: where libtorch is
#
# May be run again and interrupted at any time.
set -euo pipefail

build_packages=(g++ cmake ninja-build python3 libcli11-dev nlohmann-json3-dev
  libspdlog-dev libfmt-dev libjpeg-dev libpng-dev libwebp-dev
  libxxhash-dev libmd-dev libre2-dev zlib1g-dev libdeflate-dev libeigen3-dev libyaml-cpp-dev
  libboost-dev)
test_packages=(libgtest-dev libgmock-dev libbenchmark-dev jq)
# Wanted, but not in the archive of every release.
build_extras=(dataset-fashion-mnist)
test_extras=(clang-format-14 clang-tidy-14 shellcheck mold ccache)

torch_version=2.11.0
oldest_torch=2.9
cache="${XDG_CACHE_HOME:-${HOME:?}/.cache}/soup"

# What libtorch_cpu needs.
cpu_wheels="
torch==2.11.0 --hash=sha256:7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
"
# What libtorch_cuda needs on top.
gpu_wheels="
nvidia-cublas==13.1.0.3 --hash=sha256:ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171
nvidia-cuda-nvrtc==13.0.88 --hash=sha256:ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575
nvidia-cudnn-cu13==9.19.0.56 --hash=sha256:d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf
nvidia-cufft==12.0.0.61 --hash=sha256:6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3
nvidia-cufile==1.15.1.6 --hash=sha256:08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44
nvidia-curand==10.4.0.35 --hash=sha256:1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc
nvidia-cusolver==12.0.4.66 --hash=sha256:0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112
nvidia-cusparse==12.6.3.3 --hash=sha256:2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b
nvidia-cusparselt-cu13==0.8.0 --hash=sha256:25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd
nvidia-nccl-cu13==2.28.9 --hash=sha256:e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42
nvidia-nvjitlink==13.0.88 --hash=sha256:13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b
nvidia-nvshmem-cu13==3.4.5 --hash=sha256:290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80
nvidia-nvtx==13.0.85 --hash=sha256:4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4
"

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

# ------------------------------------------------------------------- libtorch

torch_version_of() {  # FOLDER -> 2.11, or nothing
  local header
  for header in "$1/include/torch/headeronly/version.h" \
    "$1/include/torch/csrc/api/include/torch/version.h"; do
    [[ -f $header && -f $1/lib/libtorch_cpu.so ]] || continue
    sed -n 's/^#define TORCH_VERSION_M[AJORIN]* *\([0-9]*\)$/\1/p' "$header" |
      head -n 2 | paste -sd.
    return
  done
}

suitable() {  # FOLDER
  local found
  found=$(torch_version_of "$1")
  [[ -n $found ]] &&
    printf '%s\n' "$oldest_torch" "$found" | sort --check=quiet --version-sort
}

python_torch() {  # the torch package of python3, found without importing it
  command -v python3 >/dev/null && python3 - <<'PYTHON' 2>/dev/null
import importlib.util
spec = importlib.util.find_spec("torch")
print(spec.submodule_search_locations[0] if spec else "")
PYTHON
}

has_gpu() { [[ -e /dev/nvidia0 || -e /dev/dxg ]]; }

# Where to put it: with a GPU, libtorch_cuda and what it needs come along.
cached_folder() {
  if has_gpu; then
    echo "$cache/libtorch-$torch_version-cuda"
  else
    echo "$cache/libtorch-$torch_version"
  fi
}

find_libtorch() {  # prints the folder, fails when there is none
  if [[ -n ${LIBTORCH:-} ]]; then
    suitable "$LIBTORCH" ||
      fail "LIBTORCH=$LIBTORCH holds no libtorch >= $oldest_torch (include/ and lib/)"
    echo "$LIBTORCH"
    return
  fi
  local folder
  for folder in "$(python_torch)" "$(cached_folder)/torch"; do
    if [[ -n $folder ]] && suitable "$folder"; then
      echo "$folder"
      return
    fi
  done
  return 1
}

find_pip() {  # prints a python3 that has pip
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      echo "$python"
      return
    fi
  done
  return 1
}

check_disk() {  # GIGABYTES
  local free
  free=$(df -Pk "$cache" | awk 'NR == 2 {print int($4 / 1e6)}')
  ((free >= $1)) ||
    fail "$cache: $free GB free, but libtorch needs $1 GB while it is unpacked; make room or set XDG_CACHE_HOME"
}

pip_install() {  # FOLDER
  local python quiet=() platform platforms=()
  python=$(find_pip) || fail "python3 has no pip: install it, or set LIBTORCH"
  [[ -t 2 ]] || quiet=(--quiet)
  for platform in _2_28 _2_27 _2_25 _2_18 _2_17 2014 _2_12 2010 _2_5 1; do
    platforms+=(--platform "manylinux${platform}_x86_64")
  done
  # The libraries are the same for every python: one set of hashes will do.
  mkdir "$1" "$1.tmp"
  TMPDIR="$1.tmp" PIP_ROOT_USER_ACTION=ignore "$python" -m pip install "${quiet[@]}" --no-cache-dir \
    --disable-pip-version-check --no-compile --no-deps --require-hashes \
    --only-binary=:all: --implementation cp --python-version 3.11 \
    "${platforms[@]}" --target "$1" --requirement "$1.txt" >&2
}

install_libtorch() {
  local folder wheels=$cpu_wheels gigabytes=3
  folder=$(cached_folder)
  [[ $(uname -sm) == "Linux x86_64" ]] ||
    fail "no libtorch found: install PyTorch >= $oldest_torch and set LIBTORCH to its folder with include/ and lib/"
  if has_gpu; then
    wheels+=$gpu_wheels
    gigabytes=9
  fi
  mkdir -p "$cache" || fail "$cache: cannot be created"
  exec 9>"$cache/setup.lock"
  flock 9  # another set-up may be at it
  if suitable "$folder/torch"; then return; fi
  check_disk "$gigabytes"
  say "libtorch $torch_version comes into $folder"
  local partial="$folder.partial"
  # shellcheck disable=SC2064  # the name is known now
  trap "rm -rf '$partial' '$partial.tmp' '$partial.txt'" EXIT
  trap 'exit 130' INT
  rm -rf "$partial" "$partial.tmp"
  echo "$wheels" >"$partial.txt"
  pip_install "$partial" ||
    fail "torch $torch_version could not be installed (see above): is there a network, and room in $cache? Run this again, or set LIBTORCH to a PyTorch >= $oldest_torch"
  rm -rf "$folder"
  mv "$partial" "$folder"
}

# ------------------------------------------------------------------- packages

installed() { [[ $(dpkg-query -Wf '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

missing() {  # PACKAGE... -> those that are not installed, one a line
  local package
  for package in "$@"; do
    case $package in
      g++ | cmake | python3) command -v "$package" >/dev/null && continue ;;
      ninja-build) command -v ninja >/dev/null && continue ;;
    esac
    installed "$package" || echo "$package"
  done
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "no root and no sudo: ask for these packages: ${wanted[*]}"
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
    -o DPkg::Lock::Timeout=600 "$@" >&2
}

# Fills wanted and unknown from needed and extras.
compare_packages() {
  local package
  unknown=()
  mapfile -t wanted < <(missing "${needed[@]}")
  for package in $(missing "${extras[@]}"); do
    if apt-cache show "$package" >/dev/null 2>&1; then
      wanted+=("$package")
    else
      unknown+=("$package")
    fi
  done
}

install_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "not Debian or Ubuntu: these must be there (Debian's names): ${needed[*]} ${extras[*]}"
    return
  fi
  local wanted unknown
  compare_packages
  if ((${#wanted[@]})) || ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then
    say "looking for packages: ${wanted[*]} ${unknown[*]}"
    apt update || say "apt-get update failed: is there a network?"
    compare_packages
  fi
  ((!${#unknown[@]})) ||
    say "not in this system's archive, what needs them is left out: ${unknown[*]}"
  ((${#wanted[@]})) || return 0
  say "installing packages: ${wanted[*]}"
  apt install --no-install-recommends "${wanted[@]}" ||
    fail "apt-get could not install: ${wanted[*]}"
}

# ----------------------------------------------------------------------- main

needed=("${build_packages[@]}")
extras=("${build_extras[@]}")
case ${1:-} in
  --print-libtorch)
    find_libtorch
    exit
    ;;
  --tests)
    needed+=("${test_packages[@]}")
    extras+=("${test_extras[@]}")
    ;;
  "") ;;
  *) fail "usage: scripts/setup.sh [--tests | --print-libtorch]" ;;
esac

if ! libtorch=$(find_libtorch); then
  [[ -z ${LIBTORCH:-} ]] || exit 1
  find_pip >/dev/null || needed+=(python3-pip)
fi
install_packages
if [[ -z $libtorch ]]; then
  install_libtorch
  libtorch=$(find_libtorch)
fi
say "libtorch $(torch_version_of "$libtorch"): $libtorch"
