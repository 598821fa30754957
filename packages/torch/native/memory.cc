#include "memory.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/CPUAllocator.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>

#include "values.h"

namespace padnet {

namespace {

constexpr size_t kCheckFrom = 64u << 20;  // smaller requests are not worth reading /proc for

/// Bytes that this process may still take: the system's MemAvailable, less where a control group allows less.
size_t availableBytes() {
  size_t available = SIZE_MAX;
  if (std::FILE* file = std::fopen("/proc/meminfo", "r")) {
    char line[128];
    unsigned long long kilobytes = 0;
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) available = kilobytes * 1024;
    }
    std::fclose(file);
  }
  std::ifstream limitFile("/sys/fs/cgroup/memory.max"), usedFile("/sys/fs/cgroup/memory.current");
  size_t limit = 0, used = 0;
  if (limitFile >> limit && usedFile >> used) available = std::min(available, limit > used ? limit - used : 0);
  return available;
}

class GuardedAllocator final : public c10::Allocator {
 public:
  explicit GuardedAllocator(c10::Allocator* inner) : inner_(inner) {}

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 3)
  c10::DataPtr allocate(size_t bytes) override {
    check(bytes);
    return inner_->allocate(bytes);
  }
  void copy_data(void* destination, const void* source, std::size_t count) const override {
    inner_->copy_data(destination, source, count);
  }
#else
  c10::DataPtr allocate(size_t bytes) const override {
    check(bytes);
    return inner_->allocate(bytes);
  }
#endif
  c10::DeleterFnPtr raw_deleter() const override { return inner_->raw_deleter(); }

 private:
  static void check(size_t bytes) {
    if (bytes < kCheckFrom) return;
    const size_t available = availableBytes();
    TORCH_CHECK(bytes <= available, "out of memory: ", bytes, " bytes asked for, ", available, " available");
  }

  c10::Allocator* inner_;
};

}  // namespace

void guardAllocations() {
  static std::once_flag once;
  std::call_once(once, [] {
    static GuardedAllocator guarded(c10::GetCPUAllocator());
    c10::SetCPUAllocator(&guarded, /*priority=*/1);
  });
}

napi_value getNumThreads(Environment& environment, const napi_value*) {
  return fromInt64(environment.env, at::get_num_threads());
}

napi_value setNumThreads(Environment& environment, const napi_value* arguments) {
  const int64_t threads = toInt64(environment.env, arguments[0]);
  TORCH_CHECK(threads >= 1 && threads <= 1024, "the number of threads must be from 1 to 1024, got ", threads);
  at::set_num_threads(static_cast<int>(threads));
  // OpenBLAS keeps a thread pool of its own, which libtorch does not steer.
  using SetThreads = void (*)(int);
  if (auto setBlasThreads = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
    setBlasThreads(static_cast<int>(threads));
  }
  return undefined(environment.env);
}

napi_value buildInfo(Environment& environment, const napi_value*) {
  napi_value object = nullptr;
  napi_create_object(environment.env, &object);
  napi_set_named_property(environment.env, object, "version", fromString(environment.env, TORCH_VERSION));
  napi_set_named_property(environment.env, object, "configuration",
                          fromString(environment.env, at::show_config() + at::get_parallel_info()));
  return object;
}

}  // namespace padnet
