// Libraries that register operators of their own by TORCH_LIBRARY.
#pragma once

#include "environment.h"

namespace padnet {

/// loadLibrary(path): loads it once and for ever; its operators can then be bound.
napi_value loadLibrary(Environment& environment, const napi_value* arguments);

}  // namespace padnet
