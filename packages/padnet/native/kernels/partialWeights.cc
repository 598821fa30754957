#include "kernels/partialWeights.h"

#include <algorithm>

#include "kernels/kernels.h"

namespace padnet {

Ranks::Ranks(const uint8_t* bits, int64_t size) : bits_(bits) {
  const int64_t numBytes = (size + 7) / 8;
  chunks_.reserve(numBytes / chunkBytes + 1);
  int64_t sum = 0;
  for (int64_t byte = 0; byte < numBytes; byte += chunkBytes) {
    chunks_.push_back(sum);
    sum += kernels<float>().countBits(bits + byte, std::min(chunkBytes, numBytes - byte));
  }
  chunks_.push_back(sum);
}

int64_t Ranks::before(int64_t index) const {
  const int64_t byte = index / 8, chunk = byte / chunkBytes;
  int64_t sum = chunks_[chunk] + kernels<float>().countBits(bits_ + chunk * chunkBytes, byte - chunk * chunkBytes);
  if (index % 8 != 0) sum += __builtin_popcount(bits_[byte] & ((1u << (index % 8)) - 1));
  return sum;
}

}  // namespace padnet
