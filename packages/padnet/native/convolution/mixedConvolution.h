// y_b = θ_b ∗ x_b, and its gradients, with a kernel θ_b of its own for every sample b. A tile of the bank is brought
// into the order of the inner product once, then mixed and multiplied for one sample after another while it is in
// cache: nothing of size batch × kernel exists.
#pragma once

#include "convolution/depthwise.h"
#include "convolution/mixedTiles.h"
#include "convolution/weightGradients.h"

namespace padnet {

/// output: channels-last [batch, outHeight, outWidth, outChannels].
template <class T>
void convolve(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& input, T* output) {
  if (g.isDepthwise()) return convolveDepthwise(g, mixture, input, output);
  const BlockedMaps<T> maps(input, g.batch, g.inChannels, g.groups, g.height, g.width, inputBorders(g));
  const Pass<T> pass = forwardPass(g, maps, mixture.weights.order(), output);
  run(pass, [&](int64_t mostSize) { return MixedTiles<T>(pass, mixture, true, mostSize); });
}

/// gradInput: channels-last [batch, height, width, inChannels].
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
                     g.height * g.width,
                     nullptr};
  run(pass, [&](int64_t mostSize) { return MixedTiles<T>(pass, mixture, false, mostSize); });
}

/// Every entry in use is written.
template <class T>
void convolveBackwardWeights(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& input,
                             const Maps<T>& gradOutput, const MixtureGradients<T>& gradients) {
  if (g.isDepthwise()) return depthwiseBackwardWeights(g, mixture, input, gradOutput, gradients);
  const BlockedMaps<T> maps(input, g.batch, g.inChannels, g.groups, g.height, g.width, inputBorders(g),
                            mostGradientChannels);
  const GradientInputs<T> inputs{g, mixture, maps, gradOutput, forwardPhase(g, maps.paddedWidth)};
  const std::vector<Item> tiles = itemsOf(g.groups, g.lanesPerGroup(), tileWidth<T>(g.lanesPerGroup()), 1);
  const int64_t numBlocks = maps.blocks.count, numItems = int64_t(tiles.size()) * numBlocks;
  const int64_t numCoefficients = g.batch * mixture.weights.numKernels(), numDots = numCoefficients + 1;
  // One place for every tile: the sums do not depend on which thread takes which.
  std::vector<T> dots(numItems * numDots, T{0});
  at::parallel_for(0, numItems, 1, [&](int64_t begin, int64_t end) {
    GradientWalk<T> walk(inputs);
    for (int64_t i = begin; i < end; i++)
      walk.compute(tiles[i / numBlocks], i % numBlocks, gradients.weights, dots.data() + i * numDots);
  });
  std::fill_n(gradients.coefficients, numCoefficients, T{0});
  *gradients.staticScale = 0;
  for (int64_t i = 0; i < numItems; i++) {
    const T* itemDots = dots.data() + i * numDots;
    for (int64_t j = 0; j < numCoefficients; j++) gradients.coefficients[j] += itemDots[j];
    *gradients.staticScale += itemDots[numCoefficients];
  }
}

}  // namespace padnet
