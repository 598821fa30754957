// The store of a process group: keys and values at rank 0, by which ranks find each other, and the watch over them. Its
// own, not c10d's TCPStore: that of libtorch 1.13 ends the whole process when its server is reset, those of different
// versions do not understand each other, and none tells which rank has gone.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

namespace padnet::distributed {

using Seconds = std::chrono::duration<double>;

struct Place {
  std::string host;
  uint16_t port;

  // Whether only this machine is meant: not where it is merely what the machine calls itself.
  bool isLocal() const;
};

// Whether an address leads to nowhere but this machine.
bool isLoopback(const sockaddr* address);

// An error that no second attempt would mend.
struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// In this many turns of its life a rank that gives no sign is lost. Time is counted in turns, not by a clock: where a
// whole machine stands still, nobody is lost.
constexpr int kTurns = 10;

class StoreServer {
 public:
  // Throws Refusal where the port cannot be had.
  StoreServer(const Place& place, int size, Seconds turn);
  ~StoreServer();

  // Whether all ranks have said that they go.
  bool areAllGone();

 private:
  struct Connection;

  void serve();
  void tick();
  bool receive(Connection& connection);
  bool answer(Connection& connection, const std::string& request);
  void lose(int rank, const std::string& how);

  int listener_, wake_[2];
  const int size_;
  const Seconds turn_;
  std::mutex mutex_;
  std::map<std::string, std::vector<uint8_t>> values_;
  std::vector<int> silentTurns_;  // by rank; -1 for one that has not come or has gone
  std::vector<bool> isGone_;
  std::string failure_;
  std::thread thread_;
};

class StoreClient : public c10d::Store {
 public:
  // Tries until `end`. Throws Refusal where rank 0 does not answer by then.
  StoreClient(const Place& place, std::chrono::steady_clock::time_point end, Seconds turn);
  ~StoreClient() override;

  void set(const std::string& key, const std::vector<uint8_t>& value) override;
  std::vector<uint8_t> get(const std::string& key) override;
  int64_t add(const std::string& key, int64_t value) override;
  bool deleteKey(const std::string& key) override;
  bool check(const std::vector<std::string>& keys) override;
  int64_t getNumKeys() override;
  void wait(const std::vector<std::string>& keys) override;
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) override;
  // Later versions ask for it; Gloo never does.
  c10::intrusive_ptr<c10d::Store> clone();

  // Tells that this rank lives. Returns why the group has failed; empty where it has not.
  std::string live(int rank);
  // Makes the group fail for this reason, unless it has already.
  void fail(const std::string& reason);
  // Tells that the rank whose life this connection has told of goes in order.
  void go();

 private:
  std::string ask(const std::string& request);

  std::mutex mutex_;
  const Seconds turn_;
  int socket_ = -1;
};

}  // namespace padnet::distributed
