#include "operators/operands.h"

#include <algorithm>
#include <vector>

namespace padnet {

void checkTensor(const char* name, const char* mustBe, const at::Tensor& tensor, at::IntArrayRef sizes,
                 at::ScalarType dtype) {
  Check{name}(tensor.sizes() == sizes && tensor.scalar_type() == dtype && tensor.device().is_cpu(), mustBe, " ", sizes,
              ", ", dtype, " on the CPU, got ", tensor.scalar_type(), " ", tensor.sizes(), " on ", tensor.device());
}

double checkedScale(const char* name, const char* what, const at::Tensor& scale, at::ScalarType dtype) {
  if (!scale.defined()) return 1;
  Check{name}(scale.numel() == 1 && scale.scalar_type() == dtype && scale.device().is_cpu(), what,
              " must be one number, ", dtype, " on the CPU, got ", scale.scalar_type(), " ", scale.sizes(), " on ",
              scale.device());
  return scale.item<double>();
}

PartialWeights checkedWeights(const char* name, const WeightTensors& tensors, at::IntArrayRef shape,
                              at::ScalarType dtype) {
  const auto& [bank, staticWeight, staticScale, maskBits] = tensors;
  const Check check{name};
  check(dtype == at::kFloat || dtype == at::kDouble, "float32 and float64 only, got ", dtype);
  check(staticWeight.defined() == maskBits.defined() && staticScale.defined() == maskBits.defined(),
        "static_weight, static_scale and mask_bits are given together");
  PartialWeights weights;
  if (!maskBits.defined()) {
    std::vector<int64_t> sizes{tensors.numKernels()};
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    checkTensor(name, "the bank must be", bank, sizes, dtype);
    weights.bank = bank.contiguous();
    return weights;
  }
  const int64_t size = c10::multiply_integers(shape), numBytes = (size + 7) / 8;
  check(maskBits.scalar_type() == at::kByte && maskBits.numel() == numBytes && maskBits.device().is_cpu(),
        "the mask must have ", numBytes, " bytes (uint8) on the CPU, got ", maskBits.scalar_type(), " ",
        maskBits.sizes(), " on ", maskBits.device());
  weights.maskBits = maskBits.contiguous();
  weights.ranks.emplace(weights.maskBits.data_ptr<uint8_t>(), size);
  const int64_t numDynamic = weights.ranks->before(size);
  checkTensor(name, "with this mask the bank must be", bank, {tensors.numKernels(), numDynamic}, dtype);
  checkTensor(name, "with this mask static_weight must be", staticWeight, {size - numDynamic}, dtype);
  weights.bank = bank.contiguous();
  weights.staticWeight = staticWeight.contiguous();
  weights.staticScale = checkedScale(name, "static_scale", staticScale, dtype);
  return weights;
}

void checkWeightShape(const char* name, at::IntArrayRef shape) {
  const Check check{name};
  check(shape.size() == 4, "weight_shape must be [outChannels, inChannels / groups, kernelHeight, kernelWidth], got ",
        shape);
  constexpr int64_t most = int64_t{1} << 40;
  int64_t size = 1;
  for (const int64_t of : shape) {
    check(of > 0, "weight_shape must be positive, got ", shape);
    check(of <= most / size, "a weight of ", shape, " is too large");
    size *= of;
  }
}

Geometry geometryOf(const char* name, const at::Tensor& input, const Window& window) {
  const auto& [w, stride, padding, dilation, groups] = window;
  const Check check{name};
  check(input.dim() == 4, "the input must be [batch, channels, height, width], got ", input.sizes());
  const auto dtype = input.scalar_type();
  check(dtype == at::kFloat || dtype == at::kDouble, "float32 and float64 only, got ", dtype);
  check(input.device().is_cpu(), "CPU tensors only, got ", input.device());
  checkWeightShape(name, w);
  for (const at::IntArrayRef list : {stride, padding, dilation})
    check(list.size() == 2, "stride, padding and dilation are two numbers each, got ", list);
  constexpr int64_t most = int64_t{1} << 31;
  for (int axis = 0; axis < 2; axis++) {
    check(stride[axis] > 0 && stride[axis] < most, "the stride must be positive, got ", stride);
    check(dilation[axis] > 0 && dilation[axis] < most, "the dilation must be positive, got ", dilation);
    check(padding[axis] >= 0 && padding[axis] < most, "the padding must not be negative, got ", padding);
    check(w[axis + 2] < most / (1 << 10), "the kernel is too large: ", w);
  }
  check(groups > 0 && input.size(1) % groups == 0 && w[0] % groups == 0 && input.size(1) / groups == w[1],
        "an input of ", input.size(1), " channels in ", groups, " groups does not fit weights ", w);
  const auto outSize = [&](int axis) {
    const int64_t room = input.size(axis + 2) + 2 * padding[axis] - dilation[axis] * (w[axis + 2] - 1) - 1;
    return room < 0 ? 0 : room / stride[axis] + 1;
  };
  const Geometry g{input.size(0), input.size(1), input.size(2), input.size(3), w[0],       w[2],
                   w[3],          stride[0],     stride[1],     padding[0],    padding[1], dilation[0],
                   dilation[1],   groups,        outSize(0),    outSize(1)};
  // A map with its borders, of input or gradient: no product of its sides and channels overflows.
  const int64_t height = g.height + 2 * g.padHeight + g.dilationHeight * g.kernelHeight,
                width = g.width + 2 * g.padWidth + g.dilationWidth * g.kernelWidth,
                channels = std::max(g.inChannels, g.outChannels);
  check(height <= (int64_t{1} << 48) / width / channels / std::max<int64_t>(1, g.batch), "maps of ", input.sizes(),
        " with a padding of ", padding, " and a dilation of ", dilation, " are too large");
  check(g.outHeight > 0 && g.outWidth > 0, "a kernel of ", w, " does not fit an input of ", input.sizes());
  return g;
}

}  // namespace padnet
