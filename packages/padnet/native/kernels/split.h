#pragma once

#include <algorithm>
#include <cstdint>

namespace padnet {

/// Sizes of parts as equal as can be, none above `most`.
struct Split {
  int64_t total, count, size;
  Split(int64_t all, int64_t most)
      : total(all), count(std::max<int64_t>(1, (all + most - 1) / most)), size((all + count - 1) / count) {
    count = std::max<int64_t>(1, (all + size - 1) / std::max<int64_t>(1, size));
  }
  int64_t begin(int64_t part) const { return part * size; }
  int64_t length(int64_t part) const { return std::min(size, total - part * size); }
};

}  // namespace padnet
