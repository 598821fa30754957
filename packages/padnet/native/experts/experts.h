// The operands of the experts' products: the choices of tokens, and where an expert's entries come from. Experts are
// brought into the order of the inner product block by block, and merged with the static weight there: nothing of the
// size of an expert is ever written.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/partialWeights.h"
#include "kernels/work.h"

namespace padnet {

/// [rows, columns], one row after another.
template <class T>
struct Matrix {
  T* data;
  int64_t rows, columns;

  T* row(int64_t index) const { return data + index * columns; }
};

/// `count` choices in a row that went to one expert.
struct Group {
  int64_t expert, begin, count;
};

/// The choices of all tokens, ordered by expert, and by token within an expert.
template <class T>
struct Routes {
  std::vector<Group> groups;  // without empty ones
  std::vector<int64_t> tokens;
  std::vector<T> weights;  // w

  int64_t numChoices() const { return int64_t(tokens.size()); }
  int64_t mostTokens() const {
    int64_t most = 0;
    for (const Group& group : groups) most = std::max(most, group.count);
    return most;
  }
};

/// Where the dynamic and the static entries of experts stand.
template <class T>
struct Experts {
  T* bank;          // [E, rows, columns], or [E, d] with `ranks`
  T* staticWeight;  // [rows · columns − d]
  const uint8_t* bits;
  const Ranks* ranks;
  int64_t rows, columns;
  T scale, staticScale;
  int64_t numDynamic = ranks ? ranks->before(rows * columns) : rows * columns;

  bool isEmpty() const { return rows == 0 || columns == 0; }
  /// The scale that is applied to tokens: that of a whole bank, as there are fewer of them than of entries.
  T tokenScale() const { return ranks ? T{1} : scale; }

  /// Where an expert's dynamic entries from a place on stand in the bank, and static ones in the static weight.
  int64_t dynamicPlace(int64_t expert, int64_t at) const { return expert * numDynamic + before(at); }
  int64_t staticPlace(int64_t at) const { return at - before(at); }

  /// `size` entries of an expert from a place on: where they are, or merged into `scratch`.
  const T* get(int64_t expert, int64_t at, int64_t size, T* scratch) const {
    const T* from = bank + dynamicPlace(expert, at);
    if (!ranks) return from;
    kernels<T>().merge(scratch, from, scale, staticWeight + staticPlace(at), staticScale, bits, at, size);
    return scratch;
  }

  /// The memory that `get` reads.
  struct Ahead {
    Upcoming dynamicPart, staticPart, bits;

    void fetch(int64_t part = 0, int64_t numParts = 1) const {
      for (const Upcoming* upcoming : {&dynamicPart, &staticPart, &bits}) upcoming->fetch(part, numParts);
    }
  };
  Ahead ahead(int64_t expert, int64_t at, int64_t size) const {
    const T* from = bank + dynamicPlace(expert, at);
    if (!ranks) return {{from, size}, {}, {}};
    const int64_t count = before(at + size) - before(at);
    return {{from, count}, {staticWeight + staticPlace(at), size - count}, {bits + at / 8, size / 8 + 1}};
  }

 private:
  int64_t before(int64_t at) const { return ranks ? ranks->before(at) : at; }
};

/// Tokens of an expert that are multiplied by one tile of its weight, before the next tile is brought near.
constexpr int64_t mostTokens = 512;

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

/// Where the rows of some panels stand that are `stride` apart.
template <class T>
std::vector<int64_t> panelRows(int64_t numPanels, int64_t stride) {
  std::vector<int64_t> rows(numPanels * kernels<T>().maxRows);
  for (size_t i = 0; i < rows.size(); i++) rows[i] = int64_t(i) * stride;
  return rows;
}

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

/// to += factor · from
template <class T>
void add(T* to, const T* from, T factor, int64_t size) {
  kernels<T>().mix(to, to, from, 0, &factor, 1, size);
}

}  // namespace padnet
