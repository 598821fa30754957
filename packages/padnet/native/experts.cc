#include "experts.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>

#include "blockedMaps.h"
#include "scratch.h"

namespace padnet {
namespace {

/// A tile of so many steps stays in the nearest cache, beside the rows that it is multiplied by.
constexpr int64_t mostSteps = 256;
constexpr int64_t mostTokens = 512;
/// So many lanes are read from each row of a weight at a time.
constexpr int64_t mostLanes = 384;
/// Sums of all tokens of an expert, that stay in the second cache.
constexpr int64_t mostSumBytes = 1 << 19;

template <class T>
int64_t tileWidth() {
  return 2 * kernels<T>().vector;
}

std::vector<Step> evenSteps(int64_t count, int64_t a, int64_t b) {
  std::vector<Step> steps(count);
  for (int64_t i = 0; i < count; i++) steps[i] = {int32_t(i * a), int32_t(i * b)};
  return steps;
}

std::vector<int64_t> multiples(int64_t count, int64_t of) {
  std::vector<int64_t> values(count);
  for (int64_t i = 0; i < count; i++) values[i] = i * of;
  return values;
}

/// A block of columns of some tokens, in panels of as many columns as a product has rows: [panel, token, column]. A
/// product whose rows are tokens reads it from one end to the other, and so does one whose rows are columns.
template <class T>
class Panels {
 public:
  Panels(int64_t mostTokens, int64_t mostColumns)
      : width_(kernels<T>().maxRows),
        data_((mostColumns + width_ - 1) / width_ * width_ * mostTokens),
        steps_(mostColumns),
        columns_(mostColumns),
        tokens_(multiples(mostTokens, width_)),
        tokenSteps_(evenSteps(mostTokens, width_, tileWidth<T>())) {}

  void load(const Matrix<const T>& from, const int64_t* tokens, int64_t count, int64_t column, int64_t size) {
    for (int64_t i = 0; i < size; i++) {
      columns_[i] = i / width_ * width_ * count + i % width_;
      steps_[i] = {int32_t(columns_[i]), int32_t(i * tileWidth<T>())};
    }
    for (int64_t i = 0; i < count; i++)
      kernels<T>().panels(data_.get() + i * width_, width_ * count, from.row(tokens[i]) + column, size);
  }

  const T* data() const { return data_.get(); }
  /// Rows are tokens, steps are columns; and the reverse.
  const int64_t* tokens() const { return tokens_.data(); }
  const Step* columnSteps() const { return steps_.data(); }
  const int64_t* columns() const { return columns_.data(); }
  const Step* tokenSteps() const { return tokenSteps_.data(); }

 private:
  int64_t width_;
  Scratch<T> data_;
  std::vector<Step> steps_;
  std::vector<int64_t> columns_, tokens_;
  std::vector<Step> tokenSteps_;
};

/// Lanes in parts of whole tiles, so many parts that the threads have equal shares.
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

template <class T>
Chunks chunksOf(int64_t lanes, const Routes<T>& routes) {
  const int64_t bytes = std::max<int64_t>(1, routes.mostTokens()) * int64_t{sizeof(T)};
  return {lanes, tileWidth<T>(), std::min(mostLanes, mostSumBytes / bytes)};
}

/// Rows of experts from given columns on. Where they stand in a compact bank is found once for all experts.
template <class T>
class WeightRows {
 public:
  WeightRows(const Experts<T>& experts, std::vector<int64_t> columns)
      : experts_(experts), columns_(std::move(columns)), size_(experts.numDynamic()) {
    if (!experts.ranks) return;
    before_.resize(experts.rows * count());
    at::parallel_for(0, experts.rows, 64, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++)
        for (int64_t i = 0; i < count(); i++) before_[row * count() + i] = experts.ranks->before(bit(row, i));
    });
  }

  const T* bank(int64_t expert, int64_t row, int64_t column) const {
    return experts_.bank + place(expert, row, column);
  }

  /// `size` numbers of a row of which some are dynamic.
  void merge(int64_t expert, int64_t row, int64_t column, int64_t size, T* out) const {
    kernels<T>().merge(out, bank(expert, row, column), experts_.scale, fixed(row, column), experts_.fixedScale,
                       experts_.bits, bit(row, column), size);
  }

  int64_t place(int64_t expert, int64_t row, int64_t column) const {
    return expert * size_ + (experts_.ranks ? before_[row * count() + column] : bit(row, column));
  }
  int64_t fixedPlace(int64_t row, int64_t column) const { return bit(row, column) - before_[row * count() + column]; }
  int64_t bit(int64_t row, int64_t column) const { return row * experts_.columns + columns_[column]; }
  bool isCompact() const { return experts_.ranks; }

 private:
  int64_t count() const { return int64_t(columns_.size()); }
  const T* fixed(int64_t row, int64_t column) const { return experts_.fixed + fixedPlace(row, column); }

  const Experts<T>& experts_;
  std::vector<int64_t> columns_;
  int64_t size_;
  std::vector<int64_t> before_;
};

/// All rows of a product, in runs of at most maxRows.
template <class T>
void products(Product<T> product, int64_t numRows, int64_t lanes) {
  const Kernels<T>& k = kernels<T>();
  const Split runs(numRows, k.maxRows);
  const int64_t* a = product.aRows;
  const int64_t* c = product.cRows;
  for (int64_t run = 0; run < runs.count; run++) {
    product.aRows = a + runs.begin(run);
    product.cRows = c + runs.begin(run);
    k.product(product, runs.length(run), lanes <= k.vector ? 1 : 2);
  }
}

}  // namespace

template <class T>
void applyExperts(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                  const Matrix<T>& output) {
  if (routes.groups.empty() || experts.rows == 0 || experts.columns == 0) return;
  const Kernels<T>& kernel = kernels<T>();
  const int64_t width = tileWidth<T>(), most = routes.mostTokens();
  const Split blocks(experts.columns, mostSteps);
  const WeightRows<T> weights(experts, [&] {
    std::vector<int64_t> columns(blocks.count);
    for (int64_t b = 0; b < blocks.count; b++) columns[b] = blocks.begin(b);
    return columns;
  }());
  const T scale = weights.isCompact() ? T{1} : experts.scale;
  const Chunks chunks = chunksOf(experts.rows, routes);
  const std::vector<int64_t> cRows = multiples(most, chunks.size());
  at::parallel_for(0, chunks.count(), 1, [&](int64_t chunkBegin, int64_t chunkEnd) {
    const Scratch<T> sums(most * chunks.size()), tile(blocks.size * width), rows(blocks.size * width);
    Panels<T> inputs(most, blocks.size);
    const int64_t parts = int64_t(routes.groups.size()) * blocks.count;
    for (int64_t chunk = chunkBegin; chunk < chunkEnd; chunk++) {
      const int64_t first = chunks.begin(chunk), length = chunks.length(chunk);
      for (int64_t part = 0; part < parts; part++) {
        const Group& group = routes.groups[part / blocks.count];
        const int64_t block = part % blocks.count, size = blocks.length(block);
        inputs.load(tokens, routes.tokens.data() + group.begin, group.count, blocks.begin(block), size);
        for (int64_t lane = 0; lane < length; lane += width) {
          const int64_t lanes = std::min(width, length - lane);
          if (weights.isCompact()) {
            for (int64_t l = 0; l < lanes; l++)
              weights.merge(group.expert, first + lane + l, block, size, rows.get() + l * blocks.size);
            kernel.pack(tile.get(), width, rows.get(), blocks.size, lanes, size);
          } else {
            const T* from = weights.bank(group.expert, first + lane, block);
            kernel.pack(tile.get(), width, from, experts.columns, lanes, size);
          }
          products<T>({inputs.data(), inputs.tokens(), tile.get(), inputs.columnSteps(), size, sums.get() + lane,
                       cRows.data(), block > 0},
                      group.count, lanes);
        }
        if (block + 1 < blocks.count) continue;
        for (int64_t i = 0; i < group.count; i++) {
          const T weight = routes.weights[group.begin + i] * scale;
          T* to = output.row(routes.tokens[group.begin + i]) + first;
          kernel.mix(to, to, sums.get() + cRows[i], 0, &weight, 1, length);
        }
      }
    }
  });
}

template <class T>
void applyExpertsBackward(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                          const Matrix<const T>& gradOutput, ExpertGradients<T>& gradients) {
  const int64_t numChoices = int64_t(routes.tokens.size());
  gradients.dots.assign(numChoices, T{0});
  gradients.scale = 0;
  if (routes.groups.empty() || experts.rows == 0 || experts.columns == 0) return;
  const Kernels<T>& kernel = kernels<T>();
  const int64_t width = tileWidth<T>(), most = routes.mostTokens();
  const Split blocks(experts.rows, mostSteps);
  const Chunks chunks = chunksOf(experts.columns, routes);
  const WeightRows<T> weights(experts, [&] {
    std::vector<int64_t> columns(chunks.count());
    for (int64_t chunk = 0; chunk < chunks.count(); chunk++) columns[chunk] = chunks.begin(chunk);
    return columns;
  }());
  const T scale = weights.isCompact() ? T{1} : experts.scale;
  const std::vector<int64_t> cRows = multiples(std::max(most, blocks.size), chunks.size());
  const Split tokenParts(most, mostTokens);
  std::vector<T> dots(chunks.count() * numChoices);
  std::vector<double> ofScale(chunks.count());
  at::parallel_for(0, chunks.count(), 1, [&](int64_t chunkBegin, int64_t chunkEnd) {
    const Scratch<T> sums(most * chunks.size()), inputs(most * chunks.size()), tiles(blocks.size * chunks.size()),
        gradient(blocks.size * chunks.size()), scratch(chunks.size());
    Panels<T> outputs(most, blocks.size);
    const T one = 1;
    const int64_t parts = int64_t(routes.groups.size()) * blocks.count;
    for (int64_t chunk = chunkBegin; chunk < chunkEnd; chunk++) {
      const int64_t first = chunks.begin(chunk), length = chunks.length(chunk);
      const auto tileAt = [&](T* at, int64_t lane, int64_t numSteps) { return at + lane * numSteps; };
      for (int64_t part = 0; part < parts; part++) {
        const Group& group = routes.groups[part / blocks.count];
        const int64_t block = part % blocks.count, size = blocks.length(block), row = blocks.begin(block);
        const int64_t* tokenOf = routes.tokens.data() + group.begin;
        const T* weightOf = routes.weights.data() + group.begin;
        outputs.load(gradOutput, tokenOf, group.count, row, size);
        for (int64_t i = 0; block == 0 && gradients.bank && i < group.count; i++)
          kernel.spread(inputs.get() + i * width, group.count * width, tokens.row(tokenOf[i]) + first,
                        weightOf[i] * scale, length);
        for (int64_t r = 0; r < size; r++) {
          const T* from = weights.isCompact() ? scratch.get() : weights.bank(group.expert, row + r, chunk);
          if (weights.isCompact()) weights.merge(group.expert, row + r, chunk, length, scratch.get());
          kernel.spread(tiles.get() + r * width, size * width, from, one, length);
        }
        for (int64_t lane = 0; lane < length; lane += width) {
          const int64_t lanes = std::min(width, length - lane);
          products<T>({outputs.data(), outputs.tokens(), tileAt(tiles.get(), lane, size), outputs.columnSteps(), size,
                       sums.get() + lane, cRows.data(), block > 0},
                      group.count, lanes);
          if (!gradients.bank) continue;
          for (int64_t t = 0; t < group.count; t += tokenParts.size)
            products<T>(
                {outputs.data(), outputs.columns(), tileAt(inputs.get(), lane, group.count), outputs.tokenSteps() + t,
                 std::min(tokenParts.size, group.count - t), gradient.get() + lane, cRows.data(), t > 0},
                size, lanes);
        }
        for (int64_t r = 0; gradients.bank && r < size; r++) {
          const T* from = gradient.get() + cRows[r];
          T* to = gradients.bank + weights.place(group.expert, row + r, chunk);
          if (!weights.isCompact()) {
            std::copy(from, from + length, to);
            continue;
          }
          const int64_t bit = weights.bit(row + r, chunk);
          const int64_t count = kernel.compress(scratch.get(), from, experts.bits, bit, length, true);
          ofScale[chunk] += kernel.dot(scratch.get(), weights.bank(group.expert, row + r, chunk), count);
          kernel.mix(to, nullptr, scratch.get(), 0, &experts.scale, 1, count);
          kernel.compress(scratch.get(), from, experts.bits, bit, length, false);
          T* fixed = gradients.fixed + weights.fixedPlace(row + r, chunk);
          kernel.mix(fixed, fixed, scratch.get(), 0, &one, 1, length - count);
        }
        if (block + 1 < blocks.count) continue;
        for (int64_t i = 0; i < group.count; i++) {
          const T* from = sums.get() + cRows[i];
          dots[chunk * numChoices + group.begin + i] = kernel.dot(from, tokens.row(tokenOf[i]) + first, length);
          if (!gradients.tokens.data) continue;
          const T weight = weightOf[i] * scale;
          T* to = gradients.tokens.row(tokenOf[i]) + first;
          kernel.mix(to, to, from, 0, &weight, 1, length);
        }
      }
    }
  });
  for (int64_t chunk = 0; chunk < chunks.count(); chunk++)
    for (int64_t i = 0; i < numChoices; i++) gradients.dots[i] += dots[chunk * numChoices + i];
  double sum = 0;
  for (const double part : ofScale) sum += part;
  gradients.scale = T(sum);
}

#define PADNET_INSTANTIATE(T)                                                                                   \
  template void applyExperts<T>(const Routes<T>&, const Experts<T>&, const Matrix<const T>&, const Matrix<T>&); \
  template void applyExpertsBackward<T>(const Routes<T>&, const Experts<T>&, const Matrix<const T>&,            \
                                        const Matrix<const T>&, ExpertGradients<T>&);
PADNET_INSTANTIATE(float)
PADNET_INSTANTIATE(double)

}  // namespace padnet
