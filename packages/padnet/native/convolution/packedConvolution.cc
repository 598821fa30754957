#include "convolution/packedConvolution.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>

#include "convolution/blockedMaps.h"

namespace padnet {
namespace {

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

/// Tiles of weights that are in order.
template <class T>
class PackedTiles {
 public:
  PackedTiles(const Geometry& geometry, const Split& blocks, const PackedWeights<T>& packed, const Ranks* ranks,
              const T* coefficients, int64_t mostSize)
      : order_(geometry),
        taps_(geometry.taps()),
        blocks_(blocks),
        packed_(packed),
        ranks_(ranks),
        coefficients_(coefficients),
        mixed_(mostSize),
        entries_(packed.numKernels),
        used_(packed.numKernels) {}

  void select(const TilePlace& place) {
    begin_ = order_.tileBegin(place.item.group, place.item.lane) + blocks_.begin(place.block) * taps_ * place.width;
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

  PackedOrder<T> order_;
  int64_t taps_;
  const Split& blocks_;
  const PackedWeights<T>& packed_;
  const Ranks* ranks_;
  const T* coefficients_;
  Scratch<T> mixed_;
  std::vector<int64_t> entries_;
  std::vector<T> used_;
  int64_t begin_ = 0, size_ = 0, first_ = 0, numDynamic_ = 0;
};

}  // namespace

template <class T>
PackedOrder<T>::PackedOrder(const Geometry& g) : groups_(g.groups), rowSize_(g.rowSize()) {
  const int64_t lanes = g.lanesPerGroup(), width = tileWidth<T>(lanes), rest = lanes % width;
  groupSize_ = (lanes - rest + (rest > 0 ? tileWidth<T>(rest) : 0)) * rowSize_;
}

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

template <class T>
void convolvePacked(const Geometry& g, const PackedWeights<T>& packed, const T* coefficients, const Maps<T>& input,
                    const Epilogue<T>* epilogue, T* output) {
  const BlockedMaps<T> maps(input, g.batch, g.inChannels, g.groups, g.height, g.width, inputBorders(g));
  std::optional<Ranks> ranks;
  if (packed.bits) ranks.emplace(packed.bits, PackedOrder<T>(g).size());
  const Pass<T> pass{g,
                     maps,
                     {forwardPhase(g, maps.paddedWidth)},
                     g.lanesPerGroup(),
                     packed.filters,
                     output,
                     g.outChannels,
                     g.positions(),
                     epilogue};
  run(pass, [&](int64_t mostSize) {
    return PackedTiles<T>(g, maps.blocks, packed, ranks ? &*ranks : nullptr, coefficients, mostSize);
  });
}

#define PADNET_INSTANTIATE(T)                                                                            \
  template class PackedOrder<T>;                                                                         \
  template int64_t packStatic<T>(const Geometry&, const Mixture<T>&, const T*, const PackedWeights<T>&); \
  template void packBank<T>(const Geometry&, const Mixture<T>&, T, const T*, const PackedWeights<T>&);   \
  template void convolvePacked<T>(const Geometry&, const PackedWeights<T>&, const T*, const Maps<T>&,    \
                                  const Epilogue<T>*, T*);
PADNET_INSTANTIATE(float)
PADNET_INSTANTIATE(double)

}  // namespace padnet
