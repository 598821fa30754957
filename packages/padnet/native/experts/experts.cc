#include "experts/experts.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "convolution/blockedMaps.h"
#include "kernels/scratch.h"

namespace padnet {
namespace {

/// Tokens of an expert that are multiplied by one tile of its weight, before the next tile is brought near.
constexpr int64_t mostTokens = 512;
/// Tokens that one product sums over: a tile of them stays in the nearest cache.
constexpr int64_t mostTokenSteps = 384;
/// Columns of a weight that a thread takes at a time where rows are summed over.
constexpr int64_t mostLanes = 384;
/// So many rows before they are read, memory is told to bring them.
constexpr int64_t ahead = 4;
/// Gradients of rows of one expert, that stay in the second cache until they are compressed.
constexpr int64_t mostGradientBytes = 1 << 19, mostGradientPanels = 16;

template <class T>
int64_t tileWidth() {
  return 2 * kernels<T>().vector;
}

std::vector<int64_t> multiples(int64_t count, int64_t of) {
  std::vector<int64_t> values(count);
  for (int64_t i = 0; i < count; i++) values[i] = i * of;
  return values;
}

/// Groups of at most `most` choices.
std::vector<Group> partsOf(const std::vector<Group>& groups, int64_t most) {
  std::vector<Group> parts;
  for (const Group& group : groups) {
    const Split split(group.count, most);
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
    const int64_t dynamic = before(at);
    const T* bank = experts_.bank + expert * size_ + dynamic;
    if (!isCompact()) return bank;
    kernels<T>().merge(scratch, bank, experts_.scale, experts_.fixed + at - dynamic, experts_.fixedScale, experts_.bits,
                       at, size);
    return scratch;
  }

  struct Ahead {
    Upcoming dynamic, fixed, bits;
    void fetch(int64_t part = 0, int64_t numParts = 1) const {
      dynamic.fetch(part, numParts);
      if (!bits.data) return;
      fixed.fetch(part, numParts);
      bits.fetch(part, numParts);
    }
  };
  Ahead ahead(int64_t expert, int64_t at, int64_t size) const {
    const auto bytes = [](int64_t count) { return count * int64_t{sizeof(T)}; };
    if (!isCompact()) return {{experts_.bank + dynamicPlace(expert, at), bytes(size)}, {nullptr, 0}, {nullptr, 0}};
    const int64_t begin = before(at), numDynamic = before(at + size) - begin;
    return {{experts_.bank + expert * size_ + begin, bytes(numDynamic)},
            {experts_.fixed + at - begin, bytes(size - numDynamic)},
            {experts_.bits + at / 8, size / 8 + 1}};
  }

 private:
  int64_t before(int64_t at) const { return isCompact() ? experts_.ranks->before(at) : at; }

  const Experts<T>& experts_;
  int64_t size_;
};

/// One tile's product with all rows of `panels`, that are `panelStride` apart. `after(run, runs)` is called after each.
template <class T, class After>
void products(PanelProduct<T> product, int64_t panelStride, int64_t numRows, int64_t lanes, const After& after) {
  const Kernels<T>& kernel = kernels<T>();
  const int64_t runs = (numRows + kernel.maxRows - 1) / kernel.maxRows;
  for (int64_t run = 0; run < runs; run++) {
    kernel.panelProduct(product, std::min(kernel.maxRows, numRows - run * kernel.maxRows),
                        lanes <= kernel.vector ? 1 : 2);
    product.a += panelStride;
    product.cRows += kernel.maxRows;
    after(run, runs);
  }
}

/// ∂L/∂x of all tokens, and dots of all choices: a thread takes some columns, and sums over rows.
template <class T>
void backwardToTokens(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                      const Matrix<const T>& gradOutput, ExpertGradients<T>& gradients) {
  const Kernels<T>& kernel = kernels<T>();
  const Entries<T> entries(experts);
  const std::vector<Group> groups = partsOf(routes.groups, mostTokens);
  const int64_t width = tileWidth<T>(), most = std::min(routes.mostTokens(), mostTokens);
  const int64_t numPanels = (most + kernel.maxRows - 1) / kernel.maxRows, panelSize = kernel.maxRows * panelSteps;
  const int64_t numChoices = int64_t(routes.tokens.size());
  const Split blocks(experts.rows, panelSteps);
  const Chunks chunks(experts.columns, width, mostLanes);
  // Tiles in different cache sets, for a row is written to all of them.
  const int64_t tileStride = (blocks.size + 1) * width;
  const std::vector<int64_t> cRows = multiples(numPanels * kernel.maxRows, chunks.size());
  std::vector<T> dots(chunks.count() * numChoices);
  at::parallel_for(0, chunks.count(), 1, [&](int64_t chunkBegin, int64_t chunkEnd) {
    // While one block is multiplied, the next is packed, row by row: memory is read while the processor computes.
    const Scratch<T> sums(most * chunks.size()), tiles(2 * chunks.tiles.size * tileStride),
        panels(2 * numPanels * panelSize), scratch(chunks.size());
    const auto tilesOf = [&](int64_t part) { return tiles.get() + part % 2 * chunks.tiles.size * tileStride; };
    const auto panelsOf = [&](int64_t part) { return panels.get() + part % 2 * numPanels * panelSize; };
    const int64_t parts = int64_t(groups.size()) * blocks.count;
    for (int64_t chunk = chunkBegin; chunk < chunkEnd; chunk++) {
      const int64_t first = chunks.begin(chunk), length = chunks.length(chunk);
      const auto pack = [&](int64_t part, int64_t piece, int64_t numPieces) {
        if (part == parts) return;
        const Group& group = groups[part / blocks.count];
        const int64_t row = blocks.begin(part % blocks.count), size = blocks.length(part % blocks.count);
        const auto begin = [&](int64_t count) { return count * piece / numPieces; };
        const auto end = [&](int64_t count) { return count * (piece + 1) / numPieces; };
        const auto gradient = [&](int64_t i) { return gradOutput.row(routes.tokens[group.begin + i]) + row; };
        for (int64_t i = begin(group.count); i < end(group.count); i++) {
          if (i + ahead < group.count) Upcoming{gradient(i + ahead), size * int64_t{sizeof(T)}}.fetch();
          std::copy(gradient(i), gradient(i) + size, panelsOf(part) + i * panelSteps);
        }
        for (int64_t r = begin(size); r < end(size); r++) {
          const int64_t at = (row + r) * experts.columns + first;
          if (r + ahead < size) entries.ahead(group.expert, at + ahead * experts.columns, length).fetch();
          kernel.spread(tilesOf(part) + r * width, tileStride, entries.get(group.expert, at, length, scratch.get()),
                        T{1}, length);
        }
      };
      pack(0, 0, 1);
      for (int64_t part = 0; part < parts; part++) {
        const Group& group = groups[part / blocks.count];
        const int64_t block = part % blocks.count, numTiles = (length + width - 1) / width;
        const int64_t* tokenOf = routes.tokens.data() + group.begin;
        for (int64_t tile = 0; tile < numTiles; tile++)
          products<T>({panelsOf(part), tilesOf(part) + tile * tileStride, blocks.length(block),
                       sums.get() + tile * width, cRows.data(), block > 0, false},
                      panelSize, group.count, length - tile * width,
                      [&](int64_t run, int64_t runs) { pack(part + 1, tile * runs + run, numTiles * runs); });
        if (block + 1 < blocks.count) continue;
        for (int64_t i = 0; i < group.count; i++) {
          const T* from = sums.get() + cRows[i];
          dots[chunk * numChoices + group.begin + i] = kernel.dot(from, tokens.row(tokenOf[i]) + first, length);
          if (!gradients.tokens.data) continue;
          const T weight = routes.weights[group.begin + i] * entries.scale();
          T* to = gradients.tokens.row(tokenOf[i]) + first;
          kernel.mix(to, to, from, 0, &weight, 1, length);
        }
      }
    }
  });
  for (int64_t chunk = 0; chunk < chunks.count(); chunk++)
    for (int64_t i = 0; i < numChoices; i++) gradients.dots[i] += dots[chunk * numChoices + i];
}

/// ∂L/∂W_i: a thread takes some rows, and sums over the tokens of each expert.
template <class T>
void backwardToEntries(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                       const Matrix<const T>& gradOutput, ExpertGradients<T>& gradients) {
  const Kernels<T>& kernel = kernels<T>();
  const Entries<T> entries(experts);
  const int64_t width = tileWidth<T>(), columns = experts.columns, numTiles = (columns + width - 1) / width;
  const int64_t padded = numTiles * width, numChoices = int64_t(routes.tokens.size());
  const int64_t steps = Split(routes.mostTokens(), mostTokenSteps).size;
  // Tokens by their weights, of each expert [tile, token, width].
  const Scratch<T> inputs(numChoices * padded);
  forEachChoice(routes.groups, [&](const Group& group, int64_t i) {
    kernel.spread(inputs.get() + group.begin * padded + i * width, group.count * width,
                  tokens.row(routes.tokens[group.begin + i]), routes.weights[group.begin + i] * entries.scale(),
                  columns);
  });
  const int64_t numPanels =
      std::clamp<int64_t>(mostGradientBytes / (padded * int64_t{sizeof(T)} * kernel.maxRows), 1, mostGradientPanels);
  const Chunks chunks(experts.rows, kernel.maxRows, numPanels * kernel.maxRows);
  const std::vector<int64_t> packedRows = multiples(numPanels * kernel.maxRows, padded),
                             bankRows = multiples(numPanels * kernel.maxRows, columns);
  std::vector<double> ofScale(chunks.count());
  at::parallel_for(0, chunks.count(), 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> panels(numPanels * kernel.maxRows * steps), sums(chunks.size() * padded), scratch(columns);
    for (const Group& group : routes.groups) {
      const Split parts(group.count, steps);
      for (int64_t chunk = begin; chunk < end; chunk++) {
        const int64_t row = chunks.begin(chunk), size = chunks.length(chunk);
        for (int64_t part = 0; part < parts.count; part++) {
          const int64_t first = parts.begin(part), count = parts.length(part);
          const auto gradient = [&](int64_t i) { return gradOutput.row(routes.tokens[group.begin + first + i]) + row; };
          for (int64_t i = 0; i < count; i++) {
            if (i + 2 * ahead < count) Upcoming{gradient(i + 2 * ahead), size * int64_t{sizeof(T)}}.fetch();
            kernel.panels(panels.get() + i * kernel.maxRows, kernel.maxRows * count, gradient(i), size);
          }
          for (int64_t tile = 0; tile < numTiles; tile++) {
            // In place where a tile is whole, so that memory is written while the processor computes.
            const bool inPlace = !entries.isCompact() && (tile + 1) * width <= columns;
            T* to = inPlace ? gradients.bank + entries.dynamicPlace(group.expert, row * columns) : sums.get();
            const T* input = inputs.get() + group.begin * padded + (tile * group.count + first) * width;
            products<T>({panels.get(), input, count, to + tile * width, inPlace ? bankRows.data() : packedRows.data(),
                         part > 0, true},
                        kernel.maxRows * count, size, columns - tile * width, [](int64_t, int64_t) {});
          }
        }
        const int64_t inPlace = columns / width * width;
        for (int64_t r = 0; r < size; r++) {
          const int64_t at = (row + r) * columns;
          const T* from = sums.get() + packedRows[r];
          T* to = gradients.bank + entries.dynamicPlace(group.expert, at);
          if (!entries.isCompact()) {
            std::copy(from + inPlace, from + columns, to + inPlace);
            continue;
          }
          const int64_t dynamic = kernel.compress(scratch.get(), from, experts.bits, at, columns, true);
          ofScale[chunk] += kernel.dot(scratch.get(), experts.bank + entries.dynamicPlace(group.expert, at), dynamic);
          kernel.mix(to, nullptr, scratch.get(), 0, &experts.scale, 1, dynamic);
          kernel.compress(scratch.get(), from, experts.bits, at, columns, false);
          T* fixed = gradients.fixed + entries.staticPlace(at);
          const T one = 1;
          kernel.mix(fixed, fixed, scratch.get(), 0, &one, 1, columns - dynamic);
        }
      }
    }
  });
  double sum = 0;
  for (const double part : ofScale) sum += part;
  gradients.scale = T(sum);
}

}  // namespace

template <class T>
void applyExperts(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                  const Matrix<T>& output) {
  if (routes.groups.empty() || experts.rows == 0 || experts.columns == 0) return;
  const Kernels<T>& kernel = kernels<T>();
  const Entries<T> entries(experts);
  const std::vector<Group> groups = partsOf(routes.groups, mostTokens);
  const int64_t width = tileWidth<T>(), most = std::min(routes.mostTokens(), mostTokens);
  const int64_t numChoices = int64_t(routes.tokens.size()), columns = experts.columns;
  const Split blocks(columns, panelSteps);
  const int64_t numTiles = (experts.rows + width - 1) / width;
  // Tokens by their weights in panels [block, panel, maxRows, panelSteps] of each group.
  std::vector<int64_t> cRows(numChoices), firstPanel;
  int64_t numPanels = 0;
  const auto panelsOf = [&](const Group& group) { return (group.count + kernel.maxRows - 1) / kernel.maxRows; };
  for (const Group& group : groups) {
    firstPanel.push_back(numPanels);
    numPanels += panelsOf(group);
  }
  const int64_t panelSize = kernel.maxRows * panelSteps;
  const Scratch<T> inputs(numPanels * blocks.count * panelSize);
  const auto inputsOf = [&](int64_t group, int64_t block) {
    return inputs.get() + (firstPanel[group] * blocks.count + block * panelsOf(groups[group])) * panelSize;
  };
  forEachChoice(groups, [&](const Group& group, int64_t i) {
    const int64_t choice = group.begin + i, token = routes.tokens[choice];
    const T weight = routes.weights[choice] * entries.scale();
    cRows[choice] = token * output.columns;
    for (int64_t block = 0; block < blocks.count; block++)
      kernel.mix(inputsOf(&group - groups.data(), block) + i * panelSteps, nullptr,
                 tokens.row(token) + blocks.begin(block), 0, &weight, 1, blocks.length(block));
  });
  const std::vector<int64_t> edgeRows = multiples(most, width);
  at::parallel_for(0, numTiles, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> tile(columns * width), merged(entries.isCompact() ? columns * width : 0), edge(most * width);
    const int64_t parts = int64_t(groups.size()) * (end - begin);
    for (int64_t part = 0; part < parts; part++) {
      const auto groupOf = [&](int64_t part) { return part / (end - begin); };
      const auto tileOf = [&](int64_t part) { return begin + part % (end - begin); };
      const Group& group = groups[groupOf(part)];
      const int64_t first = tileOf(part) * width, lanes = std::min(width, experts.rows - first);
      const T* from = entries.get(group.expert, first * columns, lanes * columns, merged.get());
      for (int64_t block = 0; block < blocks.count; block++)
        kernel.pack(tile.get() + blocks.begin(block) * width, width, from + blocks.begin(block), columns, lanes,
                    blocks.length(block));
      const int64_t next = std::min(part + 1, parts - 1);
      const int64_t nextFirst = tileOf(next) * width, nextLanes = std::min(width, experts.rows - nextFirst);
      const auto upcoming = entries.ahead(groups[groupOf(next)].expert, nextFirst * columns, nextLanes * columns);
      const bool inPlace = lanes == width;
      for (int64_t block = 0; block < blocks.count; block++)
        products<T>({inputsOf(groupOf(part), block), tile.get() + blocks.begin(block) * width, blocks.length(block),
                     inPlace ? output.data + first : edge.get(), inPlace ? cRows.data() + group.begin : edgeRows.data(),
                     inPlace || block > 0, false},
                    panelSize, group.count, lanes,
                    [&](int64_t run, int64_t runs) { upcoming.fetch(block * runs + run, blocks.count * runs); });
      for (int64_t i = 0; !inPlace && i < group.count; i++) {
        const T one = 1;
        T* to = output.data + cRows[group.begin + i] + first;
        kernel.mix(to, to, edge.get() + i * width, 0, &one, 1, lanes);
      }
    }
  });
}

template <class T>
void applyExpertsBackward(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                          const Matrix<const T>& gradOutput, ExpertGradients<T>& gradients) {
  gradients.dots.assign(routes.tokens.size(), T{0});
  gradients.scale = 0;
  if (routes.groups.empty() || experts.rows == 0 || experts.columns == 0) return;
  backwardToTokens(routes, experts, tokens, gradOutput, gradients);
  if (gradients.bank) backwardToEntries(routes, experts, tokens, gradOutput, gradients);
}

#define PADNET_INSTANTIATE(T)                                                                                   \
  template void applyExperts<T>(const Routes<T>&, const Experts<T>&, const Matrix<const T>&, const Matrix<T>&); \
  template void applyExpertsBackward<T>(const Routes<T>&, const Experts<T>&, const Matrix<const T>&,            \
                                        const Matrix<const T>&, ExpertGradients<T>&);
PADNET_INSTANTIATE(float)
PADNET_INSTANTIATE(double)

}  // namespace padnet
