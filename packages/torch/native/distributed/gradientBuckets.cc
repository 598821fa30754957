#include "gradientBuckets.h"

#include <torch/csrc/autograd/function_hook.h>

namespace padnet::distributed {

namespace {

// Called after backward has added to a parameter's gradient.
class Hook : public torch::autograd::FunctionPostHook {
 public:
  explicit Hook(std::function<void()> call) : call_(std::move(call)) {}

  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list&) override {
    call_();
    return outputs;
  }

 private:
  std::function<void()> call_;
};

}  // namespace

Registry<GradientBuckets>& gradientBuckets() {
  static auto* registry = new Registry<GradientBuckets>("set of gradient buckets");
  return *registry;
}

GradientBuckets::GradientBuckets(std::shared_ptr<Group> group, std::vector<at::Tensor> parameters, int64_t bytes)
    : group_(std::move(group)), parameters_(std::move(parameters)) {
  places_.resize(parameters_.size());
  makeBuckets(bytes);
  for (size_t index = 0; index < parameters_.size(); index++) addHook(index);
}

GradientBuckets::~GradientBuckets() {
  for (const Place& place : places_)
    if (place.accumulator) place.accumulator->del_post_hook(place.hook);
}

// Backward reaches the parameters about in the reverse of their order.
void GradientBuckets::makeBuckets(int64_t bytes) {
  int64_t filled = 0;
  for (size_t index = parameters_.size(); index-- > 0;) {
    const at::Tensor& parameter = parameters_[index];
    const bool isOfKind = !buckets_.empty() && [&] {
      const at::Tensor& first = parameters_[buckets_.back().members.front()];
      return first.scalar_type() == parameter.scalar_type() && first.device() == parameter.device();
    }();
    if (!isOfKind || filled + static_cast<int64_t>(parameter.nbytes()) > bytes) {
      buckets_.emplace_back();
      filled = 0;
    }
    places_[index].bucket = buckets_.size() - 1;
    buckets_.back().members.push_back(index);
    filled += static_cast<int64_t>(parameter.nbytes());
  }
  for (Bucket& bucket : buckets_) {
    int64_t size = 0;
    for (const size_t index : bucket.members) {
      places_[index].offset = size;
      size += parameters_[index].numel();
    }
    for (const size_t index : bucket.members) places_[index].flag = size++;
    bucket.flat = at::zeros({size}, parameters_[bucket.members.front()].options().requires_grad(false));
  }
}

void GradientBuckets::addHook(size_t index) {
  Place& place = places_[index];
  place.accumulator = torch::autograd::impl::grad_accumulator(parameters_[index]);
  place.hook = place.accumulator->add_post_hook(std::make_unique<Hook>([this, index] {
    if (isFilling_) fill(index);
  }));
}

at::Tensor GradientBuckets::gradientView(size_t index) {
  const at::Tensor& parameter = parameters_[index];
  return buckets_[places_[index].bucket]
      .flat.narrow(0, places_[index].offset, parameter.numel())
      .view(parameter.sizes());
}

void GradientBuckets::start() {
  for (Bucket& bucket : buckets_) {
    bucket.missing = bucket.members.size();
    bucket.work.reset();
  }
  for (Place& place : places_) place.isFilled = false;
  next_ = 0;
  isFilling_ = true;
}

void GradientBuckets::fill(size_t index) {
  Place& place = places_[index];
  if (place.isFilled) return;
  const at::NoGradGuard noGrad;
  const at::Tensor& gradient = parameters_[index].grad();
  Bucket& bucket = buckets_[place.bucket];
  if (gradient.defined()) {
    const at::Tensor view = gradientView(index);
    if (!gradient.is_same(view) && gradient.data_ptr() != view.data_ptr()) view.copy_(gradient);
  } else {
    gradientView(index).zero_();
  }
  bucket.flat[place.flag].fill_(gradient.defined() ? 1 : 0);
  place.isFilled = true;
  bucket.missing--;
  reduceReady();
}

void GradientBuckets::reduceReady() {
  for (; next_ < buckets_.size() && buckets_[next_].missing == 0; next_++) {
    Bucket& bucket = buckets_[next_];
    std::vector<at::Tensor> tensors{bucket.flat};
    bucket.work = std::make_shared<Work>(group_, tensors, group_->channel(Group::kGradients).allreduce(tensors));
  }
}

double GradientBuckets::finish() {
  const at::NoGradGuard noGrad;
  for (size_t index = parameters_.size(); index-- > 0;) fill(index);
  isFilling_ = false;
  double seconds = 0;
  for (Bucket& bucket : buckets_) {
    seconds += bucket.work->wait();
    bucket.work.reset();
    const int64_t count = static_cast<int64_t>(bucket.members.size());
    const at::Tensor flags =
        bucket.flat.narrow(0, bucket.flat.numel() - count, count).to(at::kCPU, at::kDouble).contiguous();
    for (const size_t index : bucket.members) {
      const bool hasGradient = flags.data_ptr<double>()[places_[index].flag - (bucket.flat.numel() - count)] > 0;
      parameters_[index].mutable_grad() = hasGradient ? gradientView(index) : at::Tensor();
    }
  }
  return seconds;
}

}  // namespace padnet::distributed
