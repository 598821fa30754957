// libtorch's own convolutions, led around the calls that it computes wrongly. legalCalls.test.ts looks for more of
// them.
//
// * The gradient by the weight of a 1×1 convolution with strides and fewer than 16 channels, channels-last. oneDNN
//   (seen in 2.6, with AVX-512) copies whole vectors of 16 channels into memory for as many as there are, which ends
//   the process or spoils what another thread has copied. Contiguous tensors take another way.
// * Gradients in bfloat16. oneDNN (seen with libtorch 1.13 and 2.15) reads beyond its tensors, or memory that was
//   never written, where maps are smaller than the kernel or the kernel is dilated. They are computed in float32.
// * Transposed convolutions in bfloat16. libtorch 1.13 computes convolutions that are not transposed.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>

namespace padnet {

namespace {

constexpr int64_t kVectorChannels = 16;

bool isOne(int64_t size) { return size == 1; }

bool overrunsScratch(const at::Tensor& input, const at::Tensor& weight, at::IntArrayRef stride) {
  const auto kernel = weight.sizes().slice(2);
  return input.size(1) < kVectorChannels && std::all_of(kernel.begin(), kernel.end(), isOne) &&
         !std::all_of(stride.begin(), stride.end(), isOne);
}

/// Whether convolutions in the tensor's dtype are to be computed in float32.
bool isWidened(const at::Tensor& tensor) { return tensor.scalar_type() == at::kBFloat16; }

at::Tensor widened(const c10::optional<at::Tensor>& tensor) {
  return tensor && tensor->defined() ? tensor->to(at::kFloat) : at::Tensor();
}

at::Tensor narrowed(const at::Tensor& tensor) { return tensor.defined() ? tensor.to(at::kBFloat16) : tensor; }

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight, const c10::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef outputPadding, int64_t groups) {
  const auto compute = [&](const at::Tensor& x, const at::Tensor& w, const c10::optional<at::Tensor>& b) {
    return at::native::convolution(x, w, b, stride, padding, dilation, transposed, outputPadding, groups);
  };
  return transposed && isWidened(input) ? narrowed(compute(widened(input), widened(weight), widened(bias)))
                                        : compute(input, weight, bias);
}

using Gradients = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

Gradients convolutionBackward(const at::Tensor& gradOutput, const at::Tensor& input, const at::Tensor& weight,
                              at::OptionalIntArrayRef biasSizes, at::IntArrayRef stride, at::IntArrayRef padding,
                              at::IntArrayRef dilation, bool transposed, at::IntArrayRef outputPadding, int64_t groups,
                              std::array<bool, 3> outputMask) {
  const auto compute = [&](const at::Tensor& g, const at::Tensor& x, const at::Tensor& w) {
    // In a transposed convolution, input and gradient change their parts.
    const bool overruns = outputMask[1] && overrunsScratch(transposed ? g : x, w, stride);
    return at::native::convolution_backward(overruns ? g.contiguous() : g, overruns ? x.contiguous() : x,
                                            overruns ? w.contiguous() : w, biasSizes, stride, padding, dilation,
                                            transposed, outputPadding, groups, outputMask);
  };
  if (!isWidened(input)) return compute(gradOutput, input, weight);
  const Gradients wide = compute(widened(gradOutput), widened(input), widened(weight));
  return {narrowed(std::get<0>(wide)), narrowed(std::get<1>(wide)), narrowed(std::get<2>(wide))};
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, CPU, library) {
  library.impl("convolution", convolution);
  library.impl("convolution_backward", convolutionBackward);
}

}  // namespace padnet
