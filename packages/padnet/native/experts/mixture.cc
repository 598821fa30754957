#include "experts/mixture.h"

#include <ATen/Dispatch.h>

#include <cstring>
#include <utility>

#include "experts/applyExperts.h"
#include "experts/applyExpertsBackward.h"

namespace padnet {
namespace {

using at::Tensor;

/// How the dynamic entries lie in the weight [rows, columns]. What is static of whole rows or columns is computed once
/// a token, as one expert that all tokens have chosen.
enum class Structure { Whole, Rows, Columns, Entries };

Structure structureOf(const PartialWeights& weights, int64_t rows, int64_t columns) {
  if (!weights.ranks || weights.ranks->before(rows * columns) == rows * columns) return Structure::Whole;
  const auto* bits = weights.maskBits.data_ptr<uint8_t>();
  bool wholeRows = true;
  for (int64_t row = 0; wholeRows && row < rows; row++) {
    const int64_t count = weights.ranks->before((row + 1) * columns) - weights.ranks->before(row * columns);
    wholeRows = count == 0 || count == columns;
  }
  if (wholeRows) return Structure::Rows;
  for (int64_t row = 1; row < rows; row++) {
    if (columns % 8 == 0) {
      if (std::memcmp(bits, bits + row * columns / 8, columns / 8) != 0) return Structure::Entries;
      continue;
    }
    for (int64_t column = 0; column < columns; column++)
      if (bitAt(bits, column) != bitAt(bits, row * columns + column)) return Structure::Entries;
  }
  return Structure::Columns;
}

template <class T>
Matrix<T> matrixOf(const Tensor& tensor) {
  return {tensor.data_ptr<std::remove_const_t<T>>(), tensor.size(0), tensor.size(1)};
}

/// Calls use(row) for all, by all threads.
template <class Use>
void forEachRow(int64_t rows, const Use& use) {
  at::parallel_for(0, rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) use(row);
  });
}

/// Rows or columns of which some are dynamic as a whole.
struct Lines {
  std::vector<uint8_t> bits;
  int64_t numDynamic = 0, count = 0;

  Lines() = default;
  /// Line i is what the mask says `i · stride` entries from its beginning.
  Lines(const uint8_t* mask, int64_t count, int64_t stride) : bits((count + 7) / 8), count(count) {
    for (int64_t i = 0; i < count; i++) {
      bits[i >> 3] |= uint8_t(bitAt(mask, i * stride) << (i & 7));
      numDynamic += bitAt(mask, i * stride);
    }
  }

  int64_t numStatic() const { return count - numDynamic; }

  /// [rows, count] → [rows, dynamic], [rows, static]
  template <class T>
  std::pair<Tensor, Tensor> split(const Tensor& tensor) const {
    const auto from = matrixOf<const T>(tensor);
    Tensor dynamicPart = at::empty({from.rows, numDynamic}, tensor.options()),
           staticPart = at::empty({from.rows, numStatic()}, tensor.options());
    const auto ones = matrixOf<T>(dynamicPart), zeros = matrixOf<T>(staticPart);
    forEachRow(from.rows, [&](int64_t row) {
      kernels<T>().compress(ones.row(row), from.row(row), bits.data(), 0, count, true);
      kernels<T>().compress(zeros.row(row), from.row(row), bits.data(), 0, count, false);
    });
    return {dynamicPart, staticPart};
  }

  /// The reverse.
  template <class T>
  Tensor join(const Tensor& dynamicPart, const Tensor& staticPart) const {
    const auto ones = matrixOf<const T>(dynamicPart), zeros = matrixOf<const T>(staticPart);
    Tensor joined = at::empty({ones.rows, count}, dynamicPart.options());
    const auto to = matrixOf<T>(joined);
    forEachRow(ones.rows, [&](int64_t row) {
      kernels<T>().merge(to.row(row), ones.row(row), T{1}, zeros.row(row), T{1}, bits.data(), 0, count);
    });
    return joined;
  }
};

/// A mixture as the products take it.
template <class T>
class Products {
 public:
  explicit Products(const ExpertMixture& mixture)
      : m_(mixture), structure_(structureOf(mixture.weights, mixture.outFeatures, mixture.inFeatures())) {
    if (isRows()) lines_ = Lines(m_.weights.maskBits.data_ptr<uint8_t>(), m_.outFeatures, m_.inFeatures());
    if (isColumns()) lines_ = Lines(m_.weights.maskBits.data_ptr<uint8_t>(), m_.inFeatures(), 1);
    routeOwn();
    if (hasShared()) routeShared();
  }

  Tensor output() const {
    const auto [ownTokens, sharedTokens] = divide(isColumns(), m_.tokens);
    const auto [ownBiases, sharedBiases] = divide(isRows(), m_.biasBank);
    const Tensor own = biases(ownBiases, isRows() ? lines_.numDynamic : m_.outFeatures);
    const Tensor shared = isRows() ? biases(sharedBiases, lines_.numStatic()) : own;
    applyExperts<T>(own_, ownExperts(), matrixOf<const T>(ownTokens), matrixOf<T>(own));
    if (hasShared()) applyExperts<T>(shared_, sharedExpert(), matrixOf<const T>(sharedTokens), matrixOf<T>(shared));
    return isRows() ? lines_.template join<T>(own, shared) : own;
  }

  ExpertMixtureGradients gradients(const Tensor& gradOutput, const ExpertMixtureNeeds& needs) const {
    // Where entries are merged, all gradients of weights and scales come from one product.
    const bool needsMerged = isMerged() && (needs.bank || needs.scale || needs.staticWeight || needs.staticScale);
    ExpertMixtureGradients g;
    g.gates = at::empty_like(m_.gates);
    if (m_.weights.ranks) g.staticWeight = at::zeros_like(m_.weights.staticWeight);
    if (isMerged() ? needsMerged : needs.bank) g.bank = bankGradient();
    const auto [ownTokens, sharedTokens] = divide(isColumns(), m_.tokens);
    const auto [ownGradient, sharedGradient] = divide(isRows(), gradOutput);
    const auto zeros = [&](const Tensor& like) { return needs.tokens ? at::zeros_like(like) : Tensor(); };
    const Tensor gradOwn = zeros(ownTokens), gradShared = isColumns() ? zeros(sharedTokens) : gradOwn;
    const ExpertGradients<T> own =
        backward(own_, ownExperts(), ownTokens, ownGradient, gradOwn, g.bank, isMerged() ? g.staticWeight : Tensor());
    ExpertGradients<T> shared{};
    if (hasShared())
      shared = backward(shared_, sharedExpert(), sharedTokens, sharedGradient, gradShared,
                        needs.staticWeight ? g.staticWeight : Tensor());
    g.tokens = needs.tokens && isColumns() ? lines_.template join<T>(gradOwn, gradShared) : gradOwn;
    addDots(own, shared, g);
    if (needsMerged) {
      g.staticScale = at::dot(g.staticWeight, m_.weights.staticWeight).template item<T>();
      g.staticWeight.mul_(T(m_.weights.staticScale));
    }
    if (m_.biasBank.defined()) addBiases(gradOutput, g);
    return g;
  }

 private:
  bool isRows() const { return structure_ == Structure::Rows; }
  bool isColumns() const { return structure_ == Structure::Columns; }
  bool isMerged() const { return structure_ == Structure::Entries; }
  bool hasShared() const { return isRows() || isColumns(); }

  /// The parts for the experts' own products and for that of the expert that all share.
  std::pair<Tensor, Tensor> divide(bool isSplit, const Tensor& tensor) const {
    return isSplit && tensor.defined() ? lines_.template split<T>(tensor) : std::pair(tensor, tensor);
  }

  /// Choices sorted by expert, in the order of tokens.
  void routeOwn() {
    const int64_t chosen = m_.experts.size(1), numChoices = m_.experts.numel(), numExperts = m_.weights.numKernels();
    const int64_t* expert = m_.experts.data_ptr<int64_t>();
    const T* gate = m_.gates.template data_ptr<T>();
    std::vector<int64_t> ends(numExperts + 1);
    for (int64_t i = 0; i < numChoices; i++) ends[expert[i] + 1]++;
    for (int64_t e = 0; e < numExperts; e++) {
      if (ends[e + 1] > 0) own_.groups.push_back({e, ends[e], ends[e + 1]});
      ends[e + 1] += ends[e];
    }
    own_.tokens.resize(numChoices);
    own_.weights.resize(numChoices);
    places_.resize(numChoices);
    for (int64_t i = 0; i < numChoices; i++) {
      const int64_t at = ends[expert[i]]++;
      own_.tokens[at] = i / chosen;
      own_.weights[at] = gate[i];
      places_[at] = i;
    }
  }

  /// Every token to what all experts share, by the sum of its weights.
  void routeShared() {
    const int64_t numTokens = m_.tokens.size(0), chosen = m_.experts.size(1);
    const T* gate = m_.gates.template data_ptr<T>();
    if (numTokens > 0) shared_.groups.push_back({0, 0, numTokens});
    for (int64_t token = 0; token < numTokens; token++) {
      shared_.tokens.push_back(token);
      T sum = 0;
      for (int64_t i = 0; i < chosen; i++) sum += gate[token * chosen + i];
      shared_.weights.push_back(sum);
    }
  }

  /// The entries that each expert has of its own.
  Experts<T> ownExperts() const {
    const PartialWeights& weights = m_.weights;
    return {weights.bank.template data_ptr<T>(),
            isMerged() ? weights.staticWeight.template data_ptr<T>() : nullptr,
            isMerged() ? weights.maskBits.template data_ptr<uint8_t>() : nullptr,
            isMerged() ? &*weights.ranks : nullptr,
            isRows() ? lines_.numDynamic : m_.outFeatures,
            isColumns() ? lines_.numDynamic : m_.inFeatures(),
            T(m_.scale),
            T(weights.staticScale)};
  }

  /// The rows or columns that all experts share.
  Experts<T> sharedExpert() const {
    return {m_.weights.staticWeight.template data_ptr<T>(),
            nullptr,
            nullptr,
            nullptr,
            isRows() ? lines_.numStatic() : m_.outFeatures,
            isColumns() ? lines_.numStatic() : m_.inFeatures(),
            T(m_.weights.staticScale),
            T{1}};
  }

  static ExpertGradients<T> backward(const Routes<T>& routes, const Experts<T>& experts, const Tensor& tokens,
                                     const Tensor& gradOutput, const Tensor& gradTokens, const Tensor& gradBank,
                                     const Tensor& gradStatic = Tensor()) {
    const auto dataOf = [](const Tensor& tensor) { return tensor.defined() ? tensor.data_ptr<T>() : nullptr; };
    ExpertGradients<T> gradients{{}, {}, dataOf(gradBank), dataOf(gradStatic), 0};
    if (gradTokens.defined()) gradients.tokens = matrixOf<T>(gradTokens);
    applyExpertsBackward<T>(routes, experts, matrixOf<const T>(tokens), matrixOf<const T>(gradOutput), gradients);
    return gradients;
  }

  /// Σ_i w_ti b_i [tokens, size]
  Tensor biases(const Tensor& biasBank, int64_t size) const {
    const int64_t numTokens = m_.tokens.size(0), chosen = m_.experts.size(1);
    if (!biasBank.defined()) return at::zeros({numTokens, size}, m_.tokens.options());
    Tensor output = at::empty({numTokens, size}, m_.tokens.options());
    const auto to = matrixOf<T>(output), bias = matrixOf<T>(biasBank);
    const int64_t* expert = m_.experts.data_ptr<int64_t>();
    const T* gate = m_.gates.template data_ptr<T>();
    forEachRow(numTokens, [&](int64_t token) {
      T* row = to.row(token);
      // Two at a time, so that a row is seldom read again.
      for (int64_t i = 0; i < chosen; i += 2) {
        const int64_t at = token * chosen + i, count = std::min<int64_t>(2, chosen - i);
        const T* first = bias.row(expert[at]);
        kernels<T>().mix(row, i == 0 ? nullptr : row, first, count == 2 ? bias.row(expert[at + 1]) - first : 0,
                         gate + at, count, size);
      }
    });
    return output;
  }

  /// Zero for experts that nobody chose; the others are written by the products.
  Tensor bankGradient() const {
    const Tensor gradient = at::empty_like(m_.weights.bank);
    std::vector<bool> isUsed(m_.weights.numKernels());
    for (const Group& group : own_.groups) isUsed[group.expert] = true;
    for (size_t e = 0; e < isUsed.size(); e++)
      if (!isUsed[e]) gradient.select(0, int64_t(e)).zero_();
    return gradient;
  }

  /// The gradients of gates and scales, from the dots of what experts have of their own and of what all share.
  void addDots(const ExpertGradients<T>& own, const ExpertGradients<T>& all, ExpertMixtureGradients& g) const {
    const T scale = isMerged() ? T{1} : T(m_.scale);
    const int64_t chosen = m_.experts.size(1);
    T* gates = g.gates.template data_ptr<T>();
    g.scale = own.scale;
    for (size_t i = 0; i < places_.size(); i++) {
      gates[places_[i]] = scale * own.dots[i];
      if (!isMerged()) g.scale += double(own_.weights[i]) * own.dots[i];
    }
    for (size_t token = 0; token < all.dots.size(); token++) {
      for (int64_t i = 0; i < chosen; i++) gates[token * chosen + i] += T(m_.weights.staticScale) * all.dots[token];
      g.staticScale += double(shared_.weights[token]) * all.dots[token];
    }
  }

  /// The gradient of the bias bank, and what biases add to those of the gates. The gradient of the output is read once
  /// for both.
  void addBiases(const Tensor& gradOutput, ExpertMixtureGradients& g) const {
    g.biasBank = at::zeros_like(m_.biasBank);
    const auto grad = matrixOf<const T>(gradOutput), bias = matrixOf<const T>(m_.biasBank);
    const auto gradBias = matrixOf<T>(g.biasBank);
    const Split runs(m_.outFeatures, 512);
    const int64_t numChoices = own_.numChoices();
    std::vector<T> dots(runs.count * numChoices);
    at::parallel_for(0, runs.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t run = begin; run < end; run++) {
        const int64_t first = runs.begin(run), size = runs.length(run);
        for (const Group& group : own_.groups)
          for (int64_t i = group.begin; i < group.begin + group.count; i++) {
            const T* from = grad.row(own_.tokens[i]) + first;
            dots[run * numChoices + i] = kernels<T>().dot(from, bias.row(group.expert) + first, size);
            add(gradBias.row(group.expert) + first, from, own_.weights[i], size);
          }
      }
    });
    T* gates = g.gates.template data_ptr<T>();
    for (int64_t i = 0; i < numChoices; i++)
      for (int64_t run = 0; run < runs.count; run++) gates[places_[i]] += dots[run * numChoices + i];
  }

  const ExpertMixture& m_;
  Structure structure_;
  Lines lines_;
  Routes<T> own_, shared_;
  std::vector<int64_t> places_;  // of each choice of own_ in [tokens, k]
};

}  // namespace

Tensor mixExperts(const ExpertMixture& mixture) {
  return AT_DISPATCH_FLOATING_TYPES(mixture.tokens.scalar_type(), "mixExperts",
                                    [&] { return Products<scalar_t>(mixture).output(); });
}

ExpertMixtureGradients mixExpertsBackward(const ExpertMixture& mixture, const Tensor& gradOutput,
                                          const ExpertMixtureNeeds& needs) {
  return AT_DISPATCH_FLOATING_TYPES(mixture.tokens.scalar_type(), "mixExpertsBackward",
                                    [&] { return Products<scalar_t>(mixture).gradients(gradOutput, needs); });
}

}  // namespace padnet
