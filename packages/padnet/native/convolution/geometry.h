// Sizes of a convolution, and where its taps read.
#pragma once

#include <cstdint>
#include <vector>

namespace padnet {

struct Geometry {
  int64_t batch, inChannels, height, width;
  int64_t outChannels, kernelHeight, kernelWidth;
  int64_t strideHeight, strideWidth, padHeight, padWidth, dilationHeight, dilationWidth;
  int64_t groups;
  int64_t outHeight, outWidth;

  int64_t taps() const { return kernelHeight * kernelWidth; }
  int64_t rowSize() const { return inChannels / groups * taps(); }
  int64_t positions() const { return outHeight * outWidth; }
  int64_t lanesPerGroup() const { return outChannels / groups; }
  bool isDepthwise() const { return groups > 1 && groups == inChannels && groups == outChannels; }
  std::vector<int64_t> outputSizes() const { return {batch, outChannels, outHeight, outWidth}; }
};

/// A batch of maps of any layout.
template <class T>
struct Maps {
  const T* data;
  int64_t batchStride, channelStride, rowStride, columnStride;
};

/// Zeros around a map, so that every tap reads something at every position.
struct Borders {
  int64_t top, bottom, left, right;
};
/// Around an input, for its output.
Borders inputBorders(const Geometry& geometry);
/// Around the gradient of an output, for that of its input.
Borders gradientBorders(const Geometry& geometry);

/// Where one tap reads, in positions of the padded maps from a row's own.
struct Tap {
  int64_t index;  // in the kernel
  int64_t shift;
};

/// Positions of the result that the same taps reach, in the same way.
struct Phase {
  std::vector<Tap> taps;
  std::vector<int64_t> from;  // position in the padded maps
  std::vector<int64_t> to;    // position in the result
};
/// Every output position, from the padded input.
Phase forwardPhase(const Geometry& geometry, int64_t paddedWidth);
/// Every input position, from the padded gradient of the output: one phase for each remainder by the strides.
std::vector<Phase> gradientPhases(const Geometry& geometry, int64_t paddedWidth);

}  // namespace padnet
