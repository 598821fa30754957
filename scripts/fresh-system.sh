#!/usr/bin/env bash
# Installs the packed packages on a bare Debian or Ubuntu, made for the purpose, and trains there: `fresh-system.sh [SUITE] [FOLDER]`
# (default: trixie, in a new folder of /tmp that is removed at the end). As root, with debootstrap and network, after `make build`;
# four minutes and 4 GB. Nothing outside FOLDER is changed.
#
# 1. a first system has a compiler and the suite's libtorch-dev: it builds what a package of that libtorch carries
# 2. `npm run package` packs that with the builds of this machine
# 3. a second system has Node and nothing else: npm install of the tarballs, `npx padnet setup --yes`, doctor, an epoch of training
#
# BUILDS=FOLDER, which `npm run package -- --builds-only` made, takes the place of the first. For Ubuntu, whose key debootstrap may not
# have (KEYRING=FILE): MIRROR=http://archive.ubuntu.com/ubuntu fresh-system.sh questing. Where the suite's own Node is too old, it gets this
# machine's. WHEEL=FOLDER, the site-packages of a Python with torch, is used instead of the suite's libtorch.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-trixie}
folder=${2:-$(mktemp -d /tmp/padnet-fresh-XXXXXX)}
mkdir -p "$folder"
mirror=${MIRROR:-http://deb.debian.org/debian}
certificates=/etc/ssl/certs/ca-certificates.crt

fail() {
  echo "fresh-system: $*" >&2
  exit 1
}
[ "$(id -u)" -eq 0 ] || fail "needs to be root, for chroot"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
[ -f packages/torch/build/torch.node ] || fail "there is nothing to pack: run make build first"

mounts=()
is_given=${2:+yes}
clean() {
  for mount in "${mounts[@]}"; do umount --lazy "$mount"; done
  [ -n "$is_given" ] || rm -rf --one-file-system "$folder"
}
trap clean EXIT

step() {
  echo "fresh-system: $* ($((SECONDS / 60)) min $((SECONDS % 60)) s)"
}

# system NAME: a copy of the bare system, with what programs expect to find.
system() {
  cp -a "$folder/base" "$folder/$1"
  mount -t proc proc "$folder/$1/proc"
  mounts+=("$folder/$1/proc")
  mount --bind /dev "$folder/$1/dev"
  mounts+=("$folder/$1/dev")
}

# inside NAME COMMAND …: runs it there, with nothing of this machine's environment.
inside() {
  local name=$1
  shift
  env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root DEBIAN_FRONTEND=noninteractive NODE_EXTRA_CA_CERTS=$certificates \
    ${WHEEL:+LIBTORCH=/wheel/torch} chroot "$folder/$name" "$@"
}

# install NAME PACKAGE …
install() {
  local name=$1
  shift
  inside "$name" apt-get install -y -qq --no-install-recommends "$@" >"$folder/apt.log" 2>&1 || { tail -20 "$folder/apt.log" >&2; return 1; }
}

step "debootstrap of a bare $suite"
scripts=/usr/share/debootstrap/scripts
script=$scripts/$suite
[ -e "$script" ] || script=$scripts/$(grep -q ubuntu <<<"$mirror" && echo gutsy || echo sid) # releases newer than debootstrap
debootstrap --variant=minbase ${KEYRING:+--keyring="$KEYRING"} --include=ca-certificates "$suite" "$folder/base" "$mirror" "$script" >"$folder/debootstrap.log" ||
  fail "debootstrap failed: $(tail -1 "$folder/debootstrap.log")"
cp --dereference /etc/resolv.conf "$folder/base/etc/resolv.conf"
cp "$certificates" "$folder/base$certificates" # those of a proxy, where there is one
grep -q ubuntu <<<"$mirror" && sed -i 's/ main$/ main universe/' "$folder/base/etc/apt/sources.list"
inside base apt-get update -qq

candidate() {
  inside base apt-cache policy "$1" | sed -n 's/^ *Candidate: //p' | grep -v none || true
}
# node NAME: the suite's Node and npm, or this machine's.
node() {
  if dpkg --compare-versions "$(candidate nodejs)" ge 20.19; then
    install "$1" nodejs npm
  else
    step "the Node of $suite ($(candidate nodejs)) is too old: taking this machine's"
    install "$1" libstdc++6
    cp "$(readlink -f "$(type -P node)")" "$folder/$1/usr/local/bin/node"
    cp -r "$(readlink -f "$(dirname "$(readlink -f "$(type -P npm)")")/..")" "$folder/$1/usr/local/lib/npm"
    ln -s ../lib/npm/bin/npm-cli.js "$folder/$1/usr/local/bin/npm"
    ln -s ../lib/npm/bin/npx-cli.js "$folder/$1/usr/local/bin/npx"
  fi
}

builds=()
[ -z "${BUILDS:-}" ] || builds+=(--builds "$BUILDS")
if [ -z "${BUILDS:-}" ] && [ -n "$(candidate libtorch-dev)" ]; then
  step "a build for the libtorch of $suite, $(candidate libtorch-dev)"
  system builder
  node builder
  install builder g++ cmake make libtorch-dev
  mkdir "$folder/builder/repository"
  mount --bind -o ro . "$folder/builder/repository"
  mounts+=("$folder/builder/repository")
  inside builder node /repository/packaging/dist/main.js --no-checkout --libtorch /usr --builds-only --out /builds >"$folder/build.log" ||
    fail "the build failed: $(tail -3 "$folder/build.log")"
  builds+=(--builds "$folder/builder/builds")
fi

step "npm run package"
npm run --silent package -- "${builds[@]}" --out "$folder/packed" 2>/dev/null

step "a bare $suite with Node"
system bare
node bare
mkdir "$folder/bare/project"
cp "$folder"/packed/*.tgz "$folder/bare/project"
command node tests/dist/tinyProject.js "$folder/bare/project"
if [ -n "${WHEEL:-}" ]; then
  mkdir "$folder/bare/wheel"
  mount --bind -o ro "$WHEEL" "$folder/bare/wheel"
  mounts+=("$folder/bare/wheel")
  install bare libgomp1
fi
for program in c++ g++ cc gcc cmake make; do
  ! inside bare sh -c "command -v $program" || fail "the bare system has $program"
done
start=$SECONDS
inside bare sh -c 'cd /project && npm init --yes >/dev/null && npm install --no-audit --no-fund ./*.tgz'
step "npm install took $((SECONDS - start)) s"
inside bare sh -c 'cd /project && npx padnet setup --yes' >"$folder/setup.log" 2>&1 || fail "padnet setup failed: $(tail -3 "$folder/setup.log")"
tail -1 "$folder/setup.log"
inside bare sh -c 'cd /project && npx padnet doctor'
inside bare sh -c 'cd /project && npx padnet train recipe.yaml --out run' | tail -2
step "done: $suite trains, from tarballs and without a compiler"
