// A batch of maps with borders of zeros, in blocks of channels: [batch, block, paddedHeight × paddedWidth, blockSize].
// The channels that an inner product walks over lie side by side, and those of neighbouring positions in other cache
// sets.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "convolution/convolution.h"
#include "kernels/scratch.h"

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

/// Memory that is needed next: brought nearer while the processor computes.
struct Upcoming {
  const void* data;
  int64_t bytes;

  void fetch(int64_t part = 0, int64_t numParts = 1) const {
    constexpr int64_t line = 64;
    const int64_t before = int64_t(reinterpret_cast<uintptr_t>(data) % line);
    const int64_t numLines = (before + bytes + line - 1) / line;
    const char* first = static_cast<const char*>(data) - before;
    for (int64_t i = numLines * part / numParts; i < numLines * (part + 1) / numParts; i++)
      __builtin_prefetch(first + i * line, 0, 2);
  }
};

struct Borders {
  int64_t top, bottom, left, right;
};

/// `order`, where given, says which channel stands at each place.
template <class T>
class BlockedMaps {
 public:
  static constexpr int64_t mostChannels = 64;

  BlockedMaps(const Maps<T>& maps, int64_t batch, int64_t channels, int64_t groups, int64_t height, int64_t width,
              const Borders& borders, int64_t most = mostChannels, const int64_t* order = nullptr)
      : blocks(channels / groups, most),
        paddedWidth(width + borders.left + borders.right),
        paddedHeight(height + borders.top + borders.bottom),
        groups_(groups),
        data_(batch * groups * blocks.count * paddedHeight * paddedWidth * blocks.size) {
    const int64_t blockCount = groups * blocks.count, groupChannels = channels / groups;
    at::parallel_for(0, batch * blockCount, 1, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; item++) {
        const int64_t sample = item / blockCount, group = item % blockCount / blocks.count, part = item % blocks.count;
        const int64_t first = group * groupChannels + blocks.begin(part);
        const T* from = maps.data + sample * maps.batchStride;
        const int64_t* channels = order ? order + first : nullptr;
        T* to = data_.get() + item * blockStride();
        const auto zeros = [&](int64_t begin, int64_t end) {
          std::fill(to + begin * blocks.size, to + end * blocks.size, T{0});
        };
        zeros(0, borders.top * paddedWidth);
        for (int64_t h = 0; h < height; h++) {
          const int64_t row = (h + borders.top) * paddedWidth;
          zeros(row, row + borders.left);
          T* rowTo = to + (row + borders.left) * blocks.size;
          const T* rowFrom = from + h * maps.rowStride;
          if (channels) {
            pickRow(rowTo, rowFrom, maps, width, channels, blocks.length(part));
          } else {
            copyRow(rowTo, rowFrom + first * maps.channelStride, maps, width, blocks.length(part));
          }
          zeros(row + borders.left + width, row + paddedWidth);
        }
        zeros((borders.top + height) * paddedWidth, paddedHeight * paddedWidth);
      }
    });
  }

  const T* block(int64_t sample, int64_t group, int64_t part) const {
    return data_.get() + ((sample * groups_ + group) * blocks.count + part) * blockStride();
  }

  Upcoming upcoming(int64_t sample, int64_t group, int64_t part) const {
    return {block(sample, group, part), blockStride() * int64_t{sizeof(T)}};
  }

  const Split blocks;  // of the channels of one group
  const int64_t paddedWidth, paddedHeight;

 private:
  int64_t blockStride() const { return paddedHeight * paddedWidth * blocks.size; }

  void copyRow(T* to, const T* from, const Maps<T>& maps, int64_t width, int64_t channels) const {
    if (maps.channelStride == 1) {
      for (int64_t w = 0; w < width; w++) {
        const T* at = from + w * maps.columnStride;
        std::copy(at, at + channels, to + w * blocks.size);
      }
    } else {
      for (int64_t w = 0; w < width; w++)
        for (int64_t c = 0; c < channels; c++)
          to[w * blocks.size + c] = from[w * maps.columnStride + c * maps.channelStride];
    }
  }

  void pickRow(T* to, const T* from, const Maps<T>& maps, int64_t width, const int64_t* channels, int64_t count) const {
    for (int64_t w = 0; w < width; w++)
      for (int64_t c = 0; c < count; c++)
        to[w * blocks.size + c] = from[w * maps.columnStride + channels[c] * maps.channelStride];
  }

  int64_t groups_;
  Scratch<T> data_;
};

}  // namespace padnet
