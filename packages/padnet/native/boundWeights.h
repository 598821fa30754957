// The weights of a dynamic or partial layer behind its tensors, that are checked, made contiguous and kept alive.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "weights.h"

namespace padnet {

/// bank [K, …shape]; or [K, d] with staticWeight [n − d] and the mask's bits, one an entry.
struct WeightTensors {
  const at::Tensor& bank;
  const c10::optional<at::Tensor>&staticWeight, &maskBits;
  int64_t numKernels;
};

template <class T>
struct BoundWeights {
  at::Tensor bank, staticWeight, bits;
  std::optional<Ranks> ranks;
  std::vector<int64_t> order;
  std::optional<Weights<T>> weights;

  /// Shapes but for the numbers of dynamic and static entries are checked by the caller.
  BoundWeights(const char* name, const WeightTensors& tensors, int64_t groups, int64_t numRows, int64_t rowSize)
      : bank(tensors.bank.contiguous()) {
    const int64_t size = numRows * rowSize, numKernels = tensors.numKernels;
    if (tensors.maskBits) {
      bits = tensors.maskBits->contiguous();
      ranks.emplace(bits.data_ptr<uint8_t>(), size);
      const int64_t numDynamic = ranks->before(size);
      staticWeight = tensors.staticWeight->contiguous();
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
};

}  // namespace padnet
