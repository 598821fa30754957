// padnet::mixed_experts: the sum over the chosen experts of each token (method.md §1, §2), with its backward pass.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "convolution/blockedMaps.h"
#include "experts/experts.h"

namespace padnet {
namespace {

using at::Tensor;
using OptionalTensor = c10::optional<Tensor>;

struct Operands {
  Tensor tokens, experts, weights, bank;
  OptionalTensor biasBank, scale, staticWeight, staticScale, maskBits;
  int64_t outFeatures;

  int64_t numTokens() const { return tokens.size(0); }
  int64_t inFeatures() const { return tokens.size(1); }
  int64_t chosen() const { return experts.size(1); }
  int64_t numExperts() const { return bank.size(0); }
};

void check(const Operands& o) {
  const auto check = [](bool holds, const auto&... details) {
    TORCH_CHECK(holds, "padnet::mixed_experts: ", details...);
  };
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  check(o.tokens.dim() == 2 && o.tokens.size(1) > 0 && o.tokens.size(1) <= most,
        "the tokens must be [tokens, in], got ", o.tokens.sizes());
  check(o.outFeatures > 0 && o.outFeatures <= most, "out_features must be positive, got ", o.outFeatures);
  check(o.experts.dim() == 2 && o.experts.size(0) == o.numTokens() && o.chosen() > 0, "the experts must be [",
        o.numTokens(), ", k], got ", o.experts.sizes());
  check(o.experts.scalar_type() == at::kLong && o.experts.device().is_cpu(),
        "the experts must be int64 on the CPU, got ", o.experts.scalar_type(), " on ", o.experts.device());
  check(o.weights.sizes() == o.experts.sizes(), "the weights must be ", o.experts.sizes(), " like the experts, got ",
        o.weights.sizes());
  check(o.experts.numel() <= most / 256, "too many tokens: ", o.experts.sizes());
  const int64_t size = o.outFeatures * o.inFeatures();
  std::vector<Tensor> floats{o.weights, o.bank};
  if (o.maskBits) {
    const Tensor& bits = *o.maskBits;
    check(bits.dim() == 1 && bits.scalar_type() == at::kByte && bits.size(0) == (size + 7) / 8, "the mask must have ",
          (size + 7) / 8, " bytes (uint8), got ", bits.scalar_type(), " ", bits.sizes());
    check(bits.device().is_cpu(), "the mask must be on the CPU, got ", bits.device());
    check(o.staticWeight.has_value() && o.bank.dim() == 2, "a mask needs a bank [E, d] and static_weight, got ",
          o.bank.sizes());
    floats.push_back(*o.staticWeight);
  } else {
    check(!o.staticWeight.has_value() && !o.staticScale.has_value(), "static_weight and static_scale need a mask");
    check(o.bank.dim() == 3 && o.bank.size(1) == o.outFeatures && o.bank.size(2) == o.inFeatures(),
          "the bank must be [E, ", o.outFeatures, ", ", o.inFeatures(), "], got ", o.bank.sizes());
  }
  for (const OptionalTensor& scale : {o.scale, o.staticScale}) {
    if (!scale) continue;
    check(scale->dim() == 0, "scale and static_scale must be scalars, got ", scale->sizes());
    floats.push_back(*scale);
  }
  if (o.biasBank) {
    check(o.biasBank->dim() == 2 && o.biasBank->size(0) == o.numExperts() && o.biasBank->size(1) == o.outFeatures,
          "the bias bank must be [", o.numExperts(), ", ", o.outFeatures, "], got ", o.biasBank->sizes());
    floats.push_back(*o.biasBank);
  }
  const auto dtype = o.tokens.scalar_type();
  check(dtype == at::kFloat || dtype == at::kDouble, "float32 and float64 only, got ", dtype);
  check(o.tokens.device().is_cpu(), "CPU tensors only, got ", o.tokens.device());
  for (const Tensor& tensor : floats)
    check(tensor.scalar_type() == dtype && tensor.device().is_cpu(), "all tensors must be like the tokens (", dtype,
          " on the CPU), got ", tensor.scalar_type(), " on ", tensor.device());
}

/// How the dynamic entries lie in the weight [rows, columns].
enum class Structure { Whole, Rows, Columns, Entries };

bool bitAt(const uint8_t* bits, int64_t index) { return (bits[index >> 3] >> (index & 7)) & 1; }

Structure structureOf(const uint8_t* bits, const Ranks& ranks, int64_t rows, int64_t columns) {
  if (ranks.before(rows * columns) == rows * columns) return Structure::Whole;
  bool wholeRows = true;
  for (int64_t row = 0; wholeRows && row < rows; row++) {
    const int64_t count = ranks.before((row + 1) * columns) - ranks.before(row * columns);
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

/// Rows or columns of which some are dynamic as a whole.
struct Lines {
  std::vector<uint8_t> bits;
  int64_t numDynamic = 0, count = 0;

  Lines() = default;
  Lines(const uint8_t* mask, int64_t count, int64_t stride) : bits((count + 7) / 8), count(count) {
    for (int64_t i = 0; i < count; i++)
      if (bitAt(mask, i * stride)) {
        bits[i >> 3] |= uint8_t(1 << (i & 7));
        numDynamic++;
      }
  }

  /// [rows, count] → [rows, dynamic], [rows, static]
  template <class T>
  std::pair<Tensor, Tensor> split(const Tensor& tensor) const {
    const auto from = matrixOf<const T>(tensor);
    Tensor first = at::empty({from.rows, numDynamic}, tensor.options()),
           second = at::empty({from.rows, count - numDynamic}, tensor.options());
    const auto ones = matrixOf<T>(first), zeros = matrixOf<T>(second);
    at::parallel_for(0, from.rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        kernels<T>().compress(ones.row(row), from.row(row), bits.data(), 0, count, true);
        kernels<T>().compress(zeros.row(row), from.row(row), bits.data(), 0, count, false);
      }
    });
    return {first, second};
  }

  template <class T>
  Tensor join(const Tensor& first, const Tensor& second) const {
    const auto ones = matrixOf<const T>(first), zeros = matrixOf<const T>(second);
    Tensor joined = at::empty({ones.rows, count}, first.options());
    const auto to = matrixOf<T>(joined);
    at::parallel_for(0, ones.rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++)
        kernels<T>().merge(to.row(row), ones.row(row), T{1}, zeros.row(row), T{1}, bits.data(), 0, count);
    });
    return joined;
  }
};

/// The operands as the products take them, contiguous and alive.
template <class T>
struct Bound {
  Tensor tokens, experts, weights, bank, biasBank, staticWeight, bits;
  T scale = 1, staticScale = 1;
  std::optional<Ranks> ranks;
  Structure structure = Structure::Whole;
  Lines lines;
  Routes<T> routes;
  std::vector<int64_t> places;  // of each choice in [tokens, k]
  /// Of what all experts share: every token, by the sum of its weights.
  Routes<T> shared;
  int64_t outFeatures, inFeatures;

  explicit Bound(const Operands& o)
      : tokens(o.tokens.contiguous()),
        experts(o.experts.contiguous()),
        weights(o.weights.contiguous()),
        bank(o.bank.contiguous()),
        outFeatures(o.outFeatures),
        inFeatures(o.inFeatures()) {
    if (o.biasBank) biasBank = o.biasBank->contiguous();
    if (o.scale) scale = o.scale->item<T>();
    if (o.staticScale) staticScale = o.staticScale->item<T>();
    if (o.maskBits) bindMask(o);
    route();
  }

  /// What each expert has of its own.
  Experts<T> own(T* data) const {
    const bool entries = structure == Structure::Entries;
    return {data,
            entries ? staticWeight.data_ptr<T>() : nullptr,
            entries ? bits.data_ptr<uint8_t>() : nullptr,
            entries ? &*ranks : nullptr,
            structure == Structure::Rows ? lines.numDynamic : outFeatures,
            structure == Structure::Columns ? lines.numDynamic : inFeatures,
            scale,
            staticScale};
  }
  Experts<T> ofAll() const {
    Experts<T> experts;
    experts.bank = staticWeight.data_ptr<T>();
    experts.rows = structure == Structure::Rows ? lines.count - lines.numDynamic : outFeatures;
    experts.columns = structure == Structure::Columns ? lines.count - lines.numDynamic : inFeatures;
    experts.scale = staticScale;
    return experts;
  }

 private:
  void bindMask(const Operands& o) {
    const int64_t size = outFeatures * inFeatures;
    bits = o.maskBits->contiguous();
    staticWeight = o.staticWeight->contiguous();
    const auto* data = bits.data_ptr<uint8_t>();
    ranks.emplace(data, size);
    const int64_t numDynamic = ranks->before(size);
    TORCH_CHECK(bank.size(1) == numDynamic, "padnet::mixed_experts: with this mask the bank must be [", bank.size(0),
                ", ", numDynamic, "], got ", bank.sizes());
    TORCH_CHECK(staticWeight.dim() == 1 && staticWeight.size(0) == size - numDynamic,
                "padnet::mixed_experts: with this mask static_weight must be [", size - numDynamic, "], got ",
                staticWeight.sizes());
    structure = structureOf(data, *ranks, outFeatures, inFeatures);
    if (structure == Structure::Rows) lines = Lines(data, outFeatures, inFeatures);
    if (structure == Structure::Columns) lines = Lines(data, inFeatures, 1);
  }

  void route() {
    const int64_t numTokens = tokens.size(0), chosen = experts.size(1), numExperts = bank.size(0);
    const int64_t* expert = experts.data_ptr<int64_t>();
    const T* weight = weights.data_ptr<T>();
    std::vector<int64_t> ends(numExperts + 1);
    for (int64_t i = 0; i < numTokens * chosen; i++) {
      TORCH_CHECK(expert[i] >= 0 && expert[i] < numExperts, "padnet::mixed_experts: there is no expert ", expert[i],
                  " of ", numExperts);
      ends[expert[i] + 1]++;
    }
    for (int64_t e = 0; e < numExperts; e++) {
      if (ends[e + 1] > 0) routes.groups.push_back({e, ends[e], ends[e + 1]});
      ends[e + 1] += ends[e];
    }
    routes.tokens.resize(numTokens * chosen);
    routes.weights.resize(numTokens * chosen);
    places.resize(numTokens * chosen);
    for (int64_t i = 0; i < numTokens * chosen; i++) {
      const int64_t at = ends[expert[i]]++;
      routes.tokens[at] = i / chosen;
      routes.weights[at] = weight[i];
      places[at] = i;
    }
    if (structure != Structure::Rows && structure != Structure::Columns) return;
    if (numTokens > 0) shared.groups.push_back({0, 0, numTokens});
    for (int64_t token = 0; token < numTokens; token++) {
      shared.tokens.push_back(token);
      T sum = 0;
      for (int64_t i = 0; i < chosen; i++) sum += weight[token * chosen + i];
      shared.weights.push_back(sum);
    }
  }
};

/// Σ_i w_ti b_i [tokens, out]
template <class T>
Tensor biases(const Bound<T>& bound, const Tensor& biasBank, int64_t outFeatures) {
  const int64_t numTokens = bound.tokens.size(0), chosen = bound.experts.size(1);
  if (!biasBank.defined()) return at::zeros({numTokens, outFeatures}, bound.tokens.options());
  Tensor output = at::empty({numTokens, outFeatures}, bound.tokens.options());
  const auto to = matrixOf<T>(output), bias = matrixOf<T>(biasBank);
  const int64_t* expert = bound.experts.template data_ptr<int64_t>();
  const T* weight = bound.weights.template data_ptr<T>();
  at::parallel_for(0, numTokens, 8, [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; token++) {
      T* row = to.row(token);
      // Two at a time, so that a row is seldom read again.
      for (int64_t i = 0; i < chosen; i += 2) {
        const int64_t at = token * chosen + i, count = std::min<int64_t>(2, chosen - i);
        const T* first = bias.row(expert[at]);
        kernels<T>().mix(row, i == 0 ? nullptr : row, first, count == 2 ? bias.row(expert[at + 1]) - first : 0,
                         weight + at, count, outFeatures);
      }
    }
  });
  return output;
}

template <class T>
Tensor mixture(const Bound<T>& bound) {
  const Experts<T> own = bound.own(bound.bank.template data_ptr<T>());
  const auto apply = [&](const Routes<T>& routes, const Experts<T>& experts, const Tensor& tokens,
                         const Tensor& output) {
    applyExperts<T>(routes, experts, matrixOf<const T>(tokens), matrixOf<T>(output));
  };
  if (bound.structure == Structure::Rows) {
    const auto [dynamic, fixed] =
        bound.biasBank.defined() ? bound.lines.template split<T>(bound.biasBank) : std::pair<Tensor, Tensor>();
    const Experts<T> ofAll = bound.ofAll();
    const Tensor first = biases(bound, dynamic, own.rows), second = biases(bound, fixed, ofAll.rows);
    apply(bound.routes, own, bound.tokens, first);
    apply(bound.shared, ofAll, bound.tokens, second);
    return bound.lines.template join<T>(first, second);
  }
  const Tensor output = biases(bound, bound.biasBank, bound.outFeatures);
  if (bound.structure == Structure::Columns) {
    const auto [dynamic, fixed] = bound.lines.template split<T>(bound.tokens);
    apply(bound.routes, own, dynamic, output);
    apply(bound.shared, bound.ofAll(), fixed, output);
  } else {
    apply(bound.routes, own, bound.tokens, output);
  }
  return output;
}

struct Gradients {
  Tensor tokens, weights, bank, biasBank, scale, staticWeight, staticScale;
};

struct Needs {
  bool tokens, bank, staticWeight;
};

template <class T>
void addBiasGradients(const Bound<T>& bound, const Tensor& gradOutput, Gradients& gradients) {
  gradients.biasBank = at::zeros_like(bound.biasBank);
  const auto grad = matrixOf<const T>(gradOutput), bias = matrixOf<const T>(bound.biasBank);
  const auto gradBias = matrixOf<T>(gradients.biasBank);
  const Routes<T>& routes = bound.routes;
  // The gradient of the output is read once for both.
  const Split runs(bound.outFeatures, 512);
  const int64_t numChoices = int64_t(routes.tokens.size());
  std::vector<T> dots(runs.count * numChoices);
  at::parallel_for(0, runs.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; run++) {
      const int64_t first = runs.begin(run), size = runs.length(run);
      for (const Group& group : routes.groups)
        for (int64_t i = group.begin; i < group.begin + group.count; i++) {
          const T* from = grad.row(routes.tokens[i]) + first;
          T* to = gradBias.row(group.expert) + first;
          dots[run * numChoices + i] = kernels<T>().dot(from, bias.row(group.expert) + first, size);
          kernels<T>().mix(to, to, from, 0, &routes.weights[i], 1, size);
        }
    }
  });
  T* gradWeights = gradients.weights.template data_ptr<T>();
  for (int64_t i = 0; i < numChoices; i++)
    for (int64_t run = 0; run < runs.count; run++) gradWeights[bound.places[i]] += dots[run * numChoices + i];
}

template <class T>
Gradients backward(const Bound<T>& bound, const Tensor& gradOutput, const Needs& needs) {
  const auto zeros = [&](const Tensor& like) { return at::zeros_like(like, at::MemoryFormat::Contiguous); };
  Gradients g;
  g.weights = at::empty(bound.weights.sizes(), bound.weights.options());
  const bool isCompact = bound.staticWeight.defined();
  if (isCompact) g.staticWeight = zeros(bound.staticWeight);
  if (needs.bank) {
    g.bank = at::empty_like(bound.bank, at::MemoryFormat::Contiguous);
    std::vector<bool> used(bound.bank.size(0));
    for (const Group& group : bound.routes.groups) used[group.expert] = true;
    for (int64_t e = 0; e < bound.bank.size(0); e++)
      if (!used[e]) g.bank.select(0, e).zero_();
  }
  const bool entries = bound.structure == Structure::Entries;
  const auto apply = [&](const Routes<T>& routes, const Experts<T>& experts, const Tensor& tokens, const Tensor& grad,
                         const Tensor& gradTokens, const Tensor& gradBank) {
    ExpertGradients<T> gradients{};
    if (gradTokens.defined()) gradients.tokens = matrixOf<T>(gradTokens);
    if (gradBank.defined()) gradients.bank = gradBank.template data_ptr<T>();
    if (entries) gradients.fixed = g.staticWeight.template data_ptr<T>();
    applyExpertsBackward<T>(routes, experts, matrixOf<const T>(tokens), matrixOf<const T>(grad), gradients);
    return gradients;
  };
  const Experts<T> own = bound.own(bound.bank.template data_ptr<T>());
  ExpertGradients<T> ofOwn{}, ofAll{};
  if (bound.structure == Structure::Rows) {
    if (needs.tokens) g.tokens = zeros(bound.tokens);
    const auto [dynamic, fixed] = bound.lines.template split<T>(gradOutput);
    ofOwn = apply(bound.routes, own, bound.tokens, dynamic, g.tokens, g.bank);
    ofAll = apply(bound.shared, bound.ofAll(), bound.tokens, fixed, g.tokens,
                  needs.staticWeight ? g.staticWeight : Tensor());
  } else if (bound.structure == Structure::Columns) {
    const auto [dynamic, fixed] = bound.lines.template split<T>(bound.tokens);
    const Tensor first = needs.tokens ? zeros(dynamic) : Tensor(), second = needs.tokens ? zeros(fixed) : Tensor();
    ofOwn = apply(bound.routes, own, dynamic, gradOutput, first, g.bank);
    ofAll =
        apply(bound.shared, bound.ofAll(), fixed, gradOutput, second, needs.staticWeight ? g.staticWeight : Tensor());
    if (needs.tokens) g.tokens = bound.lines.template join<T>(first, second);
  } else {
    if (needs.tokens) g.tokens = zeros(bound.tokens);
    ofOwn = apply(bound.routes, own, bound.tokens, gradOutput, g.tokens, g.bank);
  }

  const T ownScale = entries ? T{1} : bound.scale;
  T* gradWeights = g.weights.template data_ptr<T>();
  double gradScale = ofOwn.scale, gradStaticScale = 0;
  const int64_t chosen = bound.experts.size(1);
  for (size_t i = 0; i < bound.places.size(); i++) {
    gradWeights[bound.places[i]] = ownScale * ofOwn.dots[i];
    if (!entries) gradScale += double(bound.routes.weights[i]) * ofOwn.dots[i];
  }
  for (size_t token = 0; token < ofAll.dots.size(); token++) {
    for (int64_t i = 0; i < chosen; i++) gradWeights[token * chosen + i] += bound.staticScale * ofAll.dots[token];
    gradStaticScale += double(bound.shared.weights[token]) * ofAll.dots[token];
  }
  if (entries && needs.bank) {
    gradStaticScale = at::dot(g.staticWeight, bound.staticWeight).template item<T>();
    g.staticWeight.mul_(bound.staticScale);
  }
  if (bound.biasBank.defined()) addBiasGradients(bound, gradOutput, g);
  g.scale = at::scalar_tensor(gradScale, bound.tokens.options());
  g.staticScale = at::scalar_tensor(gradStaticScale, bound.tokens.options());
  return g;
}

Tensor forward(const Tensor& tokens, const Tensor& experts, const Tensor& weights, const Tensor& bank,
               const OptionalTensor& biasBank, const OptionalTensor& scale, const OptionalTensor& staticWeight,
               const OptionalTensor& staticScale, const OptionalTensor& maskBits, int64_t outFeatures) {
  const Operands operands{tokens, experts,      weights,     bank,     biasBank,
                          scale,  staticWeight, staticScale, maskBits, outFeatures};
  check(operands);
  return AT_DISPATCH_FLOATING_TYPES(tokens.scalar_type(), "mixed_experts",
                                    [&] { return mixture<scalar_t>(Bound<scalar_t>(operands)); });
}

OptionalTensor optional(const Tensor& tensor) { return tensor.defined() ? OptionalTensor(tensor) : OptionalTensor(); }

class MixedExperts : public torch::autograd::Function<MixedExperts> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& tokens, const Tensor& experts,
                        const Tensor& weights, const Tensor& bank, const OptionalTensor& biasBank,
                        const OptionalTensor& scale, const OptionalTensor& staticWeight,
                        const OptionalTensor& staticScale, const OptionalTensor& maskBits, int64_t outFeatures) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const auto orNone = [](const OptionalTensor& tensor) { return tensor.value_or(Tensor()); };
    context->save_for_backward({tokens, experts, weights, bank, orNone(biasBank), orNone(scale), orNone(staticWeight),
                                orNone(staticScale), orNone(maskBits)});
    context->saved_data["outFeatures"] = outFeatures;
    return padnet::forward(tokens, experts, weights, bank, biasBank, scale, staticWeight, staticScale, maskBits,
                           outFeatures);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "padnet::mixed_experts cannot be differentiated twice");
    const auto saved = context->get_saved_variables();
    // Arguments that are not given have no index.
    std::vector<bool> needed;
    int given = 0;
    for (const Tensor& tensor : saved) needed.push_back(tensor.defined() && context->needs_input_grad(given++));
    const Operands operands{saved[0],           saved[1],
                            saved[2],           saved[3],
                            optional(saved[4]), optional(saved[5]),
                            optional(saved[6]), optional(saved[7]),
                            optional(saved[8]), context->saved_data["outFeatures"].toInt()};
    check(operands);
    const Tensor& gradOutput = gradients[0];
    TORCH_CHECK(gradOutput.dim() == 2 && gradOutput.size(0) == operands.numTokens() &&
                    gradOutput.size(1) == operands.outFeatures &&
                    gradOutput.scalar_type() == operands.tokens.scalar_type() && gradOutput.device().is_cpu(),
                "padnet::mixed_experts: the gradient of the output must be like the output, got ", gradOutput.sizes());
    const bool merged = needed[3] || needed[5] || needed[6] || needed[7];
    const Gradients g = AT_DISPATCH_FLOATING_TYPES(operands.tokens.scalar_type(), "mixed_experts_backward", [&] {
      const Bound<scalar_t> bound(operands);
      // Where entries are merged, all gradients of weights and scales come from one product.
      const bool entries = bound.structure == Structure::Entries;
      return padnet::backward<scalar_t>(bound, gradOutput.contiguous(),
                                        {needed[0], entries ? merged : needed[3], entries ? merged : needed[6]});
    });
    torch::autograd::variable_list result{g.tokens,   Tensor(), g.weights,      g.bank,
                                          g.biasBank, g.scale,  g.staticWeight, g.staticScale};
    for (size_t i = 0; i < result.size(); i++)
      if (!needed[i]) result[i] = Tensor();
    result.resize(10);
    return result;
  }
};

Tensor withGradient(const Tensor& tokens, const Tensor& experts, const Tensor& weights, const Tensor& bank,
                    const OptionalTensor& biasBank, const OptionalTensor& scale, const OptionalTensor& staticWeight,
                    const OptionalTensor& staticScale, const OptionalTensor& maskBits, int64_t outFeatures) {
  return MixedExperts::apply(tokens, experts, weights, bank, biasBank, scale, staticWeight, staticScale, maskBits,
                             outFeatures);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet, library) {
  library.def(
      "mixed_experts(Tensor tokens, Tensor experts, Tensor weights, Tensor bank, Tensor? bias_bank, Tensor? scale, "
      "Tensor? static_weight, Tensor? static_scale, Tensor? mask_bits, int out_features) -> Tensor");
}
TORCH_LIBRARY_IMPL(padnet, CPU, library) { library.impl("mixed_experts", TORCH_FN(forward)); }
TORCH_LIBRARY_IMPL(padnet, Autograd, library) { library.impl("mixed_experts", TORCH_FN(withGradient)); }

}  // namespace padnet
