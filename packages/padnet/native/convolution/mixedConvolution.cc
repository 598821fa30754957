#include "convolution/mixedConvolution.h"

#include "convolution/depthwise.h"
#include "convolution/mixedTiles.h"

namespace padnet {

template <class T>
void convolve(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& input, T* output) {
  if (g.isDepthwise()) return convolveDepthwise(g, mixture, input, output);
  const BlockedMaps<T> maps(input, g.batch, g.inChannels, g.groups, g.height, g.width, inputBorders(g));
  const Pass<T> pass{g,
                     maps,
                     {forwardPhase(g, maps.paddedWidth)},
                     g.lanesPerGroup(),
                     mixture.weights.order(),
                     output,
                     g.outChannels,
                     g.positions()};
  run(pass, [&](int64_t mostSize) { return MixedTiles<T>(pass, mixture, true, mostSize); });
}

template <class T>
void convolveBackwardInput(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& gradOutput, T* gradInput) {
  if (g.isDepthwise()) return depthwiseBackwardInput(g, mixture, gradOutput, gradInput);
  const BlockedMaps<T> maps(gradOutput, g.batch, g.outChannels, g.groups, g.outHeight, g.outWidth, gradientBorders(g),
                            BlockedMaps<T>::mostChannels,
                            mixture.weights.isReordered() ? mixture.weights.order() : nullptr);
  const Pass<T> pass{g,
                     maps,
                     gradientPhases(g, maps.paddedWidth),
                     g.inChannels / g.groups,
                     nullptr,
                     gradInput,
                     g.inChannels,
                     g.height * g.width};
  run(pass, [&](int64_t mostSize) { return MixedTiles<T>(pass, mixture, false, mostSize); });
}

#define PADNET_INSTANTIATE(T)                                                        \
  template void convolve<T>(const Geometry&, const Mixture<T>&, const Maps<T>&, T*); \
  template void convolveBackwardInput<T>(const Geometry&, const Mixture<T>&, const Maps<T>&, T*);
PADNET_INSTANTIATE(float)
PADNET_INSTANTIATE(double)

}  // namespace padnet
