#include "group.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <torch/version.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

namespace padnet::distributed {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kSlice{100};
constexpr const char* kSize = "size";
constexpr int kLostExitCode = 75;  // as src/distributed/processGroup.ts has it

milliseconds toMilliseconds(Seconds seconds) { return std::chrono::duration_cast<milliseconds>(seconds); }

std::vector<uint8_t> bytesOf(const std::string& text) { return {text.begin(), text.end()}; }

std::string versionOf(int rank) { return "version/" + std::to_string(rank); }

std::string textOf(const sockaddr* address) {
  const socklen_t length = address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  char text[NI_MAXHOST];
  return getnameinfo(address, length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0 ? text : "";
}

// The first address by which others reach this machine; empty where there is none.
std::string outerAddress() {
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return "";
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(found, freeifaddrs);
  for (const ifaddrs* each = found; each != nullptr; each = each->ifa_next)
    if (each->ifa_addr != nullptr && (each->ifa_flags & IFF_UP) != 0 && each->ifa_addr->sa_family == AF_INET &&
        !isLoopback(each->ifa_addr))
      return textOf(each->ifa_addr);
  return "";
}

// The address of this machine from which packets go to `host`.
std::string addressTowards(const Place& place) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found) != 0)
    throw std::runtime_error("the host " + place.host + " of MASTER_ADDR is not known here");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int descriptor = socket(each->ai_family, SOCK_DGRAM, 0);
    if (descriptor < 0) continue;
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    const auto* address = reinterpret_cast<sockaddr*>(&own);
    const bool isFound = connect(descriptor, each->ai_addr, each->ai_addrlen) == 0 &&
                         getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length) == 0;
    ::close(descriptor);
    if (!isFound) continue;
    // Debian's /etc/hosts has a machine's own name as 127.0.1.1.
    const std::string outer = isLoopback(address) && !place.isLocal() ? outerAddress() : "";
    return outer.empty() ? textOf(address) : outer;
  }
  throw std::runtime_error("no network leads to the host " + place.host + " of MASTER_ADDR");
}

// Lets the others know why the group has failed.
void tell(StoreClient& store, const std::string& reason) {
  try {
    store.fail(reason);
  } catch (const std::exception&) {
    // Rank 0 has gone, which they notice themselves.
  }
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

c10::intrusive_ptr<StoreClient> Group::connect(Clock::time_point end) const {
  return c10::make_intrusive<StoreClient>(options_.place, end, turn());
}

void Group::open() {
  std::thread([self = shared_from_this()] {
    try {
      self->join();
    } catch (const std::exception& error) {
      self->setFailure(error.what());
      if (self->store_) tell(*self->store_, error.what());
    }
  }).detach();
}

std::vector<int> Group::missing() {
  std::vector<int> ranks;
  for (int rank = 0; rank < options_.size; rank++)
    if (!store_->check({versionOf(rank)})) ranks.push_back(rank);
  return ranks;
}

// Waits for all ranks. False where the store was that of an earlier group at the same place, which is about to end.
bool Group::tryToJoin(Clock::time_point end) {
  c10::intrusive_ptr<StoreClient> life;
  try {
    // From here on a rank that is lost is noticed, also while others wait for it. The store of an earlier group, which
    // this rank has left, ends the connection.
    life = connect(end);
    if (const std::string reason = life->live(options_.rank); !reason.empty()) throw Refusal(reason);
    store_ = connect(end);
    if (options_.rank == 0) store_->set(kSize, bytesOf(std::to_string(options_.size)));
    store_->wait({kSize}, toMilliseconds(options_.collectiveTimeout));
    const std::vector<uint8_t> size = store_->get(kSize);
    if (size != bytesOf(std::to_string(options_.size)))
      throw Refusal("rank " + std::to_string(options_.rank) + " was started as one of " +
                    std::to_string(options_.size) + ", rank 0 as one of " + std::string(size.begin(), size.end()) +
                    ": set the same WORLD_SIZE for all");
    store_->set(versionOf(options_.rank), bytesOf(TORCH_VERSION));
    for (std::vector<int> absent = missing(); !absent.empty(); absent = missing()) {
      if (Clock::now() > end)
        throw Refusal("rank " + std::to_string(absent.front()) +
                      (absent.size() > 1 ? " (and " + std::to_string(absent.size() - 1) + " more)" : "") + " of " +
                      std::to_string(options_.size) + " did not come");
      if (const std::string reason = life->live(options_.rank); !reason.empty()) throw Refusal(reason);
      std::this_thread::sleep_for(milliseconds(20));
    }
    std::thread([self = shared_from_this(), life] { self->watch(life); }).detach();
    return true;
  } catch (const Refusal& refusal) {
    if (life) tell(*life, refusal.what());
    throw;
  } catch (const std::exception&) {
    if (options_.rank == 0 || Clock::now() > end) throw;
    return false;
  }
}

void Group::join() {
  const auto end = Clock::now() + toMilliseconds(options_.collectiveTimeout);
  if (options_.rank == 0) server_ = std::make_unique<StoreServer>(options_.place, options_.size, turn());
  while (!tryToJoin(end)) std::this_thread::sleep_for(milliseconds(50));
  for (int rank = 0; rank < options_.size; rank++) {
    const std::vector<uint8_t> version = store_->get(versionOf(rank));
    if (version != bytesOf(TORCH_VERSION))
      throw Refusal("rank " + std::to_string(rank) + " has libtorch " + std::string(version.begin(), version.end()) +
                    ", rank " + std::to_string(options_.rank) +
                    " has " TORCH_VERSION ": all ranks need the same version");
  }
  for (const char* name : {"calls", "gradients"}) {
    auto options = c10d::ProcessGroupGloo::Options::create(toMilliseconds(options_.collectiveTimeout));
    options->devices.push_back(options_.network.empty()
                                   ? c10d::ProcessGroupGloo::createDeviceForHostname(addressTowards(options_.place))
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

// Collective operations cannot tell a rank that is slow from one that is gone: each tells the store that it lives, and
// hears there of the others.
void Group::watch(const c10::intrusive_ptr<StoreClient>& store) {
  try {
    std::string reason;
    while (reason.empty()) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        if (changed_.wait_for(lock, turn(), [this] { return isClosing_; })) break;
      }
      reason = store->live(options_.rank);
    }
    if (reason.empty()) store->go();
    setFailure(reason);
  } catch (const std::exception& error) {
    setFailure(std::string("rank 0 is lost: ") + error.what());
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    hasGone_ = true;
    changed_.notify_all();
    if (isClosing_) return;
  }
  if (options_.exitTimeout.count() <= 0) return;
  std::unique_lock<std::mutex> lock(mutex_);
  if (changed_.wait_for(lock, options_.exitTimeout, [this] { return isClosing_; })) return;
  std::fprintf(stderr, "padnet: %s\n", failure_.c_str());
  _exit(kLostExitCode);
}

void Group::setFailure(const std::string& reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failure_.empty() && !isClosing_) failure_ = reason;
  changed_.notify_all();
}

void Group::fail(const std::string& reason) {
  if (!failure().empty()) return;
  const std::string text = "rank " + std::to_string(options_.rank) + " stopped: " + reason;
  setFailure(text);
  if (isOpen_) tell(*store_, text);
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
  // The threads of operations that wait for a lost rank cannot be ended: they go with the process, and their memory.
  if (hasFailed || !isOpen_) {
    for (auto& channel : channels_) static_cast<void>(channel.release());
    static_cast<void>(server_.release());
    return;
  }
  channels_.clear();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return hasGone_; });
  }
  store_.reset();
  const auto end = Clock::now() + std::chrono::seconds(5);
  while (server_ && !server_->areAllGone() && Clock::now() < end) std::this_thread::sleep_for(milliseconds(5));
  server_.reset();
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
