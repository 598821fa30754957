// The weights of a dynamic or partial layer (method.md §1, §2), and where a mask's entries stand in them.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/kernels.h"

namespace padnet {

inline bool bitAt(const uint8_t* bits, int64_t index) { return (bits[index >> 3] >> (index & 7)) & 1; }

/// How many bits are set before a bit: finds an entry of the mask in the compact bank.
class Ranks {
 public:
  Ranks(const uint8_t* bits, int64_t size) : bits_(bits) {
    const int64_t numBytes = (size + 7) / 8;
    chunks_.reserve(numBytes / chunkBytes + 1);
    int64_t sum = 0;
    for (int64_t byte = 0; byte < numBytes; byte += chunkBytes) {
      chunks_.push_back(sum);
      sum += kernels<float>().countBits(bits + byte, std::min(chunkBytes, numBytes - byte));
    }
    chunks_.push_back(sum);
  }

  /// Set bits in [0, index).
  int64_t before(int64_t index) const {
    const int64_t byte = index / 8, chunk = byte / chunkBytes;
    int64_t sum = chunks_[chunk] + kernels<float>().countBits(bits_ + chunk * chunkBytes, byte - chunk * chunkBytes);
    if (index % 8 != 0) sum += __builtin_popcount(bits_[byte] & ((1u << (index % 8)) - 1));
    return sum;
  }

 private:
  static constexpr int64_t chunkBytes = 64;
  const uint8_t* bits_;
  std::vector<int64_t> chunks_;  // bits before each
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
