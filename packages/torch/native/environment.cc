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
  if (napi_create_reference(environment.env, function, 1, &ref_) != napi_ok) {
    throw std::runtime_error("expected a function");
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
    throw JsException(Napi::Error::New(env));
  }
  return result;
}

}  // namespace padnet
