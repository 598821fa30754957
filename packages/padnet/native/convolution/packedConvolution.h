// Dynamic convolutions with weights that stay as they are, as after training: brought into the order of the inner
// product once, scale factors applied, and mixed from there.
#pragma once

#include <cstdint>

#include "convolution/mixedConvolution.h"
#include "convolution/tiles.h"

namespace padnet {

/// Where the entries of a weight stand: tile after tile, each as [channel, tap, lane], lanes filled up with zeros to
/// whole vectors. It depends on the instruction set.
template <class T>
class PackedOrder {
 public:
  explicit PackedOrder(const Geometry& geometry);
  int64_t size() const { return groups_ * groupSize_; }
  /// Of the tile that begins with a group's `lane`.
  int64_t tileBegin(int64_t group, int64_t lane) const { return group * groupSize_ + lane * rowSize_; }

 private:
  int64_t groups_, rowSize_, groupSize_;
};

template <class T>
struct PackedWeights {
  T* bank;           // [K, numDynamic], γ · λ_d · Θ_k
  T* staticWeight;   // [size], γ · λ_s · Θ_s, whatever where dynamic; null where all entries are dynamic
  uint8_t* bits;     // one an entry, set where dynamic; null where all are
  int64_t* filters;  // the output channel of each lane [outChannels]
  int64_t numKernels, numDynamic;
};

/// Writes static weight, bits and filters; returns how many entries are dynamic.
/// @param filterScale γ [outChannels]; null for 1
template <class T>
int64_t packStatic(const Geometry& geometry, const Mixture<T>& mixture, const T* filterScale,
                   const PackedWeights<T>& packed);
/// Writes the bank, multiplied by `scale` too.
template <class T>
void packBank(const Geometry& geometry, const Mixture<T>& mixture, T scale, const T* filterScale,
              const PackedWeights<T>& packed);

/// output: channels-last [batch, outHeight, outWidth, outChannels]. Bank entries whose coefficient is 0 are not read.
/// @param epilogue null for none
template <class T>
void convolvePacked(const Geometry& geometry, const PackedWeights<T>& packed, const T* coefficients,
                    const Maps<T>& input, const Epilogue<T>* epilogue, T* output);

}  // namespace padnet
