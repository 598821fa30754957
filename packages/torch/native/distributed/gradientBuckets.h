// Gradients of all ranks, summed in flat buckets while backward goes on.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <utility>
#include <vector>

#include "group.h"

namespace padnet::distributed {

// A bucket holds the gradients of parameters that backward reaches one after the other, and after them how many ranks
// have each. It is reduced once all of its gradients are there and all buckets before it are on their way, so that
// every rank reduces them in the same order.
class GradientBuckets : public std::enable_shared_from_this<GradientBuckets> {
 public:
  GradientBuckets(std::shared_ptr<Group> group, std::vector<at::Tensor> parameters, int64_t bytes);
  ~GradientBuckets();

  // Lets the next backward fill the buckets.
  void start();
  // Reduces what is left, parameters without a gradient as zeros, and gives every parameter the sum as its gradient;
  // none where no rank has one. Returns the seconds that it has waited.
  double finish();

 private:
  struct Bucket {
    at::Tensor flat;
    std::vector<size_t> members;  // positions in parameters_
    size_t missing = 0;
    std::shared_ptr<Work> work;
  };
  struct Place {
    size_t bucket;
    int64_t offset, flag;  // in its bucket, of the gradient and of the number of ranks that have it
    bool isFilled = false;
    // A shared or an intrusive pointer to a node, as the version has it.
    decltype(torch::autograd::impl::grad_accumulator(std::declval<const at::Tensor&>())) accumulator;
    uintptr_t hook = 0;
  };

  at::Tensor gradientView(size_t index);
  void makeBuckets(int64_t bytes);
  void addHook(size_t index);
  void fill(size_t index);
  void reduceReady();

  std::shared_ptr<Group> group_;
  std::vector<at::Tensor> parameters_;
  std::vector<Place> places_;
  std::vector<Bucket> buckets_;
  size_t next_ = 0;  // the first bucket that is not on its way
  bool isFilling_ = false;
};

Registry<GradientBuckets>& gradientBuckets();

}  // namespace padnet::distributed
