// y_b = θ_b ∗ x_b, and its gradients, with a kernel θ_b of its own for every sample b. A tile of the bank is brought
// into the order of the inner product once, then mixed and multiplied for one sample after another while it is in
// cache: nothing of size batch × kernel exists.
#pragma once

#include "convolution/geometry.h"
#include "convolution/weights.h"

namespace padnet {

template <class T>
struct Mixture {
  Weights<T> weights;
  T staticScale;          // λ_s
  const T* coefficients;  // [batch, K]

  Mixture(const Geometry& g, const PartialWeights& weights, const T* coefficients)
      : weights(weights, g.groups, g.outChannels, g.rowSize()),
        staticScale(T(weights.staticScale)),
        coefficients(coefficients) {}

  const T* coefficientsOf(int64_t sample) const { return coefficients + sample * weights.numKernels(); }
};

template <class T>
struct MixtureGradients {
  Weights<T> weights;  // those of bank and static weight are written here
  T* coefficients;     // [batch, K]
  T* staticScale;      // one number
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
