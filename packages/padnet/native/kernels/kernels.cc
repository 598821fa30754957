// Compiled once for each instruction set with its flags; PADNET_ISA names the set. Only vector extensions that GCC and
// Clang share are used, except where masks select elements (selection.h).
#include "kernels/kernels.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/selection.h"
#include "kernels/vectors.h"

namespace padnet::PADNET_ISA {
namespace {

template <class T, int rows, int vectors>
void productOf(const Product<T>& p) {
  constexpr int64_t width = lanes<T>;
  Vector<T> sums[rows][vectors];
  const T* a[rows];
  for (int row = 0; row < rows; row++) {
    a[row] = p.a + p.aRows[row];
    for (int v = 0; v < vectors; v++) sums[row][v] = p.accumulate ? load(p.c + p.cRows[row] + v * width) : Vector<T>{};
  }
  for (int64_t step = 0; step < p.numSteps; step++) {
    const int64_t at = p.steps[step].a;
    const T* b = p.b + p.steps[step].b;
    Vector<T> factor[vectors];
    for (int v = 0; v < vectors; v++) factor[v] = load(b + v * width);
#pragma GCC unroll 16
    for (int row = 0; row < rows; row++) {
      const T x = a[row][at];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) sums[row][v] += x * factor[v];
    }
  }
  for (int row = 0; row < rows; row++)
    for (int v = 0; v < vectors; v++) store(p.c + p.cRows[row] + v * width, sums[row][v]);
}

template <class T, int rows, int vectors, bool stepsFirst>
void panelProductOf(const PanelProduct<T>& p) {
  constexpr int64_t width = lanes<T>;
  // What is in `c` comes from far away, and is needed last.
  for (int row = 0; row < rows; row++)
    for (int v = 0; v < vectors; v++) __builtin_prefetch(p.c + p.cRows[row] + v * width, 1);
  Vector<T> sums[rows][vectors];
  for (int row = 0; row < rows; row++)
    for (int v = 0; v < vectors; v++) sums[row][v] = Vector<T>{};
  const T* a = p.a;
  const T* b = p.b;
  for (int64_t step = 0; step < p.numSteps; step++) {
    Vector<T> factor[vectors];
    for (int v = 0; v < vectors; v++) factor[v] = load(b + v * width);
#pragma GCC unroll 16
    for (int row = 0; row < rows; row++) {
      const T x = a[stepsFirst ? row : row * panelSteps];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) sums[row][v] += x * factor[v];
    }
    a += stepsFirst ? maxRows : 1;
    b += 2 * width;
  }
  for (int row = 0; row < rows; row++)
    for (int v = 0; v < vectors; v++) {
      T* c = p.c + p.cRows[row] + v * width;
      store(c, p.accumulate ? load(c) + sums[row][v] : sums[row][v]);
    }
}

// One function for each number of rows and vectors.
template <class T, int... rows>
void choose(const Product<T>& p, int64_t numRows, int64_t vectors, std::integer_sequence<int, rows...>) {
  static constexpr void (*functions[][maxRows])(const Product<T>&) = {
      {productOf<T, rows + 1, 1>...},
      {productOf<T, rows + 1, 2>...},
  };
  functions[vectors - 1][numRows - 1](p);
}
template <class T, int... rows>
void choose(const PanelProduct<T>& p, int64_t numRows, int64_t vectors, std::integer_sequence<int, rows...>) {
  static constexpr void (*functions[][maxRows])(const PanelProduct<T>&) = {
      {panelProductOf<T, rows + 1, 1, false>...},
      {panelProductOf<T, rows + 1, 2, false>...},
      {panelProductOf<T, rows + 1, 1, true>...},
      {panelProductOf<T, rows + 1, 2, true>...},
  };
  functions[2 * p.stepsFirst + vectors - 1][numRows - 1](p);
}
constexpr auto allRows = std::make_integer_sequence<int, int{maxRows}>();
template <class T>
void product(const Product<T>& p, int64_t rows, int64_t vectors) {
  choose(p, rows, vectors, allRows);
}
template <class T>
void panelProduct(const PanelProduct<T>& p, int64_t rows, int64_t vectors) {
  choose(p, rows, vectors, allRows);
}

template <class T, int count>
void mixSome(T* out, const T* base, const T* bank, int64_t stride, const T* coefficients, int64_t size) {
  int64_t i = 0;
  for (; i + lanes<T> <= size; i += lanes<T>) {
    Vector<T> sum = base ? load(base + i) : Vector<T>{};
#pragma GCC unroll 4
    for (int k = 0; k < count; k++) sum += coefficients[k] * load(bank + k * stride + i);
    store(out + i, sum);
  }
  for (; i < size; i++) {
    T sum = base ? base[i] : T{0};
    for (int k = 0; k < count; k++) sum += coefficients[k] * bank[k * stride + i];
    out[i] = sum;
  }
}

template <class T>
void mix(T* out, const T* base, const T* bank, int64_t stride, const T* coefficients, int64_t numKernels,
         int64_t size) {
  if (numKernels == 0 && base) std::copy(base, base + size, out);
  if (numKernels == 0 && !base) std::fill(out, out + size, T{0});
  for (int64_t k = 0; k < numKernels; k += 4) {
    static constexpr decltype(&mixSome<T, 1>) functions[] = {mixSome<T, 1>, mixSome<T, 2>, mixSome<T, 3>,
                                                             mixSome<T, 4>};
    const int64_t count = std::min<int64_t>(4, numKernels - k);
    functions[count - 1](out, k == 0 ? base : out, bank + k * stride, stride, coefficients + k, size);
  }
}

template <class T>
void weighedSum(T* out, const T* in, int64_t stride, const T* weights, int64_t weightStride, int64_t count,
                int64_t size) {
  constexpr int64_t width = lanes<T>;
  int64_t i = 0;
  for (; i + 4 * width <= size; i += 4 * width) {
    Vector<T> sums[4];
    for (int v = 0; v < 4; v++) sums[v] = load(out + i + v * width);
    for (int64_t b = 0; b < count; b++) {
      const T weight = weights[b * weightStride];
      for (int v = 0; v < 4; v++) sums[v] += weight * load(in + b * stride + i + v * width);
    }
    for (int v = 0; v < 4; v++) store(out + i + v * width, sums[v]);
  }
  for (; i < size; i += width) {
    Vector<T> sum = load(out + i);
    for (int64_t b = 0; b < count; b++) sum += weights[b * weightStride] * load(in + b * stride + i);
    store(out + i, sum);
  }
}

template <class T, int rows, int columns>
void dotsOf(T* out, int64_t outStride, const T* bank, int64_t bankStride, const T* in, int64_t stride, int64_t size) {
  Vector<T> sums[rows][columns] = {};
  for (int64_t i = 0; i < size; i += lanes<T>) {
    Vector<T> b[columns];
    for (int k = 0; k < columns; k++) b[k] = load(bank + k * bankStride + i);
    for (int r = 0; r < rows; r++) {
      const Vector<T> x = load(in + r * stride + i);
      for (int k = 0; k < columns; k++) sums[r][k] += x * b[k];
    }
  }
  for (int r = 0; r < rows; r++)
    for (int k = 0; k < columns; k++) {
      T sum = 0;
      for (int64_t lane = 0; lane < lanes<T>; lane++) sum += sums[r][k][lane];
      out[r * outStride + k] += sum;
    }
}

template <class T>
void dots(T* out, const T* bank, int64_t bankStride, int64_t numKernels, const T* in, int64_t stride, int64_t count,
          int64_t size) {
  // Four kernels by two samples are 8 sums: loads and products balance, and they fit the smallest register file.
  for (int64_t b = 0; b < count; b += 2) {
    const bool two = b + 2 <= count;
    for (int64_t k = 0; k < numKernels;) {
      const bool four = numKernels - k >= 4;
      const auto sum = four ? (two ? dotsOf<T, 2, 4> : dotsOf<T, 1, 4>) : (two ? dotsOf<T, 2, 1> : dotsOf<T, 1, 1>);
      sum(out + b * numKernels + k, numKernels, bank + k * bankStride, bankStride, in + b * stride, stride, size);
      k += four ? 4 : 1;
    }
  }
}

/// first[0], second[0], first[1], …: the lower halves of both, or the upper ones from `from` on.
template <int from, class V, int... i>
inline V interleave(V first, V second, std::integer_sequence<int, i...>) {
  constexpr int count = sizeof...(i);
  return __builtin_shufflevector(first, second, (from + i / 2 + i % 2 * count)...);
}

/// out[column · outStride + row] = in[row · inStride + column] for as many rows and columns as a vector has lanes.
template <class T>
void transposeSquare(T* out, int64_t outStride, const T* in, int64_t inStride) {
  constexpr int count = lanes<T>;
  constexpr auto indices = std::make_integer_sequence<int, count>();
  Vector<T> all[count];
#pragma GCC unroll 16
  for (int i = 0; i < count; i++) all[i] = load(in + i * inStride);
#pragma GCC unroll 4
  for (int size = 1; size < count; size *= 2) {
    Vector<T> next[count];
#pragma GCC unroll 8
    for (int i = 0; i < count / 2; i++) {
      next[2 * i] = interleave<0>(all[i], all[i + count / 2], indices);
      next[2 * i + 1] = interleave<count / 2>(all[i], all[i + count / 2], indices);
    }
#pragma GCC unroll 16
    for (int i = 0; i < count; i++) all[i] = next[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < count; i++) store(out + i * outStride, all[i]);
}

/// The same for any number of them.
template <class T>
void transpose(T* out, int64_t outStride, const T* in, int64_t inStride, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; row += lanes<T>)
    for (int64_t column = 0; column < columns; column += lanes<T>) {
      if (row + lanes<T> <= rows && column + lanes<T> <= columns) {
        transposeSquare(out + column * outStride + row, outStride, in + row * inStride + column, inStride);
        continue;
      }
      const int64_t rowEnd = std::min(rows, row + lanes<T>), columnEnd = std::min(columns, column + lanes<T>);
      for (int64_t c = column; c < columnEnd; c++)
        for (int64_t r = row; r < rowEnd; r++) out[c * outStride + r] = in[r * inStride + c];
    }
}

template <class T>
void pack(T* out, int64_t width, const T* rows, int64_t rowStride, int64_t count, int64_t steps) {
  if (count < width) std::fill(out, out + steps * width, T{0});
  transpose(out, width, rows, rowStride, count, steps);
}

template <class T>
void unpack(T* rows, int64_t rowStride, const T* in, int64_t width, int64_t count, int64_t steps) {
  transpose(rows, rowStride, in, width, steps, count);
}

template <class T>
void spread(T* out, int64_t stride, const T* row, T factor, int64_t size) {
  constexpr int64_t width = 2 * lanes<T>;
  int64_t i = 0;
  for (; i + width <= size; i += width, out += stride) {
    store(out, factor * load(row + i));
    store(out + lanes<T>, factor * load(row + i + lanes<T>));
  }
  if (i == size) return;
  for (int64_t lane = 0; lane < width; lane++) out[lane] = i + lane < size ? factor * row[i + lane] : T{0};
}

template <class T>
void panels(T* out, int64_t stride, const T* row, int64_t size) {
  int64_t i = 0;
  for (; i + maxRows <= size; i += maxRows, out += stride) std::memcpy(out, row + i, maxRows * sizeof(T));
  for (; i < size; i++) *out++ = row[i];
}

int64_t countBits(const uint8_t* bits, int64_t numBytes) {
  int64_t count = 0, byte = 0;
  for (; byte + 8 <= numBytes; byte += 8) {
    uint64_t word;
    std::memcpy(&word, bits + byte, 8);
    count += __builtin_popcountll(word);
  }
  for (; byte < numBytes; byte++) count += __builtin_popcount(bits[byte]);
  return count;
}

template <class T>
T dot(const T* a, const T* b, int64_t size) {
  constexpr int64_t width = lanes<T>;
  Vector<T> sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * width <= size; i += 4 * width)
    for (int64_t v = 0; v < 4; v++) sums[v] += load(a + i + v * width) * load(b + i + v * width);
  for (; i + width <= size; i += width) sums[0] += load(a + i) * load(b + i);
  const Vector<T> sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  T total = 0;
  for (int64_t lane = 0; lane < width; lane++) total += sum[lane];
  for (; i < size; i++) total += a[i] * b[i];
  return total;
}

template <class T>
void finish(T* out, const T* shift, const T* residual, T least, T most, int64_t size) {
  for (int64_t i = 0; i < size; i++) {
    T value = out[i] + shift[i];
    if (residual) value += residual[i];
    value = least > value ? least : value;  // NaN stays
    out[i] = most < value ? most : value;
  }
}

template <class T>
void depthwise(T* out, const T* a, const T* b, const Step* steps, int64_t numSteps, int64_t channels, bool accumulate) {
  int64_t c = 0;
  for (; c + lanes<T> <= channels; c += lanes<T>) {
    Vector<T> sum = accumulate ? load(out + c) : Vector<T>{};
    for (int64_t step = 0; step < numSteps; step++) sum += load(a + steps[step].a + c) * load(b + steps[step].b + c);
    store(out + c, sum);
  }
  for (; c < channels; c++) {
    T sum = accumulate ? out[c] : T{0};
    for (int64_t step = 0; step < numSteps; step++) sum += a[steps[step].a + c] * b[steps[step].b + c];
    out[c] = sum;
  }
}

template <class T>
constexpr Kernels<T> table() {
  return {lanes<T>,   maxRows,   product<T>, panelProduct<T>, mix<T>,      weighedSum<T>, dots<T>,
          pack<T>,    spread<T>, panels<T>,  unpack<T>,       expand<T>,   compress<T>,   merge<T>,
          mixOver<T>, countBits, dot<T>,     finish<T>,       depthwise<T>};
}

}  // namespace

extern const Kernels<float> floatKernels;
extern const Kernels<double> doubleKernels;
const Kernels<float> floatKernels = table<float>();
const Kernels<double> doubleKernels = table<double>();

}  // namespace padnet::PADNET_ISA
