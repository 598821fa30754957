// Uninitialised memory for the length of a kernel, from libtorch's allocator: it counts, is limited, and is used again.
#pragma once

#include <ATen/ATen.h>

namespace padnet {

template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t size)
      : tensor_(at::empty({size}, at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value))) {}
  T* get() const { return static_cast<T*>(tensor_.data_ptr()); }

 private:
  at::Tensor tensor_;
};

}  // namespace padnet
