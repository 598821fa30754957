// The things that one JavaScript environment (the main thread, or one worker) owns: its tensors and generators behind
// handles, its bound operators, and the JavaScript functions that libtorch holds. Nothing is shared between
// environments.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <node_api.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace padnet {

/// A handle is a whole number below 2^53: slot + generation * 2^24. A freed slot gets a new generation, so a handle
/// that outlives its tensor is recognised instead of reaching another tensor or freed memory.
template <class T>
class HandleTable {
 public:
  double add(T value) {
    uint32_t slot;
    if (free_.empty()) {
      if (entries_.size() >= kSlots) throw std::runtime_error("too many live tensors (16,777,216)");
      slot = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    entries_[slot].value = std::move(value);
    entries_[slot].live = true;
    live_++;
    return static_cast<double>(slot) + static_cast<double>(entries_[slot].generation) * kSlots;
  }

  /// Null where the handle is no live one.
  T* find(double handle) {
    if (!(handle >= 0 && handle < 9007199254740992.0)) return nullptr;
    const auto bits = static_cast<uint64_t>(handle);
    const uint64_t slot = bits % kSlots;
    if (slot >= entries_.size()) return nullptr;
    auto& entry = entries_[slot];
    return entry.live && entry.generation == bits / kSlots ? &entry.value : nullptr;
  }

  bool remove(double handle) {
    if (find(handle) == nullptr) return false;
    const auto slot = static_cast<uint32_t>(static_cast<uint64_t>(handle) % kSlots);
    auto& entry = entries_[slot];
    T value = std::move(entry.value);  // destroyed last: it may call back into this table
    entry.value = T();
    entry.live = false;
    live_--;
    if (++entry.generation < kGenerations) free_.push_back(slot);
    return true;
  }

  size_t live() const { return live_; }

 private:
  static constexpr uint64_t kSlots = 1 << 24;
  static constexpr uint32_t kGenerations = 1u << 29;
  struct Entry {
    T value;
    uint32_t generation = 0;
    bool live = false;
  };
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  size_t live_ = 0;
};

/// References to JavaScript values that libtorch let go on another thread; deleted on the next call from JavaScript.
struct ReleaseQueue {
  std::mutex mutex;
  std::vector<napi_ref> refs;
  bool closed = false;
};

struct Operator;

struct Environment {
  explicit Environment(napi_env env);
  ~Environment();
  static Environment& of(napi_env env);

  /// Throws where the handle is not a live tensor of this environment.
  at::Tensor& tensor(double handle);
  double add(at::Tensor tensor) { return tensors.add(std::move(tensor)); }
  bool onOwnThread() const { return std::this_thread::get_id() == thread; }
  void drainReleases();

  napi_env env;
  std::thread::id thread;
  HandleTable<at::Tensor> tensors;
  HandleTable<at::Generator> generators;
  std::vector<std::unique_ptr<Operator>> operators;
  std::shared_ptr<ReleaseQueue> releases;
};

/// A JavaScript function held by libtorch. It may be destroyed on any thread and after its environment.
class JsFunction {
 public:
  JsFunction(Environment& environment, napi_value function);
  ~JsFunction();
  JsFunction(const JsFunction&) = delete;
  JsFunction& operator=(const JsFunction&) = delete;

  /// Calls it on the environment's own thread; throws JsException where it throws, std::runtime_error elsewhere.
  napi_value call(const std::vector<napi_value>& arguments) const;
  Environment& environment() const { return environment_; }
  /// Throws where JavaScript can't be entered: on another thread, or after its environment has ended.
  void checkCallable() const;

 private:
  Environment& environment_;
  std::shared_ptr<ReleaseQueue> releases_;
  std::thread::id thread_;
  napi_ref ref_ = nullptr;
};

/// An argument of the wrong kind: a JavaScript TypeError.
struct TypeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A call into JavaScript has failed: its exception is pending, or the thread is being ended.
struct JsPending {};

/// A JavaScript exception on its way through libtorch's stack, kept whole so that the caller gets the same value back.
class JsException : public std::exception {
 public:
  /// Takes the pending exception of `env`.
  explicit JsException(napi_env env);
  void raise(napi_env env) const;
  const char* what() const noexcept override { return "a function written in JavaScript threw"; }

 private:
  std::shared_ptr<napi_ref__> holder_;  // an object around the value: a reference to a string is not allowed
};

/// Frees the JavaScript handles made while it lives.
class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env_(env) { napi_open_handle_scope(env, &scope_); }
  ~HandleScope() {
    if (scope_ != nullptr) napi_close_handle_scope(env_, scope_);
  }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
};

}  // namespace padnet
