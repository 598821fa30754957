// Threads, and an allocator that refuses what the machine does not have.
#pragma once

#include "environment.h"

namespace padnet {

/// Wraps libtorch's CPU allocator, once a process: a request for more than the memory available (or than the user's
/// limit) is an error rather than a process killed by the system.
void guardAllocations();

/// setMemoryLimit(bytes | null)
napi_value setMemoryLimit(Environment& environment, const napi_value* arguments);
/// memoryUsage(resetPeak) -> {allocated, peak}, in bytes
napi_value memoryUsage(Environment& environment, const napi_value* arguments);
napi_value getNumThreads(Environment& environment, const napi_value* arguments);
napi_value setNumThreads(Environment& environment, const napi_value* arguments);
/// buildInfo() -> {version, configuration}
napi_value buildInfo(Environment& environment, const napi_value* arguments);

}  // namespace padnet
