#include "experts/blocks.h"

namespace padnet {
namespace {

/// Tokens that one product sums over: a tile of them stays in the nearest cache.
constexpr int64_t mostTokenSteps = 384;
/// Columns of a weight that a thread takes at a time where rows are summed over.
constexpr int64_t mostLanes = 384;
/// So many rows before they are read, memory is told to bring them.
constexpr int64_t ahead = 4;
/// Gradients of rows of one expert, that stay in the second cache until they are compressed.
constexpr int64_t mostGradientBytes = 1 << 19, mostGradientPanels = 16;

/// What both walks read.
template <class T>
struct Operands {
  const Routes<T>& routes;
  const Experts<T>& experts;
  const Matrix<const T>&tokens, &gradOutput;
  const Entries<T> entries{experts};

  const T* tokenOf(int64_t choice) const { return tokens.row(routes.tokens[choice]); }
  const T* gradientOf(int64_t choice) const { return gradOutput.row(routes.tokens[choice]); }
  /// By which a choice's token was multiplied.
  T weightOf(int64_t choice) const { return routes.weights[choice] * entries.scale(); }
};

/// ∂L/∂x of all tokens, and the dots of all choices: a thread takes some columns of the experts, and sums over rows,
/// expert by expert and block by block. While one block is multiplied, the next is packed, row by row: memory is read
/// while the processor computes.
template <class T>
class TokenGradients {
 public:
  TokenGradients(const Operands<T>& operands, const Matrix<T>& gradTokens)
      : o_(operands), gradTokens_(gradTokens), dots_(chunks_.count() * o_.routes.numChoices()) {}

  void compute() {
    at::parallel_for(0, chunks_.count(), 1, [&](int64_t begin, int64_t end) {
      const Buffers buffers(*this);
      for (int64_t chunk = begin; chunk < end; chunk++) walk(chunk, buffers);
    });
  }

  void addDots(std::vector<T>& to) const {
    for (size_t i = 0; i < dots_.size(); i++) to[i % to.size()] += dots_[i];
  }

 private:
  /// A thread's own; tiles and panels are of two blocks in turn.
  struct Buffers {
    const Scratch<T> sums, tiles, panels, merged;

    explicit Buffers(const TokenGradients& all)
        : sums(all.most_ * all.chunks_.size()),
          tiles(2 * all.tilesSize_),
          panels(2 * all.panelsSize_),
          merged(all.chunks_.size()) {}
  };

  /// Rows of the expert that a group of choices went to.
  struct Block {
    const Group& group;
    int64_t row, size;
    bool isFirst, isLast;
  };
  int64_t numBlocks() const { return int64_t(groups_.size()) * blocks_.count; }
  Block blockAt(int64_t index) const {
    const int64_t block = index % blocks_.count;
    return {groups_[index / blocks_.count], blocks_.begin(block), blocks_.length(block), block == 0,
            block + 1 == blocks_.count};
  }

  void walk(int64_t chunk, const Buffers& buffers) {
    const int64_t length = chunks_.length(chunk), numTiles = (length + width_ - 1) / width_;
    pack(chunk, 0, buffers, 0, 1);
    for (int64_t index = 0; index < numBlocks(); index++) {
      const Block block = blockAt(index);
      const T* panels = buffers.panels.get() + index % 2 * panelsSize_;
      const T* tiles = buffers.tiles.get() + index % 2 * tilesSize_;
      for (int64_t tile = 0; tile < numTiles; tile++)
        panelProducts<T>({panels, tiles + tile * tileStride_, block.size, buffers.sums.get() + tile * width_,
                          sumRows_.data(), !block.isFirst, false},
                         panelSize_, block.group.count, length - tile * width_, [&](int64_t run, int64_t runs) {
                           pack(chunk, index + 1, buffers, tile * runs + run, numTiles * runs);
                         });
      if (block.isLast) finish(chunk, block.group, buffers.sums.get());
    }
  }

  /// A piece of what a block's product reads: gradients of the output into panels, rows of the expert into tiles.
  void pack(int64_t chunk, int64_t index, const Buffers& buffers, int64_t piece, int64_t numPieces) const {
    if (index == numBlocks()) return;
    const auto& [group, row, size, isFirst, isLast] = blockAt(index);
    const auto begin = [&](int64_t count) { return count * piece / numPieces; };
    const auto end = [&](int64_t count) { return count * (piece + 1) / numPieces; };
    T* panels = buffers.panels.get() + index % 2 * panelsSize_;
    for (int64_t i = begin(group.count); i < end(group.count); i++) {
      const T* from = o_.gradientOf(group.begin + i) + row;
      if (i + ahead < group.count) Upcoming(o_.gradientOf(group.begin + i + ahead) + row, size).fetch();
      std::copy(from, from + size, panels + i * panelSteps);
    }
    T* tiles = buffers.tiles.get() + index % 2 * tilesSize_;
    const int64_t columns = o_.experts.columns, length = chunks_.length(chunk);
    for (int64_t r = begin(size); r < end(size); r++) {
      const int64_t at = (row + r) * columns + chunks_.begin(chunk);
      if (r + ahead < size) o_.entries.ahead(group.expert, at + ahead * columns, length).fetch();
      kernels<T>().spread(tiles + r * width_, tileStride_,
                          o_.entries.get(group.expert, at, length, buffers.merged.get()), T{1}, length);
    }
  }

  /// W_iᵀ ∂L/∂y of a group's choices is there: by the token a dot, by the weight a part of ∂L/∂x.
  void finish(int64_t chunk, const Group& group, const T* sums) {
    const Kernels<T>& kernel = kernels<T>();
    const int64_t first = chunks_.begin(chunk), length = chunks_.length(chunk);
    for (int64_t i = 0; i < group.count; i++) {
      const int64_t choice = group.begin + i;
      const T* from = sums + sumRows_[i];
      dots_[chunk * o_.routes.numChoices() + choice] = kernel.dot(from, o_.tokenOf(choice) + first, length);
      if (!gradTokens_.data) continue;
      const T weight = o_.weightOf(choice);
      T* to = gradTokens_.row(o_.routes.tokens[choice]) + first;
      kernel.mix(to, to, from, 0, &weight, 1, length);
    }
  }

  const Operands<T>& o_;
  const Matrix<T>& gradTokens_;
  const std::vector<Group> groups_ = partsOf(o_.routes.groups);
  const int64_t width_ = panelTileWidth<T>(), most_ = std::min(o_.routes.mostTokens(), mostTokens);
  const Split blocks_{o_.experts.rows, panelSteps};
  const Chunks chunks_{o_.experts.columns, width_, mostLanes};
  // Tiles in different cache sets, for a row is written to all of them.
  const int64_t tileStride_ = (blocks_.size + 1) * width_, tilesSize_ = chunks_.tiles.size * tileStride_;
  const int64_t panelSize_ = kernels<T>().maxRows * panelSteps, panelsSize_ = numPanelsOf<T>(most_) * panelSize_;
  const std::vector<int64_t> sumRows_ = multiples(numPanelsOf<T>(most_) * kernels<T>().maxRows, chunks_.size());
  std::vector<T> dots_;  // [chunk, choice]
};

/// ∂L/∂W_i: a thread takes some rows of the experts, and sums over the tokens of each.
template <class T>
class EntryGradients {
 public:
  EntryGradients(const Operands<T>& operands, T* bank, T* staticWeight)
      : o_(operands), bank_(bank), static_(staticWeight), scales_(chunks_.count()) {}

  /// Returns ∂L/∂scale where entries are merged.
  T compute() {
    forEachChoice(o_.routes.groups, [&](const Group& group, int64_t i) {
      kernels<T>().spread(inputs_.get() + group.begin * padded_ + i * width_, group.count * width_,
                          o_.tokenOf(group.begin + i), o_.weightOf(group.begin + i), columns_);
    });
    at::parallel_for(0, chunks_.count(), 1, [&](int64_t begin, int64_t end) {
      const Scratch<T> panels(numPanels_ * maxRows_ * steps_), sums(chunks_.size() * padded_), kept(columns_);
      for (const Group& group : o_.routes.groups)
        for (int64_t chunk = begin; chunk < end; chunk++) {
          multiply(group, chunk, panels.get(), sums.get());
          if (o_.entries.isCompact()) {
            putCompact(group, chunk, sums.get(), kept.get());
          } else {
            putRest(group, chunk, sums.get());
          }
        }
    });
    double sum = 0;
    for (const double part : scales_) sum += part;
    return T(sum);
  }

 private:
  /// Σ_t w_ti ∂L/∂y_t x_tᵀ of a chunk's rows. Tiles of a whole bank that are full are summed in place, so that memory
  /// is written while the processor computes.
  void multiply(const Group& group, int64_t chunk, T* panels, T* sums) {
    const int64_t row = chunks_.begin(chunk), size = chunks_.length(chunk);
    const Split parts(group.count, steps_);
    for (int64_t part = 0; part < parts.count; part++) {
      const int64_t first = parts.begin(part), count = parts.length(part);
      const auto gradient = [&](int64_t i) { return o_.gradientOf(group.begin + first + i) + row; };
      for (int64_t i = 0; i < count; i++) {
        if (i + 2 * ahead < count) Upcoming(gradient(i + 2 * ahead), size).fetch();
        kernels<T>().panels(panels + i * maxRows_, maxRows_ * count, gradient(i), size);
      }
      for (int64_t tile = 0; tile < numTiles_; tile++) {
        const bool inPlace = !o_.entries.isCompact() && (tile + 1) * width_ <= columns_;
        T* to = inPlace ? bank_ + o_.entries.dynamicPlace(group.expert, row * columns_) : sums;
        const T* input = inputs_.get() + group.begin * padded_ + (tile * group.count + first) * width_;
        panelProducts<T>(
            {panels, input, count, to + tile * width_, inPlace ? bankRows_.data() : sumRows_.data(), part > 0, true},
            maxRows_ * count, size, columns_ - tile * width_, [](int64_t, int64_t) {});
      }
    }
  }

  /// What was not summed in place: the columns of a tile that is not full.
  void putRest(const Group& group, int64_t chunk, const T* sums) {
    const int64_t inPlace = columns_ / width_ * width_;
    for (int64_t r = 0; r < chunks_.length(chunk); r++) {
      const T* from = sums + sumRows_[r];
      T* to = bank_ + o_.entries.dynamicPlace(group.expert, (chunks_.begin(chunk) + r) * columns_);
      std::copy(from + inPlace, from + columns_, to + inPlace);
    }
  }

  /// Dynamic entries to the bank, by its scale, static ones to those of all experts.
  void putCompact(const Group& group, int64_t chunk, const T* sums, T* kept) {
    const Kernels<T>& kernel = kernels<T>();
    const Experts<T>& experts = o_.experts;
    for (int64_t r = 0; r < chunks_.length(chunk); r++) {
      const int64_t at = (chunks_.begin(chunk) + r) * columns_, place = o_.entries.dynamicPlace(group.expert, at);
      const T* from = sums + sumRows_[r];
      const int64_t numDynamic = kernel.compress(kept, from, experts.bits, at, columns_, true);
      scales_[chunk] += kernel.dot(kept, experts.bank + place, numDynamic);
      kernel.mix(bank_ + place, nullptr, kept, 0, &experts.scale, 1, numDynamic);
      kernel.compress(kept, from, experts.bits, at, columns_, false);
      add(static_ + o_.entries.staticPlace(at), kept, columns_ - numDynamic);
    }
  }

  const Operands<T>& o_;
  T *bank_, *static_;
  const int64_t width_ = panelTileWidth<T>(), maxRows_ = kernels<T>().maxRows, columns_ = o_.experts.columns;
  const int64_t numTiles_ = (columns_ + width_ - 1) / width_, padded_ = numTiles_ * width_;
  const int64_t steps_ = Split(o_.routes.mostTokens(), mostTokenSteps).size;
  const int64_t numPanels_ =
      std::clamp<int64_t>(mostGradientBytes / (padded_ * int64_t{sizeof(T)} * maxRows_), 1, mostGradientPanels);
  const Chunks chunks_{o_.experts.rows, maxRows_, numPanels_* maxRows_};
  const std::vector<int64_t> sumRows_ = multiples(numPanels_ * maxRows_, padded_),
                             bankRows_ = multiples(numPanels_ * maxRows_, columns_);
  /// Tokens by their weights, of each expert [tile, token, width].
  const Scratch<T> inputs_{o_.routes.numChoices() * padded_};
  std::vector<double> scales_;  // of each chunk
};

}  // namespace

template <class T>
void applyExpertsBackward(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                          const Matrix<const T>& gradOutput, ExpertGradients<T>& gradients) {
  gradients.dots.assign(routes.tokens.size(), T{0});
  gradients.scale = 0;
  if (routes.groups.empty() || experts.rows == 0 || experts.columns == 0) return;
  const Operands<T> operands{routes, experts, tokens, gradOutput};
  TokenGradients<T> ofTokens(operands, gradients.tokens);
  ofTokens.compute();
  ofTokens.addDots(gradients.dots);
  if (gradients.bank) gradients.scale = EntryGradients<T>(operands, gradients.bank, gradients.staticWeight).compute();
}

#define PADNET_INSTANTIATE(T)                                                                        \
  template void applyExpertsBackward<T>(const Routes<T>&, const Experts<T>&, const Matrix<const T>&, \
                                        const Matrix<const T>&, ExpertGradients<T>&);
PADNET_INSTANTIATE(float)
PADNET_INSTANTIATE(double)

}  // namespace padnet
