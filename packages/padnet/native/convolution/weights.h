// The weights of a convolution, read and written row by row (a row is a filter):
// θ_b = M ⊙ Σ_k α_bk Θ_k + λ_s (1 − M) ⊙ Θ_s (method.md §2). λ_d is part of the coefficients.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "convolution/geometry.h"
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

/// The rows of each group, those that are static as a whole last; without a mask, as they stand.
inline std::vector<int64_t> rowOrder(const Ranks* ranks, int64_t groups, int64_t numRows, int64_t rowSize) {
  std::vector<int64_t> order(numRows);
  std::iota(order.begin(), order.end(), 0);
  if (!ranks) return order;
  const auto isDynamic = [&](int64_t row) { return ranks->before((row + 1) * rowSize) > ranks->before(row * rowSize); };
  const int64_t groupRows = groups == 0 ? 0 : numRows / groups;
  for (int64_t g = 0; g < groups; g++)
    std::stable_partition(order.begin() + g * groupRows, order.begin() + (g + 1) * groupRows, isDynamic);
  return order;
}

/// Row r of the weights is filter order()[r]: tiles are wholly static where they can be.
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
    forEachRow(part, [&](int64_t at, int64_t) { count += ranks_->before(at + part.size) - ranks_->before(at); });
    return count;
  }
  int64_t numStatic(const Part& part) const { return part.numRows * part.size - numDynamic(part); }

  /// Rows of bank entry k, zero where static. `scratch` holds numRows × size elements; it is used only where needed.
  Rows<T> bankRows(int64_t k, const Part& part, T* scratch) const {
    if (!ranks_) return {bankAt(k, begin(part, 0)), rowSize_};
    forEachRow(part, [&](int64_t at, int64_t to) {
      kernels<T>().expand(scratch + to, bankAt(k, at), bits_, at, part.size, true);
    });
    return {scratch, part.size};
  }
  /// Rows of the static weight, zero where dynamic.
  Rows<T> staticRows(const Part& part, T* scratch) const {
    forEachRow(part, [&](int64_t at, int64_t to) {
      kernels<T>().expand(scratch + to, staticAt(at), bits_, at, part.size, false);
    });
    return {scratch, part.size};
  }
  /// Rows of the mask: 1 where dynamic, 0 elsewhere.
  Rows<T> maskRows(const Part& part, T* scratch) const {
    forEachRow(part, [&](int64_t at, int64_t to) {
      for (int64_t i = 0; i < part.size; i++) scratch[to + i] = T(bitAt(bits_, at + i));
    });
    return {scratch, part.size};
  }

  /// Rows of Σ_k coefficients[k] · Θ_k + staticScale · Θ_s into `out` [numRows, size]; `scratch` has its size.
  void mixedRows(const T* coefficients, T staticScale, const Part& part, T* out, T* scratch) const {
    const Kernels<T>& kernel = kernels<T>();
    forEachRow(part, [&](int64_t at, int64_t to) {
      T* row = out + to;
      const int64_t count = ranks_ ? ranks_->before(at + part.size) - ranks_->before(at) : part.size;
      kernel.mix(ranks_ ? scratch : row, nullptr, bankAt(0, at), numDynamic_, coefficients, numKernels_, count);
      if (!ranks_) return;
      kernel.expand(row, scratch, bits_, at, part.size, true);
      kernel.expand(scratch, staticAt(at), bits_, at, part.size, false);
      kernel.mix(row, row, scratch, 0, &staticScale, 1, part.size);
    });
  }

  /// Writes the entries in use of rows [numRows, size] to bank entry k; of a gradient, say.
  void putBankRows(int64_t k, const Part& part, const T* rows) const {
    forEachRow(part, [&](int64_t at, int64_t from) {
      if (ranks_) {
        kernels<T>().compress(bankAt(k, at), rows + from, bits_, at, part.size, true);
      } else {
        std::copy_n(rows + from, part.size, bankAt(k, at));
      }
    });
  }
  void putStaticRows(const Part& part, const T* rows) const {
    forEachRow(part, [&](int64_t at, int64_t from) {
      kernels<T>().compress(staticAt(at), rows + from, bits_, at, part.size, false);
    });
  }

 private:
  int64_t begin(const Part& part, int64_t r) const { return order_[part.row + r] * rowSize_ + part.first; }
  /// Calls use(where a row stands in the weight, where among the rows of the part).
  template <class Use>
  void forEachRow(const Part& part, const Use& use) const {
    for (int64_t r = 0; r < part.numRows; r++) use(begin(part, r), r * part.size);
  }

  /// Where the dynamic or static entries from a place of the weight on stand.
  T* bankAt(int64_t k, int64_t at) const { return bank_ + k * numDynamic_ + (ranks_ ? ranks_->before(at) : at); }
  T* staticAt(int64_t at) const { return static_ + at - ranks_->before(at); }

  T* bank_;
  T* static_;
  const uint8_t* bits_;
  const Ranks* ranks_;
  std::vector<int64_t> order_;
  int64_t numKernels_, rowSize_, numDynamic_;
};

/// A weight that is mixed for every sample.
template <class T>
struct Mixture {
  Weights<T> weights;
  T staticScale;          // λ_s
  const T* coefficients;  // [batch, K]

  Mixture(const Geometry& g, const PartialWeights& weights, const T* coefficients)
      : weights(weights, g.groups, g.outChannels, g.rowSize()),
        staticScale(T(weights.staticScale)),
        coefficients(coefficients) {}

  const T* coefficientsOf(int64_t sample) const { return coefficients + sample * weights.numKernels(); }
};

template <class T>
struct MixtureGradients {
  Weights<T> weights;  // those of bank and static weight are written here
  T* coefficients;     // [batch, K]
  T* staticScale;      // one number
};

}  // namespace padnet
