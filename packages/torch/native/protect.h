// The one border between C++ and JavaScript: whatever is thrown inside becomes a JavaScript Error, never a crash.
#pragma once

#include <c10/util/Exception.h>

#include <new>
#include <string>

#include "environment.h"

namespace padnet {

using CreateError = napi_status (*)(napi_env, napi_value, napi_value, napi_value*);

/// Makes `message` the pending exception. Failures are passed over: they mean that one is pending already, or that the
/// thread is being ended and runs no more JavaScript.
inline void raise(napi_env env, CreateError create, const char* message, const char* nativeStack = nullptr) {
  napi_value text = nullptr, error = nullptr, stack = nullptr;
  if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text) != napi_ok) return;
  if (create(env, nullptr, text, &error) != napi_ok) return;
  if (nativeStack != nullptr && napi_create_string_utf8(env, nativeStack, NAPI_AUTO_LENGTH, &stack) == napi_ok) {
    napi_set_named_property(env, error, "nativeStack", stack);  // libtorch's own stack, for those who ask for it
  }
  napi_throw(env, error);
}

/// Runs `body(environment, info)`; used for every exported function.
template <class Body>
napi_value protect(napi_env env, Body&& body) {
  try {
    Environment& environment = Environment::of(env);
    environment.drainReleases();
    return body(environment);
  } catch (const JsPending&) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) raise(env, napi_create_type_error, "a value could not be read");
  } catch (const JsException& error) {
    error.raise(env);
  } catch (const TypeError& error) {
    raise(env, napi_create_type_error, error.what());
  } catch (const c10::Error& error) {
    raise(env, napi_create_error, error.what_without_backtrace(), error.what());
  } catch (const std::bad_alloc&) {
    raise(env, napi_create_error, "out of memory");
  } catch (const std::exception& error) {
    raise(env, napi_create_error, error.what());
  } catch (...) {
    raise(env, napi_create_error, "unknown native exception");
  }
  return nullptr;
}

/// `Body` as a plain N-API callback taking up to `N` arguments (missing ones are undefined).
template <size_t N, napi_value (*Body)(Environment&, const napi_value*)>
napi_value exported(napi_env env, napi_callback_info info) {
  return protect(env, [&](Environment& environment) {
    napi_value arguments[N == 0 ? 1 : N];
    size_t count = N;
    napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
    return Body(environment, arguments);
  });
}

}  // namespace padnet
