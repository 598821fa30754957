// Moves numbers between a row and its compact form, where a mask's bits say which of the row's are kept.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/vectors.h"

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
/// How many of `size` bits from `first` on are `value`.
inline int64_t countOf(const uint8_t* bits, int64_t first, int64_t size, bool value) {
  constexpr int64_t block = 32;
  int64_t count = 0;
  for (int64_t i = 0; i < size; i += block)
    count += __builtin_popcount(bitsAt<block>(bits, first + i, std::min(block, size - i), value));
  return count;
}

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

/// The first `count` lanes; others may be anything where `room` elements can be read. Where memory is far away, a
/// masked load takes twice as long as a whole one on some processors.
template <class T>
inline auto loadSome(const T* at, int count, int64_t room) {
  using V = decltype(loadFirst(at, count));
  if (room < lanes<T>) return loadFirst(at, count);
  return (V)load(at);
}
/// Whole vectors are stored as such, which is far cheaper than by a mask on some processors.
template <class T, class V>
inline void storeSome(T* at, V value, int64_t count) {
  if (count == lanes<T>) {
    store(at, (Vector<T>)value);
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
        storeSome(out + i, expandOver(decltype(from){}, from, found), count);
        taken += numFound;
      });
  return taken;
}
template <class T>
int64_t compress(T* out, const T* in, const uint8_t* bits, int64_t first, int64_t size, bool value) {
  int64_t put = 0;
  const int64_t total = countOf(bits, first, size, value);
  forEachVector<T>(
      size, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const uint32_t found = bitsAt<lanes<T>>(bits, first + i, count, value);
        const int numFound = __builtin_popcount(found);
        const auto values = compressed(loadSome(in + i, int(count), count), found);
        // What is too many is overwritten by the next ones.
        storeSome(out + put, values, put + lanes<T> <= total ? lanes<T> : numFound);
        put += numFound;
      });
  return put;
}
template <class T>
int64_t merge(T* out, const T* ones, T onesScale, const T* zeros, T zerosScale, const uint8_t* bits, int64_t first,
              int64_t size) {
  int64_t taken = 0;
  const int64_t numOnes = countOf(bits, first, size, true);
  forEachVector<T>(
      size, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const uint32_t found = bitsAt<lanes<T>>(bits, first + i, count, true), others = ~found & ((1u << count) - 1);
        const int numFound = __builtin_popcount(found);
        const auto one = loadSome(ones + taken, numFound, numOnes - taken) * onesScale;
        const auto zero = loadSome(zeros + i - taken, int(count) - numFound, size - numOnes - (i - taken)) * zerosScale;
        storeSome(out + i, expandOver(expandOver(zero, zero, others), one, found), count);
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
        for (int64_t k = 0; k < numEntries; k++)
          sum += coefficients[k] * Vector<T>(loadSome(from + entries[k], numFound, available - taken));
        storeSome(out + i, expandOver(loadSome(base + i, int(count), count), sum, found), count);
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
