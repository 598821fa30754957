// y_b = θ_b ∗ x_b, and its gradients, with a kernel θ_b of its own for every sample b. A tile of the bank is brought
// into the order of the inner product once, then mixed and multiplied for one sample after another while it is in
// cache: nothing of size batch × kernel exists.
#pragma once

#include <cstdint>

#include "convolution/weights.h"

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
  bool isDepthwise() const { return groups > 1 && groups == inChannels && groups == outChannels; }
};

/// A batch of maps of any layout.
template <class T>
struct Maps {
  const T* data;
  int64_t batchStride, channelStride, rowStride, columnStride;
};

template <class T>
struct Mixture {
  const Weights<T>& weights;
  const int64_t* order;   // see rowOrder
  bool isReordered;       // not 0, 1, 2, …
  const T* coefficients;  // [batch, K]
  T staticScale;          // λ_s
};

template <class T>
struct MixtureGradients {
  const Weights<T>* weights;  // the gradients of bank and static weight are written here
  T* coefficients;            // [batch, K]
  T* staticScale;             // one number
};

/// output: channels-last [batch, outHeight, outWidth, outChannels].
template <class T>
void convolve(const Geometry& geometry, const Mixture<T>& mixture, const Maps<T>& input, T* output);

/// gradInput: channels-last [batch, height, width, inChannels].
template <class T>
void convolveBackwardInput(const Geometry& geometry, const Mixture<T>& mixture, const Maps<T>& gradOutput,
                           T* gradInput);

/// Every entry in use is written.
template <class T>
void convolveBackwardWeights(const Geometry& geometry, const Mixture<T>& mixture, const Maps<T>& input,
                             const Maps<T>& gradOutput, const MixtureGradients<T>& gradients);

}  // namespace padnet
