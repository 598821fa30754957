// The sum over the experts of each token, y_t = Σ_i w_ti · scale · W_i x_t, and its gradients: one product an expert of
// all tokens that have chosen it (method.md §1, §2). Experts are brought into the order of the inner product block by
// block, and merged with the static weight there: nothing of the size of an expert is ever written.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/partialWeights.h"

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

/// Where the dynamic and the static entries of experts stand, or their gradients.
template <class T>
struct Experts {
  T* bank = nullptr;          // [E, rows, columns], or [E, d] with `ranks`
  T* staticWeight = nullptr;  // [rows · columns − d]
  const uint8_t* bits = nullptr;
  const Ranks* ranks = nullptr;
  int64_t rows = 0, columns = 0;
  /// Of the entries of the bank; for those of a whole bank it is applied to tokens, as there are fewer of them.
  T scale = 1;
  T staticScale = 1;

  int64_t numDynamic() const { return ranks ? ranks->before(rows * columns) : rows * columns; }
};

/// output[t] += Σ_i w_ti · scale · W_i · tokens[t]
template <class T>
void applyExperts(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                  const Matrix<T>& output);

template <class T>
struct ExpertGradients {
  Matrix<T> tokens;     // added to; no data where not needed
  std::vector<T> dots;  // of each choice, ∂L/∂y · W_i x without scales (with them where entries are merged)
  T* bank;              // every entry in use is written; null where not needed
  T* staticWeight;      // zero before, gets ∂L/∂(staticScale · Θ_s)
  T scale;              // gets ∂L/∂scale where entries are merged
};

template <class T>
void applyExpertsBackward(const Routes<T>& routes, const Experts<T>& experts, const Matrix<const T>& tokens,
                          const Matrix<const T>& gradOutput, ExpertGradients<T>& gradients);

}  // namespace padnet
