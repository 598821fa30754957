#include "store.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <list>
#include <memory>

namespace padnet::distributed {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// A message: its length as 4 bytes, then a letter for what is asked, and texts, each with its length.
constexpr uint32_t kLongestMessage = 1 << 24;
enum Request : char {
  kSet = 's',
  kGet = 'g',
  kAdd = 'a',
  kDelete = 'd',
  kCheck = 'c',
  kCount = 'n',
  kLive = 'l',
  kFail = 'f',
  kGo = 'b'
};

void appendText(std::string& to, const std::string& text) {
  const uint32_t length = static_cast<uint32_t>(text.size());
  to.append(reinterpret_cast<const char*>(&length), sizeof length).append(text);
}

std::string request(Request kind, const std::vector<std::string>& texts) {
  std::string message(1, kind);
  for (const std::string& text : texts) appendText(message, text);
  return message;
}

// Empty where the message is not well-formed.
std::vector<std::string> textsOf(const std::string& message) {
  std::vector<std::string> texts;
  for (size_t at = 1; at < message.size();) {
    uint32_t length;
    if (message.size() - at < sizeof length) return {};
    std::memcpy(&length, message.data() + at, sizeof length);
    at += sizeof length;
    if (message.size() - at < length) return {};
    texts.push_back(message.substr(at, length));
    at += length;
  }
  return texts;
}

std::string framed(const std::string& message) {
  std::string frame;
  appendText(frame, message);
  return frame;
}

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

Addresses addressesOf(const Place& place) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found);
  return Addresses(found, freeaddrinfo);
}

int newSocket(int family) {
  const int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (descriptor >= 0) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

int listenAt(const sockaddr* address, socklen_t length) {
  const int descriptor = newSocket(address->sa_family);
  if (descriptor < 0) return -1;
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(descriptor, address, length) == 0 && listen(descriptor, SOMAXCONN) == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  errno = error;
  return -1;
}

}  // namespace

bool Place::isLocal() const { return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0; }

bool isLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET)
    return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24 == 127;
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

namespace {

// At the host's own address, so that a program on one machine is not reached from others; where that is the address of
// something in between, or what the machine calls itself among the names of /etc/hosts, at all.
int listenerFor(const Place& place) {
  const Addresses found = addressesOf(place);
  for (const addrinfo* each = found.get(); each != nullptr; each = each->ai_next) {
    if (isLoopback(each->ai_addr) && !place.isLocal()) continue;
    const int descriptor = listenAt(each->ai_addr, each->ai_addrlen);
    if (descriptor >= 0) return descriptor;
    if (errno == EADDRINUSE) return -1;
  }
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(place.port);
  const int descriptor = listenAt(reinterpret_cast<sockaddr*>(&any), sizeof any);
  if (descriptor >= 0) return descriptor;
  sockaddr_in old{};
  old.sin_family = AF_INET;
  old.sin_port = htons(place.port);
  return listenAt(reinterpret_cast<sockaddr*>(&old), sizeof old);
}

bool sendAll(int descriptor, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(descriptor, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

int rankIn(const std::vector<std::string>& texts, int size) {
  if (texts.size() != 1 || texts[0].empty() || texts[0].size() > 6) return -1;
  if (texts[0].find_first_not_of("0123456789") != std::string::npos) return -1;
  const int rank = std::atoi(texts[0].c_str());
  return rank < size ? rank : -1;
}

}  // namespace

struct StoreServer::Connection {
  int socket;
  std::string received;
  int rank = -1;  // whose life it tells of

  explicit Connection(int descriptor) : socket(descriptor) {}
  ~Connection() { ::close(socket); }
};

StoreServer::StoreServer(const Place& place, int size, Seconds turn)
    : listener_(listenerFor(place)), size_(size), turn_(turn), silentTurns_(size, -1), isGone_(size, false) {
  if (listener_ < 0)
    throw Refusal("rank 0 could not listen at port " + std::to_string(place.port) +
                  ": another program may have it; set MASTER_PORT to a free port, the same for all ranks");
  if (pipe2(wake_, O_CLOEXEC) != 0) {
    ::close(listener_);
    throw Refusal("rank 0 could not start its store: there are too many open files");
  }
  thread_ = std::thread([this] { serve(); });
}

StoreServer::~StoreServer() {
  ::close(wake_[1]);
  thread_.join();
  ::close(wake_[0]);
  ::close(listener_);
}

bool StoreServer::areAllGone() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const bool isGone : isGone_)
    if (!isGone) return false;
  return true;
}

void StoreServer::serve() {
  std::list<Connection> connections;
  const int wait = static_cast<int>(std::chrono::duration_cast<milliseconds>(turn_).count());
  const timeval patience{wait / 1000, 1000 * (wait % 1000)};
  auto next = Clock::now() + turn_;
  for (;;) {
    std::vector<pollfd> polled{{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const Connection& each : connections) polled.push_back({each.socket, POLLIN, 0});
    if (poll(polled.data(), polled.size(), wait) < 0 && errno != EINTR) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (polled[0].revents != 0) return;
    size_t index = 2;
    for (auto each = connections.begin(); each != connections.end();) {
      const bool isReady = polled[index++].revents != 0;
      if (isReady && !receive(*each)) {
        if (each->rank >= 0 && !isGone_[each->rank]) lose(each->rank, "its process has ended");
        each = connections.erase(each);
      } else {
        ++each;
      }
    }
    if (polled[1].revents != 0) {
      const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (accepted >= 0) {
        const int on = 1;
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        // One that asks and does not read its answers must not keep the others waiting.
        setsockopt(accepted, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        connections.emplace_back(accepted);
      }
    }
    if (Clock::now() < next) continue;
    next = Clock::now() + turn_;
    tick();
  }
}

void StoreServer::tick() {
  for (int rank = 0; rank < size_; rank++)
    if (silentTurns_[rank] >= 0 && ++silentTurns_[rank] > kTurns)
      lose(rank, "it has given no sign of life for " + std::to_string((turn_ * kTurns).count()).substr(0, 4) +
                     " s; its process was stopped, or its machine or network is gone");
}

void StoreServer::lose(int rank, const std::string& how) {
  silentTurns_[rank] = -1;
  if (failure_.empty()) failure_ = "rank " + std::to_string(rank) + " is lost: " + how;
}

// False where the connection is at its end.
bool StoreServer::receive(Connection& connection) {
  char bytes[65536];
  const ssize_t count = recv(connection.socket, bytes, sizeof bytes, 0);
  if (count < 0) return errno == EINTR;
  if (count == 0) return false;
  connection.received.append(bytes, static_cast<size_t>(count));
  for (;;) {
    uint32_t length;
    std::string& received = connection.received;
    if (received.size() < sizeof length) return true;
    std::memcpy(&length, received.data(), sizeof length);
    if (length == 0 || length > kLongestMessage) return false;
    if (received.size() - sizeof length < length) return true;
    const std::string message = received.substr(sizeof length, length);
    received.erase(0, sizeof length + length);
    if (!answer(connection, message)) return false;
  }
}

bool StoreServer::answer(Connection& connection, const std::string& message) {
  const std::vector<std::string> texts = textsOf(message);
  std::string reply;
  switch (message[0]) {
    case kSet:
      if (texts.size() != 2) return false;
      values_[texts[0]] = {texts[1].begin(), texts[1].end()};
      break;
    case kGet: {
      if (texts.size() != 1) return false;
      const auto found = values_.find(texts[0]);
      if (found != values_.end()) reply.append(1, '=').append(found->second.begin(), found->second.end());
      break;
    }
    case kAdd: {
      if (texts.size() != 2) return false;
      std::vector<uint8_t>& value = values_[texts[0]];
      const int64_t sum = std::atoll(std::string(value.begin(), value.end()).c_str()) + std::atoll(texts[1].c_str());
      reply = std::to_string(sum);
      value = {reply.begin(), reply.end()};
      break;
    }
    case kDelete:
      if (texts.size() != 1) return false;
      reply = values_.erase(texts[0]) > 0 ? "yes" : "";
      break;
    case kCheck:
      reply = "yes";
      for (const std::string& key : texts)
        if (values_.count(key) == 0) reply.clear();
      break;
    case kCount:
      reply = std::to_string(values_.size());
      break;
    case kLive: {
      const int rank = rankIn(texts, size_);
      if (rank < 0 || isGone_[rank]) return false;  // the store of a group that is about to end
      if (connection.rank != rank && silentTurns_[rank] >= 0) {
        reply = "there is another process of rank " + texts[0] + ": each rank is started once";
        break;
      }
      connection.rank = rank;
      silentTurns_[rank] = 0;
      reply = failure_;
      break;
    }
    case kFail:
      if (texts.size() != 1) return false;
      if (failure_.empty()) failure_ = texts[0];
      break;
    case kGo:
      if (connection.rank < 0) return false;  // only that which told of a rank's life can tell of its end
      isGone_[connection.rank] = true;
      silentTurns_[connection.rank] = -1;
      break;
    default:
      return false;
  }
  return sendAll(connection.socket, framed(reply));
}

StoreClient::StoreClient(const Place& place, Clock::time_point end, Seconds turn) : turn_(turn) {
  for (;;) {
    const Addresses found = addressesOf(place);
    for (const addrinfo* each = found.get(); each != nullptr; each = each->ai_next) {
      socket_ = newSocket(each->ai_family);
      if (socket_ >= 0 && connect(socket_, each->ai_addr, each->ai_addrlen) == 0) return;
      if (socket_ >= 0) ::close(socket_);
      socket_ = -1;
    }
    if (Clock::now() > end)
      throw Refusal("rank 0 did not answer at " + place.host + ":" + std::to_string(place.port) +
                    ": see whether it runs, and whether MASTER_ADDR and MASTER_PORT are its own");
    std::this_thread::sleep_for(milliseconds(100));
  }
}

StoreClient::~StoreClient() { ::close(socket_); }

// Throws where the connection is lost, or rank 0 says nothing for as many turns as a rank may be silent.
std::string StoreClient::ask(const std::string& message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::runtime_error lost("its process has ended");
  if (!sendAll(socket_, framed(message))) throw lost;
  std::string received;
  uint32_t length = 0;
  int silent = 0;
  while (received.size() < sizeof length || received.size() - sizeof length < length) {
    pollfd polled{socket_, POLLIN, 0};
    const int ready = poll(&polled, 1, static_cast<int>(std::chrono::duration_cast<milliseconds>(turn_).count()));
    if (ready == 0 && ++silent > kTurns)
      throw std::runtime_error("it does not answer; its process was stopped, or its machine or network is gone");
    if (ready <= 0) continue;
    char bytes[65536];
    const ssize_t count = recv(socket_, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw lost;
    received.append(bytes, static_cast<size_t>(count));
    if (received.size() >= sizeof length) std::memcpy(&length, received.data(), sizeof length);
  }
  return received.substr(sizeof length);
}

void StoreClient::set(const std::string& key, const std::vector<uint8_t>& value) {
  ask(request(kSet, {key, {value.begin(), value.end()}}));
}

std::vector<uint8_t> StoreClient::get(const std::string& key) {
  wait({key});
  const std::string reply = ask(request(kGet, {key}));
  if (reply.empty()) throw std::runtime_error("the key " + key + " was deleted");
  return {reply.begin() + 1, reply.end()};
}

int64_t StoreClient::add(const std::string& key, int64_t value) {
  return std::atoll(ask(request(kAdd, {key, std::to_string(value)})).c_str());
}

bool StoreClient::deleteKey(const std::string& key) { return !ask(request(kDelete, {key})).empty(); }
bool StoreClient::check(const std::vector<std::string>& keys) { return !ask(request(kCheck, keys)).empty(); }
int64_t StoreClient::getNumKeys() { return std::atoll(ask(request(kCount, {})).c_str()); }
void StoreClient::wait(const std::vector<std::string>& keys) { wait(keys, timeout_); }

void StoreClient::wait(const std::vector<std::string>& keys, const milliseconds& timeout) {
  const auto end = Clock::now() + timeout;
  while (!check(keys)) {
    if (Clock::now() > end) throw std::runtime_error("another rank did not come in time");
    std::this_thread::sleep_for(milliseconds(5));
  }
}

c10::intrusive_ptr<c10d::Store> StoreClient::clone() { throw std::logic_error("the store is not cloned"); }

std::string StoreClient::live(int rank) { return ask(request(kLive, {std::to_string(rank)})); }
void StoreClient::fail(const std::string& reason) { ask(request(kFail, {reason})); }
void StoreClient::go() { ask(request(kGo, {})); }

}  // namespace padnet::distributed
