#include "operators/boundWeights.h"

namespace padnet {

void checkWeights(const char* name, const WeightTensors& weights, at::IntArrayRef shape, at::ScalarType dtype) {
  const auto& [bank, staticWeight, staticScale, maskBits, numKernels] = weights;
  const auto check = [&](bool holds, const char* what, auto&&... details) {
    TORCH_CHECK(holds, name, ": ", what, details...);
  };
  const int64_t size = shape[0] * shape[1] * shape[2] * shape[3];
  std::vector<at::Tensor> floats{bank};
  check(staticWeight.has_value() == maskBits.has_value() && staticScale.has_value() == maskBits.has_value(),
        "static_weight, static_scale and mask_bits are given together");
  if (maskBits) {
    check(maskBits->scalar_type() == at::kByte && maskBits->numel() == (size + 7) / 8 && maskBits->device().is_cpu(),
          "the mask must have ", (size + 7) / 8, " bytes on the CPU, got ", maskBits->scalar_type(), " ",
          maskBits->sizes());
    floats.push_back(*staticWeight);
    floats.push_back(*staticScale);
    check(staticScale->numel() == 1, "the static scale must be one number, got ", staticScale->sizes());
  } else {
    check(bank.dim() == 5 && bank.size(0) == numKernels && bank.sizes().slice(1) == shape, "the bank must be [",
          numKernels, ", ", shape, "], got ", bank.sizes());
  }
  check(dtype == at::kFloat || dtype == at::kDouble, "float32 and float64 only, got ", dtype);
  for (const at::Tensor& tensor : floats)
    check(tensor.scalar_type() == dtype && tensor.device().is_cpu(), "all tensors must be like the input (", dtype,
          " on the CPU), got ", tensor.scalar_type(), " on ", tensor.device());
}

}  // namespace padnet
