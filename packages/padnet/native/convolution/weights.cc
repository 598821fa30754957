#include "convolution/weights.h"

#include <numeric>

namespace padnet {

Ranks::Ranks(const uint8_t* bits, int64_t size) : bits_(bits) {
  const int64_t numBytes = (size + 7) / 8;
  chunks_.reserve(numBytes / chunkBytes + 1);
  int64_t sum = 0;
  for (int64_t byte = 0; byte < numBytes; byte += chunkBytes) {
    chunks_.push_back(sum);
    const int64_t count = std::min(chunkBytes, numBytes - byte);
    sum += kernels<float>().countBits(bits + byte, count);
  }
  chunks_.push_back(sum);
}

int64_t Ranks::before(int64_t index) const {
  const int64_t chunk = index / 8 / chunkBytes, byte = index / 8;
  int64_t sum = chunks_[chunk] + kernels<float>().countBits(bits_ + chunk * chunkBytes, byte - chunk * chunkBytes);
  if (index % 8 != 0) sum += __builtin_popcount(bits_[byte] & ((1u << (index % 8)) - 1));
  return sum;
}

std::vector<int64_t> rowOrder(const Ranks* ranks, int64_t groups, int64_t numRows, int64_t rowSize) {
  std::vector<int64_t> order(numRows);
  std::iota(order.begin(), order.end(), 0);
  if (!ranks) return order;
  const auto isDynamic = [&](int64_t row) { return ranks->before((row + 1) * rowSize) > ranks->before(row * rowSize); };
  const int64_t groupRows = groups == 0 ? 0 : numRows / groups;
  for (int64_t g = 0; g < groups; g++)
    std::stable_partition(order.begin() + g * groupRows, order.begin() + (g + 1) * groupRows, isDynamic);
  return order;
}

}  // namespace padnet
