#include "group.h"

#include <netdb.h>
#include <sys/socket.h>
#include <torch/version.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace padnet::distributed {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kSlice{100};
constexpr const char* kFailure = "failure";
constexpr int kTurns = 10;  // of the watch in the time after which a rank is taken for lost
constexpr const char* kStoreLost = "rank 0 is lost, which keeps the store of all ranks: ";

milliseconds toMilliseconds(Seconds seconds) { return std::chrono::duration_cast<milliseconds>(seconds); }

std::vector<uint8_t> bytesOf(const std::string& text) { return {text.begin(), text.end()}; }

std::string of(const char* what, int rank) { return std::string(what) + "/" + std::to_string(rank); }

// libtorch 2.4 and later prefer a store that Debian's builds lack.
template <class Options>
auto avoidLibUV(Options& options, int) -> decltype(options.useLibUV, void()) {
  options.useLibUV = false;
}
template <class Options>
void avoidLibUV(Options&, long) {}

// The address of this machine from which packets go to `host`.
std::string addressTowards(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    throw std::runtime_error("the host " + host + " of MASTER_ADDR is not known here");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int descriptor = socket(each->ai_family, SOCK_DGRAM, 0);
    if (descriptor < 0) continue;
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    char address[NI_MAXHOST];
    const bool isFound = connect(descriptor, each->ai_addr, each->ai_addrlen) == 0 &&
                         getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
                         getnameinfo(reinterpret_cast<sockaddr*>(&own), length, address, sizeof address, nullptr, 0,
                                     NI_NUMERICHOST) == 0;
    ::close(descriptor);
    if (isFound) return address;
  }
  throw std::runtime_error("no network leads to the host " + host + " of MASTER_ADDR");
}

}  // namespace

Registry<Group>& groups() {
  static auto* registry = new Registry<Group>("process group");  // outlives the threads, which nobody ends
  return *registry;
}

Registry<Work>& works() {
  static auto* registry = new Registry<Work>("collective operation");
  return *registry;
}

c10::intrusive_ptr<c10d::Store> Group::connect(bool isServer) const {
  c10d::TCPStoreOptions options;
  options.port = options_.port;
  options.isServer = isServer;
  options.waitWorkers = false;
  options.timeout = toMilliseconds(options_.collectiveTimeout);
  avoidLibUV(options, 0);
  const std::string place = options_.host + ":" + std::to_string(options_.port);
  try {
    return c10::make_intrusive<c10d::PrefixStore>(options_.prefix,
                                                  c10::make_intrusive<c10d::TCPStore>(options_.host, options));
  } catch (const std::exception& error) {
    if (isServer)
      throw std::runtime_error("rank 0 could not listen at port " + std::to_string(options_.port) +
                               ": another program may have it; set MASTER_PORT to a free port, the same for all ranks");
    throw std::runtime_error("rank 0 did not answer at " + place + " within " +
                             std::to_string(static_cast<int>(options_.collectiveTimeout.count())) +
                             " s: see whether it runs, whether MASTER_ADDR and MASTER_PORT are its own, and whether " +
                             "its libtorch is " TORCH_VERSION " as here");
  }
}

void Group::open() {
  std::thread([self = shared_from_this()] {
    try {
      self->join();
    } catch (const std::exception& error) {
      self->setFailure(error.what());
    }
  }).detach();
}

std::vector<int> Group::missing() {
  std::vector<int> ranks;
  for (int rank = 0; rank < options_.size; rank++)
    if (!store_->check({of("version", rank)})) ranks.push_back(rank);
  return ranks;
}

void Group::join() {
  store_ = connect(options_.rank == 0);
  store_->set(of("version", options_.rank), bytesOf(TORCH_VERSION));
  const auto end = Clock::now() + options_.collectiveTimeout;
  for (std::vector<int> absent = missing(); !absent.empty(); absent = missing()) {
    if (Clock::now() > end)
      throw std::runtime_error("rank " + std::to_string(absent.front()) + " (and " + std::to_string(absent.size() - 1) +
                               " more) of " + std::to_string(options_.size) + " did not come");
    std::this_thread::sleep_for(milliseconds(20));
  }
  for (int rank = 0; rank < options_.size; rank++) {
    const std::vector<uint8_t> version = store_->get(of("version", rank));
    if (version != bytesOf(TORCH_VERSION))
      throw std::runtime_error("rank " + std::to_string(rank) + " has libtorch " +
                               std::string(version.begin(), version.end()) + ", rank " + std::to_string(options_.rank) +
                               " has " TORCH_VERSION ": all ranks need the same version");
  }
  // From here on a rank that is lost is noticed, also while others wait for its connections.
  std::thread([self = shared_from_this()] { self->watch(); }).detach();
  std::thread([self = shared_from_this()] { self->guard(); }).detach();
  for (const char* name : {"calls", "gradients"}) {
    auto options = c10d::ProcessGroupGloo::Options::create(toMilliseconds(options_.collectiveTimeout));
    options->devices.push_back(
        options_.network.empty()
            ? c10d::ProcessGroupGloo::createDeviceForHostname(addressTowards(options_.host, options_.port))
            : c10d::ProcessGroupGloo::createDeviceForInterface(options_.network));
    channels_.push_back(std::make_unique<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>(name, store_),
                                                                 options_.rank, options_.size, options));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  isOpen_ = true;
}

bool Group::isOpen() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!failure_.empty()) throw std::runtime_error(failure_);
  return isOpen_;
}

// Each rank tells that it lives and looks at one other, so that the store has as little to do as there are ranks. Time
// is counted in turns of this loop: where a whole machine stands still, or all ranks are stopped together, nobody is
// lost. Collective operations cannot tell a rank that is slow from one that is gone.
void Group::watch() {
  const int other = (options_.rank + 1) % options_.size;
  std::string reason;
  try {
    const auto store = connect(false);
    int64_t life = -1;
    int silent = 0;
    while (reason.empty()) {
      store->add(of("life", options_.rank), 1);
      const int64_t now = store->add(of("life", other), 0);
      silent = now == life || other == options_.rank ? silent + (other != options_.rank) : 0;
      life = now;
      if (store->check({kFailure})) {
        const std::vector<uint8_t> text = store->get(kFailure);
        reason = std::string(text.begin(), text.end());
      } else if (silent > kTurns) {
        const std::string lost = "rank " + std::to_string(other) + " is lost: it has given no sign of life for " +
                                 std::to_string(options_.lifeTimeout.count()).substr(0, 4) +
                                 " s; its process was ended or stopped, or its machine or network is gone";
        store->compareSet(kFailure, {}, bytesOf(lost));
        reason = lost;
      }
      turns_++;
      std::unique_lock<std::mutex> lock(mutex_);
      if (changed_.wait_for(lock, options_.lifeTimeout / kTurns, [this] { return isClosing_; })) return;
    }
  } catch (const std::exception&) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (isClosing_) return;
    reason = std::string(kStoreLost) + "its process was ended, or its machine or network is gone";
  }
  setFailure(reason);
}

// Where rank 0 stands still, so does the watch, which waits for its store.
void Group::guard() {
  int64_t turns = -1;
  for (int still = 0; still <= 1.2 * kTurns;) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (changed_.wait_for(lock, options_.lifeTimeout / kTurns, [this] { return isClosing_ || !failure_.empty(); }))
      break;
    still = turns == turns_ ? still + 1 : 0;
    turns = turns_;
  }
  setFailure(std::string(kStoreLost) + "it does not answer");
  if (options_.exitTimeout.count() <= 0) return;
  std::unique_lock<std::mutex> lock(mutex_);
  if (changed_.wait_for(lock, options_.exitTimeout, [this] { return isClosing_; })) return;
  std::fprintf(stderr, "%s\n", failure_.c_str());
  _exit(1);
}

void Group::setFailure(const std::string& reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failure_.empty() && !isClosing_) failure_ = reason;
  changed_.notify_all();
}

void Group::fail(const std::string& reason) {
  const std::string text = "rank " + std::to_string(options_.rank) + " stopped: " + reason;
  if (failure().empty() && store_) store_->compareSet(kFailure, {}, bytesOf(text));
  setFailure(text);
}

std::string Group::failure() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failure_;
}

std::string Group::awaitFailure(const std::string& otherwise) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, options_.lifeTimeout * 1.3, [this] { return !failure_.empty(); });
  if (failure_.empty()) failure_ = otherwise;
  return failure_;
}

void Group::check() {
  if (const std::string reason = failure(); !reason.empty()) throw std::runtime_error(reason);
}

void Group::close() {
  const bool hasFailed = !failure().empty();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    isClosing_ = true;
    changed_.notify_all();
  }
  // The threads of operations that wait for a lost rank cannot be ended: they go with the process.
  if (hasFailed || !isOpen_) {
    for (auto& channel : channels_) static_cast<void>(channel.release());
    return;
  }
  channels_.clear();
  const auto end = Clock::now() + std::chrono::seconds(5);
  try {
    store_->add("closed", 1);
    while (options_.rank == 0 && store_->add("closed", 0) < options_.size && Clock::now() < end)
      std::this_thread::sleep_for(milliseconds(5));
  } catch (const std::exception&) {
    // Rank 0 has waited long enough.
  }
  store_.reset();
}

struct Work::Completion {
  std::mutex mutex;
  std::condition_variable changed;
  bool isDone = false;
};

Work::Work(std::shared_ptr<Group> group, std::vector<at::Tensor> tensors, const c10::intrusive_ptr<c10d::Work>& work)
    : group_(std::move(group)), tensors_(std::move(tensors)), work_(work), completion_(std::make_shared<Completion>()) {
  work_->getFuture()->addCallback([completion = completion_](c10::ivalue::Future&) {
    const std::lock_guard<std::mutex> lock(completion->mutex);
    completion->isDone = true;
    completion->changed.notify_all();
  });
}

bool Work::isCompleted() {
  group_->check();
  const std::lock_guard<std::mutex> lock(completion_->mutex);
  return completion_->isDone;
}

double Work::wait() {
  const auto start = Clock::now();
  {
    std::unique_lock<std::mutex> lock(completion_->mutex);
    while (!completion_->changed.wait_for(lock, kSlice, [this] { return completion_->isDone; })) group_->check();
  }
  const auto future = work_->getFuture();
  if (future->hasError()) throw std::runtime_error(group_->awaitFailure("the connection to another rank was lost"));
  return Seconds(Clock::now() - start).count();
}

}  // namespace padnet::distributed
