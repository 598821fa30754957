// padnet::fused_experts: the sum over the chosen experts of each token (method.md §1, §2), with its gradient.
#include <limits>

#include "experts/mixture.h"
#include "operators/operands.h"
#include "operators/operator.h"

namespace padnet {
namespace {

struct FusedExperts {
  static constexpr char name[] = "padnet::fused_experts";
  static constexpr char schema[] =
      "(Tensor tokens, Tensor experts, Tensor weights, Tensor bank, Tensor? bias_bank, Tensor? scale, "
      "Tensor? static_weight, Tensor? static_scale, Tensor? mask_bits, int out_features) -> Tensor";
  static constexpr char plansToDifferentiateTwice[] = "dense";

  struct Operands {
    Tensor tokens, experts, weights, bank, biasBank, scale, staticWeight, staticScale, maskBits;
    int64_t outFeatures;
  };

  static Tensors forward(const Operands& o) { return {mixExperts(checkedMixture(o))}; }

  static Tensors backward(const Operands& o, const Tensor& gradOutput, const std::vector<bool>& needs) {
    const ExpertMixture mixture = checkedMixture(o);
    checkTensor(name, "the gradient of the output must be", gradOutput, {o.tokens.size(0), o.outFeatures},
                o.tokens.scalar_type());
    const auto g =
        mixExpertsBackward(mixture, gradOutput.contiguous(), {needs[0], needs[3], needs[5], needs[6], needs[7]});
    return {g.tokens,       Tensor(),
            g.gates,        g.bank,
            g.biasBank,     gradientLike(o.scale, g.scale),
            g.staticWeight, gradientLike(o.staticScale, g.staticScale)};
  }

 private:
  static ExpertMixture checkedMixture(const Operands& o) {
    const Check check{name};
    constexpr int64_t most = std::numeric_limits<int32_t>::max();
    const auto dtype = o.tokens.scalar_type();
    check(o.tokens.dim() == 2 && o.tokens.size(1) > 0 && o.tokens.size(1) <= most,
          "the tokens must be [tokens, in], got ", o.tokens.sizes());
    check(o.tokens.device().is_cpu(), "CPU tensors only, got ", o.tokens.device());
    check(o.outFeatures > 0 && o.outFeatures <= most, "out_features must be positive, got ", o.outFeatures);
    check(o.experts.dim() == 2 && o.experts.size(0) == o.tokens.size(0) && o.experts.size(1) > 0,
          "the experts must be [", o.tokens.size(0), ", k], got ", o.experts.sizes());
    check(o.experts.scalar_type() == at::kLong && o.experts.device().is_cpu(),
          "the experts must be int64 on the CPU, got ", o.experts.scalar_type(), " on ", o.experts.device());
    check(o.experts.numel() <= most / 256, "too many tokens: ", o.experts.sizes());
    checkTensor(name, "the weights must be", o.weights, o.experts.sizes(), dtype);
    ExpertMixture mixture;
    mixture.tokens = o.tokens.contiguous();
    mixture.experts = o.experts.contiguous();
    mixture.gates = o.weights.contiguous();
    mixture.weights = checkedWeights(name, {o.bank, o.staticWeight, o.staticScale, o.maskBits},
                                     {o.outFeatures, o.tokens.size(1)}, dtype);
    mixture.scale = checkedScale(name, "scale", o.scale, dtype);
    mixture.outFeatures = o.outFeatures;
    const int64_t numExperts = mixture.weights.numKernels();
    if (o.biasBank.defined()) {
      checkTensor(name, "the bias bank must be", o.biasBank, {numExperts, o.outFeatures}, dtype);
      mixture.biasBank = o.biasBank.contiguous();
    }
    const auto* expert = mixture.experts.data_ptr<int64_t>();
    for (int64_t i = 0; i < mixture.experts.numel(); i++)
      check(expert[i] >= 0 && expert[i] < numExperts, "there is no expert ", expert[i], " of ", numExperts);
    return mixture;
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet, library) { defineWithGradient<FusedExperts>(library); }

}  // namespace padnet
