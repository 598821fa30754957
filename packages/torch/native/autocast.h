// Whether libtorch casts what matrix products and convolutions are given.
#pragma once

#include "environment.h"

namespace padnet {

/// setAutocast(dtype | null) -> what it was before: for the CPU and CUDA, on this thread; null is off.
napi_value setAutocast(Environment& environment, const napi_value* arguments);

}  // namespace padnet
