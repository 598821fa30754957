// The vector registers of the instruction set that is compiled for.
#pragma once

#include <cstdint>

namespace padnet::PADNET_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int64_t vectorBytes = 64, maxRows = 14;  // 28 sums, 2 vectors of b, 2 spare of 32 registers
#elif defined(__AVX2__)
constexpr int64_t vectorBytes = 32, maxRows = 6;  // 12 sums of 16 registers
#else
constexpr int64_t vectorBytes = 16, maxRows = 6;
#endif

template <class T>
constexpr int64_t lanes = vectorBytes / int64_t{sizeof(T)};

/// One vector register, loaded from and stored to any address.
template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(vectorBytes), aligned(sizeof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
inline Vector<T> load(const T* at) {
  return *reinterpret_cast<const Vector<T>*>(at);
}
template <class T>
inline void store(T* at, Vector<T> value) {
  *reinterpret_cast<Vector<T>*>(at) = value;
}

}  // namespace
}  // namespace padnet::PADNET_ISA
