// padnet::mixed_conv2d: a convolution whose kernel is mixed for every sample (method.md §1, §2), with its backward
// pass.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <optional>

#include "convolution.h"

namespace padnet {
namespace {

using at::Tensor;
using OptionalTensor = c10::optional<Tensor>;

struct Operands {
  Tensor input, coefficients, bank;
  OptionalTensor staticWeight, staticScale, maskBits;
  at::IntArrayRef weightShape, stride, padding, dilation;
  int64_t groups;
};

Geometry geometryOf(const Operands& o) {
  const auto check = [](bool holds, const char* what, auto&&... details) {
    TORCH_CHECK(holds, "padnet::mixed_conv2d: ", what, details...);
  };
  const Tensor& input = o.input;
  check(input.dim() == 4, "the input must be [batch, channels, height, width], got ", input.sizes());
  check(o.weightShape.size() == 4,
        "weight_shape must be [outChannels, inChannels / groups, kernelHeight, kernelWidth], got ", o.weightShape);
  for (const at::IntArrayRef list : {o.stride, o.padding, o.dilation})
    check(list.size() == 2, "stride, padding and dilation are two numbers each, got ", list);
  const auto w = o.weightShape;
  for (const int64_t size : w) check(size > 0, "weight_shape must be positive, got ", w);
  constexpr int64_t most = int64_t{1} << 31;
  for (int axis = 0; axis < 2; axis++) {
    check(o.stride[axis] > 0 && o.stride[axis] < most, "the stride must be positive, got ", o.stride);
    check(o.dilation[axis] > 0 && o.dilation[axis] < most, "the dilation must be positive, got ", o.dilation);
    check(o.padding[axis] >= 0 && o.padding[axis] < most, "the padding must not be negative, got ", o.padding);
    check(w[axis + 2] < most / (1 << 10), "the kernel is too large: ", w);
  }
  check(o.groups > 0 && input.size(1) % o.groups == 0 && w[0] % o.groups == 0 && input.size(1) / o.groups == w[1],
        "an input of ", input.size(1), " channels in ", o.groups, " groups does not fit weights ", w);
  Geometry g{};
  g.batch = input.size(0);
  g.inChannels = input.size(1);
  g.height = input.size(2);
  g.width = input.size(3);
  g.outChannels = w[0];
  g.kernelHeight = w[2];
  g.kernelWidth = w[3];
  g.strideHeight = o.stride[0];
  g.strideWidth = o.stride[1];
  g.padHeight = o.padding[0];
  g.padWidth = o.padding[1];
  g.dilationHeight = o.dilation[0];
  g.dilationWidth = o.dilation[1];
  g.groups = o.groups;
  const auto along = [](int64_t size, int64_t pad, int64_t dilation, int64_t kernel, int64_t stride) {
    const int64_t room = size + 2 * pad - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
  };
  g.outHeight = along(g.height, g.padHeight, g.dilationHeight, g.kernelHeight, g.strideHeight);
  g.outWidth = along(g.width, g.padWidth, g.dilationWidth, g.kernelWidth, g.strideWidth);
  check(g.outHeight > 0 && g.outWidth > 0, "a kernel of ", w, " does not fit an input of ", input.sizes());

  const int64_t size = w[0] * w[1] * w[2] * w[3];
  check(o.coefficients.dim() == 2 && o.coefficients.size(0) == g.batch, "the coefficients must be [", g.batch,
        ", K], got ", o.coefficients.sizes());
  const int64_t numKernels = o.coefficients.size(1);
  std::vector<Tensor> floats{o.coefficients, o.bank};
  if (o.maskBits) {
    const Tensor& bits = *o.maskBits;
    check(bits.dim() == 1 && bits.scalar_type() == at::kByte && bits.size(0) == (size + 7) / 8, "the mask must have ",
          (size + 7) / 8, " bytes (uint8), got ", bits.scalar_type(), " ", bits.sizes());
    check(bits.device().is_cpu(), "the mask must be on the CPU, got ", bits.device());
    check(o.staticWeight.has_value() && o.staticScale.has_value(), "a mask needs static_weight and static_scale");
    check(o.staticScale->dim() == 0, "static_scale must be a scalar, got ", o.staticScale->sizes());
    floats.push_back(*o.staticWeight);
    floats.push_back(*o.staticScale);
  } else {
    check(!o.staticWeight.has_value() && !o.staticScale.has_value(), "static_weight and static_scale need a mask");
    check(o.bank.dim() == 5 && o.bank.size(0) == numKernels && o.bank.sizes().slice(1) == w, "the bank must be [",
          numKernels, ", ", w, "], got ", o.bank.sizes());
  }
  const auto dtype = input.scalar_type();
  check(dtype == at::kFloat || dtype == at::kDouble, "float32 and float64 only, got ", dtype);
  check(input.device().is_cpu(), "CPU tensors only, got ", input.device());
  for (const Tensor& tensor : floats)
    check(tensor.scalar_type() == dtype && tensor.device().is_cpu(), "all tensors must be like the input (", dtype,
          " on the CPU), got ", tensor.scalar_type(), " on ", tensor.device());
  return g;
}

template <class T>
Maps<T> mapsOf(const Tensor& tensor) {
  return {tensor.data_ptr<T>(), tensor.stride(0), tensor.stride(1), tensor.stride(2), tensor.stride(3)};
}

/// The weights behind the tensors, that are kept contiguous and alive.
template <class T>
struct Bound {
  Tensor coefficients, bank, staticWeight, bits;
  std::optional<Ranks> ranks;
  std::vector<int64_t> order;
  T staticScale = 1;
  std::optional<Weights<T>> weights;

  Bound(const Operands& o, const Geometry& g) : coefficients(o.coefficients.contiguous()), bank(o.bank.contiguous()) {
    const int64_t size = g.outChannels * g.rowSize(), numKernels = coefficients.size(1);
    if (o.maskBits) {
      bits = o.maskBits->contiguous();
      ranks.emplace(bits.data_ptr<uint8_t>(), size);
      const int64_t numDynamic = ranks->before(size);
      staticWeight = o.staticWeight->contiguous();
      staticScale = o.staticScale->item<T>();
      TORCH_CHECK(bank.dim() == 2 && bank.size(0) == numKernels && bank.size(1) == numDynamic,
                  "padnet::mixed_conv2d: with this mask the bank must be [", numKernels, ", ", numDynamic, "], got ",
                  bank.sizes());
      TORCH_CHECK(staticWeight.dim() == 1 && staticWeight.size(0) == size - numDynamic,
                  "padnet::mixed_conv2d: with this mask static_weight must be [", size - numDynamic, "], got ",
                  staticWeight.sizes());
    }
    const Ranks* known = ranks ? &*ranks : nullptr;
    order = rowOrder(known, g.groups, g.outChannels, g.rowSize());
    weights.emplace(bank.data_ptr<T>(), ranks ? staticWeight.data_ptr<T>() : nullptr,
                    ranks ? bits.data_ptr<uint8_t>() : nullptr, known, order.data(), numKernels, g.outChannels,
                    g.rowSize());
  }

  Mixture<T> mixture() const {
    return {*weights, order.data(), !std::is_sorted(order.begin(), order.end()), coefficients.data_ptr<T>(),
            staticScale};
  }
};

Tensor channelsLast(at::IntArrayRef sizes, const Tensor& like) {
  return at::empty(sizes, like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

Tensor forward(const Tensor& input, const Tensor& coefficients, const Tensor& bank, const OptionalTensor& staticWeight,
               const OptionalTensor& staticScale, const OptionalTensor& maskBits, at::IntArrayRef weightShape,
               at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
  const Operands operands{input,       coefficients, bank,    staticWeight, staticScale, maskBits,
                          weightShape, stride,       padding, dilation,     groups};
  const Geometry g = geometryOf(operands);
  Tensor output = channelsLast({g.batch, g.outChannels, g.outHeight, g.outWidth}, input);
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "mixed_conv2d", [&] {
    const Bound<scalar_t> bound(operands, g);
    convolve<scalar_t>(g, bound.mixture(), mapsOf<scalar_t>(input), output.data_ptr<scalar_t>());
  });
  return output.contiguous(input.suggest_memory_format());
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> backward(
    const Tensor& gradOutput, const Tensor& input, const Tensor& coefficients, const Tensor& bank,
    const OptionalTensor& staticWeight, const OptionalTensor& staticScale, const OptionalTensor& maskBits,
    at::IntArrayRef weightShape, at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
    int64_t groups, bool needsInput, bool needsWeights) {
  const Operands operands{input,       coefficients, bank,    staticWeight, staticScale, maskBits,
                          weightShape, stride,       padding, dilation,     groups};
  const Geometry g = geometryOf(operands);
  TORCH_CHECK(gradOutput.sizes() == at::IntArrayRef({g.batch, g.outChannels, g.outHeight, g.outWidth}) &&
                  gradOutput.scalar_type() == input.scalar_type() && gradOutput.device().is_cpu(),
              "padnet::mixed_conv2d: the gradient of the output must be like the output, got ", gradOutput.sizes());
  Tensor gradInput, gradCoefficients, gradBank, gradStatic, gradScale;
  if (needsInput) gradInput = channelsLast(input.sizes(), input);
  if (needsWeights) {
    gradCoefficients = at::empty_like(coefficients, at::MemoryFormat::Contiguous);
    gradBank = at::empty_like(bank, at::MemoryFormat::Contiguous);
    gradScale = at::empty({}, input.options());
    if (staticWeight) gradStatic = at::empty_like(*staticWeight, at::MemoryFormat::Contiguous);
  }
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "mixed_conv2d_backward", [&] {
    const Bound<scalar_t> bound(operands, g);
    const Mixture<scalar_t> mixture = bound.mixture();
    const Maps<scalar_t> gradMaps = mapsOf<scalar_t>(gradOutput);
    if (needsInput) convolveBackwardInput<scalar_t>(g, mixture, gradMaps, gradInput.data_ptr<scalar_t>());
    if (needsWeights) {
      const Weights<scalar_t> gradWeights(
          gradBank.data_ptr<scalar_t>(), staticWeight ? gradStatic.data_ptr<scalar_t>() : nullptr,
          maskBits ? bound.bits.template data_ptr<uint8_t>() : nullptr, bound.ranks ? &*bound.ranks : nullptr,
          bound.order.data(), coefficients.size(1), g.outChannels, g.rowSize());
      convolveBackwardWeights<scalar_t>(
          g, mixture, mapsOf<scalar_t>(input), gradMaps,
          {&gradWeights, gradCoefficients.data_ptr<scalar_t>(), gradScale.data_ptr<scalar_t>()});
    }
  });
  if (needsInput) gradInput = gradInput.contiguous(input.suggest_memory_format());
  return {gradInput, gradCoefficients, gradBank, gradStatic, staticScale ? gradScale : Tensor()};
}

OptionalTensor optional(const Tensor& tensor) { return tensor.defined() ? OptionalTensor(tensor) : OptionalTensor(); }

class MixedConv2d : public torch::autograd::Function<MixedConv2d> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& input, const Tensor& coefficients,
                        const Tensor& bank, const OptionalTensor& staticWeight, const OptionalTensor& staticScale,
                        const OptionalTensor& maskBits, at::IntArrayRef weightShape, at::IntArrayRef stride,
                        at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
    at::AutoDispatchBelowADInplaceOrView guard;
    context->save_for_backward({input, coefficients, bank, staticWeight.value_or(Tensor()),
                                staticScale.value_or(Tensor()), maskBits.value_or(Tensor())});
    context->saved_data["weightShape"] = weightShape;
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    context->saved_data["dilation"] = dilation;
    context->saved_data["groups"] = groups;
    return padnet::forward(input, coefficients, bank, staticWeight, staticScale, maskBits, weightShape, stride, padding,
                           dilation, groups);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "padnet::mixed_conv2d cannot be differentiated twice; use the reference plan for that");
    const auto saved = context->get_saved_variables();
    const auto list = [&](const char* name) { return context->saved_data[name].toIntVector(); };
    // Arguments that are not given have no index; the static ones are given together.
    const int numWeights = saved[3].defined() ? 5 : 3;
    bool needsWeights = false;
    for (int i = 1; i < numWeights; i++) needsWeights = needsWeights || context->needs_input_grad(i);
    torch::autograd::variable_list result(11);
    std::tie(result[0], result[1], result[2], result[3], result[4]) =
        padnet::backward(gradients[0], saved[0], saved[1], saved[2], optional(saved[3]), optional(saved[4]),
                         optional(saved[5]), list("weightShape"), list("stride"), list("padding"), list("dilation"),
                         context->saved_data["groups"].toInt(), context->needs_input_grad(0), needsWeights);
    return result;
  }
};

Tensor withGradient(const Tensor& input, const Tensor& coefficients, const Tensor& bank,
                    const OptionalTensor& staticWeight, const OptionalTensor& staticScale,
                    const OptionalTensor& maskBits, at::IntArrayRef weightShape, at::IntArrayRef stride,
                    at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
  return MixedConv2d::apply(input, coefficients, bank, staticWeight, staticScale, maskBits, weightShape, stride,
                            padding, dilation, groups);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet, library) {
  library.def(
      "mixed_conv2d(Tensor input, Tensor coefficients, Tensor bank, Tensor? static_weight, Tensor? static_scale, "
      "Tensor? mask_bits, int[] weight_shape, int[2] stride, int[2] padding, int[2] dilation, int groups) -> Tensor");
}
TORCH_LIBRARY_IMPL(padnet, CPU, library) { library.impl("mixed_conv2d", TORCH_FN(forward)); }
TORCH_LIBRARY_IMPL(padnet, Autograd, library) { library.impl("mixed_conv2d", TORCH_FN(withGradient)); }

}  // namespace padnet
