// Moves numbers between a row and its compact form, where a mask's bits say which of the row's are kept.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vectors.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace padnet::PADNET_ISA {
namespace {

/// `size` bits from `index` on, at most `block`, turned round if not `value`; those from `size` on are 0.
template <int64_t block>
inline uint32_t bitsAt(const uint8_t* bits, int64_t index, int64_t size, bool value) {
  uint64_t found = 0;
  bits += index >> 3;
  if (block % 8 == 0 && (index & 7) == 0 && size == block) {
    for (int64_t byte = 0; byte < block / 8; byte++) found |= uint64_t{bits[byte]} << 8 * byte;
  } else {
    for (int64_t byte = 0; 8 * byte < (index & 7) + size; byte++) found |= uint64_t{bits[byte]} << 8 * byte;
    found >>= index & 7;
  }
  if (!value) found = ~found;
  return uint32_t(found & ((uint64_t{1} << size) - 1));
}

#if defined(__AVX2__)
// In registers, for a load that is expanded in memory takes several times as long. Lanes from `count` on are neither
// read nor written: they may be outside the tensor, or another thread's.
#if defined(__AVX512F__)
inline __m512 loadFirst(const float* at, int count) { return _mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), at); }
inline __m512d loadFirst(const double* at, int count) { return _mm512_maskz_loadu_pd(__mmask8((1u << count) - 1), at); }
inline void storeFirst(float* at, __m512 value, int count) {
  _mm512_mask_storeu_ps(at, __mmask16((1u << count) - 1), value);
}
inline void storeFirst(double* at, __m512d value, int count) {
  _mm512_mask_storeu_pd(at, __mmask8((1u << count) - 1), value);
}
/// The first lanes of `from` to the lanes of `found`; the others are those of `base`.
inline __m512 expandOver(__m512 base, __m512 from, uint32_t found) {
  return _mm512_mask_expand_ps(base, __mmask16(found), from);
}
inline __m512d expandOver(__m512d base, __m512d from, uint32_t found) {
  return _mm512_mask_expand_pd(base, __mmask8(found), from);
}
/// The lanes of `found` first.
inline __m512 compressed(__m512 from, uint32_t found) { return _mm512_maskz_compress_ps(__mmask16(found), from); }
inline __m512d compressed(__m512d from, uint32_t found) { return _mm512_maskz_compress_pd(__mmask8(found), from); }
#else
/// For eight bits that select words of 32 bits: which word goes to each place, −1 for none.
struct Moves {
  int8_t expand[256][8], compress[256][8];
};
constexpr Moves allMoves() {
  Moves moves{};
  for (int found = 0; found < 256; found++) {
    int8_t count = 0;
    for (int8_t lane = 0; lane < 8; lane++) {
      const bool isFound = (found >> lane) & 1;
      moves.expand[found][lane] = isFound ? count : int8_t{-1};
      if (isFound) moves.compress[found][count++] = lane;
    }
  }
  return moves;
}
constexpr Moves moves = allMoves();
inline __m256i wordsOf(const int8_t* move) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(move)));
}
/// Each of four bits twice: doubles are moved as two words.
inline uint32_t twice(uint32_t found) {
  found = (found | found << 2) & 0x33;
  return ((found | found << 1) & 0x55) * 3;
}
inline __m256i firstWords(int count) {
  alignas(32) static constexpr int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(window + 8 - count));
}
inline __m256 loadFirst(const float* at, int count) { return _mm256_maskload_ps(at, firstWords(count)); }
inline __m256d loadFirst(const double* at, int count) { return _mm256_maskload_pd(at, firstWords(2 * count)); }
inline void storeFirst(float* at, __m256 value, int count) { _mm256_maskstore_ps(at, firstWords(count), value); }
inline void storeFirst(double* at, __m256d value, int count) { _mm256_maskstore_pd(at, firstWords(2 * count), value); }
/// The first lanes of `from` to the lanes of `found`; the others are those of `base`.
inline __m256 expandOver(__m256 base, __m256 from, uint32_t found) {
  const __m256i words = wordsOf(moves.expand[found]);
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(from, words), base, _mm256_castsi256_ps(words));
}
inline __m256d expandOver(__m256d base, __m256d from, uint32_t found) {
  return _mm256_castps_pd(expandOver(_mm256_castpd_ps(base), _mm256_castpd_ps(from), twice(found)));
}
/// The lanes of `found` first.
inline __m256 compressed(__m256 from, uint32_t found) {
  return _mm256_permutevar8x32_ps(from, wordsOf(moves.compress[found]));
}
inline __m256d compressed(__m256d from, uint32_t found) {
  return _mm256_castps_pd(compressed(_mm256_castpd_ps(from), twice(found)));
}
#endif

/// All lanes: masked stores are slow on some processors, so that the mask is left out where it selects everything.
template <class T>
inline void storeLanes(T* at, Vector<T> value, int64_t count) {
  if (count == lanes<T>) {
    store(at, value);
  } else {
    storeFirst(at, value, int(count));
  }
}

/// Calls step(index, count) for each vector of a row; that `count` is all lanes is known when `step` is compiled, but
/// for the last.
template <class T, class Step>
inline void forEachVector(int64_t size, const Step& step) {
  int64_t i = 0;
  for (; i + lanes<T> <= size; i += lanes<T>) step(i, lanes<T>);
  if (i < size) step(i, size - i);
}

template <class T>
int64_t expand(T* out, const T* in, const uint8_t* bits, int64_t first, int64_t size, bool value) {
  int64_t taken = 0;
  forEachVector<T>(
      size, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const uint32_t found = bitsAt<lanes<T>>(bits, first + i, count, value);
        const int numFound = __builtin_popcount(found);
        const auto from = loadFirst(in + taken, numFound);
        storeLanes<T>(out + i, expandOver(decltype(from){}, from, found), count);
        taken += numFound;
      });
  return taken;
}
template <class T>
int64_t compress(T* out, const T* in, const uint8_t* bits, int64_t first, int64_t size, bool value) {
  // What a whole vector writes too much is written again by the next one, as long as there is room for it.
  int64_t room = 0;
  for (int64_t i = 0; i < size; i += 32)
    room += __builtin_popcount(bitsAt<32>(bits, first + i, std::min<int64_t>(32, size - i), value));
  int64_t put = 0;
  forEachVector<T>(
      size, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const uint32_t found = bitsAt<lanes<T>>(bits, first + i, count, value);
        const int numFound = __builtin_popcount(found);
        const auto kept =
            compressed(count == lanes<T> ? load(in + i) : Vector<T>(loadFirst(in + i, int(count))), found);
        storeLanes<T>(out + put, kept, put + lanes<T> <= room ? lanes<T> : numFound);
        put += numFound;
      });
  return put;
}
template <class T>
int64_t merge(T* out, const T* ones, T onesScale, const T* zeros, T zerosScale, const uint8_t* bits, int64_t first,
              int64_t size) {
  int64_t taken = 0;
  forEachVector<T>(
      size, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const uint32_t found = bitsAt<lanes<T>>(bits, first + i, count, true), others = ~found & ((1u << count) - 1);
        const int numFound = __builtin_popcount(found);
        const auto one = loadFirst(ones + taken, numFound) * onesScale;
        const auto zero = loadFirst(zeros + i - taken, int(count) - numFound) * zerosScale;
        storeLanes<T>(out + i, expandOver(expandOver(zero, zero, others), one, found), count);
        taken += numFound;
      });
  return taken;
}
template <class T>
int64_t mixOver(T* out, const T* base, const T* bank, const int64_t* entries, const T* coefficients, int64_t numEntries,
                const uint8_t* bits, int64_t first, int64_t size, int64_t available) {
  int64_t taken = 0;
  forEachVector<T>(
      size, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const uint32_t found = bitsAt<lanes<T>>(bits, first + i, count, true);
        const int numFound = __builtin_popcount(found);
        Vector<T> sum{};
        const T* from = bank + taken;
        if (taken + lanes<T> <= available) {
          for (int64_t k = 0; k < numEntries; k++) sum += coefficients[k] * load(from + entries[k]);
        } else {
          for (int64_t k = 0; k < numEntries; k++)
            sum += coefficients[k] * Vector<T>(loadFirst(from + entries[k], numFound));
        }
        const Vector<T> under = count == lanes<T> ? load(base + i) : Vector<T>(loadFirst(base + i, int(count)));
        storeLanes<T>(out + i, expandOver(under, sum, found), count);
        taken += numFound;
      });
  return taken;
}
#else
/// Calls use(index) for each of `size` bits that is `value`, in order: 32 bits at a time, for a branch at every bit is
/// foretold wrongly half of the time.
template <class Use>
void forEachBit(const uint8_t* bits, int64_t first, int64_t size, bool value, const Use& use) {
  constexpr int64_t block = 32;
  for (int64_t i = 0; i < size; i += block)
    for (uint32_t found = bitsAt<block>(bits, first + i, std::min(block, size - i), value); found != 0;
         found &= found - 1)
      use(i + __builtin_ctz(found));
}
template <class T>
int64_t expand(T* out, const T* in, const uint8_t* bits, int64_t first, int64_t size, bool value) {
  std::fill(out, out + size, T{0});
  int64_t taken = 0;
  forEachBit(bits, first, size, value, [&](int64_t i) { out[i] = in[taken++]; });
  return taken;
}
template <class T>
int64_t compress(T* out, const T* in, const uint8_t* bits, int64_t first, int64_t size, bool value) {
  int64_t put = 0;
  forEachBit(bits, first, size, value, [&](int64_t i) { out[put++] = in[i]; });
  return put;
}
template <class T>
int64_t merge(T* out, const T* ones, T onesScale, const T* zeros, T zerosScale, const uint8_t* bits, int64_t first,
              int64_t size) {
  int64_t taken = 0, left = 0;
  forEachBit(bits, first, size, true, [&](int64_t i) { out[i] = ones[taken++] * onesScale; });
  forEachBit(bits, first, size, false, [&](int64_t i) { out[i] = zeros[left++] * zerosScale; });
  return taken;
}
template <class T>
int64_t mixOver(T* out, const T* base, const T* bank, const int64_t* entries, const T* coefficients, int64_t numEntries,
                const uint8_t* bits, int64_t first, int64_t size, int64_t /*available*/) {
  std::copy(base, base + size, out);
  int64_t taken = 0;
  forEachBit(bits, first, size, true, [&](int64_t i) {
    T sum = 0;
    for (int64_t k = 0; k < numEntries; k++) sum += coefficients[k] * bank[entries[k] + taken];
    out[i] = sum;
    taken++;
  });
  return taken;
}
#endif

}  // namespace
}  // namespace padnet::PADNET_ISA
