// Threads, and an allocator that refuses what the machine does not have.
#pragma once

#include "environment.h"

namespace padnet {

/// Wraps libtorch's CPU allocator, once a process: a request for more than the memory available is an error rather than
/// a process killed by the system.
void guardAllocations();

napi_value getNumThreads(Environment& environment, const napi_value* arguments);
napi_value setNumThreads(Environment& environment, const napi_value* arguments);
/// buildInfo() -> {version, configuration}
napi_value buildInfo(Environment& environment, const napi_value* arguments);

}  // namespace padnet
