// The one border between C++ and JavaScript: whatever is thrown inside becomes a JavaScript Error, never a crash.
#pragma once

#include <c10/util/Exception.h>

#include <new>
#include <string>

#include "environment.h"

namespace padnet {

inline Napi::Error errorWithTrace(napi_env env, const std::string& message, const std::string& trace) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("nativeStack", Napi::String::New(env, trace));  // libtorch's own stack, for those who ask for it
  return error;
}

/// Runs `body(environment, info)`; used for every exported function.
template <class Body>
napi_value protect(napi_env env, Body&& body) {
  try {
    Environment& environment = Environment::of(env);
    environment.drainReleases();
    return body(environment);
  } catch (const JsException& error) {
    error.error->ThrowAsJavaScriptException();
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const c10::Error& error) {
    errorWithTrace(env, error.what_without_backtrace(), error.what()).ThrowAsJavaScriptException();
  } catch (const std::bad_alloc&) {
    Napi::Error::New(env, "out of memory").ThrowAsJavaScriptException();
  } catch (const std::exception& error) {
    Napi::Error::New(env, error.what()).ThrowAsJavaScriptException();
  } catch (...) {
    Napi::Error::New(env, "unknown native exception").ThrowAsJavaScriptException();
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
