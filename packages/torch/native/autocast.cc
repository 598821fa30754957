#include "autocast.h"

#include <ATen/autocast_mode.h>
#include <torch/version.h>

#include "values.h"

namespace padnet {

namespace {

// One set of functions for all devices, where they do not warn of being old.
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)

bool isEnabled() { return at::autocast::is_autocast_enabled(at::kCPU); }
at::ScalarType currentType() { return at::autocast::get_autocast_dtype(at::kCPU); }

void setType(at::ScalarType type) {
  for (const auto device : {at::kCPU, at::kCUDA}) at::autocast::set_autocast_dtype(device, type);
}

void setEnabled(bool enabled) {
  for (const auto device : {at::kCPU, at::kCUDA}) at::autocast::set_autocast_enabled(device, enabled);
}

#else

bool isEnabled() { return at::autocast::is_cpu_enabled(); }
at::ScalarType currentType() { return at::autocast::get_autocast_cpu_dtype(); }

void setType(at::ScalarType type) {
  at::autocast::set_autocast_cpu_dtype(type);
  at::autocast::set_autocast_gpu_dtype(type);
}

void setEnabled(bool enabled) {
  at::autocast::set_cpu_enabled(enabled);
  at::autocast::set_enabled(enabled);
}

#endif

}  // namespace

napi_value setAutocast(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  napi_value before = isEnabled() ? fromString(env, scalarTypeName(currentType())) : null(env);
  const bool enabled = !isNullish(env, arguments[0]);
  if (!enabled && !isEnabled()) return before;  // as every dynamic layer asks for
  if (enabled) setType(toScalarType(env, arguments[0]));
  setEnabled(enabled);
  at::autocast::clear_cache();  // of weights, which may change before the next time
  return before;
}

}  // namespace padnet
