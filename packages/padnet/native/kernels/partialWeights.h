// The weights of a dynamic or partial layer (method.md §1, §2), and where a mask's entries stand in them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace padnet {

inline bool bitAt(const uint8_t* bits, int64_t index) { return (bits[index >> 3] >> (index & 7)) & 1; }

/// How many bits are set before a bit: finds an entry of the mask in the compact bank.
class Ranks {
 public:
  Ranks(const uint8_t* bits, int64_t size);
  /// Set bits in [0, index).
  int64_t before(int64_t index) const;

 private:
  static constexpr int64_t chunkBytes = 64;
  const uint8_t* bits_;
  std::vector<int64_t> chunks_;
};

/// A whole bank; or, of every entry, those numbers that are dynamic, beside the static ones that all entries share.
/// Tensors are contiguous.
struct PartialWeights {
  at::Tensor bank;          // Θ [K, …shape], or [K, d] with a mask
  at::Tensor staticWeight;  // Θ_s [n − d]; undefined without a mask
  at::Tensor maskBits;      // one an entry, set where it is dynamic; undefined where all are
  double staticScale = 1;   // λ_s
  std::optional<Ranks> ranks;

  int64_t numKernels() const { return bank.size(0); }
};

}  // namespace padnet
