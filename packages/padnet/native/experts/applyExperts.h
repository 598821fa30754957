// The sum over the experts of each token, y_t = Σ_i w_ti · scale · W_i x_t: one product an expert of all tokens that
// have chosen it (method.md §1, §2).
#pragma once

#include "experts/experts.h"

namespace padnet {

/// Tokens by their weights, in panels [group, block, panel, maxRows, panelSteps].
template <class T>
class TokenPanels {
 public:
  static int64_t size() { return kernels<T>().maxRows * panelSteps; }
  const Split blocks;  // of the columns

  TokenPanels(const Routes<T>& routes, const std::vector<Group>& groups, const Matrix<const T>& tokens, T scale)
      : blocks(tokens.columns, panelSteps), begins_(beginsOf(groups)), panels_(begins_.back() * size()) {
    forEachChoice(groups, [&](const Group& group, int64_t i) {
      const int64_t choice = group.begin + i;
      const T weight = routes.weights[choice] * scale;
      for (int64_t block = 0; block < blocks.count; block++)
        kernels<T>().mix(at(&group - groups.data(), block) + i * panelSteps, nullptr,
                         tokens.row(routes.tokens[choice]) + blocks.begin(block), 0, &weight, 1, blocks.length(block));
    });
  }

  T* at(int64_t group, int64_t block) const {
    const int64_t begin = begins_[group], numPanels = (begins_[group + 1] - begin) / blocks.count;
    return panels_.get() + (begin + block * numPanels) * size();
  }

 private:
  std::vector<int64_t> beginsOf(const std::vector<Group>& groups) const {
    std::vector<int64_t> begins{0};
    for (const Group& group : groups) begins.push_back(begins.back() + numPanelsOf<T>(group.count) * blocks.count);
    return begins;
  }

  std::vector<int64_t> begins_;  // of each group, in panels
  Scratch<T> panels_;
};

/// output[t] += Σ_i w_ti · scale · W_i · tokens[t]
template <class T>
void applyExperts(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                  const Matrix<T>& output) {
  if (routes.groups.empty() || experts.isEmpty()) return;
  const std::vector<Group> groups = partsOf(routes.groups);
  const TokenPanels<T> inputs(routes, groups, tokens, experts.tokenScale());
  const Split& blocks = inputs.blocks;
  const int64_t width = panelTileWidth<T>(), columns = experts.columns, numTiles = (experts.rows + width - 1) / width;
  std::vector<int64_t> outputRows;
  for (const int64_t token : routes.tokens) outputRows.push_back(token * output.columns);
  const int64_t most = std::min(routes.mostTokens(), mostTokens);
  const std::vector<int64_t> edgeRows = panelRows<T>(numPanelsOf<T>(most), width);
  at::parallel_for(0, numTiles, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> tile(columns * width), merged(experts.ranks ? columns * width : 0), edge(most * width);
    const int64_t tiles = end - begin, parts = int64_t(groups.size()) * tiles;
    const auto firstOf = [&](int64_t part) { return (begin + part % tiles) * width; };
    const auto lanesOf = [&](int64_t part) { return std::min(width, experts.rows - firstOf(part)); };
    for (int64_t part = 0; part < parts; part++) {
      const Group& group = groups[part / tiles];
      const int64_t first = firstOf(part), lanes = lanesOf(part), next = std::min(part + 1, parts - 1);
      const T* from = experts.get(group.expert, first * columns, lanes * columns, merged.get());
      for (int64_t block = 0; block < blocks.count; block++)
        kernels<T>().pack(tile.get() + blocks.begin(block) * width, width, from + blocks.begin(block), columns, lanes,
                          blocks.length(block));
      const auto upcoming =
          experts.ahead(groups[next / tiles].expert, firstOf(next) * columns, lanesOf(next) * columns);
      // A tile that is not full is summed apart, for the kernels write whole ones.
      const bool inPlace = lanes == width;
      for (int64_t block = 0; block < blocks.count; block++)
        panelProducts<T>({inputs.at(part / tiles, block), tile.get() + blocks.begin(block) * width,
                          blocks.length(block), inPlace ? output.data + first : edge.get(),
                          inPlace ? outputRows.data() + group.begin : edgeRows.data(), inPlace || block > 0, false},
                         inputs.size(), group.count, lanes,
                         [&](int64_t run, int64_t runs) { upcoming.fetch(block * runs + run, blocks.count * runs); });
      for (int64_t i = 0; !inPlace && i < group.count; i++)
        add(output.data + outputRows[group.begin + i] + first, edge.get() + i * width, T{1}, lanes);
    }
  });
}

}  // namespace padnet
