// What the passes of a convolution share: where taps read, how the output is cut into tiles, the product of one tile.
#pragma once

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "blockedMaps.h"
#include "convolution.h"

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
  if (tiles % threads != 0 && tiles < 4 * threads) parts = std::min<int64_t>(batch, threads);
  const Split samples(batch, std::max<int64_t>(1, (batch + parts - 1) / parts));
  std::vector<Item> items;
  for (int64_t part = 0; part < samples.count; part++)
    for (int64_t group = 0; group < groups; group++)
      for (int64_t lane = 0; lane < lanesPerGroup; lane += width)
        items.push_back({group, lane, std::min(width, lanesPerGroup - lane), samples.begin(part),
                         samples.begin(part) + samples.length(part)});
  return items;
}

/// Width of a tile for so many lanes: one or two vectors.
template <class T>
int64_t tileWidth(int64_t lanes) {
  const int64_t vector = kernels<T>().vector;
  return lanes <= vector ? vector : 2 * vector;
}

/// c = or += product for all `rows`, in runs of at most maxRows.
template <class T>
void products(Product<T> product, int64_t numRows, int64_t width, const Upcoming& upcoming) {
  const Kernels<T>& k = kernels<T>();
  const Split runs(numRows, k.maxRows);
  const int64_t* a = product.aRows;
  const int64_t* c = product.cRows;
  for (int64_t run = 0; run < runs.count; run++) {
    upcoming.fetch(run, runs.count);
    product.aRows = a + runs.begin(run);
    product.cRows = c + runs.begin(run);
    k.product(product, runs.length(run), width / k.vector);
  }
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
