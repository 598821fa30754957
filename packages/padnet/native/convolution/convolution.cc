#include "convolution/convolution.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "convolution/blockedMaps.h"
#include "convolution/tiles.h"
#include "kernels/scratch.h"

namespace padnet {
namespace {

/// Bank entries and static part of one tile, in the order of the inner product.
template <class T>
class PackedTile {
 public:
  PackedTile(int64_t numKernels, int64_t mostSize)
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
    const int64_t numKernels = mixture.weights.numKernels();
    kernels<T>().mix(mixed_.get(), hasStatic_ ? static_.get() : nullptr, bank_.get(), stride_,
                     mixture.coefficients + sample * numKernels, numKernels, size_);
    return mixed_.get();
  }

  /// θ_b of a tile that was not: mixed first, and only then brought into order.
  template <class Pack>
  const T* mixedRows(const Mixture<T>& mixture, int64_t sample, const Part& part, const Pack& pack) const {
    const Weights<T>& weights = mixture.weights;
    weights.mixedRows(mixture.coefficients + sample * weights.numKernels(), mixture.staticScale, part, rows_.get(),
                      scratch_.get());
    pack(mixed_.get(), {rows_.get(), part.size});
    return mixed_.get();
  }

  bool hasDynamic() const { return hasDynamic_; }
  bool hasStatic() const { return hasStatic_; }
  const T* bank() const { return bank_.get(); }
  const T* staticPart() const { return static_.get(); }
  int64_t stride() const { return stride_; }

 private:
  int64_t stride_, size_ = 0;
  bool hasDynamic_ = false, hasStatic_ = false;
  Scratch<T> bank_, static_, mixed_, rows_, scratch_;
};

/// Tiles that are brought into order and mixed from the weights themselves.
template <class T>
class MixedTiles {
 public:
  MixedTiles(const Pass<T>& pass, const Mixture<T>& mixture, bool isForward, int64_t mostSize)
      : pass_(pass), mixture_(mixture), isForward_(isForward), tile_(mixture.weights.numKernels(), mostSize) {}

  void select(const TilePlace& place) {
    part_ = partOf(place);
    pack_ = {place.phase.taps.data(), int64_t(place.phase.taps.size()), place.item.lanes, place.width};
    // Fewer mixtures than bank entries to bring into order.
    mixFirst_ = place.item.sampleEnd - place.item.sampleBegin <= mixture_.weights.numKernels();
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
    return {item.group * (g.outChannels / g.groups) + first, channels, item.lane * taps, item.lanes * taps};
  }

  /// Rows of the weight → [channel, tap, lane] for the taps of the phase.
  auto packer() const {
    return [this](T* out, const Rows<T>& rows) {
      const auto& [taps, numTaps, lanes, width] = pack_;
      if (isForward_) {
        // Rows are lanes: a transposition. A forward phase has all taps, in their order.
        kernels<T>().pack(out, width, rows.data, rows.stride, lanes, part_.size);
        return;
      }
      for (int64_t channel = 0; channel < part_.numRows; channel++)
        for (int64_t tap = 0; tap < numTaps; tap++) {
          const T* row = rows.data + channel * rows.stride + taps[tap].index;
          for (int64_t lane = 0; lane < lanes; lane++) out[lane] = row[lane * pass_.geometry.taps()];
          std::fill(out + lanes, out + width, T{0});
          out += width;
        }
    };
  }

  const Pass<T>& pass_;
  const Mixture<T>& mixture_;
  bool isForward_, mixFirst_ = false;
  PackedTile<T> tile_;
  Part part_{};
  struct {
    const Tap* taps;
    int64_t numTaps, lanes, width;
  } pack_{};
};

/// Along one axis: input position i meets output position (i + pad − tap · dilation) / stride where that is whole.
/// Inputs of one remainder meet the same taps, at `first remainder + shift`.
struct AxisTap {
  int64_t tap, shift;
};
std::vector<AxisTap> axisTaps(int64_t remainder, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  std::vector<AxisTap> taps;
  for (int64_t tap = 0; tap < kernel; tap++) {
    const int64_t at = remainder + pad - tap * dilation;
    if (((at % stride) + stride) % stride == 0)
      taps.push_back({tap, (at - ((at % stride) + stride) % stride) / stride});
  }
  return taps;
}

/// Zeros around the gradient of the output, so that every tap of every input position reads something.
void axisBorders(int64_t size, int64_t outSize, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                 int64_t& before, int64_t& after) {
  before = 0;
  after = 0;
  for (int64_t remainder = 0; remainder < std::min(stride, size); remainder++)
    for (const AxisTap& tap : axisTaps(remainder, kernel, stride, pad, dilation)) {
      const int64_t last = (size - 1 - remainder) / stride;
      before = std::max(before, -tap.shift);
      after = std::max(after, last + tap.shift - (outSize - 1));
    }
}

Borders gradientBorders(const Geometry& g) {
  Borders borders{};
  axisBorders(g.height, g.outHeight, g.kernelHeight, g.strideHeight, g.padHeight, g.dilationHeight, borders.top,
              borders.bottom);
  axisBorders(g.width, g.outWidth, g.kernelWidth, g.strideWidth, g.padWidth, g.dilationWidth, borders.left,
              borders.right);
  return borders;
}

std::vector<Phase> backwardPhases(const Geometry& g, const Borders& borders, int64_t paddedWidth) {
  std::vector<Phase> phases;
  for (int64_t rh = 0; rh < std::min(g.strideHeight, g.height); rh++)
    for (int64_t rw = 0; rw < std::min(g.strideWidth, g.width); rw++) {
      Phase phase;
      const int64_t origin = borders.top * paddedWidth + borders.left;
      for (const AxisTap& h : axisTaps(rh, g.kernelHeight, g.strideHeight, g.padHeight, g.dilationHeight))
        for (const AxisTap& w : axisTaps(rw, g.kernelWidth, g.strideWidth, g.padWidth, g.dilationWidth))
          phase.taps.push_back({h.tap * g.kernelWidth + w.tap, origin + h.shift * paddedWidth + w.shift});
      for (int64_t h = rh; h < g.height; h += g.strideHeight)
        for (int64_t w = rw; w < g.width; w += g.strideWidth) {
          phase.from.push_back(h / g.strideHeight * paddedWidth + w / g.strideWidth);
          phase.to.push_back(h * g.width + w);
        }
      phases.push_back(std::move(phase));
    }
  return phases;
}

// ---- Depth-wise: one filter a channel. Kernels are small, and so mixed whole for each sample as [tap, channel]; a
// step of the inner loop takes a vector of channels.

/// θ_b of all channels as [tap, channel]; `rows` and `scratch` hold as many numbers.
template <class T>
void mixDepthwise(const Geometry& g, const Mixture<T>& mixture, int64_t sample, T* out, T* rows, T* scratch) {
  const Part all{0, g.outChannels, 0, g.taps()};
  const int64_t numKernels = mixture.weights.numKernels();
  mixture.weights.mixedRows(mixture.coefficients + sample * numKernels, mixture.staticScale, all, rows, scratch);
  kernels<T>().pack(out, g.outChannels, rows, g.taps(), g.outChannels, g.taps());
}

/// One block holds all channels of a sample.
template <class T>
BlockedMaps<T> wholeMaps(const Maps<T>& maps, const Geometry& g, int64_t height, int64_t width,
                         const Borders& borders) {
  return BlockedMaps<T>(maps, g.batch, g.inChannels, 1, height, width, borders, g.inChannels);
}

template <class T>
void runDepthwise(const Geometry& g, const Mixture<T>& mixture, const BlockedMaps<T>& maps,
                  const std::vector<Phase>& phases, int64_t positions, T* output) {
  const int64_t channels = g.outChannels;
  at::parallel_for(0, g.batch, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> kernel(channels * g.taps()), rows(channels * g.taps()), scratch(g.taps());
    for (int64_t sample = begin; sample < end; sample++) {
      mixDepthwise(g, mixture, sample, kernel.get(), rows.get(), scratch.get());
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

/// out += Σ_b weights[b · weightStride] · in[b · size …], of any size.
template <class T>
void weighed(T* out, const T* in, int64_t size, const T* weights, int64_t weightStride, int64_t count) {
  for (int64_t b = 0; b < count; b++) kernels<T>().mix(out, out, in + b * size, 0, weights + b * weightStride, 1, size);
}

template <class T>
void depthwiseBackwardWeights(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& input,
                              const Maps<T>& gradOutput, const MixtureGradients<T>& gradients) {
  const Kernels<T>& kernel = kernels<T>();
  const Weights<T>& weights = mixture.weights;
  const int64_t channels = g.outChannels, taps = g.taps(), size = channels * taps, numKernels = weights.numKernels();
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
      // In the order of the weights: [channel, tap].
      kernel.unpack(perSample.get() + sample * size, taps, packed.get(), channels, channels, taps);
    }
  });
  const Part all{0, channels, 0, taps};
  const Scratch<T> rows(size), sums(size);
  static constexpr T one = 1;
  std::fill_n(gradients.coefficients, g.batch * numKernels, T{0});
  for (int64_t k = 0; k < numKernels; k++) {
    std::fill_n(sums.get(), size, T{0});
    weighed(sums.get(), perSample.get(), size, mixture.coefficients + k, numKernels, g.batch);
    gradients.weights->putBankRows(k, all, sums.get());
    const Rows<T> bank = weights.bankRows(k, all, rows.get());
    for (int64_t sample = 0; sample < g.batch; sample++) {
      T sum = 0;
      for (int64_t j = 0; j < size; j++) sum += bank.data[j] * perSample.get()[sample * size + j];
      gradients.coefficients[sample * numKernels + k] = sum;
    }
  }
  *gradients.staticScale = 0;
  if (weights.numStatic(all) == 0) return;
  std::fill_n(sums.get(), size, T{0});
  weighed(sums.get(), perSample.get(), size, &one, 0, g.batch);
  const Rows<T> fixed = weights.staticRows(all, rows.get());
  for (int64_t j = 0; j < size; j++) *gradients.staticScale += fixed.data[j] * sums.get()[j];
  for (int64_t j = 0; j < size; j++) sums.get()[j] *= mixture.staticScale;
  gradients.weights->putStaticRows(all, sums.get());
}

}  // namespace

template <class T>
void convolve(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& input, T* output) {
  if (g.isDepthwise()) {
    const BlockedMaps<T> maps = wholeMaps(input, g, g.height, g.width, inputBorders(g));
    return runDepthwise(g, mixture, maps, {forwardPhase(g, maps.paddedWidth)}, g.positions(), output);
  }
  const BlockedMaps<T> maps(input, g.batch, g.inChannels, g.groups, g.height, g.width, inputBorders(g));
  const Pass<T> pass{g,
                     maps,
                     {forwardPhase(g, maps.paddedWidth)},
                     g.outChannels / g.groups,
                     mixture.order,
                     output,
                     g.outChannels,
                     g.positions()};
  run(pass, [&](int64_t mostSize) { return MixedTiles<T>(pass, mixture, true, mostSize); });
}

template <class T>
void convolveBackwardInput(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& gradOutput, T* gradInput) {
  const Borders borders = gradientBorders(g);
  if (g.isDepthwise()) {
    const BlockedMaps<T> maps = wholeMaps(gradOutput, g, g.outHeight, g.outWidth, borders);
    return runDepthwise(g, mixture, maps, backwardPhases(g, borders, maps.paddedWidth), g.height * g.width, gradInput);
  }
  const BlockedMaps<T> maps(gradOutput, g.batch, g.outChannels, g.groups, g.outHeight, g.outWidth, borders,
                            BlockedMaps<T>::mostChannels, mixture.isReordered ? mixture.order : nullptr);
  const Pass<T> pass{g,
                     maps,
                     backwardPhases(g, borders, maps.paddedWidth),
                     g.inChannels / g.groups,
                     nullptr,
                     gradInput,
                     g.inChannels,
                     g.height * g.width};
  run(pass, [&](int64_t mostSize) { return MixedTiles<T>(pass, mixture, false, mostSize); });
}

template <class T>
void convolveBackwardWeights(const Geometry& g, const Mixture<T>& mixture, const Maps<T>& input,
                             const Maps<T>& gradOutput, const MixtureGradients<T>& gradients) {
  if (g.isDepthwise()) return depthwiseBackwardWeights(g, mixture, input, gradOutput, gradients);
  const Kernels<T>& kernel = kernels<T>();
  const Weights<T>& weights = mixture.weights;
  const int64_t numKernels = weights.numKernels(), taps = g.taps(), positions = g.positions();
  const int64_t lanesPerGroup = g.outChannels / g.groups, fullWidth = tileWidth<T>(lanesPerGroup);
  constexpr int64_t mostChannels = 32;
  const BlockedMaps<T> maps(input, g.batch, g.inChannels, g.groups, g.height, g.width, inputBorders(g), mostChannels);
  const Split& blocks = maps.blocks;
  const Phase phase = forwardPhase(g, maps.paddedWidth);
  const std::vector<Item> tiles = itemsOf(g.groups, lanesPerGroup, fullWidth, 1);
  const int64_t numItems = int64_t(tiles.size()) * blocks.count, numDots = g.batch * numKernels;
  const int64_t mostSize = blocks.size * taps * fullWidth;
  // So many samples at once that their gradients of one tile stay in the second cache.
  const Split samples(g.batch, std::max<int64_t>(1, (768 << 10) / (mostSize * int64_t{sizeof(T)})));
  // One place for every item: the sums do not depend on which thread takes which.
  std::vector<T> dots(numItems * (numDots + 1), T{0});
  at::parallel_for(0, numItems, 1, [&](int64_t begin, int64_t end) {
    PackedTile<T> tile(numKernels, mostSize);
    Scratch<T> perSample(samples.size * mostSize), sums((numKernels + 1) * mostSize), rows(mostSize);
    Scratch<T> gradTile(positions * fullWidth);
    std::vector<Step> steps(positions);
    std::vector<int64_t> aRows(blocks.size), cRows(blocks.size);
    for (int64_t i = begin; i < end; i++) {
      const Item& item = tiles[i / blocks.count];
      const int64_t block = i % blocks.count, channels = blocks.length(block), width = tileWidth<T>(item.lanes);
      const int64_t laneBegin = item.group * lanesPerGroup + item.lane, size = channels * taps * width;
      const int64_t* order = mixture.order + laneBegin;
      T* itemDots = dots.data() + i * (numDots + 1);
      const Part part{laneBegin, item.lanes, blocks.begin(block) * taps, channels * taps};
      tile.load(weights, 1, part, size, [&](T* out, const Rows<T>& from) {
        kernel.pack(out, width, from.data, from.stride, item.lanes, channels * taps);
      });
      for (int64_t p = 0; p < positions; p++) steps[p] = {narrow(phase.from[p] * blocks.size), narrow(p * width)};
      for (int64_t channel = 0; channel < channels; channel++) {
        aRows[channel] = channel;
        cRows[channel] = channel * taps * width;
      }
      std::fill_n(sums.get(), (numKernels + 1) * mostSize, T{0});
      T* staticSum = sums.get() + numKernels * mostSize;
      for (int64_t chunk = 0; chunk < samples.count; chunk++) {
        for (int64_t s = 0; s < samples.length(chunk); s++) {
          const int64_t sample = samples.begin(chunk) + s;
          const T* from = gradOutput.data + sample * gradOutput.batchStride;
          for (int64_t h = 0; h < g.outHeight; h++)
            for (int64_t w = 0; w < g.outWidth; w++) {
              const T* at = from + h * gradOutput.rowStride + w * gradOutput.columnStride;
              T* to = gradTile.get() + (h * g.outWidth + w) * width;
              for (int64_t lane = 0; lane < item.lanes; lane++) to[lane] = at[order[lane] * gradOutput.channelStride];
              for (int64_t lane = item.lanes; lane < width; lane++) to[lane] = 0;
            }
          // Without dynamic entries no sample's gradient is needed alone.
          T* out = tile.hasDynamic() ? perSample.get() + s * mostSize : staticSum;
          for (const Tap& tap : phase.taps)
            products<T>(
                {maps.block(sample, item.group, block) + tap.shift * blocks.size, aRows.data(), gradTile.get(),
                 steps.data(), positions, out + tap.index * width, cRows.data(), !tile.hasDynamic()},
                channels, width, [](int64_t, int64_t) {}, [](int64_t, int64_t) {});
        }
        if (!tile.hasDynamic()) continue;
        const T* coefficients = mixture.coefficients + samples.begin(chunk) * numKernels;
        const int64_t count = samples.length(chunk);
        for (int64_t k = 0; k < numKernels; k++)
          kernel.weighedSum(sums.get() + k * mostSize, perSample.get(), mostSize, coefficients + k, numKernels, count,
                            size);
        if (tile.hasStatic()) {
          static constexpr T one = 1;
          kernel.weighedSum(staticSum, perSample.get(), mostSize, &one, 0, count, size);
        }
        kernel.dots(itemDots + samples.begin(chunk) * numKernels, tile.bank(), tile.stride(), numKernels,
                    perSample.get(), mostSize, count, size);
      }
      for (int64_t k = 0; k < numKernels && tile.hasDynamic(); k++) {
        kernel.unpack(rows.get(), channels * taps, sums.get() + k * mostSize, width, item.lanes, channels * taps);
        gradients.weights->putBankRows(k, part, rows.get());
      }
      if (tile.hasStatic()) {
        kernel.dots(itemDots + numDots, tile.staticPart(), tile.stride(), 1, staticSum, mostSize, 1, size);
        for (int64_t j = 0; j < size; j++) staticSum[j] *= mixture.staticScale;
        kernel.unpack(rows.get(), channels * taps, staticSum, width, item.lanes, channels * taps);
        gradients.weights->putStaticRows(part, rows.get());
      }
    }
  });
  std::fill_n(gradients.coefficients, numDots, T{0});
  *gradients.staticScale = 0;
  for (int64_t i = 0; i < numItems; i++) {
    const T* itemDots = dots.data() + i * (numDots + 1);
    for (int64_t j = 0; j < numDots; j++) gradients.coefficients[j] += itemDots[j];
    *gradients.staticScale += itemDots[numDots];
  }
}

#define PADNET_INSTANTIATE(T)                                                                                  \
  template void convolve<T>(const Geometry&, const Mixture<T>&, const Maps<T>&, T*);                           \
  template void convolveBackwardInput<T>(const Geometry&, const Mixture<T>&, const Maps<T>&, T*);              \
  template void convolveBackwardWeights<T>(const Geometry&, const Mixture<T>&, const Maps<T>&, const Maps<T>&, \
                                           const MixtureGradients<T>&);
PADNET_INSTANTIATE(float)
PADNET_INSTANTIATE(double)

}  // namespace padnet
