// Checks of operands, and what is read from them. Every function throws in the name of the operator where a tensor is
// not as it must be.
#pragma once

#include <ATen/ATen.h>

#include "convolution/geometry.h"
#include "kernels/partialWeights.h"

namespace padnet {

struct Check {
  const char* name;

  template <class... Details>
  void operator()(bool holds, const Details&... details) const {
    TORCH_CHECK(holds, name, ": ", details...);
  }
};

/// @param mustBe the beginning of a sentence, such as "the bank must be"
void checkTensor(const char* name, const char* mustBe, const at::Tensor& tensor, at::IntArrayRef sizes,
                 at::ScalarType dtype);

/// The scale factor `what`; 1 where it is not given.
double checkedScale(const char* name, const char* what, const at::Tensor& scale, at::ScalarType dtype);

/// The gradient of a scale factor; undefined where it was not given.
inline at::Tensor gradientLike(const at::Tensor& scale, double value) {
  return scale.defined() ? at::full_like(scale, value) : at::Tensor();
}

struct WeightTensors {
  const at::Tensor &bank, &staticWeight, &staticScale, &maskBits;

  int64_t numKernels() const { return bank.dim() > 0 ? bank.size(0) : 0; }
};
/// @param shape of one entry of the bank, small enough to count its numbers
PartialWeights checkedWeights(const char* name, const WeightTensors& tensors, at::IntArrayRef shape,
                              at::ScalarType dtype);

struct Window {
  at::IntArrayRef weightShape;  // [outChannels, inChannels / groups, kernelHeight, kernelWidth]
  at::IntArrayRef stride, padding, dilation;
  int64_t groups;
};

/// A weight of this shape can be in memory: sizes do not overflow.
void checkWeightShape(const char* name, at::IntArrayRef shape);

Geometry geometryOf(const char* name, const at::Tensor& input, const Window& window);

template <class T>
Maps<T> mapsOf(const at::Tensor& tensor) {
  return {tensor.data_ptr<T>(), tensor.stride(0), tensor.stride(1), tensor.stride(2), tensor.stride(3)};
}

inline at::Tensor channelsLast(at::IntArrayRef sizes, const at::Tensor& like) {
  return at::empty(sizes, like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

}  // namespace padnet
