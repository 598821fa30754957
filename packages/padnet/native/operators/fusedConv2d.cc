// padnet::fused_conv2d: a convolution whose kernel is mixed for every sample (method.md §1, §2), with its gradient.
#include <ATen/Dispatch.h>

#include "convolution/mixedConvolution.h"
#include "operators/operands.h"
#include "operators/operator.h"

namespace padnet {
namespace {

struct FusedConv2d {
  static constexpr char name[] = "padnet::fused_conv2d";
  static constexpr char schema[] =
      "(Tensor input, Tensor coefficients, Tensor bank, Tensor? static_weight, Tensor? static_scale, "
      "Tensor? mask_bits, int[] weight_shape, int[2] stride, int[2] padding, int[2] dilation, int groups) -> Tensor";
  static constexpr char plansToDifferentiateTwice[] = "perSample or perKernel";

  struct Operands {
    Tensor input, coefficients, bank, staticWeight, staticScale, maskBits;
    std::vector<int64_t> weightShape, stride, padding, dilation;
    int64_t groups;
  };

  static Tensors forward(const Operands& o) {
    const Bound bound(o);
    const Geometry& g = bound.geometry;
    const Tensor output = channelsLast(g.outputSizes(), o.input);
    AT_DISPATCH_FLOATING_TYPES(o.input.scalar_type(), name, [&] {
      convolve<scalar_t>(g, bound.mixture<scalar_t>(), mapsOf<scalar_t>(o.input), output.data_ptr<scalar_t>());
    });
    return {output.contiguous(o.input.suggest_memory_format())};
  }

  static Tensors backward(const Operands& o, const Tensor& gradOutput, const std::vector<bool>& needs) {
    const Bound bound(o);
    const Geometry& g = bound.geometry;
    const auto dtype = o.input.scalar_type();
    checkTensor(name, "the gradient of the output must be", gradOutput, g.outputSizes(), dtype);
    const bool needsInput = needs[0], needsWeights = needs[1] || needs[2] || needs[3] || needs[4];
    Tensor input, coefficients, bank, staticWeight, staticScale;
    if (needsInput) input = channelsLast(o.input.sizes(), o.input);
    if (needsWeights) {
      coefficients = at::empty_like(bound.coefficients);
      bank = at::empty_like(bound.weights.bank);
      if (o.staticWeight.defined()) staticWeight = at::empty_like(bound.weights.staticWeight);
    }
    AT_DISPATCH_FLOATING_TYPES(dtype, name, [&] {
      const Mixture<scalar_t> mixture = bound.mixture<scalar_t>();
      const Maps<scalar_t> gradMaps = mapsOf<scalar_t>(gradOutput);
      if (needsInput) convolveBackwardInput<scalar_t>(g, mixture, gradMaps, input.data_ptr<scalar_t>());
      if (needsWeights) {
        scalar_t scale;
        const Weights<scalar_t> weights = mixture.weights.over(
            bank.data_ptr<scalar_t>(), staticWeight.defined() ? staticWeight.data_ptr<scalar_t>() : nullptr);
        convolveBackwardWeights<scalar_t>(g, mixture, mapsOf<scalar_t>(o.input), gradMaps,
                                          {weights, coefficients.data_ptr<scalar_t>(), &scale});
        staticScale = gradientLike(o.staticScale, scale);
      }
    });
    if (needsInput) input = input.contiguous(o.input.suggest_memory_format());
    return {input, coefficients, bank, staticWeight, staticScale};
  }

 private:
  /// The operands, checked and contiguous.
  struct Bound {
    Geometry geometry;
    Tensor coefficients;
    PartialWeights weights;

    explicit Bound(const Operands& o)
        : geometry(geometryOf(name, o.input, {o.weightShape, o.stride, o.padding, o.dilation, o.groups})) {
      const WeightTensors tensors{o.bank, o.staticWeight, o.staticScale, o.maskBits};
      const auto dtype = o.input.scalar_type();
      checkTensor(name, "the coefficients must be", o.coefficients, {geometry.batch, tensors.numKernels()}, dtype);
      coefficients = o.coefficients.contiguous();
      weights = checkedWeights(name, tensors, o.weightShape, dtype);
    }

    template <class T>
    Mixture<T> mixture() const {
      return {geometry, weights, coefficients.data_ptr<T>()};
    }
  };
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet, library) { defineWithGradient<FusedConv2d>(library); }

}  // namespace padnet
