#!/usr/bin/env bash
# Runs the tests of the native operators on libraries compiled for AddressSanitizer and UndefinedBehaviorSanitizer, for every
# instruction set that this processor has: `sanitize.sh`. The first finding ends a test's process with a report. Masked loads and
# stores escape the sanitizers; they are checked by ordinary libraries on tensors that end before an inaccessible page.
set -euo pipefail
cd "$(dirname "$0")/.."

torch=packages/torch/build/sanitized
padnet=packages/padnet/build/sanitized
for package in torch padnet; do
  build=packages/$package/build/sanitized
  mkdir -p "$build"
  cmake -S "packages/$package/native" -B "$build" -DCMAKE_BUILD_TYPE=Release -DPADNET_SANITIZE=ON >"$build/cmake.log"
  cmake --build "$build" --parallel "$(nproc)"
done
fence=packages/torch/build/libfence.so

compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$padnet/CMakeCache.txt")
# Node frees nothing at its end: leaks are what nativeOperators.test.ts looks for.
sanitized=(
  LD_PRELOAD="$("$compiler" -print-file-name=libasan.so)"
  ASAN_OPTIONS=detect_leaks=0
  UBSAN_OPTIONS=print_stacktrace=1
  PADNET_TORCH_ADDON="$PWD/$torch/torch.node"
  PADNET_LIBRARY="$PWD/$padnet/libpadnet.so"
)
compute=packages/padnet/dist/compute
vitest=node_modules/vitest/vitest.mjs

# These run every instruction set by themselves, on one thread.
env "${sanitized[@]}" node $vitest run $compute/fused
for isa in avx512 avx2 portable; do
  echo "sanitize: $isa"
  env "${sanitized[@]}" PADNET_ISA=$isa node $vitest run packages/torch/dist/nn/batchNorm packages/torch/dist/optim
  # Work is cut into other parts for several threads.
  for child in fusedConv2d fusedExperts; do
    env "${sanitized[@]}" PADNET_ISA=$isa OMP_NUM_THREADS=3 node $compute/$child.test.child.js 40
    env LD_PRELOAD="$PWD/$fence" PADNET_ISA=$isa OMP_NUM_THREADS=2 node $compute/$child.test.child.js 40
  done
done
