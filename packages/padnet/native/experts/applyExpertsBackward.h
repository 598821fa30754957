// The gradients of `applyExperts`, in two walks over the experts: to tokens, and to entries.
#pragma once

#include "experts/experts.h"

namespace padnet {

template <class T>
struct ExpertGradients {
  Matrix<T> tokens;     // added to; no data where not needed
  std::vector<T> dots;  // of each choice, ∂L/∂y · W_i x without scales (with them where entries are merged)
  T* bank;              // every entry in use is written; null where not needed
  T* staticWeight;      // zero before, gets ∂L/∂(staticScale · Θ_s)
  T scale;              // gets ∂L/∂scale where entries are merged
};

/// Memory is told to bring a row so many rows before it is read.
constexpr int64_t rowsAhead = 4;

/// The operands of both walks.
template <class T>
struct BackwardInputs {
  const Routes<T>& routes;
  const Experts<T>& experts;
  const Matrix<const T>&tokens, &gradOutput;

  const T* tokenOf(int64_t choice) const { return tokens.row(routes.tokens[choice]); }
  const T* gradientOf(int64_t choice) const { return gradOutput.row(routes.tokens[choice]); }
  /// The factor of a choice's token.
  T weightOf(int64_t choice) const { return routes.weights[choice] * experts.tokenScale(); }
};

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

/// One thread's walk to ∂L/∂x of all tokens and the dots of all choices: it takes some columns of the experts and sums
/// over rows, expert by expert and block by block. While one block is multiplied, the next is packed, row by row:
/// memory is read while the processor computes.
template <class T>
class TokenWalk {
 public:
  /// Columns that a thread takes at a time.
  static constexpr int64_t mostLanes = 384;

  /// @param dots [chunk, choice]
  TokenWalk(const BackwardInputs<T>& inputs, const Chunks& chunks, const Matrix<T>& gradTokens, T* dots)
      : in_(inputs), chunks_(chunks), gradTokens_(gradTokens), dots_(dots) {}

  void compute(int64_t chunk) {
    first_ = chunks_.begin(chunk);
    length_ = chunks_.length(chunk);
    const int64_t numTiles = (length_ + width_ - 1) / width_;
    pack(0, 0, 1);
    for (int64_t index = 0; index < numBlocks_; index++) {
      const int64_t block = index % blocks_.count;
      const Group& group = groups_[index / blocks_.count];
      for (int64_t tile = 0; tile < numTiles; tile++)
        panelProducts<T>({panelsOf(index), tilesOf(index) + tile * tileStride_, blocks_.length(block),
                          sums_.get() + tile * width_, sumRows_.data(), block > 0, false},
                         panelSize_, group.count, length_ - tile * width_,
                         [&](int64_t run, int64_t runs) { pack(index + 1, tile * runs + run, numTiles * runs); });
      if (block + 1 == blocks_.count) finish(group, dots_ + chunk * in_.routes.numChoices());
    }
  }

 private:
  // Two blocks in turn.
  T* panelsOf(int64_t index) const { return panels_.get() + index % 2 * panelsSize_; }
  T* tilesOf(int64_t index) const { return tiles_.get() + index % 2 * tilesSize_; }

  /// A piece of what a block's product reads: gradients of the output into panels, rows of the expert into tiles.
  void pack(int64_t index, int64_t piece, int64_t numPieces) {
    if (index == numBlocks_) return;
    const Experts<T>& experts = in_.experts;
    const Group& group = groups_[index / blocks_.count];
    const int64_t row = blocks_.begin(index % blocks_.count), size = blocks_.length(index % blocks_.count);
    const auto begin = [&](int64_t count) { return count * piece / numPieces; };
    const auto end = [&](int64_t count) { return count * (piece + 1) / numPieces; };
    const auto gradient = [&](int64_t i) { return in_.gradientOf(group.begin + i) + row; };
    for (int64_t i = begin(group.count); i < end(group.count); i++) {
      if (i + rowsAhead < group.count) Upcoming(gradient(i + rowsAhead), size).fetch();
      std::copy(gradient(i), gradient(i) + size, panelsOf(index) + i * panelSteps);
    }
    for (int64_t r = begin(size); r < end(size); r++) {
      const int64_t at = (row + r) * experts.columns + first_;
      if (r + rowsAhead < size) experts.ahead(group.expert, at + rowsAhead * experts.columns, length_).fetch();
      kernels<T>().spread(tilesOf(index) + r * width_, tileStride_,
                          experts.get(group.expert, at, length_, merged_.get()), T{1}, length_);
    }
  }

  /// W_iᵀ ∂L/∂y of a group's choices is there: by the token it is a dot, by the weight a part of ∂L/∂x.
  void finish(const Group& group, T* dots) {
    for (int64_t i = 0; i < group.count; i++) {
      const int64_t choice = group.begin + i;
      const T* from = sums_.get() + sumRows_[i];
      dots[choice] = kernels<T>().dot(from, in_.tokenOf(choice) + first_, length_);
      if (gradTokens_.data)
        add(gradTokens_.row(in_.routes.tokens[choice]) + first_, from, in_.weightOf(choice), length_);
    }
  }

  const BackwardInputs<T>& in_;
  const Chunks& chunks_;
  const Matrix<T>& gradTokens_;
  T* dots_;
  const std::vector<Group> groups_ = partsOf(in_.routes.groups);
  const Split blocks_{in_.experts.rows, panelSteps};
  const int64_t numBlocks_ = int64_t(groups_.size()) * blocks_.count;
  const int64_t width_ = panelTileWidth<T>(), most_ = std::min(in_.routes.mostTokens(), mostTokens);
  // Tiles in different cache sets, for a row is written to all of them.
  const int64_t tileStride_ = (blocks_.size + 1) * width_, tilesSize_ = chunks_.tiles.size * tileStride_;
  const int64_t panelSize_ = kernels<T>().maxRows * panelSteps, panelsSize_ = numPanelsOf<T>(most_) * panelSize_;
  const std::vector<int64_t> sumRows_ = panelRows<T>(numPanelsOf<T>(most_), chunks_.size());
  const Scratch<T> sums_{most_ * chunks_.size()}, tiles_{2 * tilesSize_}, panels_{2 * panelsSize_},
      merged_{chunks_.size()};
  int64_t first_ = 0, length_ = 0;  // of the columns that are computed
};

template <class T>
void backwardToTokens(const BackwardInputs<T>& inputs, ExpertGradients<T>& gradients) {
  const Chunks chunks(inputs.experts.columns, panelTileWidth<T>(), TokenWalk<T>::mostLanes);
  const int64_t numChoices = inputs.routes.numChoices();
  std::vector<T> dots(chunks.count() * numChoices);
  at::parallel_for(0, chunks.count(), 1, [&](int64_t begin, int64_t end) {
    TokenWalk<T> walk(inputs, chunks, gradients.tokens, dots.data());
    for (int64_t chunk = begin; chunk < end; chunk++) walk.compute(chunk);
  });
  for (size_t i = 0; i < dots.size(); i++) gradients.dots[i % numChoices] += dots[i];
}

/// The walk to ∂L/∂W_i: a thread takes some rows of the experts, and sums over the tokens of each.
template <class T>
class EntryWalk {
 public:
  EntryWalk(const BackwardInputs<T>& inputs, ExpertGradients<T>& gradients) : in_(inputs), gradients_(gradients) {}

  void compute() {
    forEachChoice(in_.routes.groups, [&](const Group& group, int64_t i) {
      kernels<T>().spread(tokens_.get() + group.begin * padded_ + i * width_, group.count * width_,
                          in_.tokenOf(group.begin + i), in_.weightOf(group.begin + i), columns_);
    });
    std::vector<double> scales(chunks_.count());
    at::parallel_for(0, chunks_.count(), 1, [&](int64_t begin, int64_t end) {
      const Scratch<T> panels(numPanels_ * maxRows_ * steps_), sums(chunks_.size() * padded_), kept(columns_);
      for (const Group& group : in_.routes.groups)
        for (int64_t chunk = begin; chunk < end; chunk++) {
          multiply(group, chunk, panels.get(), sums.get());
          if (in_.experts.ranks) {
            putCompact(group, chunk, sums.get(), kept.get(), scales[chunk]);
          } else {
            putEdge(group, chunk, sums.get());
          }
        }
    });
    double sum = 0;
    for (const double part : scales) sum += part;
    gradients_.scale = T(sum);
  }

 private:
  /// Tokens that one product sums over: a tile of them stays in the nearest cache.
  static constexpr int64_t mostSteps = 384;
  /// Gradients of rows of one expert, that stay in the second cache until they are compressed.
  static constexpr int64_t mostBytes = 1 << 19, mostPanels = 16;

  /// Σ_t w_ti ∂L/∂y_t x_tᵀ of a chunk's rows. Full tiles of a whole bank are summed in place, so that memory is written
  /// while the processor computes.
  void multiply(const Group& group, int64_t chunk, T* panels, T* sums) {
    const int64_t row = chunks_.begin(chunk), size = chunks_.length(chunk);
    const Split parts(group.count, steps_);
    for (int64_t part = 0; part < parts.count; part++) {
      const int64_t first = parts.begin(part), count = parts.length(part);
      const auto gradient = [&](int64_t i) { return in_.gradientOf(group.begin + first + i) + row; };
      for (int64_t i = 0; i < count; i++) {
        if (i + 2 * rowsAhead < count) Upcoming(gradient(i + 2 * rowsAhead), size).fetch();
        kernels<T>().panels(panels + i * maxRows_, maxRows_ * count, gradient(i), size);
      }
      for (int64_t tile = 0; tile < numTiles_; tile++) {
        const bool inPlace = !in_.experts.ranks && (tile + 1) * width_ <= columns_;
        T* to = inPlace ? bankAt(group, row) : sums;
        const T* input = tokens_.get() + group.begin * padded_ + (tile * group.count + first) * width_;
        panelProducts<T>(
            {panels, input, count, to + tile * width_, inPlace ? bankRows_.data() : sumRows_.data(), part > 0, true},
            maxRows_ * count, size, columns_ - tile * width_, [](int64_t, int64_t) {});
      }
    }
  }

  /// The columns of a tile that is not full.
  void putEdge(const Group& group, int64_t chunk, const T* sums) {
    const int64_t inPlace = columns_ / width_ * width_;
    for (int64_t r = 0; r < chunks_.length(chunk); r++)
      std::copy(sums + sumRows_[r] + inPlace, sums + sumRows_[r] + columns_,
                bankAt(group, chunks_.begin(chunk) + r) + inPlace);
  }

  /// Dynamic entries to the bank, by its scale, static ones to those of all experts.
  void putCompact(const Group& group, int64_t chunk, const T* sums, T* kept, double& gradScale) {
    const Kernels<T>& kernel = kernels<T>();
    const Experts<T>& experts = in_.experts;
    for (int64_t r = 0; r < chunks_.length(chunk); r++) {
      const int64_t at = (chunks_.begin(chunk) + r) * columns_, place = experts.dynamicPlace(group.expert, at);
      const int64_t count = kernel.compress(kept, sums + sumRows_[r], experts.bits, at, columns_, true);
      gradScale += kernel.dot(kept, experts.bank + place, count);
      kernel.mix(gradients_.bank + place, nullptr, kept, 0, &experts.scale, 1, count);
      kernel.compress(kept, sums + sumRows_[r], experts.bits, at, columns_, false);
      add(gradients_.staticWeight + experts.staticPlace(at), kept, T{1}, columns_ - count);
    }
  }

  T* bankAt(const Group& group, int64_t row) const {
    return gradients_.bank + in_.experts.dynamicPlace(group.expert, row * columns_);
  }

  const BackwardInputs<T>& in_;
  ExpertGradients<T>& gradients_;
  const int64_t width_ = panelTileWidth<T>(), maxRows_ = kernels<T>().maxRows, columns_ = in_.experts.columns;
  const int64_t numTiles_ = (columns_ + width_ - 1) / width_, padded_ = numTiles_ * width_;
  const int64_t steps_ = Split(in_.routes.mostTokens(), mostSteps).size;
  const int64_t numPanels_ = std::clamp<int64_t>(mostBytes / (padded_ * int64_t{sizeof(T)} * maxRows_), 1, mostPanels);
  const Chunks chunks_{in_.experts.rows, maxRows_, numPanels_* maxRows_};
  const std::vector<int64_t> sumRows_ = panelRows<T>(numPanels_, padded_),
                             bankRows_ = panelRows<T>(numPanels_, columns_);
  const Scratch<T> tokens_{in_.routes.numChoices() * padded_};  // by their weights, of each expert [tile, token, width]
};

template <class T>
void applyExpertsBackward(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                          const Matrix<const T>& gradOutput, ExpertGradients<T>& gradients) {
  gradients.dots.assign(routes.tokens.size(), T{0});
  gradients.scale = 0;
  if (routes.groups.empty() || experts.isEmpty()) return;
  const BackwardInputs<T> inputs{routes, experts, tokens, gradOutput};
  backwardToTokens(inputs, gradients);
  if (gradients.bank) EntryWalk<T>(inputs, gradients).compute();
}

}  // namespace padnet
