#include "library.h"

#include <dlfcn.h>

#include <stdexcept>

#include "values.h"

namespace padnet {

void loadCuda() {
#ifdef PADNET_TORCH_CUDA_LIBRARY
  // Linked, it would keep the addon from loading where CUDA's own libraries are missing: there, the CPU is all there
  // is.
  dlopen(PADNET_TORCH_CUDA_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
#endif
}

napi_value loadLibrary(Environment& environment, const napi_value* arguments) {
  const std::string path = toString(environment.env, arguments[0]);
  if (!dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) throw std::runtime_error(dlerror());
  return null(environment.env);
}

}  // namespace padnet
