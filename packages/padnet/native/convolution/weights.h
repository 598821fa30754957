// The weights of a dynamic or partial layer as the operators take them, read and written row by row (a row is a filter,
// or an output neuron): θ_b = M ⊙ Σ_k α_bk Θ_k + λ_s (1 − M) ⊙ Θ_s (method.md §2). λ_d is part of the coefficients.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace padnet {

/// How many bits are set before a bit: finds an entry of the mask in the compact bank.
class Ranks {
 public:
  Ranks(const uint8_t* bits, int64_t size);
  /// Set bits in [0, index).
  int64_t before(int64_t index) const;

 private:
  static constexpr int64_t chunkBytes = 64;
  const uint8_t* bits_;
  std::vector<int64_t> chunks_;
};

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

/// Bank and static weight in the order of `filters` (row r is filter order[r]).
template <class T>
class Weights {
 public:
  /// Dense: bank [K, numRows, rowSize]. `ranks` null.
  /// Compact: bank [K, numDynamic] and staticWeight [numStatic] by the mask's bits.
  Weights(T* bank, T* staticWeight, const uint8_t* bits, const Ranks* ranks, const int64_t* order, int64_t numKernels,
          int64_t numRows, int64_t rowSize)
      : bank_(bank),
        static_(staticWeight),
        bits_(bits),
        ranks_(ranks),
        order_(order),
        numKernels_(numKernels),
        rowSize_(rowSize),
        numDynamic_(ranks ? ranks->before(numRows * rowSize) : numRows * rowSize) {}

  int64_t numKernels() const { return numKernels_; }

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
      for (int64_t i = 0; i < part.size; i++) {
        const int64_t bit = begin(part, r) + i;
        out[r * part.size + i] = T((bits_[bit / 8] >> bit % 8) & 1);
      }
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
  const int64_t* order_;
  int64_t numKernels_, rowSize_, numDynamic_;
};

/// The rows of each group with whole-static ones last, so that tiles are wholly static where they can be. Without a
/// mask, as they are.
std::vector<int64_t> rowOrder(const Ranks* ranks, int64_t groups, int64_t numRows, int64_t rowSize);

}  // namespace padnet
