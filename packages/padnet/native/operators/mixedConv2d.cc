// padnet::mixed_conv2d: a convolution whose kernel is mixed for every sample (method.md §1, §2), with its backward
// pass.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "convolution/convolution.h"
#include "operators/boundWeights.h"
#include "operators/geometry.h"

namespace padnet {
namespace {

using at::Tensor;
using OptionalTensor = c10::optional<Tensor>;

struct Operands {
  Tensor input, coefficients, bank;
  OptionalTensor staticWeight, staticScale, maskBits;
  at::IntArrayRef weightShape, stride, padding, dilation;
  int64_t groups;

  WeightTensors weights() const { return {bank, staticWeight, staticScale, maskBits, coefficients.size(1)}; }
};

constexpr char name[] = "padnet::mixed_conv2d";

Geometry checkedGeometry(const Operands& o) {
  const Geometry g = geometryOf(name, o.input, {o.weightShape, o.stride, o.padding, o.dilation, o.groups});
  const auto dtype = o.input.scalar_type();
  TORCH_CHECK(o.coefficients.dim() == 2 && o.coefficients.size(0) == g.batch && o.coefficients.scalar_type() == dtype &&
                  o.coefficients.device().is_cpu(),
              name, ": the coefficients must be [", g.batch, ", K], like the input (", dtype, " on the CPU), got ",
              o.coefficients.scalar_type(), " ", o.coefficients.sizes(), " on ", o.coefficients.device());
  checkWeights(name, o.weights(), o.weightShape, dtype);
  return g;
}

template <class T>
BoundWeights<T> bind(const Operands& o, const Geometry& g) {
  return {name, o.weights(), g.groups, g.outChannels, g.rowSize()};
}

Tensor forward(const Tensor& input, const Tensor& coefficients, const Tensor& bank, const OptionalTensor& staticWeight,
               const OptionalTensor& staticScale, const OptionalTensor& maskBits, at::IntArrayRef weightShape,
               at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
  const Operands operands{input,       coefficients, bank,    staticWeight, staticScale, maskBits,
                          weightShape, stride,       padding, dilation,     groups};
  const Geometry g = checkedGeometry(operands);
  Tensor output = channelsLast({g.batch, g.outChannels, g.outHeight, g.outWidth}, input);
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "mixed_conv2d", [&] {
    const Tensor given = coefficients.contiguous();
    const BoundWeights<scalar_t> bound = bind<scalar_t>(operands, g);
    convolve<scalar_t>(g, bound.mixture(given.data_ptr<scalar_t>()), mapsOf<scalar_t>(input),
                       output.data_ptr<scalar_t>());
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
  const Geometry g = checkedGeometry(operands);
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
    const Tensor given = coefficients.contiguous();
    const BoundWeights<scalar_t> bound = bind<scalar_t>(operands, g);
    const Mixture<scalar_t> mixture = bound.mixture(given.data_ptr<scalar_t>());
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
