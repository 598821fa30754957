// The inner loops, compiled once for every instruction set and chosen at run time. All else is ordinary C++ around
// them.
#pragma once

#include <cstdint>

namespace padnet {

/// Where one step of a product reads: elements beyond the base of a row of `a`, and beyond `b`.
struct Step {
  int32_t a, b;
};

/// c[row] (+)= Σ_step a[row][step] · b[step], `rows` rows (at most `maxRows`) of one tile's width.
template <class T>
struct Product {
  const T* a;
  const int64_t* aRows;  // elements from `a` to each row
  const T* b;            // one tile's width is contiguous at every step
  const Step* steps;
  int64_t numSteps;
  T* c;
  const int64_t* cRows;  // elements from `c` to each row
  bool accumulate;
};

/// Steps from one row of a panel to the next; a product has at most so many where steps of a row lie side by side.
constexpr int64_t panelSteps = 256;

/// c[row] (+)= Σ_step a(row, step) · b[step · width …] of operands that are packed for it: a panel of at most maxRows
/// rows and one tile.
template <class T>
struct PanelProduct {
  const T* a;  // [maxRows, panelSteps], or [step, maxRows] with `stepsFirst`
  const T* b;  // [step, width]; width is two vectors
  int64_t numSteps;
  T* c;
  const int64_t* cRows;  // elements from `c` to each row
  bool accumulate;
  bool stepsFirst;
};

/// The kernels of one instruction set. A tile is as wide as one or two vectors.
template <class T>
struct Kernels {
  int64_t vector;   // elements in a vector register
  int64_t maxRows;  // of one product
  /// `vectors` is 1 or 2: the width of `b` and `c` in vectors.
  void (*product)(const Product<T>&, int64_t rows, int64_t vectors);
  /// `vectors` is how many of a tile's two are needed.
  void (*panelProduct)(const PanelProduct<T>&, int64_t rows, int64_t vectors);
  /// out = base + Σ_k coefficients[k] · bank[k · stride …]; `base` may be null.
  void (*mix)(T* out, const T* base, const T* bank, int64_t stride, const T* coefficients, int64_t numKernels,
              int64_t size);
  /// out += Σ_b weights[b · weightStride] · in[b · stride …]
  void (*weighedSum)(T* out, const T* in, int64_t stride, const T* weights, int64_t weightStride, int64_t count,
                     int64_t size);
  /// dots[b · numKernels + k] += bank[k · bankStride …] · in[b · stride …]
  void (*dots)(T* dots, const T* bank, int64_t bankStride, int64_t numKernels, const T* in, int64_t stride,
               int64_t count, int64_t size);
  /// out[step · width + lane] = rows[lane · rowStride + step], zero for lanes from `lanes` on.
  void (*pack)(T* out, int64_t width, const T* rows, int64_t rowStride, int64_t lanes, int64_t steps);
  /// A row in tiles two vectors wide, `stride` apart: out[i / width · stride + i % width] = factor · row[i]. The last
  /// tile is filled up with zeros.
  void (*spread)(T* out, int64_t stride, const T* row, T factor, int64_t size);
  /// The same in panels of maxRows, without zeros: out[i / maxRows · stride + i % maxRows] = row[i].
  void (*panels)(T* out, int64_t stride, const T* row, int64_t size);
  /// The reverse of `pack`.
  void (*unpack)(T* rows, int64_t rowStride, const T* in, int64_t width, int64_t lanes, int64_t steps);
  /// out[i] = bit `first + i` of `bits` is `value` ? next element of `in` : 0. Returns the elements taken.
  int64_t (*expand)(T* out, const T* in, const uint8_t* bits, int64_t first, int64_t size, bool value);
  /// The reverse: elements of `in` whose bit is `value`, one after another. Returns how many.
  int64_t (*compress)(T* out, const T* in, const uint8_t* bits, int64_t first, int64_t size, bool value);
  /// out[i] = bit `first + i` of `bits` ? ones' next element · onesScale : zeros' next element · zerosScale. Returns
  /// the elements of `ones` taken.
  int64_t (*merge)(T* out, const T* ones, T onesScale, const T* zeros, T zerosScale, const uint8_t* bits, int64_t first,
                   int64_t size);
  /// out[i] = bit `first + i` of `bits` ? Σ_k coefficients[k] · next element from bank + entries[k] on : base[i].
  /// `available` elements of each entry may be read. Returns the elements taken.
  int64_t (*mixOver)(T* out, const T* base, const T* bank, const int64_t* entries, const T* coefficients,
                     int64_t numEntries, const uint8_t* bits, int64_t first, int64_t size, int64_t available);
  /// Bits that are set.
  int64_t (*countBits)(const uint8_t* bits, int64_t numBytes);
  /// Σ_i a[i] · b[i]
  T (*dot)(const T* a, const T* b, int64_t size);
  /// out = clamp(out + shift + residual, least, most); `residual` may be null.
  void (*finish)(T* out, const T* shift, const T* residual, T least, T most, int64_t size);
  /// Depth-wise: out[c] = Σ_step a[steps[step].a + c] · b[steps[step].b + c] for `channels` channels.
  void (*depthwise)(T* out, const T* a, const T* b, const Step* steps, int64_t numSteps, int64_t channels,
                    bool accumulate);
};

/// The best kernels that this processor runs; PADNET_ISA=avx512|avx2|portable asks for others.
template <class T>
const Kernels<T>& kernels();

}  // namespace padnet
