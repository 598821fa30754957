// Libraries that register operators of their own by TORCH_LIBRARY.
#pragma once

#include "environment.h"

namespace padnet {

/// loadLibrary(path): loads it once and for ever; its operators can then be bound.
/// The CUDA half of the libtorch that this was built with, where it has one. Before the first call of libtorch, which
/// remembers whether it was there.
void loadCuda();

napi_value loadLibrary(Environment& environment, const napi_value* arguments);

}  // namespace padnet
