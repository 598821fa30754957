#include "experts/mixture.h"

#include <ATen/Dispatch.h>

#include "experts/structure.h"
#include "kernels/split.h"

namespace padnet {
namespace {

using at::Tensor;

/// A mixture as the products take it.
template <class T>
class Products {
 public:
  explicit Products(const ExpertMixture& mixture)
      : m_(mixture), structure_(structureOf(mixture.weights, mixture.outFeatures, mixture.inFeatures())) {
    if (isRows()) lines_ = Lines(m_.weights.maskBits.data_ptr<uint8_t>(), m_.outFeatures, m_.inFeatures());
    if (isColumns()) lines_ = Lines(m_.weights.maskBits.data_ptr<uint8_t>(), m_.inFeatures(), 1);
    routeOwn();
    if (isRows() || isColumns()) routeShared();
  }

  Tensor output() const {
    if (isRows()) {
      const auto [dynamicBias, staticBias] =
          m_.biasBank.defined() ? lines_.template split<T>(m_.biasBank) : std::pair<Tensor, Tensor>();
      const Tensor dynamicRows = biases(dynamicBias, lines_.numDynamic),
                   staticRows = biases(staticBias, lines_.numStatic());
      apply(own_, ofOwn(), m_.tokens, dynamicRows);
      apply(shared_, ofAll(), m_.tokens, staticRows);
      return lines_.template join<T>(dynamicRows, staticRows);
    }
    const Tensor output = biases(m_.biasBank, m_.outFeatures);
    if (isColumns()) {
      const auto [dynamicTokens, staticTokens] = lines_.template split<T>(m_.tokens);
      apply(own_, ofOwn(), dynamicTokens, output);
      apply(shared_, ofAll(), staticTokens, output);
    } else {
      apply(own_, ofOwn(), m_.tokens, output);
    }
    return output;
  }

  ExpertMixtureGradients gradients(const Tensor& gradOutput, const ExpertMixtureNeeds& needs) const {
    // Where entries are merged, all gradients of weights and scales come from one product.
    const bool isMerged = structure_ == Structure::Entries;
    const bool merged = needs.bank || needs.scale || needs.staticWeight || needs.staticScale;
    ExpertMixtureGradients g;
    g.gates = at::empty_like(m_.gates);
    if (m_.weights.ranks) g.staticWeight = at::zeros_like(m_.weights.staticWeight);
    if (isMerged ? merged : needs.bank) g.bank = bankGradient();
    const Tensor shared = needs.staticWeight ? g.staticWeight : Tensor();
    const auto zeros = [&](const Tensor& like) { return needs.tokens ? at::zeros_like(like) : Tensor(); };
    ExpertGradients<T> ofOwnGradients{}, ofAllGradients{};
    if (isRows()) {
      g.tokens = zeros(m_.tokens);
      const auto [dynamicRows, staticRows] = lines_.template split<T>(gradOutput);
      ofOwnGradients = applyBackward(own_, ofOwn(), m_.tokens, dynamicRows, g.tokens, g.bank);
      ofAllGradients = applyBackward(shared_, ofAll(), m_.tokens, staticRows, g.tokens, shared);
    } else if (isColumns()) {
      const auto [dynamicTokens, staticTokens] = lines_.template split<T>(m_.tokens);
      const Tensor gradDynamic = zeros(dynamicTokens), gradStatic = zeros(staticTokens);
      ofOwnGradients = applyBackward(own_, ofOwn(), dynamicTokens, gradOutput, gradDynamic, g.bank);
      ofAllGradients = applyBackward(shared_, ofAll(), staticTokens, gradOutput, gradStatic, shared);
      if (needs.tokens) g.tokens = lines_.template join<T>(gradDynamic, gradStatic);
    } else {
      g.tokens = zeros(m_.tokens);
      ofOwnGradients =
          applyBackward(own_, ofOwn(), m_.tokens, gradOutput, g.tokens, g.bank, isMerged ? g.staticWeight : Tensor());
    }
    addDots(ofOwnGradients, ofAllGradients, g);
    if (isMerged && merged) {
      g.staticScale = at::dot(g.staticWeight, m_.weights.staticWeight).template item<T>();
      g.staticWeight.mul_(T(m_.weights.staticScale));
    }
    if (m_.biasBank.defined()) addBiases(gradOutput, g);
    return g;
  }

 private:
  bool isRows() const { return structure_ == Structure::Rows; }
  bool isColumns() const { return structure_ == Structure::Columns; }

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

  /// What each expert has of its own.
  Experts<T> ofOwn() const {
    const PartialWeights& weights = m_.weights;
    Experts<T> experts;
    experts.bank = weights.bank.template data_ptr<T>();
    if (structure_ == Structure::Entries) {
      experts.staticWeight = weights.staticWeight.template data_ptr<T>();
      experts.bits = weights.maskBits.template data_ptr<uint8_t>();
      experts.ranks = &*weights.ranks;
    }
    experts.rows = isRows() ? lines_.numDynamic : m_.outFeatures;
    experts.columns = isColumns() ? lines_.numDynamic : m_.inFeatures();
    experts.scale = T(m_.scale);
    experts.staticScale = T(weights.staticScale);
    return experts;
  }

  /// The rows or columns that all experts share.
  Experts<T> ofAll() const {
    Experts<T> experts;
    experts.bank = m_.weights.staticWeight.template data_ptr<T>();
    experts.rows = isRows() ? lines_.numStatic() : m_.outFeatures;
    experts.columns = isColumns() ? lines_.numStatic() : m_.inFeatures();
    experts.scale = T(m_.weights.staticScale);
    return experts;
  }

  static void apply(const Routes<T>& routes, const Experts<T>& experts, const Tensor& tokens, const Tensor& output) {
    applyExperts<T>(routes, experts, matrixOf<const T>(tokens), matrixOf<T>(output));
  }

  static ExpertGradients<T> applyBackward(const Routes<T>& routes, const Experts<T>& experts, const Tensor& tokens,
                                          const Tensor& gradOutput, const Tensor& gradTokens, const Tensor& gradBank,
                                          const Tensor& gradStatic = Tensor()) {
    ExpertGradients<T> gradients{};
    if (gradTokens.defined()) gradients.tokens = matrixOf<T>(gradTokens);
    if (gradBank.defined()) gradients.bank = gradBank.template data_ptr<T>();
    if (gradStatic.defined()) gradients.staticWeight = gradStatic.template data_ptr<T>();
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
    at::parallel_for(0, numTokens, 8, [&](int64_t begin, int64_t end) {
      for (int64_t token = begin; token < end; token++) {
        T* row = to.row(token);
        // Two at a time, so that a row is seldom read again.
        for (int64_t i = 0; i < chosen; i += 2) {
          const int64_t at = token * chosen + i, count = std::min<int64_t>(2, chosen - i);
          const T* first = bias.row(expert[at]);
          kernels<T>().mix(row, i == 0 ? nullptr : row, first, count == 2 ? bias.row(expert[at + 1]) - first : 0,
                           gate + at, count, size);
        }
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
    const bool isMerged = structure_ == Structure::Entries;
    const T scale = isMerged ? T{1} : T(m_.scale);
    const int64_t chosen = m_.experts.size(1);
    T* gates = g.gates.template data_ptr<T>();
    g.scale = own.scale;
    for (size_t i = 0; i < places_.size(); i++) {
      gates[places_[i]] = scale * own.dots[i];
      if (!isMerged) g.scale += double(own_.weights[i]) * own.dots[i];
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
            T* to = gradBias.row(group.expert) + first;
            dots[run * numChoices + i] = kernels<T>().dot(from, bias.row(group.expert) + first, size);
            kernels<T>().mix(to, to, from, 0, &own_.weights[i], 1, size);
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
