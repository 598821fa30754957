// A mixture of experts (method.md §1, §2) by its tensors: what each expert has of its own, what all share, and biases.
#pragma once

#include <ATen/ATen.h>

#include "kernels/partialWeights.h"

namespace padnet {

/// Tensors are contiguous.
struct ExpertMixture {
  at::Tensor tokens;       // x [tokens, in]
  at::Tensor experts;      // those chosen, int64 [tokens, k]
  at::Tensor gates;        // w [tokens, k]
  PartialWeights weights;  // of [out, in]
  at::Tensor biasBank;     // [E, out]; undefined for none
  double scale = 1;        // λ_d
  int64_t outFeatures = 0;

  int64_t inFeatures() const { return tokens.size(1); }
};

/// Which gradients are needed, beside those of gates and scales.
struct ExpertMixtureNeeds {
  bool tokens, bank, scale, staticWeight, staticScale;
};

struct ExpertMixtureGradients {
  at::Tensor tokens, gates, bank, biasBank, staticWeight;
  double scale = 0, staticScale = 0;
};

/// y_t = Σ_i w_ti · (λ_d M ⊙ W_i x_t + λ_s (1 − M) ⊙ W_s x_t + b_i) [tokens, out]
at::Tensor mixExperts(const ExpertMixture& mixture);

ExpertMixtureGradients mixExpertsBackward(const ExpertMixture& mixture, const at::Tensor& gradOutput,
                                          const ExpertMixtureNeeds& needs);

}  // namespace padnet
