// A batch of maps with borders of zeros, in blocks of channels: [batch, block, paddedHeight × paddedWidth, blockSize].
// The channels that an inner product walks over lie side by side, and those of neighbouring positions in other cache
// sets.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "convolution/geometry.h"
#include "kernels/work.h"

namespace padnet {

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
        data_(batch * groups * blocks.count * blockStride()) {
    at::parallel_for(0, batch * groups * blocks.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; item++) {
        const int64_t sample = item / blocks.count / groups, group = item / blocks.count % groups;
        const int64_t part = item % blocks.count, first = group * (channels / groups) + blocks.begin(part);
        T* to = data_.get() + item * blockStride();
        const auto zeros = [&](int64_t begin, int64_t end) {
          std::fill(to + begin * blocks.size, to + end * blocks.size, T{0});
        };
        zeros(0, borders.top * paddedWidth);
        for (int64_t h = 0; h < height; h++) {
          const int64_t row = (h + borders.top) * paddedWidth;
          zeros(row, row + borders.left);
          copyRow(to + (row + borders.left) * blocks.size, maps.data + sample * maps.batchStride + h * maps.rowStride,
                  maps, width, first, blocks.length(part), order);
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
    return {block(sample, group, part), blockStride()};
  }

  const Split blocks;  // of the channels of one group
  const int64_t paddedWidth, paddedHeight;

 private:
  int64_t blockStride() const { return paddedHeight * paddedWidth * blocks.size; }

  void copyRow(T* to, const T* from, const Maps<T>& maps, int64_t width, int64_t first, int64_t count,
               const int64_t* order) const {
    for (int64_t w = 0; w < width; w++, to += blocks.size, from += maps.columnStride) {
      if (order) {
        for (int64_t c = 0; c < count; c++) to[c] = from[order[first + c] * maps.channelStride];
      } else if (maps.channelStride == 1) {
        std::copy(from + first, from + first + count, to);
      } else {
        for (int64_t c = 0; c < count; c++) to[c] = from[(first + c) * maps.channelStride];
      }
    }
  }

  int64_t groups_;
  Scratch<T> data_;
};

}  // namespace padnet
