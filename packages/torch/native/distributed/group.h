// The ranks of a distributed program: their store, their process groups of Gloo, and the watch over each other.
#pragma once

#include <ATen/ATen.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <vector>

#include "registry.h"
#include "store.h"

namespace padnet::distributed {

struct GroupOptions {
  Place place;          // of the store
  std::string network;  // interface, such as eth0; empty for the one that leads to the store
  int rank, size;
  Seconds lifeTimeout;        // without a sign of life a rank is taken for lost
  Seconds collectiveTimeout;  // for an operation that all ranks have to join
  Seconds exitTimeout;        // this long after the group has failed the process ends; 0 for never
};

class Group;

// A collective operation under way.
class Work {
 public:
  Work(std::shared_ptr<Group> group, std::vector<at::Tensor> tensors, const c10::intrusive_ptr<c10d::Work>& work);

  bool isCompleted();
  // Blocks until it is done. Throws where it failed, or a rank is lost. Returns the seconds that it has waited.
  double wait();

 private:
  struct Completion;

  std::shared_ptr<Group> group_;
  std::vector<at::Tensor> tensors_;  // are written to meanwhile
  c10::intrusive_ptr<c10d::Work> work_;
  std::shared_ptr<Completion> completion_;
};

class Group : public std::enable_shared_from_this<Group> {
 public:
  explicit Group(GroupOptions options) : options_(std::move(options)) {}

  // Connects in the background: `isOpen` tells when that is done, or throws.
  void open();
  bool isOpen();
  // Ends in order; every rank calls it after its last collective operation.
  void close();
  // Makes all ranks stop, each with this reason. The first reason stays.
  void fail(const std::string& reason);
  // Empty while there is none.
  std::string failure();
  // Waits a while for the reason why an operation has failed, to name the rank. Returns `otherwise` where none comes.
  std::string awaitFailure(const std::string& otherwise);
  // Throws where the group has failed.
  void check();

  // Of two groups: gradients are reduced in whatever order backward completes them, all else in the order of the calls.
  enum Channel { kCalls = 0, kGradients = 1 };
  c10d::ProcessGroupGloo& channel(Channel channel) { return *channels_.at(channel); }
  const GroupOptions& options() const { return options_; }

 private:
  Seconds turn() const { return options_.lifeTimeout / kTurns; }
  c10::intrusive_ptr<StoreClient> connect(std::chrono::steady_clock::time_point end) const;
  bool tryToJoin(std::chrono::steady_clock::time_point end);
  void join();
  void watch(const c10::intrusive_ptr<StoreClient>& store);
  void setFailure(const std::string& reason);
  std::vector<int> missing();

  GroupOptions options_;
  std::unique_ptr<StoreServer> server_;
  c10::intrusive_ptr<StoreClient> store_;
  std::vector<std::unique_ptr<c10d::ProcessGroupGloo>> channels_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool isOpen_ = false, isClosing_ = false, hasGone_ = false;
  std::string failure_;
};

Registry<Group>& groups();
Registry<Work>& works();

}  // namespace padnet::distributed
