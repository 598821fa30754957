// Seeded random generators whose state can be saved.
#pragma once

#include "environment.h"

namespace padnet {

/// createGenerator(seed | null) -> handle; null is libtorch's default CPU generator.
napi_value createGenerator(Environment& environment, const napi_value* arguments);
napi_value releaseGenerator(Environment& environment, const napi_value* arguments);
napi_value seedGenerator(Environment& environment, const napi_value* arguments);
/// getGeneratorState(handle) -> handle of a uint8 tensor
napi_value getGeneratorState(Environment& environment, const napi_value* arguments);
napi_value setGeneratorState(Environment& environment, const napi_value* arguments);

}  // namespace padnet
