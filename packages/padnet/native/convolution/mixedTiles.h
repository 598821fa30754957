// Tiles of weights that are brought into the order of the inner product and mixed from the bank itself.
#pragma once

#include <algorithm>

#include "convolution/tiles.h"
#include "convolution/weights.h"

namespace padnet {

/// Bank entries and static part of one tile, in the order of the inner product.
template <class T>
class BankTile {
 public:
  BankTile(int64_t numKernels, int64_t mostSize)
      : stride_(mostSize),
        bank_(numKernels * mostSize),
        static_(mostSize),
        mixed_(mostSize),
        rows_(mostSize),
        scratch_(mostSize) {}

  /// Both are brought into order by `pack(out, rows)`, `size` elements; the static part is multiplied by `staticScale`.
  template <class Pack>
  void load(const Weights<T>& weights, T staticScale, const Part& part, int64_t size, const Pack& pack) {
    size_ = size;
    hasDynamic_ = weights.numDynamic(part) > 0;
    hasStatic_ = weights.numStatic(part) > 0;
    if (hasStatic_) {
      pack(static_.get(), weights.staticRows(part, rows_.get()));
      if (staticScale != T{1}) kernels<T>().mix(static_.get(), nullptr, static_.get(), 0, &staticScale, 1, size);
    }
    for (int64_t k = 0; hasDynamic_ && k < weights.numKernels(); k++)
      pack(bank_.get() + k * stride_, weights.bankRows(k, part, rows_.get()));
  }

  /// θ_b of the tile that was loaded.
  const T* mixed(const Mixture<T>& mixture, int64_t sample) const {
    if (!hasDynamic_) return static_.get();
    kernels<T>().mix(mixed_.get(), hasStatic_ ? static_.get() : nullptr, bank_.get(), stride_,
                     mixture.coefficientsOf(sample), mixture.weights.numKernels(), size_);
    return mixed_.get();
  }

  /// θ_b of a tile that was not: mixed first, and only then brought into order.
  template <class Pack>
  const T* mixedRows(const Mixture<T>& mixture, int64_t sample, const Part& part, const Pack& pack) const {
    mixture.weights.mixedRows(mixture.coefficientsOf(sample), mixture.staticScale, part, rows_.get(), scratch_.get());
    pack(mixed_.get(), {rows_.get(), part.size});
    return mixed_.get();
  }

  bool hasDynamic() const { return hasDynamic_; }
  bool hasStatic() const { return hasStatic_; }
  const T* bank() const { return bank_.get(); }
  const T* staticPart() const { return static_.get(); }

 private:
  int64_t stride_, size_ = 0;
  bool hasDynamic_ = false, hasStatic_ = false;
  Scratch<T> bank_, static_, mixed_, rows_, scratch_;
};

template <class T>
class MixedTiles {
 public:
  /// @param isForward whether lanes are filters and channels those of the input, not the reverse
  MixedTiles(const Pass<T>& pass, const Mixture<T>& mixture, bool isForward, int64_t mostSize)
      : pass_(pass), mixture_(mixture), isForward_(isForward), tile_(mixture.weights.numKernels(), mostSize) {}

  void select(const TilePlace& place) {
    part_ = partOf(place);
    taps_ = &place.phase.taps;
    lanes_ = place.item.lanes;
    width_ = place.width;
    // Fewer mixtures than bank entries to bring into order.
    mixFirst_ = place.item.samples() <= mixture_.weights.numKernels();
    if (!mixFirst_) tile_.load(mixture_.weights, mixture_.staticScale, part_, place.size, packer());
  }

  const T* mixed(int64_t sample) {
    return mixFirst_ ? tile_.mixedRows(mixture_, sample, part_, packer()) : tile_.mixed(mixture_, sample);
  }

  /// Rows lie apart: the processor foresees them better.
  void fetchNext(int64_t, int64_t) const {}

 private:
  Part partOf(const TilePlace& place) const {
    const Geometry& g = pass_.geometry;
    const Split& blocks = pass_.maps.blocks;
    const Item& item = place.item;
    const int64_t taps = g.taps(), first = blocks.begin(place.block), channels = blocks.length(place.block);
    if (isForward_) return {item.group * pass_.lanesPerGroup + item.lane, item.lanes, first * taps, channels * taps};
    return {item.group * g.lanesPerGroup() + first, channels, item.lane * taps, item.lanes * taps};
  }

  /// Rows of the weight → [channel, tap, lane] for the taps of the phase.
  auto packer() const {
    return [this](T* out, const Rows<T>& rows) {
      if (isForward_) {
        // Rows are lanes: a transposition. A forward phase has all taps, in their order.
        kernels<T>().pack(out, width_, rows.data, rows.stride, lanes_, part_.size);
        return;
      }
      for (int64_t channel = 0; channel < part_.numRows; channel++)
        for (const Tap& tap : *taps_) {
          const T* row = rows.data + channel * rows.stride + tap.index;
          for (int64_t lane = 0; lane < lanes_; lane++) out[lane] = row[lane * pass_.geometry.taps()];
          std::fill(out + lanes_, out + width_, T{0});
          out += width_;
        }
    };
  }

  const Pass<T>& pass_;
  const Mixture<T>& mixture_;
  bool isForward_, mixFirst_ = false;
  BankTile<T> tile_;
  Part part_{};
  const std::vector<Tap>* taps_ = nullptr;
  int64_t lanes_ = 0, width_ = 0;
};

}  // namespace padnet
