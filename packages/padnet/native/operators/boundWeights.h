// The weights of a dynamic or partial layer behind its tensors, that are checked, made contiguous and kept alive.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "convolution/convolution.h"

namespace padnet {

/// bank [K, …shape]; or [K, d] with staticWeight [n − d], staticScale and the mask's bits, one an entry.
struct WeightTensors {
  const at::Tensor& bank;
  const c10::optional<at::Tensor>&staticWeight, &staticScale, &maskBits;
  int64_t numKernels;
};

/// Throws in the name of the operator where a tensor is not as it must be; the numbers of dynamic and static entries
/// are checked by BoundWeights.
void checkWeights(const char* name, const WeightTensors& weights, at::IntArrayRef shape, at::ScalarType dtype);

template <class T>
struct BoundWeights {
  at::Tensor bank, staticWeight, bits;
  std::optional<Ranks> ranks;
  std::vector<int64_t> order;
  std::optional<Weights<T>> weights;
  T staticScale = 1;

  BoundWeights(const BoundWeights&) = delete;  // `weights` points into it
  BoundWeights(const char* name, const WeightTensors& tensors, int64_t groups, int64_t numRows, int64_t rowSize)
      : bank(tensors.bank.contiguous()) {
    const int64_t size = numRows * rowSize, numKernels = tensors.numKernels;
    if (tensors.maskBits) {
      bits = tensors.maskBits->contiguous();
      ranks.emplace(bits.data_ptr<uint8_t>(), size);
      const int64_t numDynamic = ranks->before(size);
      staticWeight = tensors.staticWeight->contiguous();
      staticScale = tensors.staticScale->item<T>();
      TORCH_CHECK(bank.dim() == 2 && bank.size(0) == numKernels && bank.size(1) == numDynamic, name,
                  ": with this mask the bank must be [", numKernels, ", ", numDynamic, "], got ", bank.sizes());
      TORCH_CHECK(staticWeight.dim() == 1 && staticWeight.size(0) == size - numDynamic, name,
                  ": with this mask static_weight must be [", size - numDynamic, "], got ", staticWeight.sizes());
    }
    const Ranks* known = ranks ? &*ranks : nullptr;
    order = rowOrder(known, groups, numRows, rowSize);
    weights.emplace(bank.data_ptr<T>(), ranks ? staticWeight.data_ptr<T>() : nullptr,
                    ranks ? bits.data_ptr<uint8_t>() : nullptr, known, order.data(), numKernels, numRows, rowSize);
  }

  /// @param coefficients [batch, K]
  Mixture<T> mixture(const T* coefficients) const {
    return {*weights, order.data(), !std::is_sorted(order.begin(), order.end()), coefficients, staticScale};
  }
};

}  // namespace padnet
