// One pass over each parameter for a step of SGD or AdamW; the formulas are those of src/optim/sgd.ts and adamw.ts.
// Dense float32 and float64 tensors on the CPU are run through here; any others by libtorch's operators, one after the
// other.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <cmath>

#include "vectorised.h"

namespace padnet {

namespace {

constexpr int64_t kPiece = 1 << 15;  // elements that a thread takes at once

struct SgdOptions {
  double learningRate, momentum, dampening, weightDecay;
  bool nesterov;
};

struct AdamwOptions {
  double learningRate, beta1, beta2, eps, weightDecay;
};

template <class T, bool kMomentum>
struct SgdLoop {
  static PADNET_INLINE void run(T* __restrict w, const T* __restrict gradient, T* __restrict buffer, int64_t count,
                                const SgdOptions* options) {
    const T rate = static_cast<T>(-options->learningRate), momentum = static_cast<T>(options->momentum),
            share = static_cast<T>(1 - options->dampening), decay = static_cast<T>(options->weightDecay);
    const bool decays = options->weightDecay != 0, nesterov = options->nesterov;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
      T g = decays ? gradient[i] + decay * w[i] : gradient[i];
      if (kMomentum) {
        const T b = momentum * buffer[i] + share * g;
        buffer[i] = b;
        g = nesterov ? g + momentum * b : b;
      }
      w[i] += rate * g;
    }
  }
};

template <class T>
struct AdamwLoop {
  static PADNET_INLINE void run(T* __restrict w, const T* __restrict gradient, T* __restrict average,
                                T* __restrict square, int64_t count, double step, const AdamwOptions* options) {
    const T keep = static_cast<T>(1 - options->learningRate * options->weightDecay),
            beta1 = static_cast<T>(options->beta1), share1 = static_cast<T>(1 - options->beta1),
            beta2 = static_cast<T>(options->beta2), share2 = static_cast<T>(1 - options->beta2),
            eps = static_cast<T>(options->eps);
    const T correction = static_cast<T>(std::sqrt(1 - std::pow(options->beta2, step)));
    const T rate = static_cast<T>(-options->learningRate / (1 - std::pow(options->beta1, step)));
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
      const T g = gradient[i];
      const T m = beta1 * average[i] + share1 * g;
      const T v = beta2 * square[i] + share2 * g * g;
      average[i] = m;
      square[i] = v;
      w[i] = keep * w[i] + rate * (m / (std::sqrt(v) / correction + eps));
    }
  }
};

/// Whether elements at the same offset of all tensors belong together, and the loops know their type.
bool isPlain(const at::Tensor& parameter, std::initializer_list<at::Tensor> others) {
  if (!parameter.device().is_cpu() || parameter.layout() != at::kStrided || !parameter.is_non_overlapping_and_dense() ||
      (parameter.scalar_type() != at::kFloat && parameter.scalar_type() != at::kDouble)) {
    return false;
  }
  for (const at::Tensor& other : others) {
    if (!other.device().is_cpu() || other.layout() != at::kStrided || other.scalar_type() != parameter.scalar_type() ||
        other.strides() != parameter.strides() || other.is_neg()) {
      return false;
    }
  }
  return true;
}

void checkLists(at::TensorList parameters, std::initializer_list<at::TensorList> lists) {
  for (const at::TensorList& list : lists) {
    TORCH_CHECK(list.size() == parameters.size(), "expected as many tensors in every list, got ", list.size(), " for ",
                parameters.size(), " parameters");
    for (size_t i = 0; i < list.size(); i++) {
      TORCH_CHECK(list[i].sizes() == parameters[i].sizes(), "parameter ", i, " is ", parameters[i].sizes(),
                  ", what belongs to it ", list[i].sizes());
    }
  }
  for (const at::Tensor& parameter : parameters) {
    TORCH_CHECK(!at::GradMode::is_enabled() || !parameter.requires_grad(),
                "a parameter that requires a gradient is changed in place only without recording");
  }
}

/// `body(tensor, from, to)` over the elements of the given tensors, cut into pieces for the threads.
template <class Body>
void forPieces(at::TensorList tensors, const std::vector<size_t>& chosen, const Body& body) {
  struct Piece {
    size_t tensor;
    int64_t from, to;
  };
  std::vector<Piece> pieces;
  for (const size_t i : chosen) {
    const int64_t count = tensors[i].numel();
    for (int64_t from = 0; from < count; from += kPiece) pieces.push_back({i, from, std::min(count, from + kPiece)});
  }
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 2, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) body(pieces[p].tensor, pieces[p].from, pieces[p].to);
  });
}

/// The gradient as the parameter lies in memory.
at::Tensor alignedGradient(const at::Tensor& gradient, const at::Tensor& parameter) {
  if (gradient.layout() != at::kStrided || !gradient.device().is_cpu() ||
      gradient.scalar_type() != parameter.scalar_type() || !parameter.is_non_overlapping_and_dense() ||
      (gradient.strides() == parameter.strides() && !gradient.is_neg())) {
    return gradient;
  }
  return at::empty_strided(parameter.sizes(), parameter.strides(), parameter.options()).copy_(gradient);
}

void sgdByOperators(const at::Tensor& parameter, const at::Tensor& gradient, const at::Tensor& buffer,
                    const SgdOptions& options) {
  at::Tensor g = options.weightDecay == 0 ? gradient : gradient.add(parameter, options.weightDecay);
  if (buffer.defined()) {
    buffer.mul_(options.momentum).add_(g, 1 - options.dampening);
    g = options.nesterov ? g.add(buffer, options.momentum) : buffer;
  }
  parameter.add_(g, -options.learningRate);
}

void adamwByOperators(const at::Tensor& parameter, const at::Tensor& gradient, const at::Tensor& average,
                      const at::Tensor& square, double step, const AdamwOptions& options) {
  parameter.mul_(1 - options.learningRate * options.weightDecay);
  average.mul_(options.beta1).add_(gradient, 1 - options.beta1);
  square.mul_(options.beta2).addcmul_(gradient, gradient, 1 - options.beta2);
  const at::Tensor denominator = square.sqrt().div_(std::sqrt(1 - std::pow(options.beta2, step))).add_(options.eps);
  parameter.addcdiv_(average, denominator, -options.learningRate / (1 - std::pow(options.beta1, step)));
}

void bumpVersion(const at::Tensor& tensor) {
  if (!tensor.is_inference()) tensor.unsafeGetTensorImpl()->bump_version();
}

/// No buffers stand for no momentum.
void sgd(at::TensorList parameters, at::TensorList gradients, at::TensorList buffers, double learningRate,
         double momentum, double dampening, double weightDecay, bool nesterov) {
  const SgdOptions options{learningRate, momentum, dampening, weightDecay, nesterov};
  checkLists(parameters, {gradients});
  if (!buffers.empty()) checkLists(parameters, {buffers});
  std::vector<at::Tensor> aligned;
  std::vector<size_t> plain;
  for (size_t i = 0; i < parameters.size(); i++) {
    const at::Tensor buffer = buffers.empty() ? at::Tensor() : buffers[i];
    aligned.push_back(alignedGradient(gradients[i], parameters[i]));
    if (buffer.defined() ? isPlain(parameters[i], {aligned[i], buffer}) : isPlain(parameters[i], {aligned[i]})) {
      plain.push_back(i);
      bumpVersion(parameters[i]);
      if (buffer.defined()) bumpVersion(buffer);
    } else {
      sgdByOperators(parameters[i], gradients[i], buffer, options);
    }
  }
  forPieces(parameters, plain, [&](size_t i, int64_t from, int64_t to) {
    AT_DISPATCH_FLOATING_TYPES(parameters[i].scalar_type(), "sgd_", [&] {
      auto* w = parameters[i].data_ptr<scalar_t>() + from;
      const auto* g = aligned[i].data_ptr<scalar_t>() + from;
      scalar_t* none = nullptr;
      if (buffers.empty()) {
        runVectorised<SgdLoop<scalar_t, false>>(w, g, none, to - from, &options);
      } else {
        runVectorised<SgdLoop<scalar_t, true>>(w, g, buffers[i].data_ptr<scalar_t>() + from, to - from, &options);
      }
    });
  });
}

/// `steps`: the number of this step, from 1, of each parameter.
void adamw(at::TensorList parameters, at::TensorList gradients, at::TensorList averages, at::TensorList squares,
           at::ArrayRef<double> steps, double learningRate, double beta1, double beta2, double eps,
           double weightDecay) {
  const AdamwOptions options{learningRate, beta1, beta2, eps, weightDecay};
  checkLists(parameters, {gradients, averages, squares});
  TORCH_CHECK(steps.size() == parameters.size(), "expected ", parameters.size(), " steps, got ", steps.size());
  std::vector<at::Tensor> aligned;
  std::vector<size_t> plain;
  for (size_t i = 0; i < parameters.size(); i++) {
    aligned.push_back(alignedGradient(gradients[i], parameters[i]));
    if (isPlain(parameters[i], {aligned[i], averages[i], squares[i]})) {
      plain.push_back(i);
      for (const at::Tensor& changed : {parameters[i], averages[i], squares[i]}) bumpVersion(changed);
    } else {
      adamwByOperators(parameters[i], gradients[i], averages[i], squares[i], steps[i], options);
    }
  }
  forPieces(parameters, plain, [&](size_t i, int64_t from, int64_t to) {
    AT_DISPATCH_FLOATING_TYPES(parameters[i].scalar_type(), "adamw_", [&] {
      runVectorised<AdamwLoop<scalar_t>>(parameters[i].data_ptr<scalar_t>() + from,
                                         const_cast<const scalar_t*>(aligned[i].data_ptr<scalar_t>()) + from,
                                         averages[i].data_ptr<scalar_t>() + from,
                                         squares[i].data_ptr<scalar_t>() + from, to - from, steps[i], &options);
    });
  });
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet_torch, library) {
  library.def(
      "sgd_(Tensor(a!)[] parameters, Tensor[] gradients, Tensor(b!)[] momentum_buffers, float learning_rate, "
      "float momentum, float dampening, float weight_decay, bool nesterov) -> ()",
      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, TORCH_FN(sgd)));
  library.def(
      "adamw_(Tensor(a!)[] parameters, Tensor[] gradients, Tensor(b!)[] averages, Tensor(c!)[] squares, float[] steps, "
      "float learning_rate, float beta1, float beta2, float eps, float weight_decay) -> ()",
      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, TORCH_FN(adamw)));
}

}  // namespace padnet
