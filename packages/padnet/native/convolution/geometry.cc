#include "convolution/geometry.h"

#include <algorithm>

namespace padnet {
namespace {

/// Along one axis.
struct Axis {
  int64_t size, outSize, kernel, stride, pad, dilation;
};
Axis heightOf(const Geometry& g) {
  return {g.height, g.outHeight, g.kernelHeight, g.strideHeight, g.padHeight, g.dilationHeight};
}
Axis widthOf(const Geometry& g) {
  return {g.width, g.outWidth, g.kernelWidth, g.strideWidth, g.padWidth, g.dilationWidth};
}

/// Input position i meets output position (i + pad − tap · dilation) / stride where that is whole. Inputs of one
/// remainder meet the same taps, at `first remainder + shift`.
struct AxisTap {
  int64_t tap, shift;
};
std::vector<AxisTap> axisTaps(int64_t remainder, const Axis& axis) {
  std::vector<AxisTap> taps;
  for (int64_t tap = 0; tap < axis.kernel; tap++) {
    const int64_t at = remainder + axis.pad - tap * axis.dilation;
    if (at % axis.stride == 0) taps.push_back({tap, at / axis.stride});
  }
  return taps;
}

void axisBorders(const Axis& axis, int64_t& before, int64_t& after) {
  for (int64_t remainder = 0; remainder < std::min(axis.stride, axis.size); remainder++)
    for (const AxisTap& tap : axisTaps(remainder, axis)) {
      const int64_t last = (axis.size - 1 - remainder) / axis.stride;
      before = std::max(before, -tap.shift);
      after = std::max(after, last + tap.shift - (axis.outSize - 1));
    }
}

}  // namespace

Borders inputBorders(const Geometry& g) { return {g.padHeight, g.padHeight, g.padWidth, g.padWidth}; }

Borders gradientBorders(const Geometry& g) {
  Borders borders{};
  axisBorders(heightOf(g), borders.top, borders.bottom);
  axisBorders(widthOf(g), borders.left, borders.right);
  return borders;
}

Phase forwardPhase(const Geometry& g, int64_t paddedWidth) {
  Phase phase;
  for (int64_t kh = 0; kh < g.kernelHeight; kh++)
    for (int64_t kw = 0; kw < g.kernelWidth; kw++)
      phase.taps.push_back({kh * g.kernelWidth + kw, kh * g.dilationHeight * paddedWidth + kw * g.dilationWidth});
  for (int64_t h = 0; h < g.outHeight; h++)
    for (int64_t w = 0; w < g.outWidth; w++) {
      phase.from.push_back(h * g.strideHeight * paddedWidth + w * g.strideWidth);
      phase.to.push_back(h * g.outWidth + w);
    }
  return phase;
}

std::vector<Phase> gradientPhases(const Geometry& g, int64_t paddedWidth) {
  const Borders borders = gradientBorders(g);
  const int64_t origin = borders.top * paddedWidth + borders.left;
  std::vector<Phase> phases;
  for (int64_t rh = 0; rh < std::min(g.strideHeight, g.height); rh++)
    for (int64_t rw = 0; rw < std::min(g.strideWidth, g.width); rw++) {
      Phase phase;
      for (const AxisTap& h : axisTaps(rh, heightOf(g)))
        for (const AxisTap& w : axisTaps(rw, widthOf(g)))
          phase.taps.push_back({h.tap * g.kernelWidth + w.tap, origin + h.shift * paddedWidth + w.shift});
      for (int64_t h = rh; h < g.height; h += g.strideHeight)
        for (int64_t w = rw; w < g.width; w += g.strideWidth) {
          phase.from.push_back(h / g.strideHeight * paddedWidth + w / g.strideWidth);
          phase.to.push_back(h * g.width + w);
        }
      phases.push_back(std::move(phase));
    }
  return phases;
}

}  // namespace padnet
