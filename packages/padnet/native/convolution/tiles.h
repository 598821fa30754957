// What the passes of a convolution share: where taps read, how the output is cut into tiles, the product of one tile.
#pragma once

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "convolution/blockedMaps.h"
#include "convolution/convolution.h"

namespace padnet {

/// Where one tap reads, in positions of the padded maps from a row's own.
struct Tap {
  int64_t index;  // in the kernel
  int64_t shift;
};

/// Output positions that the same taps reach, in the same way.
struct Phase {
  std::vector<Tap> taps;
  std::vector<int64_t> from;  // position in the padded maps
  std::vector<int64_t> to;    // position in the output
};

inline int32_t narrow(int64_t offset) {
  TORCH_CHECK(offset <= std::numeric_limits<int32_t>::max(), "padnet: a map of one sample is too large (", offset,
              " numbers beyond 2^31)");
  return static_cast<int32_t>(offset);
}

/// A range of lanes in one group, and the samples that it is multiplied for.
struct Item {
  int64_t group, lane, lanes, sampleBegin, sampleEnd;
};

/// Tiles by samples, so many that the threads have equal shares.
inline std::vector<Item> itemsOf(int64_t groups, int64_t lanesPerGroup, int64_t width, int64_t batch) {
  const int64_t tiles = groups * ((lanesPerGroup + width - 1) / width), threads = at::get_num_threads();
  int64_t parts = 1;
  if (tiles % threads != 0 && tiles < 4 * threads) parts = std::clamp<int64_t>(batch, 1, threads);
  const Split samples(batch, std::max<int64_t>(1, (batch + parts - 1) / parts));
  std::vector<Item> items;
  for (int64_t part = 0; part < samples.count; part++)
    for (int64_t group = 0; group < groups; group++)
      for (int64_t lane = 0; lane < lanesPerGroup; lane += width)
        items.push_back({group, lane, std::min(width, lanesPerGroup - lane), samples.begin(part),
                         samples.begin(part) + samples.length(part)});
  return items;
}

/// What is done to the output where it is whole: clamp(output + shift + residual, least, most).
template <class T>
struct Epilogue {
  const T* shift;     // [outputChannels]
  const T* residual;  // like the output; may be null
  T least, most;
};

/// A product over channels and taps: forward from the input, backward from the gradient of the output.
template <class T>
struct Pass {
  const Geometry& geometry;
  const BlockedMaps<T>& maps;
  std::vector<Phase> phases;
  int64_t lanesPerGroup;  // channels of the output, that lie in a tile's width
  const int64_t* order;   // the output channel of each lane; null where they are as they stand
  T* output;
  int64_t outputChannels, outputPositions;
  const Epilogue<T>* epilogue = nullptr;  // null for none
};

/// Where a tile of the weights stands: the lanes of `item`, the channels of one block, the taps of `phase`.
struct TilePlace {
  const Item& item;
  const Phase& phase;
  int64_t block, width;
  int64_t size;  // elements: channels × taps × width
};

/// Width of a tile for so many lanes: one or two vectors.
template <class T>
int64_t tileWidth(int64_t lanes) {
  const int64_t vector = kernels<T>().vector;
  return lanes <= vector ? vector : 2 * vector;
}

/// c = or += product for all `rows`, in runs of at most maxRows; before each, fetch(run, runs) may ask for memory that
/// is needed next, and after(row, rows) finds its rows in the nearest cache.
template <class T, class Fetch, class After>
void products(Product<T> product, int64_t numRows, int64_t width, const Fetch& fetch, const After& after) {
  const Kernels<T>& k = kernels<T>();
  const Split runs(numRows, k.maxRows);
  const int64_t* a = product.aRows;
  const int64_t* c = product.cRows;
  for (int64_t run = 0; run < runs.count; run++) {
    fetch(run, runs.count);
    product.aRows = a + runs.begin(run);
    product.cRows = c + runs.begin(run);
    k.product(product, runs.length(run), width / k.vector);
    after(runs.begin(run), runs.length(run));
  }
}

/// The epilogue of `size` channels from `channel` on of one position, that stand at `output`.
template <class T>
void finish(const Pass<T>& pass, int64_t channel, T* output, int64_t size) {
  const auto& [shift, residual, least, most] = *pass.epilogue;
  kernels<T>().finish(output, shift + channel, residual ? residual + (output - pass.output) : nullptr, least, most,
                      size);
}

/// Multiplies tile by tile. Each thread makes its own `tiles`, that are asked to `select` a place, and then for the
/// weights that are `mixed` there for one sample after another, as [channel, tap, lane]; at the last one, `fetchNext`
/// may bring nearer what the next place needs.
template <class T, class MakeTiles>
void run(const Pass<T>& pass, const MakeTiles& makeTiles) {
  const Geometry& g = pass.geometry;
  const Split& blocks = pass.maps.blocks;
  const int64_t fullWidth = tileWidth<T>(pass.lanesPerGroup);
  const std::vector<Item> items = itemsOf(g.groups, pass.lanesPerGroup, fullWidth, g.batch);
  at::parallel_for(0, int64_t(items.size()), 1, [&](int64_t begin, int64_t end) {
    const int64_t mostSteps = blocks.size * g.taps();
    auto tiles = makeTiles(mostSteps * fullWidth);
    std::vector<Step> steps(mostSteps);
    std::vector<int64_t> aRows, cRows;
    // Tiles that are not full, or whose filters are out of order, are summed apart and then put in their places.
    std::vector<T> apart;
    for (int64_t i = begin; i < end; i++) {
      const Item& item = items[i];
      const int64_t width = tileWidth<T>(item.lanes), laneBegin = item.group * pass.lanesPerGroup + item.lane;
      const int64_t* order = pass.order ? pass.order + laneBegin : nullptr;
      bool inPlace = item.lanes == width;
      for (int64_t lane = 1; inPlace && order && lane < item.lanes; lane++) inPlace = order[lane] == order[0] + lane;
      const int64_t cStride = inPlace ? pass.outputChannels : width, samples = item.sampleEnd - item.sampleBegin;
      if (!inPlace) apart.assign(samples * pass.outputPositions * width, T{0});
      const auto outputOf = [&](int64_t sample) {
        return inPlace
                   ? pass.output + sample * pass.outputPositions * pass.outputChannels + (order ? order[0] : laneBegin)
                   : apart.data() + (sample - item.sampleBegin) * pass.outputPositions * width;
      };
      for (const Phase& phase : pass.phases) {
        const int64_t rows = int64_t(phase.from.size()), numTaps = int64_t(phase.taps.size());
        if (numTaps == 0) {
          for (int64_t sample = item.sampleBegin; inPlace && sample < item.sampleEnd; sample++)
            for (int64_t row = 0; row < rows; row++)
              std::fill_n(outputOf(sample) + phase.to[row] * cStride, width, T{0});
          continue;
        }
        aRows.resize(rows);
        cRows.resize(rows);
        for (int64_t row = 0; row < rows; row++) {
          aRows[row] = phase.from[row] * blocks.size;
          cRows[row] = phase.to[row] * cStride;
        }
        for (int64_t block = 0; block < blocks.count; block++) {
          int64_t numSteps = 0;
          for (int64_t channel = 0; channel < blocks.length(block); channel++)
            for (const Tap& tap : phase.taps) {
              steps[numSteps] = {narrow(tap.shift * blocks.size + channel), narrow(numSteps * width)};
              numSteps++;
            }
          tiles.select({item, phase, block, width, numSteps * width});
          const bool isWhole = inPlace && pass.epilogue && block + 1 == blocks.count;
          for (int64_t sample = item.sampleBegin; sample < item.sampleEnd; sample++) {
            const bool isLast = sample + 1 == item.sampleEnd;
            const Upcoming map = pass.maps.upcoming(isLast ? item.sampleBegin : sample + 1, item.group, block);
            products<T>(
                {pass.maps.block(sample, item.group, block), aRows.data(), tiles.mixed(sample), steps.data(), numSteps,
                 outputOf(sample), cRows.data(), block > 0},
                rows, width,
                [&](int64_t run, int64_t numRuns) {
                  map.fetch(run, numRuns);
                  if (isLast) tiles.fetchNext(run, numRuns);
                },
                [&](int64_t row, int64_t count) {
                  for (int64_t r = row; isWhole && r < row + count; r++)
                    finish(pass, order ? order[0] : laneBegin, outputOf(sample) + cRows[r], width);
                });
          }
        }
      }
      if (inPlace) continue;
      for (int64_t sample = item.sampleBegin; sample < item.sampleEnd; sample++) {
        T* output = pass.output + sample * pass.outputPositions * pass.outputChannels;
        const T* from = outputOf(sample);
        for (int64_t position = 0; position < pass.outputPositions; position++)
          for (int64_t lane = 0; lane < item.lanes; lane++)
            output[position * pass.outputChannels + (order ? order[lane] : laneBegin + lane)] =
                from[position * width + lane];
        if (!pass.epilogue) continue;
        // Of the channels that this item has, in runs of neighbours.
        for (int64_t lane = 0, end; lane < item.lanes; lane = end) {
          const int64_t channel = order ? order[lane] : laneBegin + lane;
          for (end = lane + 1; end < item.lanes && (!order || order[end] == channel + end - lane);) end++;
          for (int64_t position = 0; position < pass.outputPositions; position++)
            finish(pass, channel, output + position * pass.outputChannels + channel, end - lane);
        }
      }
    }
  });
}

inline Borders inputBorders(const Geometry& g) { return {g.padHeight, g.padHeight, g.padWidth, g.padWidth}; }

/// Positions of the padded input and the taps around them, for every output position.
inline Phase forwardPhase(const Geometry& g, int64_t paddedWidth) {
  Phase phase;
  for (int64_t kh = 0; kh < g.kernelHeight; kh++)
    for (int64_t kw = 0; kw < g.kernelWidth; kw++)
      phase.taps.push_back({kh * g.kernelWidth + kw, kh * g.dilationHeight * paddedWidth + kw * g.dilationWidth});
  for (int64_t h = 0; h < g.outHeight; h++)
    for (int64_t w = 0; w < g.outWidth; w++) {
      phase.from.push_back(h * g.strideHeight * paddedWidth + w * g.strideWidth);
      phase.to.push_back(h * g.outWidth + w);
    }
  return phase;
}

}  // namespace padnet
