#include "memory.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/CPUAllocator.h>
#include <dlfcn.h>
#include <sys/mman.h>
#include <torch/version.h>
#include <unistd.h>
#ifdef __APPLE__
#include <malloc/malloc.h>
#else
#include <malloc.h>
#endif

#include <atomic>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iterator>
#include <mutex>

#include "values.h"

namespace padnet {

namespace {

constexpr int64_t kCheckEvery = 64 << 20;  // bytes allocated between two looks at the system: reading /proc takes 20 µs

// bytes; malloc maps large blocks anew each time and the system clears every page at its first use: the 75 MB of the
// gradient of eight experts of 768 × 3072 take 66 ms to compute in fresh memory, and 32 in memory used before
constexpr size_t kKeptFrom = 1 << 20;
constexpr int64_t kKeptInAll = 512 << 20;
constexpr size_t kHugePagesFrom = 32 << 20;

std::atomic<int64_t> allocated{0};     // bytes that libtorch's tensors hold, as malloc counts them
std::atomic<int64_t> peak{0};          // the most that `allocated` has been
std::atomic<int64_t> sinceCheck{0};    // bytes asked for since the last look at the system
std::atomic<int64_t> memoryLimit{-1};  // set by the user; -1 for none

int64_t usableSize(void* data) {
#ifdef __APPLE__
  return static_cast<int64_t>(malloc_size(data));
#else
  return static_cast<int64_t>(malloc_usable_size(data));
#endif
}

/// Bytes that this process may still take: the system's MemAvailable, less where a control group allows less.
int64_t availableBytes() {
  int64_t available = INT64_MAX;
  if (std::FILE* file = std::fopen("/proc/meminfo", "r")) {
    char line[128];
    long long kilobytes = 0;
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::sscanf(line, "MemAvailable: %lld kB", &kilobytes) == 1) available = kilobytes * 1024;
    }
    std::fclose(file);
  }
  std::ifstream limitFile("/sys/fs/cgroup/memory.max"), usedFile("/sys/fs/cgroup/memory.current");
  int64_t limit = 0, used = 0;
  if (limitFile >> limit && usedFile >> used) available = std::min(available, std::max<int64_t>(limit - used, 0));
  return available;
}

/// Large blocks that were freed, for the next ones of about their size.
class FreedBlocks {
 public:
  /// A block of at least `bytes`, and at most an eighth more; nullptr where there is none.
  void* take(size_t bytes) {
    if (bytes < kKeptFrom) return nullptr;
    const auto wanted = static_cast<int64_t>(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
      if (block->size < wanted || block->size > wanted + wanted / 8) continue;
      void* data = block->data;
      total_ -= block->size;
      blocks_.erase(std::next(block).base());
      return data;
    }
    return nullptr;
  }

  /// Whether the block is kept. Makes room by giving the oldest ones back.
  bool keep(void* data, int64_t size, c10::DeleterFnPtr free) {
    if (size < static_cast<int64_t>(kKeptFrom) || size > kKeptInAll) return false;
    std::lock_guard<std::mutex> lock(mutex_);
    while (total_ + size > kKeptInAll) releaseOldest(free);
    blocks_.push_back({data, size});
    total_ += size;
    return true;
  }

  void release(c10::DeleterFnPtr free) {
    std::lock_guard<std::mutex> lock(mutex_);
    while (!blocks_.empty()) releaseOldest(free);
  }

  int64_t total() {
    std::lock_guard<std::mutex> lock(mutex_);
    return total_;
  }

 private:
  struct Block {
    void* data;
    int64_t size;
  };

  void releaseOldest(c10::DeleterFnPtr free) {
    total_ -= blocks_.front().size;
    free(blocks_.front().data);
    blocks_.pop_front();
  }

  std::mutex mutex_;
  std::deque<Block> blocks_;  // the oldest first
  int64_t total_ = 0;
};

/// Never destroyed: tensors are freed until the very end of the process.
FreedBlocks& freedBlocks() {
  static auto* blocks = new FreedBlocks;
  return *blocks;
}

/// Bytes promised to tensors that the system has not handed out yet: it does so at the first write to each page.
int64_t untouchedBytes() {
  long long total = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  const bool read = std::fscanf(file, "%lld %lld", &total, &resident) == 2;
  std::fclose(file);
  if (!read) return 0;
  return std::max<int64_t>(allocated + freedBlocks().total() - resident * sysconf(_SC_PAGESIZE), 0);
}

/// Asks the system for large pages, where it gives them to who asks.
void preferHugePages(void* data, size_t bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes < kHugePagesFrom) return;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

c10::DeleterFnPtr innerDeleter = nullptr;

/// Bytes for another tensor; the rest of the process needs some too.
int64_t availableForTensors() {
  const int64_t free = availableBytes() - untouchedBytes();
  return free - free / 32;
}

void checkAllocation(size_t bytes) {
  TORCH_CHECK(bytes < (uint64_t{1} << 62), "out of memory: ", bytes, " bytes asked for");
  const auto wanted = static_cast<int64_t>(bytes);
  const int64_t limit = memoryLimit;
  TORCH_CHECK(limit < 0 || wanted <= limit - allocated, "out of memory: ", bytes, " bytes asked for, ",
              std::max<int64_t>(limit - allocated, 0), " left of the limit of ", limit);
  if (sinceCheck.fetch_add(wanted) + wanted < kCheckEvery) return;
  sinceCheck = 0;
  int64_t available = availableForTensors();
  if (wanted > available) {
    freedBlocks().release(innerDeleter);
    available = availableForTensors();
  }
  TORCH_CHECK(wanted <= available, "out of memory: ", bytes, " bytes asked for, ", std::max<int64_t>(available, 0),
              " available");
}

void countedFree(void* data) {
  if (data == nullptr) return;
  const int64_t size = usableSize(data);
  allocated -= size;
  if (!freedBlocks().keep(data, size, innerDeleter)) innerDeleter(data);
}

class GuardedAllocator final : public c10::Allocator {
 public:
  explicit GuardedAllocator(c10::Allocator* inner) : inner_(inner) {}

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 3)
  c10::DataPtr allocate(size_t bytes) override { return counted(bytes); }
  void copy_data(void* destination, const void* source, std::size_t count) const override {
    inner_->copy_data(destination, source, count);
  }
#else
  c10::DataPtr allocate(size_t bytes) const override { return counted(bytes); }
#endif
  c10::DeleterFnPtr raw_deleter() const override { return &countedFree; }

 private:
  c10::DataPtr counted(size_t bytes) const {
    checkAllocation(bytes);
    c10::DataPtr data = usedBefore(bytes);
    if (data.get() == nullptr) data = fresh(bytes);
    if (data.get() == nullptr) return data;
    const int64_t now = allocated += usableSize(data.get());
    for (int64_t before = peak; before < now && !peak.compare_exchange_weak(before, now);) {
    }
    return data;
  }

  static c10::DataPtr usedBefore(size_t bytes) {
    void* data = freedBlocks().take(bytes);
    return {data, data, data == nullptr ? nullptr : &countedFree, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DataPtr fresh(size_t bytes) const {
    c10::DataPtr data = inner_->allocate(bytes);
    if (data.get() == nullptr) return data;
    TORCH_CHECK(data.compare_exchange_deleter(innerDeleter, &countedFree), "the CPU allocator is not as expected");
    preferHugePages(data.get(), bytes);
    return data;
  }

  c10::Allocator* inner_;
};

}  // namespace

void guardAllocations() {
  static std::once_flag once;
  std::call_once(once, [] {
    innerDeleter = c10::GetCPUAllocator()->raw_deleter();
    if (innerDeleter == nullptr) return;  // an allocator of somebody else's
    static GuardedAllocator guarded(c10::GetCPUAllocator());
    c10::SetCPUAllocator(&guarded, /*priority=*/1);
  });
}

napi_value setMemoryLimit(Environment& environment, const napi_value* arguments) {
  const int64_t limit = isNullish(environment.env, arguments[0]) ? -1 : toInt64(environment.env, arguments[0]);
  TORCH_CHECK(limit >= -1, "the memory limit must be at least 0 bytes, got ", limit);
  memoryLimit = limit;
  return undefined(environment.env);
}

napi_value memoryUsage(Environment& environment, const napi_value* arguments) {
  const bool resetPeak = toBool(environment.env, arguments[0]);
  napi_value object = nullptr;
  napi_create_object(environment.env, &object);
  napi_set_named_property(environment.env, object, "allocated", fromInt64(environment.env, allocated));
  napi_set_named_property(environment.env, object, "peak", fromInt64(environment.env, peak));
  if (resetPeak) peak = allocated.load();
  return object;
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
  // Of the libtorch that is loaded; TORCH_VERSION is that of the headers.
  const std::string settings = at::show_config();
  const std::string key = "TORCH_VERSION=";
  const size_t found = settings.find(key);
  const size_t start = found == std::string::npos ? settings.size() : found + key.size();
  const std::string version = settings.substr(start, settings.find_first_of(", \n", start) - start);
  napi_value object = nullptr;
  napi_create_object(environment.env, &object);
  napi_set_named_property(environment.env, object, "version", fromString(environment.env, version));
  napi_set_named_property(environment.env, object, "configuration",
                          fromString(environment.env, settings + at::get_parallel_info()));
  return object;
}

}  // namespace padnet
