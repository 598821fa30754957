// Depth-wise convolutions, one filter a channel. Kernels are small, and so mixed whole for each sample as [tap,
// channel]; a step of the inner loop takes a vector of channels. The functions are those of mixedConvolution.h.
#pragma once

#include "convolution/mixedConvolution.h"

namespace padnet {

template <class T>
void convolveDepthwise(const Geometry& geometry, const Mixture<T>& mixture, const Maps<T>& input, T* output);

template <class T>
void depthwiseBackwardInput(const Geometry& geometry, const Mixture<T>& mixture, const Maps<T>& gradOutput,
                            T* gradInput);

template <class T>
void depthwiseBackwardWeights(const Geometry& geometry, const Mixture<T>& mixture, const Maps<T>& input,
                              const Maps<T>& gradOutput, const MixtureGradients<T>& gradients);

}  // namespace padnet
