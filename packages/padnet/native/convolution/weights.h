// The weights of a convolution, read and written row by row (a row is a filter):
// θ_b = M ⊙ Σ_k α_bk Θ_k + λ_s (1 − M) ⊙ Θ_s (method.md §2). λ_d is part of the coefficients.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/partialWeights.h"

namespace padnet {

/// Rows of equal stride.
template <class T>
struct Rows {
  const T* data;
  int64_t stride;
};

/// A part of the weight: `numRows` rows from `row` on, and of each `size` entries from `first` on.
struct Part {
  int64_t row, numRows, first, size;
};

std::vector<int64_t> rowOrder(const Ranks* ranks, int64_t groups, int64_t numRows, int64_t rowSize);

/// Row r of the weights is filter order()[r]: within each group those that are static as a whole come last, so that
/// tiles are wholly static where they can be. Without a mask rows are as they stand.
template <class T>
class Weights {
 public:
  /// @param weights of `numRows` filters; they are to outlive this
  Weights(const PartialWeights& weights, int64_t groups, int64_t numRows, int64_t rowSize)
      : bank_(weights.bank.data_ptr<T>()),
        static_(weights.ranks ? weights.staticWeight.data_ptr<T>() : nullptr),
        bits_(weights.ranks ? weights.maskBits.data_ptr<uint8_t>() : nullptr),
        ranks_(weights.ranks ? &*weights.ranks : nullptr),
        order_(rowOrder(ranks_, groups, numRows, rowSize)),
        numKernels_(weights.numKernels()),
        rowSize_(rowSize),
        numDynamic_(ranks_ ? ranks_->before(numRows * rowSize) : numRows * rowSize) {}

  /// Other numbers in the same places, gradients for instance.
  Weights over(T* bank, T* staticWeight) const {
    Weights other = *this;
    other.bank_ = bank;
    other.static_ = staticWeight;
    return other;
  }

  int64_t numKernels() const { return numKernels_; }
  const int64_t* order() const { return order_.data(); }
  bool isReordered() const { return !std::is_sorted(order_.begin(), order_.end()); }

  int64_t numDynamic(const Part& part) const {
    if (!ranks_) return part.numRows * part.size;
    int64_t count = 0;
    for (int64_t r = 0; r < part.numRows; r++) {
      const int64_t at = begin(part, r);
      count += ranks_->before(at + part.size) - ranks_->before(at);
    }
    return count;
  }
  int64_t numStatic(const Part& part) const { return part.numRows * part.size - numDynamic(part); }

  /// Rows of bank entry k, zero where static. `scratch` holds numRows × size elements; it is used only where needed.
  Rows<T> bankRows(int64_t k, const Part& part, T* scratch) const {
    if (!ranks_) return {bank_ + k * numDynamic_ + begin(part, 0), rowSize_};
    for (int64_t r = 0; r < part.numRows; r++) {
      const int64_t at = begin(part, r);
      kernels<T>().expand(scratch + r * part.size, bank_ + k * numDynamic_ + ranks_->before(at), bits_, at, part.size,
                          true);
    }
    return {scratch, part.size};
  }
  /// Rows of the static weight, zero where dynamic.
  Rows<T> staticRows(const Part& part, T* scratch) const {
    for (int64_t r = 0; r < part.numRows; r++) {
      const int64_t at = begin(part, r);
      kernels<T>().expand(scratch + r * part.size, static_ + at - ranks_->before(at), bits_, at, part.size, false);
    }
    return {scratch, part.size};
  }

  /// Rows of the mask: 1 where dynamic, 0 elsewhere.
  Rows<T> maskRows(const Part& part, T* out) const {
    for (int64_t r = 0; r < part.numRows; r++)
      for (int64_t i = 0; i < part.size; i++) out[r * part.size + i] = T(bitAt(bits_, begin(part, r) + i));
    return {out, part.size};
  }

  /// Rows of Σ_k coefficients[k] · Θ_k + staticScale · Θ_s into `out` [numRows, size]; `scratch` has its size.
  void mixedRows(const T* coefficients, T staticScale, const Part& part, T* out, T* scratch) const {
    const Kernels<T>& kernel = kernels<T>();
    for (int64_t r = 0; r < part.numRows; r++) {
      const int64_t at = begin(part, r);
      T* row = out + r * part.size;
      if (!ranks_) {
        kernel.mix(row, nullptr, bank_ + at, numDynamic_, coefficients, numKernels_, part.size);
        continue;
      }
      const int64_t first = ranks_->before(at), count = ranks_->before(at + part.size) - first;
      kernel.mix(scratch, nullptr, bank_ + first, numDynamic_, coefficients, numKernels_, count);
      kernel.expand(row, scratch, bits_, at, part.size, true);
      kernel.expand(scratch, static_ + at - first, bits_, at, part.size, false);
      kernel.mix(row, row, scratch, 0, &staticScale, 1, part.size);
    }
  }

  /// Writes the entries in use of rows [numRows, size] to bank entry k; of a gradient, say.
  void putBankRows(int64_t k, const Part& part, const T* rows) const {
    for (int64_t r = 0; r < part.numRows; r++) {
      const int64_t at = begin(part, r);
      const T* row = rows + r * part.size;
      if (ranks_) {
        kernels<T>().compress(bank_ + k * numDynamic_ + ranks_->before(at), row, bits_, at, part.size, true);
      } else {
        std::copy(row, row + part.size, bank_ + k * numDynamic_ + at);
      }
    }
  }
  void putStaticRows(const Part& part, const T* rows) const {
    for (int64_t r = 0; r < part.numRows; r++) {
      const int64_t at = begin(part, r);
      kernels<T>().compress(static_ + at - ranks_->before(at), rows + r * part.size, bits_, at, part.size, false);
    }
  }

 private:
  int64_t begin(const Part& part, int64_t r) const { return order_[part.row + r] * rowSize_ + part.first; }

  T* bank_;
  T* static_;
  const uint8_t* bits_;
  const Ranks* ranks_;
  std::vector<int64_t> order_;
  int64_t numKernels_, rowSize_, numDynamic_;
};

}  // namespace padnet
