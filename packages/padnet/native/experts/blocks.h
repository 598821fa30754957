// What the products of experts share: how choices, rows and columns are cut into blocks, and where an expert's entries
// come from.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "experts/experts.h"
#include "kernels/kernels.h"
#include "kernels/memory.h"
#include "kernels/split.h"

namespace padnet {

/// Tokens of an expert that are multiplied by one tile of its weight, before the next tile is brought near.
constexpr int64_t mostTokens = 512;

/// Two vectors, as panels need it.
template <class T>
int64_t panelTileWidth() {
  return 2 * kernels<T>().vector;
}

/// Panels that hold so many rows.
template <class T>
int64_t numPanelsOf(int64_t rows) {
  return (rows + kernels<T>().maxRows - 1) / kernels<T>().maxRows;
}

/// 0, of, 2 · of, …
inline std::vector<int64_t> multiples(int64_t count, int64_t of) {
  std::vector<int64_t> values(count);
  for (int64_t i = 0; i < count; i++) values[i] = i * of;
  return values;
}

/// Groups of at most `mostTokens` choices.
inline std::vector<Group> partsOf(const std::vector<Group>& groups) {
  std::vector<Group> parts;
  for (const Group& group : groups) {
    const Split split(group.count, mostTokens);
    for (int64_t part = 0; part < split.count; part++)
      parts.push_back({group.expert, group.begin + split.begin(part), split.length(part)});
  }
  return parts;
}

/// Calls use(group, index of the choice in it) for all choices, by all threads.
template <class Use>
void forEachChoice(const std::vector<Group>& groups, const Use& use) {
  at::parallel_for(0, groups.back().begin + groups.back().count, 16, [&](int64_t begin, int64_t end) {
    for (const Group& group : groups)
      for (int64_t i = std::max(begin, group.begin); i < std::min(end, group.begin + group.count); i++)
        use(group, i - group.begin);
  });
}

/// Lanes (or rows) in parts of whole tiles (or panels), so many parts that the threads have equal shares.
struct Chunks {
  int64_t lanes, width;
  Split tiles;

  Chunks(int64_t lanes, int64_t width, int64_t most) : lanes(lanes), width(width), tiles(splitOf(lanes, width, most)) {}

  int64_t count() const { return tiles.count; }
  int64_t begin(int64_t chunk) const { return tiles.begin(chunk) * width; }
  int64_t length(int64_t chunk) const { return std::min(tiles.length(chunk) * width, lanes - begin(chunk)); }
  int64_t size() const { return tiles.size * width; }

 private:
  static Split splitOf(int64_t lanes, int64_t width, int64_t most) {
    const int64_t tiles = (lanes + width - 1) / width, threads = at::get_num_threads();
    int64_t parts = Split(tiles, std::max<int64_t>(1, most / width)).count;
    parts = std::min(tiles, (parts + threads - 1) / threads * threads);
    return Split(tiles, (tiles + parts - 1) / parts);
  }
};

/// The entries of experts from any place of the weight on.
template <class T>
class Entries {
 public:
  explicit Entries(const Experts<T>& experts) : experts_(experts), size_(experts.numDynamic()) {}

  bool isCompact() const { return experts_.ranks; }
  /// What is to be applied to tokens, where it is not to the entries.
  T scale() const { return isCompact() ? T{1} : experts_.scale; }

  /// Where an expert's dynamic entries from a place on stand in the bank, and static ones in the static weight.
  int64_t dynamicPlace(int64_t expert, int64_t at) const { return expert * size_ + before(at); }
  int64_t staticPlace(int64_t at) const { return at - before(at); }

  /// `size` entries of the weight: where they are, or merged into `scratch`.
  const T* get(int64_t expert, int64_t at, int64_t size, T* scratch) const {
    const T* bank = experts_.bank + dynamicPlace(expert, at);
    if (!isCompact()) return bank;
    kernels<T>().merge(scratch, bank, experts_.scale, experts_.staticWeight + staticPlace(at), experts_.staticScale,
                       experts_.bits, at, size);
    return scratch;
  }

  /// The memory that `get` reads.
  struct Ahead {
    Upcoming dynamicPart, staticPart, bits;

    void fetch(int64_t part = 0, int64_t numParts = 1) const {
      dynamicPart.fetch(part, numParts);
      if (!bits.data) return;
      staticPart.fetch(part, numParts);
      bits.fetch(part, numParts);
    }
  };
  Ahead ahead(int64_t expert, int64_t at, int64_t size) const {
    const T* bank = experts_.bank + dynamicPlace(expert, at);
    if (!isCompact()) return {{bank, size}, {}, {}};
    const int64_t numDynamic = before(at + size) - before(at);
    return {{bank, numDynamic},
            {experts_.staticWeight + staticPlace(at), size - numDynamic},
            {experts_.bits + at / 8, size / 8 + 1}};
  }

 private:
  int64_t before(int64_t at) const { return isCompact() ? experts_.ranks->before(at) : at; }

  const Experts<T>& experts_;
  int64_t size_;
};

/// One tile's product with all rows of `panels`, that are `panelStride` apart. `after(run, runs)` is called after each.
template <class T, class After>
void panelProducts(PanelProduct<T> product, int64_t panelStride, int64_t numRows, int64_t lanes, const After& after) {
  const Kernels<T>& kernel = kernels<T>();
  const int64_t runs = numPanelsOf<T>(numRows);
  for (int64_t run = 0; run < runs; run++) {
    kernel.panelProduct(product, std::min(kernel.maxRows, numRows - run * kernel.maxRows),
                        lanes <= kernel.vector ? 1 : 2);
    product.a += panelStride;
    product.cRows += kernel.maxRows;
    after(run, runs);
  }
}

/// to += from
template <class T>
void add(T* to, const T* from, int64_t size) {
  const T one = 1;
  kernels<T>().mix(to, to, from, 0, &one, 1, size);
}

}  // namespace padnet
