// How work is cut, the memory that it takes, and what it is to read next.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>

namespace padnet {

/// Sizes of parts as equal as can be, none above `most`.
struct Split {
  int64_t total, count, size;
  Split(int64_t all, int64_t most)
      : total(all), count(std::max<int64_t>(1, (all + most - 1) / most)), size((all + count - 1) / count) {
    count = std::max<int64_t>(1, (all + size - 1) / std::max<int64_t>(1, size));
  }
  int64_t begin(int64_t part) const { return part * size; }
  int64_t length(int64_t part) const { return std::min(size, total - part * size); }
};

/// Uninitialised memory for the length of a computation, from libtorch's allocator: it counts, is limited, and is used
/// again.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t size) : tensor_(at::empty({size}, c10::CppTypeToScalarType<T>::value)) {}
  T* get() const { return static_cast<T*>(tensor_.data_ptr()); }

 private:
  at::Tensor tensor_;
};

/// Memory that is needed next: brought nearer while the processor computes.
struct Upcoming {
  const char* first = nullptr;  // of its cache lines
  int64_t numLines = 0;

  Upcoming() = default;
  template <class T>
  Upcoming(const T* data, int64_t count) {
    const int64_t before = int64_t(reinterpret_cast<uintptr_t>(data) % line);
    first = reinterpret_cast<const char*>(data) - before;
    numLines = (before + count * int64_t{sizeof(T)} + line - 1) / line;
  }

  /// One of `numParts`.
  void fetch(int64_t part = 0, int64_t numParts = 1) const {
    for (int64_t i = numLines * part / numParts; i < numLines * (part + 1) / numParts; i++)
      __builtin_prefetch(first + i * line, 0, 2);
  }

 private:
  static constexpr int64_t line = 64;
};

}  // namespace padnet
