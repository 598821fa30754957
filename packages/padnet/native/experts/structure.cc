#include "experts/structure.h"

#include <cstring>

namespace padnet {

Structure structureOf(const PartialWeights& weights, int64_t rows, int64_t columns) {
  if (!weights.ranks) return Structure::Whole;
  const Ranks& ranks = *weights.ranks;
  const auto* bits = weights.maskBits.data_ptr<uint8_t>();
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

Lines::Lines(const uint8_t* mask, int64_t count, int64_t stride) : bits((count + 7) / 8), count(count) {
  for (int64_t i = 0; i < count; i++)
    if (bitAt(mask, i * stride)) {
      bits[i >> 3] |= uint8_t(1 << (i & 7));
      numDynamic++;
    }
}

}  // namespace padnet
