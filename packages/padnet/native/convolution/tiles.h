// How the passes of a convolution cut their work into tiles, and the walk over them.
#pragma once

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "convolution/blockedMaps.h"
#include "kernels/kernels.h"

namespace padnet {

inline int32_t narrow(int64_t offset) {
  TORCH_CHECK(offset <= std::numeric_limits<int32_t>::max(), "padnet: a map of one sample is too large (", offset,
              " numbers beyond 2^31)");
  return static_cast<int32_t>(offset);
}

/// A range of lanes (channels of the result) in one group, and the samples that it is multiplied for.
struct Item {
  int64_t group, lane, lanes, sampleBegin, sampleEnd;

  int64_t samples() const { return sampleEnd - sampleBegin; }
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

/// The step behind a convolution, where its sums are whole: clamp(output + shift + residual, least, most).
template <class T>
struct Epilogue {
  const T* shift;     // [outputChannels]
  const T* residual;  // like the output; may be null
  T least, most;
};

/// A product of blocked maps with a kernel for every sample.
template <class T>
struct Pass {
  const Geometry& geometry;
  const BlockedMaps<T>& maps;
  std::vector<Phase> phases;
  int64_t lanesPerGroup;  // channels of the output, that lie in a tile's width
  const int64_t* order;   // the output channel of each lane; null where they are as they stand
  T* output;
  int64_t outputChannels, outputPositions;
  const Epilogue<T>* epilogue;  // null for none
};

/// The pass from the padded input to the output.
template <class T>
Pass<T> forwardPass(const Geometry& g, const BlockedMaps<T>& maps, const int64_t* order, T* output,
                    const Epilogue<T>* epilogue = nullptr) {
  return {g,
          maps,
          {forwardPhase(g, maps.paddedWidth)},
          g.lanesPerGroup(),
          order,
          output,
          g.outChannels,
          g.positions(),
          epilogue};
}

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

/// One thread's walk over items. Its `Tiles` are asked to `select` a place, and then for the weights that are `mixed`
/// there for one sample after another, as [channel, tap, lane]; at the last one, `fetchNext` may bring nearer what the
/// next place needs.
template <class T, class Tiles>
class Walk {
 public:
  /// @param makeTiles gives tiles that are as large as a number says
  template <class MakeTiles>
  Walk(const Pass<T>& pass, const MakeTiles& makeTiles)
      : pass_(pass),
        blocks_(pass.maps.blocks),
        steps_(blocks_.size * pass.geometry.taps()),
        tiles_(makeTiles(int64_t(steps_.size()) * tileWidth<T>(pass.lanesPerGroup))) {}

  /// Writes the channels of an item, for its samples.
  void compute(const Item& item) {
    place(item);
    for (const Phase& phase : pass_.phases) {
      if (phase.taps.empty()) {
        clear(item, phase);
      } else {
        multiply(item, phase);
      }
    }
    if (!inPlace_) putInPlace(item);
  }

 private:
  /// Tiles that are not full, or whose filters are out of order, are summed apart and then put in their places.
  void place(const Item& item) {
    width_ = tileWidth<T>(item.lanes);
    firstLane_ = item.group * pass_.lanesPerGroup + item.lane;
    inPlace_ = item.lanes == width_ && neighbours(item, 0) == item.lanes;
    stride_ = inPlace_ ? pass_.outputChannels : width_;
    if (!inPlace_) apart_.assign(item.samples() * pass_.outputPositions * width_, T{0});
  }

  /// The output channel of a lane of the item.
  int64_t channelOf(int64_t lane) const { return pass_.order ? pass_.order[firstLane_ + lane] : firstLane_ + lane; }

  /// The end of the lanes from `lane` on whose channels lie side by side.
  int64_t neighbours(const Item& item, int64_t lane) const {
    int64_t end = lane + 1;
    while (end < item.lanes && channelOf(end) == channelOf(lane) + end - lane) end++;
    return end;
  }

  T* outputOf(int64_t sample) const { return pass_.output + sample * pass_.outputPositions * pass_.outputChannels; }
  /// Where sums of a sample are made.
  T* sumsOf(const Item& item, int64_t sample) {
    return inPlace_ ? outputOf(sample) + channelOf(0)
                    : apart_.data() + (sample - item.sampleBegin) * pass_.outputPositions * width_;
  }

  /// Positions that no tap reaches are 0.
  void clear(const Item& item, const Phase& phase) {
    for (int64_t sample = item.sampleBegin; inPlace_ && sample < item.sampleEnd; sample++)
      for (const int64_t position : phase.to) std::fill_n(sumsOf(item, sample) + position * stride_, width_, T{0});
  }

  /// One phase: block after block of channels, each for one sample after another while the tile is in cache.
  void multiply(const Item& item, const Phase& phase) {
    const size_t rows = phase.from.size();
    aRows_.resize(rows);
    cRows_.resize(rows);
    for (size_t row = 0; row < rows; row++) {
      aRows_[row] = phase.from[row] * blocks_.size;
      cRows_[row] = phase.to[row] * stride_;
    }
    for (int64_t block = 0; block < blocks_.count; block++) {
      int64_t numSteps = 0;
      for (int64_t channel = 0; channel < blocks_.length(block); channel++)
        for (const Tap& tap : phase.taps) {
          steps_[numSteps] = {narrow(tap.shift * blocks_.size + channel), narrow(numSteps * width_)};
          numSteps++;
        }
      tiles_.select({item, phase, block, width_, numSteps * width_});
      for (int64_t sample = item.sampleBegin; sample < item.sampleEnd; sample++)
        multiplySample(item, block, sample, numSteps);
    }
  }

  void multiplySample(const Item& item, int64_t block, int64_t sample, int64_t numSteps) {
    const bool isLast = sample + 1 == item.sampleEnd, isWhole = block + 1 == blocks_.count;
    const Upcoming map = pass_.maps.upcoming(isLast ? item.sampleBegin : sample + 1, item.group, block);
    T* sums = sumsOf(item, sample);
    products<T>(
        {pass_.maps.block(sample, item.group, block), aRows_.data(), tiles_.mixed(sample), steps_.data(), numSteps,
         sums, cRows_.data(), block > 0},
        int64_t(aRows_.size()), width_,
        [&](int64_t run, int64_t numRuns) {
          map.fetch(run, numRuns);
          if (isLast) tiles_.fetchNext(run, numRuns);
        },
        [&](int64_t row, int64_t count) {
          if (!isWhole || !inPlace_ || !pass_.epilogue) return;
          for (int64_t r = row; r < row + count; r++) finish(channelOf(0), sums + cRows_[r], width_);
        });
  }

  void putInPlace(const Item& item) {
    for (int64_t sample = item.sampleBegin; sample < item.sampleEnd; sample++) {
      T* output = outputOf(sample);
      const T* from = sumsOf(item, sample);
      for (int64_t position = 0; position < pass_.outputPositions; position++)
        for (int64_t lane = 0; lane < item.lanes; lane++)
          output[position * pass_.outputChannels + channelOf(lane)] = from[position * width_ + lane];
      for (int64_t lane = 0, end; pass_.epilogue && lane < item.lanes; lane = end) {
        end = neighbours(item, lane);
        for (int64_t position = 0; position < pass_.outputPositions; position++)
          finish(channelOf(lane), output + position * pass_.outputChannels + channelOf(lane), end - lane);
      }
    }
  }

  /// The epilogue of `size` channels from `channel` on of one position, that stand at `output`.
  void finish(int64_t channel, T* output, int64_t size) const {
    const auto& [shift, residual, least, most] = *pass_.epilogue;
    kernels<T>().finish(output, shift + channel, residual ? residual + (output - pass_.output) : nullptr, least, most,
                        size);
  }

  const Pass<T>& pass_;
  const Split& blocks_;
  std::vector<Step> steps_;
  Tiles tiles_;
  std::vector<int64_t> aRows_, cRows_;
  std::vector<T> apart_;
  // The item that is computed:
  int64_t width_ = 0, firstLane_ = 0;
  int64_t stride_ = 0;  // from one position's sums to the next
  bool inPlace_ = false;
};

/// Computes a pass; each thread makes its own tiles.
template <class T, class MakeTiles>
void run(const Pass<T>& pass, const MakeTiles& makeTiles) {
  const std::vector<Item> items =
      itemsOf(pass.geometry.groups, pass.lanesPerGroup, tileWidth<T>(pass.lanesPerGroup), pass.geometry.batch);
  at::parallel_for(0, int64_t(items.size()), 1, [&](int64_t begin, int64_t end) {
    Walk<T, decltype(makeTiles(int64_t{}))> walk(pass, makeTiles);
    for (int64_t i = begin; i < end; i++) walk.compute(items[i]);
  });
}

}  // namespace padnet
