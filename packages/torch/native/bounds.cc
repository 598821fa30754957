#include "bounds.h"

#include <unordered_map>

namespace padnet {

Bounds boundsOf(const std::string& argument, bool isList) {
  constexpr Bounds kPositive{1, INT32_MAX};
  constexpr Bounds kSmall{INT32_MIN, INT32_MAX};
  constexpr Bounds kCount{INT64_MIN, 1 << 20};  // so many tensors are made
  static const std::unordered_map<std::string, Bounds> bounds = {
      {"kernel_size", kPositive}, {"dilation", kPositive},
      {"groups", kPositive},      {"group", kPositive},
      {"num_groups", kPositive},  {"upscale_factor", kPositive},
      {"step", kPositive},        {"downscale_factor", kPositive},
      {"num_layers", kPositive},  {"padding", kSmall},
      {"output_padding", kSmall}, {"divisor_override", kSmall},
      {"chunks", kCount},         {"sections", kCount},
      {"mode", {0, 2}},
  };
  // Pooling loops over the rows of a result that has no columns.
  if (argument == "output_size" && isList) return {INT64_MIN, 1 << 24};
  const auto found = bounds.find(argument);
  return found == bounds.end() ? Bounds() : found->second;
}

}  // namespace padnet
