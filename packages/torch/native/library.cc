#include "library.h"

#include <dlfcn.h>

#include <stdexcept>

#include "values.h"

namespace padnet {

napi_value loadLibrary(Environment& environment, const napi_value* arguments) {
  const std::string path = toString(environment.env, arguments[0]);
  if (!dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) throw std::runtime_error(dlerror());
  return null(environment.env);
}

}  // namespace padnet
