// Objects that operators of the dispatcher name by numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <unordered_map>

namespace padnet::distributed {

template <class T>
class Registry {
 public:
  explicit Registry(const char* name) : name_(name) {}

  int64_t add(std::shared_ptr<T> object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    objects_.emplace(++last_, std::move(object));
    return last_;
  }

  std::shared_ptr<T> get(int64_t handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = objects_.find(handle);
    if (found == objects_.end()) throw std::invalid_argument(std::string("there is no ") + name_ + " of this handle");
    return found->second;
  }

  std::shared_ptr<T> take(int64_t handle) {
    std::shared_ptr<T> object = get(handle);
    const std::lock_guard<std::mutex> lock(mutex_);
    objects_.erase(handle);
    return object;
  }

 private:
  const char* name_;
  std::mutex mutex_;
  int64_t last_ = 0;
  std::unordered_map<int64_t, std::shared_ptr<T>> objects_;
};

}  // namespace padnet::distributed
