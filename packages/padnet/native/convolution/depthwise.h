// Depth-wise convolutions, one filter a channel. Kernels are small, and so mixed whole for each sample as [tap,
// channel]; a step of the inner loop takes a vector of channels. The last three functions are those of
// mixedConvolution.h.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "convolution/blockedMaps.h"
#include "convolution/tiles.h"
#include "convolution/weights.h"

namespace padnet {

/// One block holds all channels of a sample.
template <class T>
BlockedMaps<T> wholeMaps(const Maps<T>& maps, const Geometry& g, int64_t height, int64_t width,
                         const Borders& borders) {
  return BlockedMaps<T>(maps, g.batch, g.inChannels, 1, height, width, borders, g.inChannels);
}

/// A depth-wise pass of any direction.
template <class T>
void runDepthwise(const Geometry& g, const Mixture<T>& mixture, const BlockedMaps<T>& maps,
                  const std::vector<Phase>& phases, int64_t positions, T* output) {
  const int64_t channels = g.outChannels, taps = g.taps();
  at::parallel_for(0, g.batch, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> kernel(channels * taps), rows(channels * taps), scratch(taps);
    for (int64_t sample = begin; sample < end; sample++) {
      mixture.weights.mixedRows(mixture.coefficientsOf(sample), mixture.staticScale, {0, channels, 0, taps}, rows.get(),
                                scratch.get());
      kernels<T>().pack(kernel.get(), channels, rows.get(), taps, channels, taps);
      const T* from = maps.block(sample, 0, 0);
      T* to = output + sample * positions * channels;
      for (const Phase& phase : phases) {
        std::vector<Step> steps;
        for (const Tap& tap : phase.taps) steps.push_back({narrow(tap.shift * channels), narrow(tap.index * channels)});
        for (size_t i = 0; i < phase.from.size(); i++)
          kernels<T>().depthwise(to + phase.to[i] * channels, from + phase.from[i] * channels, kernel.get(),
                                 steps.data(), int64_t(steps.size()), channels, false);
      }
    }
  });
}

/// The gradient of each sample's kernel, in the order of the weights: [batch, channel, tap].
template <class T>
Scratch<T> kernelGradients(const Geometry& g, const Maps<T>& input, const Maps<T>& gradOutput) {
  const Kernels<T>& kernel = kernels<T>();
  const int64_t channels = g.outChannels, taps = g.taps(), size = channels * taps;
  const BlockedMaps<T> maps = wholeMaps(input, g, g.height, g.width, inputBorders(g));
  const BlockedMaps<T> gradMaps = wholeMaps(gradOutput, g, g.outHeight, g.outWidth, {});
  const Phase phase = forwardPhase(g, maps.paddedWidth);
  const Scratch<T> perSample(g.batch * size);
  at::parallel_for(0, g.batch, 1, [&](int64_t begin, int64_t end) {
    std::vector<Step> steps(g.outWidth);
    const Scratch<T> packed(size);
    for (int64_t sample = begin; sample < end; sample++) {
      std::fill_n(packed.get(), size, T{0});
      for (int64_t h = 0; h < g.outHeight; h++)
        for (const Tap& tap : phase.taps) {
          for (int64_t w = 0; w < g.outWidth; w++) {
            const int64_t position = h * g.outWidth + w;
            steps[w] = {narrow((phase.from[position] + tap.shift) * channels), narrow(position * channels)};
          }
          kernel.depthwise(packed.get() + tap.index * channels, maps.block(sample, 0, 0), gradMaps.block(sample, 0, 0),
                           steps.data(), g.outWidth, channels, true);
        }
      kernel.unpack(perSample.get() + sample * size, taps, packed.get(), channels, channels, taps);
    }
  });
  return perSample;
}

/// out = Σ_b weights[b · weightStride] · in[b · size …], of any size.
template <class T>
void weighedSum(T* out, const T* in, int64_t size, const T* weights, int64_t weightStride, int64_t count) {
  std::fill_n(out, size, T{0});
  for (int64_t b = 0; b < count; b++) kernels<T>().mix(out, out, in + b * size, 0, weights + b * weightStride, 1, size);
}

/// Σ_j a[j] · b[j], one after another.
template <class T>
T dot(const T* a, const T* b, int64_t size) {
  T sum = 0;
  for (int64_t j = 0; j < size; j++) sum += a[j] * b[j];
  return sum;
}

template <class T>
void convolveDepthwise(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& input, T* output) {
  const BlockedMaps<T> maps = wholeMaps(input, g, g.height, g.width, inputBorders(g));
  runDepthwise(g, mixture, maps, {forwardPhase(g, maps.paddedWidth)}, g.positions(), output);
}

template <class T>
void depthwiseBackwardInput(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& gradOutput, T* gradInput) {
  const BlockedMaps<T> maps = wholeMaps(gradOutput, g, g.outHeight, g.outWidth, gradientBorders(g));
  runDepthwise(g, mixture, maps, gradientPhases(g, maps.paddedWidth), g.height * g.width, gradInput);
}

template <class T>
void depthwiseBackwardWeights(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& input,
                              const Maps<T>& gradOutput, const MixtureGradients<T>& gradients) {
  const Weights<T>& weights = mixture.weights;
  const Part all{0, g.outChannels, 0, g.taps()};
  const int64_t size = g.outChannels * g.taps(), numKernels = weights.numKernels();
  const Scratch<T> perSample = kernelGradients(g, input, gradOutput), rows(size), sums(size);
  for (int64_t k = 0; k < numKernels; k++) {
    weighedSum(sums.get(), perSample.get(), size, mixture.coefficients + k, numKernels, g.batch);
    gradients.weights.putBankRows(k, all, sums.get());
    const Rows<T> bank = weights.bankRows(k, all, rows.get());
    for (int64_t sample = 0; sample < g.batch; sample++)
      gradients.coefficients[sample * numKernels + k] = dot(bank.data, perSample.get() + sample * size, size);
  }
  *gradients.staticScale = 0;
  if (weights.numStatic(all) == 0) return;
  static constexpr T one = 1;
  weighedSum(sums.get(), perSample.get(), size, &one, 0, g.batch);
  *gradients.staticScale = dot(weights.staticRows(all, rows.get()).data, sums.get(), size);
  for (int64_t j = 0; j < size; j++) sums.get()[j] *= mixture.staticScale;
  gradients.weights.putStaticRows(all, sums.get());
}

}  // namespace padnet
