#include "environment.h"

#include "dispatcher.h"

namespace padnet {

Environment::Environment(napi_env env)
    : env(env), thread(std::this_thread::get_id()), releases(std::make_shared<ReleaseQueue>()) {}

Environment::~Environment() {
  const std::lock_guard<std::mutex> lock(releases->mutex);
  releases->closed = true;
}

Environment& Environment::of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

at::Tensor& Environment::tensor(double handle) {
  at::Tensor* found = tensors.find(handle);
  if (found == nullptr) {
    throw std::runtime_error(
        "this tensor was freed (its scope ended, or it was disposed); return it from the scope or call keep() on it");
  }
  return *found;
}

void Environment::drainReleases() {
  std::vector<napi_ref> refs;
  {
    const std::lock_guard<std::mutex> lock(releases->mutex);
    refs.swap(releases->refs);
  }
  for (napi_ref ref : refs) napi_delete_reference(env, ref);
}

JsFunction::JsFunction(Environment& environment, napi_value function)
    : environment_(environment), releases_(environment.releases), thread_(environment.thread) {
  napi_valuetype type = napi_undefined;
  napi_typeof(environment.env, function, &type);
  if (type != napi_function || napi_create_reference(environment.env, function, 1, &ref_) != napi_ok) {
    throw TypeError("expected a function");
  }
}

JsFunction::~JsFunction() {
  const std::lock_guard<std::mutex> lock(releases_->mutex);
  if (releases_->closed) return;  // the environment's end frees its references
  if (std::this_thread::get_id() == thread_) {
    napi_delete_reference(environment_.env, ref_);
  } else {
    releases_->refs.push_back(ref_);
  }
}

void JsFunction::checkCallable() const {
  if (std::this_thread::get_id() != thread_) {
    throw std::runtime_error(
        "a gradient written in JavaScript was needed on another thread; custom functions and hooks run on CPU tensors "
        "of "
        "the thread that made them");
  }
}

napi_value JsFunction::call(const std::vector<napi_value>& arguments) const {
  checkCallable();
  napi_env env = environment_.env;
  napi_value function, receiver, result;
  napi_get_reference_value(env, ref_, &function);
  napi_get_undefined(env, &receiver);
  if (napi_call_function(env, receiver, function, arguments.size(), arguments.data(), &result) != napi_ok) {
    throw JsException(env);
  }
  return result;
}

JsException::JsException(napi_env env) {
  HandleScope scope(env);
  napi_value value = nullptr, object = nullptr;
  napi_ref reference = nullptr;
  if (napi_get_and_clear_last_exception(env, &value) != napi_ok || napi_create_object(env, &object) != napi_ok ||
      napi_set_named_property(env, object, "value", value) != napi_ok ||
      napi_create_reference(env, object, 1, &reference) != napi_ok) {
    throw JsPending();  // the thread is being ended
  }
  holder_ = std::shared_ptr<napi_ref__>(reference, [env](napi_ref owned) { napi_delete_reference(env, owned); });
}

void JsException::raise(napi_env env) const {
  napi_value object = nullptr, value = nullptr;
  if (napi_get_reference_value(env, holder_.get(), &object) != napi_ok) return;
  if (napi_get_named_property(env, object, "value", &value) == napi_ok) napi_throw(env, value);
}

}  // namespace padnet
