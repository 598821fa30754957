// The operators of libdist.so: collective operations as the dispatcher calls them. What a handle names is in
// group.h and gradientBuckets.h; the TypeScript side is src/distributed.
#include <torch/library.h>

#include "gradientBuckets.h"
#include "group.h"

namespace padnet::distributed {

namespace {

int64_t started(const std::shared_ptr<Group>& group, std::vector<at::Tensor> tensors,
                const c10::intrusive_ptr<c10d::Work>& work) {
  return works().add(std::make_shared<Work>(group, std::move(tensors), work));
}

std::shared_ptr<Group> openGroup(int64_t handle) {
  auto group = groups().get(handle);
  if (!group->isOpen()) throw std::invalid_argument("the process group is not open yet");
  return group;
}

void checkDense(const at::Tensor& tensor) {
  if (!tensor.is_contiguous() || tensor.layout() != at::kStrided)
    throw std::invalid_argument("collective operations take contiguous tensors");
  if (tensor.numel() == 0) throw std::invalid_argument("collective operations take tensors with elements");
}

c10d::ReduceOp reduction(const std::string& name) {
  if (name == "sum") return c10d::ReduceOp::SUM;
  if (name == "max") return c10d::ReduceOp::MAX;
  if (name == "min") return c10d::ReduceOp::MIN;
  throw std::invalid_argument("the reduction must be sum, max or min, got " + name);
}

int64_t open(const std::string& host, int64_t port, const std::string& network, int64_t rank, int64_t size,
             double lifeTimeout, double collectiveTimeout, double exitTimeout) {
  if (port < 1 || port > 65535) throw std::invalid_argument("the port must be from 1 to 65535");
  if (size < 1 || rank < 0 || rank >= size || size > 1 << 16)
    throw std::invalid_argument("the rank must be from 0 to the number of ranks - 1");
  const auto inRange = [](double seconds) { return seconds >= 0 && seconds <= 1e6; };
  if (!inRange(lifeTimeout) || !inRange(collectiveTimeout) || !inRange(exitTimeout) || lifeTimeout < 0.1)
    throw std::invalid_argument("a time-out must be from 0.1 to 1,000,000 seconds");
  auto group = std::make_shared<Group>(GroupOptions{{host, static_cast<uint16_t>(port)},
                                                    network,
                                                    static_cast<int>(rank),
                                                    static_cast<int>(size),
                                                    Seconds(lifeTimeout),
                                                    Seconds(collectiveTimeout),
                                                    Seconds(exitTimeout)});
  group->open();
  return groups().add(group);
}

bool isOpen(int64_t handle) { return groups().get(handle)->isOpen(); }
void close(int64_t handle) { groups().take(handle)->close(); }
void fail(int64_t handle, const std::string& reason) { groups().get(handle)->fail(reason); }
std::string failure(int64_t handle) { return groups().get(handle)->failure(); }

int64_t allReduce(int64_t handle, at::Tensor& tensor, const std::string& reduce) {
  checkDense(tensor);
  const auto group = openGroup(handle);
  c10d::AllreduceOptions options;
  options.reduceOp = reduction(reduce);
  std::vector<at::Tensor> tensors{tensor.detach()};
  return started(group, tensors, group->channel(Group::kCalls).allreduce(tensors, options));
}

int64_t broadcast(int64_t handle, at::Tensor& tensor, int64_t root) {
  checkDense(tensor);
  const auto group = openGroup(handle);
  if (root < 0 || root >= group->options().size) throw std::invalid_argument("there is no rank of this number");
  c10d::BroadcastOptions options;
  options.rootRank = root;
  std::vector<at::Tensor> tensors{tensor.detach()};
  return started(group, tensors, group->channel(Group::kCalls).broadcast(tensors, options));
}

int64_t allGather(int64_t handle, at::Tensor& output, const at::Tensor& input) {
  checkDense(output);
  checkDense(input);
  const auto group = openGroup(handle);
  std::vector<int64_t> shape = input.sizes().vec();
  shape.insert(shape.begin(), group->options().size);
  if (output.sizes() != shape || output.scalar_type() != input.scalar_type())
    throw std::invalid_argument("the output must be of the input's dtype and [ranks, ...its shape]");
  std::vector<std::vector<at::Tensor>> outputs{output.detach().unbind(0)};
  std::vector<at::Tensor> inputs{input.detach()};
  return started(group, {output, input}, group->channel(Group::kCalls).allgather(outputs, inputs));
}

int64_t sum(at::IntArrayRef counts) {
  int64_t total = 0;
  for (const int64_t count : counts) {
    if (count < 0) throw std::invalid_argument("a number of rows must be at least 0");
    total += count;
  }
  return total;
}

int64_t allToAll(int64_t handle, at::Tensor& output, const at::Tensor& input, at::IntArrayRef outputRows,
                 at::IntArrayRef inputRows) {
  if (!output.is_contiguous() || !input.is_contiguous() || output.dim() < 1 || input.dim() < 1)
    throw std::invalid_argument("all-to-all takes contiguous tensors of rows");
  const auto group = openGroup(handle);
  const size_t size = static_cast<size_t>(group->options().size);
  if (outputRows.size() != size || inputRows.size() != size || sum(outputRows) != output.size(0) ||
      sum(inputRows) != input.size(0) || output.scalar_type() != input.scalar_type() ||
      output.sizes().slice(1) != input.sizes().slice(1))
    throw std::invalid_argument("all-to-all: the numbers of rows must be one for each rank and add up to the tensors'");
  std::vector<int64_t> outputCounts = outputRows.vec(), inputCounts = inputRows.vec();
  at::Tensor to = output.detach(), from = input.detach();
  return started(group, {output, input},
                 group->channel(Group::kCalls).alltoall_base(to, from, outputCounts, inputCounts));
}

bool isCompleted(int64_t work) { return works().get(work)->isCompleted(); }
double wait(int64_t work) { return works().take(work)->wait(); }

int64_t makeBuckets(int64_t handle, at::TensorList parameters, int64_t bytes) {
  if (bytes < 1) throw std::invalid_argument("a bucket must have at least a byte");
  for (const at::Tensor& parameter : parameters)
    if (!parameter.is_leaf() || !parameter.requires_grad() || !at::isFloatingType(parameter.scalar_type()) ||
        parameter.numel() == 0)
      throw std::invalid_argument("buckets take parameters: leaves of floating-point numbers that require gradients");
  return gradientBuckets().add(std::make_shared<GradientBuckets>(openGroup(handle), parameters.vec(), bytes));
}

void startBuckets(int64_t buckets) { gradientBuckets().get(buckets)->start(); }
double finishBuckets(int64_t buckets) { return gradientBuckets().get(buckets)->finish(); }
void releaseBuckets(int64_t buckets) { gradientBuckets().take(buckets); }

}  // namespace

TORCH_LIBRARY(padnet_distributed, library) {
  library.def(
      "open(str host, int port, str network, int rank, int size, float life_timeout, float "
      "collective_timeout, float exit_timeout) -> int",
      &open);
  library.def("is_open(int handle) -> bool", &isOpen);
  library.def("close(int handle) -> ()", &close);
  library.def("fail(int handle, str reason) -> ()", &fail);
  library.def("failure(int handle) -> str", &failure);
  library.def("all_reduce(int handle, Tensor(a!) tensor, str reduction) -> int", &allReduce);
  library.def("broadcast(int handle, Tensor(a!) tensor, int root) -> int", &broadcast);
  library.def("all_gather(int handle, Tensor(a!) output, Tensor input) -> int", &allGather);
  library.def("all_to_all(int handle, Tensor(a!) output, Tensor input, int[] output_rows, int[] input_rows) -> int",
              &allToAll);
  library.def("is_completed(int work) -> bool", &isCompleted);
  library.def("wait(int work) -> float", &wait);
  library.def("make_buckets(int handle, Tensor[] parameters, int bytes) -> int", &makeBuckets);
  library.def("start_buckets(int buckets) -> ()", &startBuckets);
  library.def("finish_buckets(int buckets) -> float", &finishBuckets);
  library.def("release_buckets(int buckets) -> ()", &releaseBuckets);
}

}  // namespace padnet::distributed
