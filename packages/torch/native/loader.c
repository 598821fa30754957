// loader.node: loads shared libraries to stay, as libtorch must before the addon. It is linked with nothing itself.
#include <dlfcn.h>
#include <node_api.h>
#include <stdint.h>

// load(path, flags): null, or the dynamic linker's reason.
static napi_value load(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2, length = 0;
  char path[4096];
  int32_t flags = 0;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 2 ||
      napi_get_value_string_utf8(env, arguments[0], path, sizeof path, &length) != napi_ok ||
      length + 1 >= sizeof path || napi_get_value_int32(env, arguments[1], &flags) != napi_ok) {
    napi_throw_type_error(env, NULL, "expected a path of fewer than 4095 bytes and a number");
    return NULL;
  }
  napi_value result = NULL;
  if (dlopen(path, flags) != NULL) {
    napi_get_null(env, &result);
  } else {
    const char* reason = dlerror();
    napi_create_string_utf8(env, reason ? reason : "", NAPI_AUTO_LENGTH, &result);
  }
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function = NULL;
  if (napi_create_function(env, "load", NAPI_AUTO_LENGTH, load, NULL, &function) != napi_ok ||
      napi_set_named_property(env, exports, "load", function) != napi_ok) {
    return NULL;
  }
  return exports;
}
