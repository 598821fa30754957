// Bounds of integer arguments that libtorch's kernels take for granted: outside them they divide by zero or overflow.
#pragma once

#include <cstdint>
#include <string>

namespace padnet {

struct Bounds {
  int64_t least = INT64_MIN;
  int64_t most = INT64_MAX;
};

/// By the name that the argument has in all schemas.
Bounds boundsOf(const std::string& argument, bool isList);

}  // namespace padnet
