// How the dynamic entries of experts lie, where they are rows or columns as a whole: what is static of them is computed
// once a token then, as one expert that all tokens have chosen.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <utility>
#include <vector>

#include "experts/experts.h"
#include "kernels/kernels.h"

namespace padnet {

/// How the dynamic entries lie in the weight [rows, columns].
enum class Structure { Whole, Rows, Columns, Entries };

Structure structureOf(const PartialWeights& weights, int64_t rows, int64_t columns);

template <class T>
Matrix<T> matrixOf(const at::Tensor& tensor) {
  return {tensor.data_ptr<std::remove_const_t<T>>(), tensor.size(0), tensor.size(1)};
}

/// Rows or columns of which some are dynamic as a whole.
struct Lines {
  std::vector<uint8_t> bits;
  int64_t numDynamic = 0, count = 0;

  Lines() = default;
  /// Line i is what the mask says `i · stride` entries from its beginning.
  Lines(const uint8_t* mask, int64_t count, int64_t stride);

  int64_t numStatic() const { return count - numDynamic; }

  /// [rows, count] → [rows, dynamic], [rows, static]
  template <class T>
  std::pair<at::Tensor, at::Tensor> split(const at::Tensor& tensor) const {
    const auto from = matrixOf<const T>(tensor);
    at::Tensor first = at::empty({from.rows, numDynamic}, tensor.options()),
               second = at::empty({from.rows, numStatic()}, tensor.options());
    const auto ones = matrixOf<T>(first), zeros = matrixOf<T>(second);
    at::parallel_for(0, from.rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        kernels<T>().compress(ones.row(row), from.row(row), bits.data(), 0, count, true);
        kernels<T>().compress(zeros.row(row), from.row(row), bits.data(), 0, count, false);
      }
    });
    return {first, second};
  }

  /// The reverse.
  template <class T>
  at::Tensor join(const at::Tensor& first, const at::Tensor& second) const {
    const auto ones = matrixOf<const T>(first), zeros = matrixOf<const T>(second);
    at::Tensor joined = at::empty({ones.rows, count}, first.options());
    const auto to = matrixOf<T>(joined);
    at::parallel_for(0, ones.rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++)
        kernels<T>().merge(to.row(row), ones.row(row), T{1}, zeros.row(row), T{1}, bits.data(), 0, count);
    });
    return joined;
  }
};

}  // namespace padnet
