// The walk over tiles that gives the gradients of bank, static weight, coefficients and λ_s at once.
#pragma once

#include <algorithm>
#include <vector>

#include "convolution/mixedTiles.h"

namespace padnet {

/// Channels of the input whose gradients are made at a time.
constexpr int64_t mostGradientChannels = 32;
/// Gradients of one tile for several samples: they stay in the second cache.
constexpr int64_t mostSampleBytes = 768 << 10;

/// The operands of the walk, that all threads read.
template <class T>
struct GradientInputs {
  const Geometry& geometry;
  const Mixture<T>& mixture;
  const BlockedMaps<T>& maps;  // of the input
  const Maps<T>& gradOutput;
  const Phase phase;
  const int64_t mostSize = maps.blocks.size * geometry.taps() * tileWidth<T>(geometry.lanesPerGroup());
  const Split samples{geometry.batch, std::max<int64_t>(1, mostSampleBytes / (mostSize * int64_t{sizeof(T)}))};
};

/// One thread's walk over tiles: the filters of an item by a block of channels.
template <class T>
class GradientWalk {
 public:
  explicit GradientWalk(const GradientInputs<T>& inputs)
      : in_(inputs),
        tile_(numKernels_, in_.mostSize),
        perSample_(in_.samples.size * in_.mostSize),
        sums_((numKernels_ + 1) * in_.mostSize),
        rows_(in_.mostSize),
        gradTile_(in_.geometry.positions() * tileWidth<T>(in_.geometry.lanesPerGroup())),
        steps_(in_.geometry.positions()),
        aRows_(in_.maps.blocks.size),
        cRows_(in_.maps.blocks.size) {}

  /// Writes the tile's entries of bank and static weight, and what it adds to the gradients of the coefficients and,
  /// last in `dots`, of λ_s.
  void compute(const Item& item, int64_t block, const Weights<T>& gradients, T* dots) {
    place(item, block);
    std::fill_n(sums_.get(), (numKernels_ + 1) * in_.mostSize, T{0});
    for (int64_t chunk = 0; chunk < in_.samples.count; chunk++) {
      const int64_t first = in_.samples.begin(chunk), count = in_.samples.length(chunk);
      for (int64_t s = 0; s < count; s++) {
        packGradient(item, first + s);
        // Without dynamic entries no sample's gradient is needed alone.
        multiply(item, block, first + s, tile_.hasDynamic() ? perSample_.get() + s * in_.mostSize : staticSum());
      }
      if (tile_.hasDynamic()) sumSamples(first, count, dots);
    }
    put(item, gradients, dots);
  }

 private:
  T* staticSum() const { return sums_.get() + numKernels_ * in_.mostSize; }

  void place(const Item& item, int64_t block) {
    const Geometry& g = in_.geometry;
    const Split& blocks = in_.maps.blocks;
    const int64_t taps = g.taps();
    channels_ = blocks.length(block);
    width_ = tileWidth<T>(item.lanes);
    size_ = channels_ * taps * width_;
    part_ = {item.group * g.lanesPerGroup() + item.lane, item.lanes, blocks.begin(block) * taps, channels_ * taps};
    tile_.load(in_.mixture.weights, 1, part_, size_, [&](T* out, const Rows<T>& from) {
      kernels<T>().pack(out, width_, from.data, from.stride, item.lanes, part_.size);
    });
    for (int64_t p = 0; p < g.positions(); p++)
      steps_[p] = {narrow(in_.phase.from[p] * blocks.size), narrow(p * width_)};
    for (int64_t channel = 0; channel < channels_; channel++) {
      aRows_[channel] = channel;
      cRows_[channel] = channel * taps * width_;
    }
  }

  /// The gradient of a sample's output as [position, lane].
  void packGradient(const Item& item, int64_t sample) {
    const Maps<T>& from = in_.gradOutput;
    const int64_t* order = in_.mixture.weights.order() + part_.row;
    T* to = gradTile_.get();
    for (int64_t h = 0; h < in_.geometry.outHeight; h++)
      for (int64_t w = 0; w < in_.geometry.outWidth; w++, to += width_) {
        const T* at = from.data + sample * from.batchStride + h * from.rowStride + w * from.columnStride;
        for (int64_t lane = 0; lane < item.lanes; lane++) to[lane] = at[order[lane] * from.channelStride];
        std::fill(to + item.lanes, to + width_, T{0});
      }
  }

  /// The gradient of a sample's kernel; where nothing is dynamic, added to `out`.
  void multiply(const Item& item, int64_t block, int64_t sample, T* out) {
    const T* map = in_.maps.block(sample, item.group, block);
    for (const Tap& tap : in_.phase.taps)
      products<T>(
          {map + tap.shift * in_.maps.blocks.size, aRows_.data(), gradTile_.get(), steps_.data(),
           in_.geometry.positions(), out + tap.index * width_, cRows_.data(), !tile_.hasDynamic()},
          channels_, width_, [](int64_t, int64_t) {}, [](int64_t, int64_t) {});
  }

  /// Adds the kernels' gradients of some samples to those of bank, static weight and coefficients.
  void sumSamples(int64_t first, int64_t count, T* dots) {
    const Kernels<T>& kernel = kernels<T>();
    for (int64_t k = 0; k < numKernels_; k++)
      kernel.weighedSum(sums_.get() + k * in_.mostSize, perSample_.get(), in_.mostSize,
                        in_.mixture.coefficientsOf(first) + k, numKernels_, count, size_);
    static constexpr T one = 1;
    if (tile_.hasStatic()) kernel.weighedSum(staticSum(), perSample_.get(), in_.mostSize, &one, 0, count, size_);
    kernel.dots(dots + first * numKernels_, tile_.bank(), in_.mostSize, numKernels_, perSample_.get(), in_.mostSize,
                count, size_);
  }

  void put(const Item& item, const Weights<T>& gradients, T* dots) {
    const auto rowsOf = [&](const T* sums) {
      kernels<T>().unpack(rows_.get(), part_.size, sums, width_, item.lanes, part_.size);
      return rows_.get();
    };
    for (int64_t k = 0; k < numKernels_ && tile_.hasDynamic(); k++)
      gradients.putBankRows(k, part_, rowsOf(sums_.get() + k * in_.mostSize));
    if (!tile_.hasStatic()) return;
    kernels<T>().dots(dots + in_.geometry.batch * numKernels_, tile_.staticPart(), in_.mostSize, 1, staticSum(),
                      in_.mostSize, 1, size_);
    for (int64_t j = 0; j < size_; j++) staticSum()[j] *= in_.mixture.staticScale;
    gradients.putStaticRows(part_, rowsOf(staticSum()));
  }

  const GradientInputs<T>& in_;
  const int64_t numKernels_ = in_.mixture.weights.numKernels();
  BankTile<T> tile_;
  Scratch<T> perSample_, sums_, rows_, gradTile_;
  std::vector<Step> steps_;
  std::vector<int64_t> aRows_, cRows_;
  // The tile that is computed:
  int64_t channels_ = 0, width_ = 0, size_ = 0;
  Part part_{};
};

}  // namespace padnet
