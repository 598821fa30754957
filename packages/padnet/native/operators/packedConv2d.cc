// padnet::pack_conv2d and padnet::packed_conv2d: dynamic convolutions for inference. Neither has a gradient.
#include <ATen/Dispatch.h>
#include <ATen/core/ivalue.h>
#include <torch/library.h>

#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "convolution/packedConvolution.h"
#include "operators/boundWeights.h"
#include "operators/geometry.h"

namespace padnet {
namespace {

using at::Tensor;
using OptionalTensor = c10::optional<Tensor>;
using StringView = decltype(std::declval<const c10::IValue&>().toStringView());  // libtorch's own, or std's since

/// The weight's part of a geometry; a depth-wise one has kernels of its own.
Geometry weightGeometry(at::IntArrayRef shape, int64_t groups) {
  checkWeightShape("padnet::pack_conv2d", shape);
  TORCH_CHECK(groups > 0 && groups <= shape[0] && shape[0] % groups == 0, "padnet::pack_conv2d: ", shape[0],
              " filters in ", groups, " groups");
  Geometry g{};
  g.outChannels = shape[0];
  g.inChannels = shape[1] * groups;
  g.kernelHeight = shape[2];
  g.kernelWidth = shape[3];
  g.groups = groups;
  return g;
}

/// A number for each filter, contiguous.
Tensor channelVector(const char* name, const Tensor& values, const Geometry& g, const Tensor& like) {
  TORCH_CHECK(values.dim() == 1 && values.size(0) == g.outChannels && values.scalar_type() == like.scalar_type() &&
                  values.device().is_cpu(),
              name, " must be [", g.outChannels, "], ", like.scalar_type(), " on the CPU, got ", values.scalar_type(),
              " ", values.sizes());
  return values.contiguous();
}

std::tuple<Tensor, Tensor, Tensor, Tensor> packConv2d(const Tensor& bank, const OptionalTensor& scale,
                                                      const OptionalTensor& staticWeight,
                                                      const OptionalTensor& staticScale, const OptionalTensor& maskBits,
                                                      const OptionalTensor& filterScale, at::IntArrayRef weightShape,
                                                      int64_t groups) {
  const Geometry g = weightGeometry(weightShape, groups);
  const WeightTensors weights{bank, staticWeight, staticScale, maskBits, bank.dim() > 0 ? bank.size(0) : 0};
  checkWeights("padnet::pack_conv2d", weights, weightShape, bank.scalar_type());
  TORCH_CHECK(!scale || (scale->numel() == 1 && scale->scalar_type() == bank.scalar_type()),
              "padnet::pack_conv2d: scale must be one number like the bank");
  const Tensor ofFilters =
      filterScale ? channelVector("padnet::pack_conv2d: filter_scale", *filterScale, g, bank) : Tensor();
  const auto bytes = at::TensorOptions().dtype(at::kByte);
  Tensor packedBank, fixed, bits, filters = at::empty({g.outChannels}, at::TensorOptions().dtype(at::kLong));
  AT_DISPATCH_FLOATING_TYPES(bank.scalar_type(), "pack_conv2d", [&] {
    const BoundWeights<scalar_t> bound("padnet::pack_conv2d", weights, groups, g.outChannels, g.rowSize());
    const Mixture<scalar_t> mixture = bound.mixture(nullptr);
    const int64_t size = PackedOrder<scalar_t>(g).size();
    fixed = at::empty({maskBits ? size : 0}, bank.options());
    bits = at::empty({maskBits ? (size + 7) / 8 : 0}, bytes);
    PackedWeights<scalar_t> packed{};
    packed.fixed = fixed.data_ptr<scalar_t>();
    packed.bits = maskBits ? bits.data_ptr<uint8_t>() : nullptr;
    packed.filters = filters.data_ptr<int64_t>();
    packed.numKernels = weights.numKernels;
    const scalar_t* factors = filterScale ? ofFilters.data_ptr<scalar_t>() : nullptr;
    packed.numDynamic = packStatic<scalar_t>(g, mixture, factors, packed);
    packedBank = at::empty({packed.numKernels, packed.numDynamic}, bank.options());
    packed.bank = packedBank.data_ptr<scalar_t>();
    packBank<scalar_t>(g, mixture, scale ? scale->item<scalar_t>() : scalar_t{1}, factors, packed);
  });
  return {packedBank, fixed, bits, filters};
}

/// Every number that is read is checked to be there: the tensors may be others than `pack` has made.
template <class T>
PackedWeights<T> packedWeights(const Geometry& g, const Tensor& bank, const Tensor& fixed, const Tensor& bits,
                               const Tensor& filters) {
  const int64_t size = PackedOrder<T>(g).size(), lanesPerGroup = g.outChannels / g.groups;
  const auto check = [](bool holds, const char* what, const Tensor& found) {
    TORCH_CHECK(holds, "padnet::packed_conv2d: ", what, ", as pack_conv2d gives it for this convolution, got ",
                found.scalar_type(), " ", found.sizes());
  };
  const auto is = [](const Tensor& tensor, at::ScalarType dtype) {
    return tensor.device().is_cpu() && tensor.scalar_type() == dtype && tensor.is_contiguous();
  };
  const auto dtype = c10::CppTypeToScalarType<T>::value;
  check(is(filters, at::kLong) && filters.dim() == 1 && filters.numel() == g.outChannels,
        "filters must have an index for each", filters);
  const auto* index = filters.data_ptr<int64_t>();
  std::vector<bool> isNamed(g.outChannels);
  for (int64_t i = 0; i < g.outChannels; i++) {
    check(index[i] >= 0 && index[i] / lanesPerGroup == i / lanesPerGroup && !isNamed[index[i]],
          "filters must be those of each group", filters);
    isNamed[index[i]] = true;
  }
  const bool isMasked = bits.numel() > 0;
  check(is(bits, at::kByte) && (!isMasked || bits.numel() == (size + 7) / 8), "mask_bits must have a bit an entry",
        bits);
  const int64_t numDynamic = isMasked ? Ranks(bits.data_ptr<uint8_t>(), size).before(size) : size;
  check(is(bank, dtype) && bank.dim() == 2 && bank.size(1) == numDynamic, "the bank must have the dynamic entries",
        bank);
  check(is(fixed, dtype) && fixed.numel() == (isMasked ? size : 0), "static_weight must have every entry", fixed);
  return {bank.data_ptr<T>(),          fixed.data_ptr<T>(), isMasked ? bits.data_ptr<uint8_t>() : nullptr,
          filters.data_ptr<int64_t>(), bank.size(0),        numDynamic};
}

/// What the activation of that name clips to.
template <class T>
std::pair<T, T> rangeOf(StringView activation) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  if (activation == "none") return {-infinity, infinity};
  if (activation == "relu") return {T{0}, infinity};
  TORCH_CHECK(activation == "relu6", "padnet::packed_conv2d: activation must be 'none', 'relu' or 'relu6', got '",
              activation, "'");
  return {T{0}, T{6}};
}

/// activation(θ ∗ x + shift + residual); without `shift` the convolution alone.
Tensor packedConv2d(const Tensor& input, const Tensor& coefficients, const Tensor& bank, const Tensor& fixed,
                    const Tensor& bits, const Tensor& filters, const OptionalTensor& shift,
                    const OptionalTensor& residual, StringView activation, at::IntArrayRef weightShape,
                    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
  const Geometry g = geometryOf("padnet::packed_conv2d", input, {weightShape, stride, padding, dilation, groups});
  TORCH_CHECK(bank.dim() == 2 && coefficients.dim() == 2 && coefficients.size(0) == g.batch &&
                  coefficients.size(1) == bank.size(0) && coefficients.scalar_type() == input.scalar_type() &&
                  coefficients.device().is_cpu(),
              "padnet::packed_conv2d: the coefficients must be [", g.batch, ", K], like the input, got ",
              coefficients.scalar_type(), " ", coefficients.sizes());
  Tensor output = channelsLast({g.batch, g.outChannels, g.outHeight, g.outWidth}, input);
  const Tensor given = coefficients.contiguous();
  TORCH_CHECK(shift || (!residual && activation == "none"),
              "padnet::packed_conv2d: residual and activation need a shift");
  Tensor ofFilters, addend;
  if (shift) ofFilters = channelVector("padnet::packed_conv2d: shift", *shift, g, input);
  if (residual) {
    TORCH_CHECK(residual->sizes() == output.sizes() && residual->scalar_type() == input.scalar_type() &&
                    residual->device().is_cpu(),
                "padnet::packed_conv2d: the residual must be like the output ", output.sizes(), ", got ",
                residual->scalar_type(), " ", residual->sizes());
    addend = residual->contiguous(at::MemoryFormat::ChannelsLast);
  }
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "packed_conv2d", [&] {
    const auto [least, most] = rangeOf<scalar_t>(activation);
    const Epilogue<scalar_t> epilogue{shift ? ofFilters.data_ptr<scalar_t>() : nullptr,
                                      residual ? addend.data_ptr<scalar_t>() : nullptr, least, most};
    convolvePacked<scalar_t>(g, packedWeights<scalar_t>(g, bank, fixed, bits, filters), given.data_ptr<scalar_t>(),
                             mapsOf<scalar_t>(input), shift ? &epilogue : nullptr, output.data_ptr<scalar_t>());
  });
  return output.contiguous(input.suggest_memory_format());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet, library) {
  library.def(
      "pack_conv2d(Tensor bank, Tensor? scale, Tensor? static_weight, Tensor? static_scale, Tensor? mask_bits, "
      "Tensor? filter_scale, int[] weight_shape, int groups) -> (Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "packed_conv2d(Tensor input, Tensor coefficients, Tensor bank, Tensor static_weight, Tensor mask_bits, "
      "Tensor filters, Tensor? shift, Tensor? residual, str activation, int[] weight_shape, int[2] stride, "
      "int[2] padding, int[2] dilation, int groups) -> Tensor");
}
TORCH_LIBRARY_IMPL(padnet, CPU, library) {
  library.impl("pack_conv2d", TORCH_FN(packConv2d));
  library.impl("packed_conv2d", TORCH_FN(packedConv2d));
}

}  // namespace padnet
