#include <torch/library.h>

#include <cstdlib>
#include <string>

#include "kernels/kernels.h"

namespace padnet {

#define PADNET_DECLARE(isa)                   \
  namespace isa {                             \
  extern const Kernels<float> floatKernels;   \
  extern const Kernels<double> doubleKernels; \
  }
PADNET_DECLARE(portable)
#ifdef PADNET_X86
PADNET_DECLARE(avx2)
PADNET_DECLARE(avx512)
#else
namespace avx2 = portable;
namespace avx512 = portable;
#endif

namespace {

enum class Isa { Portable, Avx2, Avx512 };

Isa chooseIsa() {
  Isa best = Isa::Portable;
#ifdef PADNET_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = Isa::Avx2;
  if (best == Isa::Avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    best = Isa::Avx512;
#endif
  const char* asked = std::getenv("PADNET_ISA");
  const std::string name = asked ? asked : "";
  if (name == "portable") best = Isa::Portable;
  if (name == "avx2" && best == Isa::Avx512) best = Isa::Avx2;
  return best;
}

/// Of the kernels, as `instructionSets` in src/compute/planRates.ts names them.
std::string instructionSet() {
  const Isa isa = chooseIsa();
  return isa == Isa::Avx512 ? "avx512" : isa == Isa::Avx2 ? "avx2" : "portable";
}

template <class T>
const Kernels<T>& select(const Kernels<T>& portable, const Kernels<T>& avx2, const Kernels<T>& avx512) {
  static const Isa isa = chooseIsa();
  return isa == Isa::Avx512 ? avx512 : isa == Isa::Avx2 ? avx2 : portable;
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  return select(portable::floatKernels, avx2::floatKernels, avx512::floatKernels);
}
template <>
const Kernels<double>& kernels<double>() {
  return select(portable::doubleKernels, avx2::doubleKernels, avx512::doubleKernels);
}

TORCH_LIBRARY_FRAGMENT(padnet, library) { library.def("instruction_set() -> str", &instructionSet); }

}  // namespace padnet
