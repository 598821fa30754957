// The memory of a computation: what it writes to in passing, and what it is to read next.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace padnet {

/// Uninitialised memory for the length of a computation, from libtorch's allocator: it counts, is limited, and is used
/// again.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t size)
      : tensor_(at::empty({size}, at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value))) {}
  T* get() const { return static_cast<T*>(tensor_.data_ptr()); }

 private:
  at::Tensor tensor_;
};

/// Memory that is needed next: brought nearer while the processor computes.
struct Upcoming {
  const void* data = nullptr;
  int64_t bytes = 0;

  Upcoming() = default;
  template <class T>
  Upcoming(const T* first, int64_t count) : data(first), bytes(count * int64_t{sizeof(T)}) {}

  /// One of `numParts`.
  void fetch(int64_t part = 0, int64_t numParts = 1) const {
    constexpr int64_t line = 64;
    const int64_t before = int64_t(reinterpret_cast<uintptr_t>(data) % line);
    const int64_t numLines = (before + bytes + line - 1) / line;
    const char* first = static_cast<const char*>(data) - before;
    for (int64_t i = numLines * part / numParts; i < numLines * (part + 1) / numParts; i++)
      __builtin_prefetch(first + i * line, 0, 2);
  }
};

}  // namespace padnet
