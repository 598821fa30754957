#include "weights.h"

#include <cstring>
#include <numeric>

namespace padnet {

Ranks::Ranks(const uint8_t* bits, int64_t size) : bits_(bits) {
  const int64_t numBytes = (size + 7) / 8;
  chunks_.reserve(numBytes / chunkBytes + 1);
  int64_t sum = 0;
  for (int64_t byte = 0; byte < numBytes; byte += chunkBytes) {
    chunks_.push_back(sum);
    const int64_t count = std::min(chunkBytes, numBytes - byte);
    for (int64_t i = 0; i < count; i++) sum += __builtin_popcount(bits[byte + i]);
  }
  chunks_.push_back(sum);
}

int64_t Ranks::before(int64_t index) const {
  int64_t byte = index / 8 / chunkBytes * chunkBytes, sum = chunks_[byte / chunkBytes];
  for (; byte + 8 <= index / 8; byte += 8) {
    uint64_t word;
    std::memcpy(&word, bits_ + byte, 8);
    sum += __builtin_popcountll(word);
  }
  for (; byte < index / 8; byte++) sum += __builtin_popcount(bits_[byte]);
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
