#include "convolution/weights.h"

#include <algorithm>
#include <numeric>

namespace padnet {

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
