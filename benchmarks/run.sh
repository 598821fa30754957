#!/usr/bin/env bash
# Measures what docs/performance.md and docs/moe-layers.md say, and prints the ratios beside what they are to be at most:
# `benchmarks/run.sh [OUT]`. Takes minutes, on a machine that does nothing else; results are in OUT (runs/benchmarks) as JSON.
set -euo pipefail
root=$(dirname "$0")/..
out=${1:-$root/runs/benchmarks}
mkdir -p "$out"

# measure NAME ARGUMENTS…: `padnet bench ARGUMENTS… --json` into NAME.json, whole, and in place of a measurement alone
measure() {
  local name=$1 file=$out/$1.json
  shift
  if [ -s "$file" ] && ! grep -q '"environment": {' "$file"; then
    echo "$file is there already and is no measurement; choose another folder" >&2
    exit 1
  fi
  echo "padnet bench $*" >&2
  node "$root/packages/padnet/bin/padnet.js" bench "$@" --json >"$file.part"
  mv "$file.part" "$file"
}

layers=static,dyconv,pad,pad-filter
measure step-resnet18 step --model resnet18 --size 224 --batch 16 --layer $layers
measure step-resnet18-small step --model resnet18 --stem small --size 28 --channels 1 --classes 10 --batch 128 --layer $layers
measure step-resnet10 step --model resnet10 --stem small --width 16 --size 28 --channels 1 --classes 10 --batch 128 --layer $layers
measure step-mobilenetV2 step --model mobilenetV2 --size 224 --batch 16 --layer $layers
measure inference-resnet18-1 inference --model resnet18 --size 224 --batch 1 --layer $layers
measure inference-resnet18-16 inference --model resnet18 --size 224 --batch 16 --steps 5 --layer $layers
measure imp imp --model resnet18 --size 224 --batch 16
measure moe-intermediate moe --tokens 1024 --in 768 --out 3072 --experts 8 --k 2
measure moe-output moe --tokens 1024 --in 3072 --out 768 --experts 8 --k 2

node "$root/benchmarks/dist/ratios.js" "$out"
