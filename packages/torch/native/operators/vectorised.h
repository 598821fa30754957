// Loops compiled for each set of vector instructions, of which the machine's widest is taken at run time.
#pragma once

#include <cstdlib>
#include <cstring>

#define PADNET_INLINE inline __attribute__((always_inline))

namespace padnet {

enum class VectorIsa { kPortable, kAvx2, kAvx512 };

/// The machine's widest; ATEN_CPU_CAPABILITY=avx2 or =default narrows it, as it does libtorch's own, and so does
/// PADNET_ISA=avx2 or =portable.
inline VectorIsa vectorIsa() {
  static const VectorIsa isa = [] {
#if defined(__x86_64__)
    const auto asksFor = [](const char* variable, const char* less) {
      const char* given = std::getenv(variable);
      return given != nullptr && std::strcmp(given, less) == 0;
    };
    if (asksFor("ATEN_CPU_CAPABILITY", "default") || asksFor("PADNET_ISA", "portable") ||
        !__builtin_cpu_supports("avx2")) {
      return VectorIsa::kPortable;
    }
    const bool narrowed = asksFor("ATEN_CPU_CAPABILITY", "avx2") || asksFor("PADNET_ISA", "avx2");
    if (!narrowed && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
      return VectorIsa::kAvx512;
    }
    return VectorIsa::kAvx2;
#else
    return VectorIsa::kPortable;
#endif
  }();
  return isa;
}

#if defined(__x86_64__)
template <class Loop, class... Arguments>
__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,prefer-vector-width=512"))) void runAvx512(
    Arguments... arguments) {
  Loop::run(arguments...);
}

template <class Loop, class... Arguments>
__attribute__((target("avx2"))) void runAvx2(Arguments... arguments) {
  Loop::run(arguments...);
}
#endif

/// `Loop::run(arguments…)`, a PADNET_INLINE function: it takes on the instructions of the function that it is inlined
/// into.
template <class Loop, class... Arguments>
void runVectorised(Arguments... arguments) {
#if defined(__x86_64__)
  if (vectorIsa() == VectorIsa::kAvx512) return runAvx512<Loop>(arguments...);
  if (vectorIsa() == VectorIsa::kAvx2) return runAvx2<Loop>(arguments...);
#endif
  Loop::run(arguments...);
}

}  // namespace padnet
