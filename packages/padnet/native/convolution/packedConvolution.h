// Dynamic convolutions in inference, of packed weights.
#pragma once

#include "convolution/packedWeights.h"

namespace padnet {

/// Tiles of weights that are in order.
template <class T>
class PackedTiles {
 public:
  PackedTiles(const Pass<T>& pass, const PackedWeights<T>& packed, const Ranks* ranks, const T* coefficients,
              int64_t mostSize)
      : pass_(pass),
        order_(pass.geometry),
        packed_(packed),
        ranks_(ranks),
        coefficients_(coefficients),
        mixed_(mostSize),
        entries_(packed.numKernels),
        used_(packed.numKernels) {}

  void select(const TilePlace& place) {
    begin_ = order_.tileBegin(place.item.group, place.item.lane) +
             pass_.maps.blocks.begin(place.block) * pass_.geometry.taps() * place.width;
    size_ = place.size;
    first_ = ranks_ ? ranks_->before(begin_) : begin_;
    numDynamic_ = ranks_ ? ranks_->before(begin_ + size_) - first_ : size_;
  }

  const T* mixed(int64_t sample) {
    if (numDynamic_ == 0) return packed_.staticWeight + begin_;
    int64_t numUsed = 0;
    for (int64_t k = 0; k < packed_.numKernels; k++) {
      const T coefficient = coefficients_[sample * packed_.numKernels + k];
      if (coefficient == 0) continue;
      entries_[numUsed] = k * packed_.numDynamic;
      used_[numUsed++] = coefficient;
    }
    const Kernels<T>& kernel = kernels<T>();
    const T* bank = packed_.bank + first_;
    if (numDynamic_ < size_) {
      kernel.mixOver(mixed_.get(), packed_.staticWeight + begin_, bank, entries_.data(), used_.data(), numUsed,
                     packed_.bits, begin_, size_, packed_.numDynamic - first_);
    } else if (numUsed == packed_.numKernels || numUsed == 0) {
      kernel.mix(mixed_.get(), nullptr, bank, packed_.numDynamic, used_.data(), numUsed, size_);
    } else {
      for (int64_t i = 0; i < numUsed; i++)
        kernel.mix(mixed_.get(), i == 0 ? nullptr : mixed_.get(), bank + entries_[i], 0, &used_[i], 1, size_);
    }
    return mixed_.get();
  }

  /// The next block or tile stands behind this one, and is much like it.
  void fetchNext(int64_t run, int64_t numRuns) const {
    if (packed_.bits) fetch(packed_.staticWeight, order_.size(), begin_ + size_, size_, run, numRuns);
    for (int64_t k = 0; k < packed_.numKernels; k++)
      fetch(packed_.bank + k * packed_.numDynamic, packed_.numDynamic, first_ + numDynamic_, numDynamic_, run, numRuns);
  }

 private:
  static void fetch(const T* data, int64_t size, int64_t begin, int64_t length, int64_t run, int64_t numRuns) {
    if (begin + length <= size) Upcoming(data + begin, length).fetch(run, numRuns);
  }

  const Pass<T>& pass_;
  PackedOrder<T> order_;
  const PackedWeights<T>& packed_;
  const Ranks* ranks_;
  const T* coefficients_;
  Scratch<T> mixed_;
  std::vector<int64_t> entries_;
  std::vector<T> used_;
  int64_t begin_ = 0, size_ = 0, first_ = 0, numDynamic_ = 0;
};

/// output: channels-last [batch, outHeight, outWidth, outChannels]. Bank entries whose coefficient is 0 are not read.
/// @param epilogue null for none
template <class T>
void convolvePacked(const Geometry& g, const PackedWeights<T>& packed, const T* coefficients, const Maps<T>& input,
                    const Epilogue<T>* epilogue, T* output) {
  const BlockedMaps<T> maps(input, g.batch, g.inChannels, g.groups, g.height, g.width, inputBorders(g));
  std::optional<Ranks> ranks;
  if (packed.bits) ranks.emplace(packed.bits, PackedOrder<T>(g).size());
  const Pass<T> pass = forwardPass<T>(g, maps, packed.filters, output, epilogue);
  run(pass, [&](int64_t mostSize) {
    return PackedTiles<T>(pass, packed, ranks ? &*ranks : nullptr, coefficients, mostSize);
  });
}

}  // namespace padnet
