// Weights that stay as they are, as after training: brought into the order of the inner product once, scale factors
// applied, and mixed from there.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "convolution/tiles.h"
#include "convolution/weights.h"

namespace padnet {

/// Where the entries of a weight stand: tile after tile, each as [channel, tap, lane], lanes filled up with zeros to
/// whole vectors. It depends on the instruction set.
template <class T>
class PackedOrder {
 public:
  explicit PackedOrder(const Geometry& g) : groups_(g.groups), rowSize_(g.rowSize()) {
    const int64_t lanes = g.lanesPerGroup(), width = tileWidth<T>(lanes), rest = lanes % width;
    groupSize_ = (lanes - rest + (rest > 0 ? tileWidth<T>(rest) : 0)) * rowSize_;
  }
  int64_t size() const { return groups_ * groupSize_; }
  /// The begin of the tile whose first lane is a group's `lane`.
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

/// Calls use(begin, part, lanes, width) for each tile with all channels.
template <class T, class Use>
void forEachTile(const Geometry& g, const Use& use) {
  const PackedOrder<T> order(g);
  const std::vector<Item> tiles = itemsOf(g.groups, g.lanesPerGroup(), tileWidth<T>(g.lanesPerGroup()), 1);
  at::parallel_for(0, int64_t(tiles.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const auto& [group, lane, lanes, first, last] = tiles[i];
      const Part part{group * g.lanesPerGroup() + lane, lanes, 0, g.rowSize()};
      use(order.tileBegin(group, lane), part, lanes, tileWidth<T>(lanes));
    }
  });
}

/// Multiplies a tile [size / width, width] by `scale` and by each filter's own.
template <class T>
void scaleTile(T* tile, const Part& part, int64_t width, T scale, const T* filterScale, const int64_t* order) {
  std::vector<T> factors(width, scale);
  for (int64_t lane = 0; filterScale && lane < part.numRows; lane++)
    factors[lane] *= filterScale[order[part.row + lane]];
  for (int64_t step = 0; step < part.size; step++)
    for (int64_t lane = 0; lane < width; lane++) tile[step * width + lane] *= factors[lane];
}

/// Writes static weight, bits and filters; returns how many entries are dynamic.
/// @param filterScale γ [outChannels]; null for 1
template <class T>
int64_t packStatic(const Geometry& g, const Mixture<T>& mixture, const T* filterScale, const PackedWeights<T>& packed) {
  std::copy_n(mixture.weights.order(), g.outChannels, packed.filters);
  const int64_t size = PackedOrder<T>(g).size();
  if (!packed.bits) return size;
  const Weights<T>& weights = mixture.weights;
  const Scratch<T> isDynamic(size);
  forEachTile<T>(g, [&](int64_t begin, const Part& part, int64_t lanes, int64_t width) {
    const Scratch<T> rows(part.numRows * part.size);
    const auto pack = [&](T* out, const Rows<T>& from) {
      kernels<T>().pack(out + begin, width, from.data, from.stride, lanes, part.size);
    };
    pack(isDynamic.get(), weights.maskRows(part, rows.get()));
    pack(packed.staticWeight, weights.staticRows(part, rows.get()));
    scaleTile(packed.staticWeight + begin, part, width, mixture.staticScale, filterScale, mixture.weights.order());
  });
  std::fill_n(packed.bits, (size + 7) / 8, uint8_t{0});
  int64_t numDynamic = 0;
  for (int64_t i = 0; i < size; i++) {
    if (isDynamic.get()[i] == 0) continue;
    packed.bits[i / 8] |= uint8_t(1 << i % 8);
    numDynamic++;
  }
  return numDynamic;
}

/// Writes the bank, multiplied by `scale` too.
template <class T>
void packBank(const Geometry& g, const Mixture<T>& mixture, T scale, const T* filterScale,
              const PackedWeights<T>& packed) {
  const Kernels<T>& kernel = kernels<T>();
  const Weights<T>& weights = mixture.weights;
  std::optional<Ranks> ranks;
  if (packed.bits) ranks.emplace(packed.bits, PackedOrder<T>(g).size());
  forEachTile<T>(g, [&](int64_t begin, const Part& part, int64_t lanes, int64_t width) {
    const int64_t size = part.size * width;
    const Scratch<T> rows(part.numRows * part.size), tile(size);
    for (int64_t k = 0; k < packed.numKernels; k++) {
      const Rows<T> from = weights.bankRows(k, part, rows.get());
      kernel.pack(tile.get(), width, from.data, from.stride, lanes, part.size);
      scaleTile(tile.get(), part, width, scale, filterScale, mixture.weights.order());
      T* entry = packed.bank + k * packed.numDynamic;
      if (ranks) {
        kernel.compress(entry + ranks->before(begin), tile.get(), packed.bits, begin, size, true);
      } else {
        std::copy_n(tile.get(), size, entry + begin);
      }
    }
  });
}

}  // namespace padnet
