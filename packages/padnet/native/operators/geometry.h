// What the convolutions' operators read from their tensors.
#pragma once

#include <ATen/ATen.h>

#include "convolution/convolution.h"

namespace padnet {

struct Window {
  at::IntArrayRef weightShape;  // [outChannels, inChannels / groups, kernelHeight, kernelWidth]
  at::IntArrayRef stride, padding, dilation;
  int64_t groups;
};

/// Throws in the name of the operator where a weight of this shape could not be in memory: sizes do not overflow then.
void checkWeightShape(const char* name, at::IntArrayRef shape);

/// Throws in the name of the operator where `input` is no map of floating numbers on the CPU or the window does not
/// fit.
Geometry geometryOf(const char* name, const at::Tensor& input, const Window& window);

template <class T>
Maps<T> mapsOf(const at::Tensor& tensor) {
  return {tensor.data_ptr<T>(), tensor.stride(0), tensor.stride(1), tensor.stride(2), tensor.stride(3)};
}

inline at::Tensor channelsLast(at::IntArrayRef sizes, const at::Tensor& like) {
  return at::empty(sizes, like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

}  // namespace padnet
