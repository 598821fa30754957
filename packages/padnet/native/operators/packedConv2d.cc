// padnet::packed_conv2d: a dynamic convolution in inference, of what padnet::pack_conv2d has packed.
#include <ATen/Dispatch.h>

#include <limits>
#include <utility>

#include "convolution/packedConvolution.h"
#include "operators/operands.h"
#include "operators/operator.h"

namespace padnet {
namespace {

/// activation(θ ∗ x + shift + residual); without `shift` the convolution alone.
struct PackedConv2d {
  static constexpr char name[] = "padnet::packed_conv2d";
  static constexpr char schema[] =
      "(Tensor input, Tensor coefficients, Tensor bank, Tensor static_weight, Tensor mask_bits, Tensor filters, "
      "Tensor? shift, Tensor? residual, str activation, int[] weight_shape, int[2] stride, int[2] padding, "
      "int[2] dilation, int groups) -> Tensor";

  struct Operands {
    Tensor input, coefficients, bank, staticWeight, maskBits, filters, shift, residual;
    std::string activation;
    std::vector<int64_t> weightShape, stride, padding, dilation;
    int64_t groups;
  };

  static Tensors forward(const Operands& o) {
    const Geometry g = geometryOf(name, o.input, {o.weightShape, o.stride, o.padding, o.dilation, o.groups});
    const auto dtype = o.input.scalar_type();
    checkTensor(name, "the coefficients must be", o.coefficients, {g.batch, o.bank.dim() > 0 ? o.bank.size(0) : 0},
                dtype);
    Check{name}(o.shift.defined() || (!o.residual.defined() && o.activation == "none"),
                "residual and activation need a shift");
    if (o.shift.defined()) checkTensor(name, "shift must be", o.shift, {g.outChannels}, dtype);
    if (o.residual.defined())
      checkTensor(name, "the residual must be like the output", o.residual, g.outputSizes(), dtype);
    const Tensor coefficients = o.coefficients.contiguous(), shift = o.shift.defined() ? o.shift.contiguous() : o.shift;
    const Tensor residual = o.residual.defined() ? o.residual.contiguous(at::MemoryFormat::ChannelsLast) : o.residual;
    const Tensor output = channelsLast(g.outputSizes(), o.input);
    AT_DISPATCH_FLOATING_TYPES(dtype, name, [&] {
      const auto [least, most] = rangeOf<scalar_t>(o.activation);
      const auto dataOf = [](const Tensor& tensor) { return tensor.defined() ? tensor.data_ptr<scalar_t>() : nullptr; };
      const Epilogue<scalar_t> epilogue{dataOf(shift), dataOf(residual), least, most};
      convolvePacked<scalar_t>(g, packedWeights<scalar_t>(g, o), coefficients.data_ptr<scalar_t>(),
                               mapsOf<scalar_t>(o.input), shift.defined() ? &epilogue : nullptr,
                               output.data_ptr<scalar_t>());
    });
    return {output.contiguous(o.input.suggest_memory_format())};
  }

 private:
  /// Every number that is read is checked to be there: the tensors may be others than `pack_conv2d` has made.
  template <class T>
  static PackedWeights<T> packedWeights(const Geometry& g, const Operands& o) {
    const auto check = [](bool holds, const char* what, const Tensor& found) {
      Check{name}(holds, what, ", as pack_conv2d gives it for this convolution, got ", found.scalar_type(), " ",
                  found.sizes());
    };
    const auto is = [](const Tensor& tensor, at::ScalarType dtype) {
      return tensor.device().is_cpu() && tensor.scalar_type() == dtype && tensor.is_contiguous();
    };
    check(is(o.filters, at::kLong) && o.filters.dim() == 1 && o.filters.numel() == g.outChannels,
          "filters must have an index for each", o.filters);
    const auto* index = o.filters.data_ptr<int64_t>();
    std::vector<bool> isNamed(g.outChannels);
    for (int64_t i = 0; i < g.outChannels; i++) {
      check(index[i] >= 0 && index[i] / g.lanesPerGroup() == i / g.lanesPerGroup() && !isNamed[index[i]],
            "filters must be those of each group", o.filters);
      isNamed[index[i]] = true;
    }
    const bool isMasked = o.maskBits.numel() > 0;
    const int64_t size = PackedOrder<T>(g).size();
    check(is(o.maskBits, at::kByte) && (!isMasked || o.maskBits.numel() == (size + 7) / 8),
          "mask_bits must have a bit an entry", o.maskBits);
    uint8_t* bits = isMasked ? o.maskBits.data_ptr<uint8_t>() : nullptr;
    const int64_t numDynamic = isMasked ? Ranks(bits, size).before(size) : size;
    const auto dtype = c10::CppTypeToScalarType<T>::value;
    check(is(o.bank, dtype) && o.bank.dim() == 2 && o.bank.size(1) == numDynamic,
          "the bank must have the dynamic entries", o.bank);
    check(is(o.staticWeight, dtype) && o.staticWeight.numel() == (isMasked ? size : 0),
          "static_weight must have every entry", o.staticWeight);
    return {o.bank.data_ptr<T>(),
            o.staticWeight.data_ptr<T>(),
            bits,
            o.filters.data_ptr<int64_t>(),
            o.bank.size(0),
            numDynamic};
  }

  /// The range that the activation of that name clips to.
  template <class T>
  static std::pair<T, T> rangeOf(const std::string& activation) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    if (activation == "none") return {-infinity, infinity};
    if (activation == "relu") return {T{0}, infinity};
    Check{name}(activation == "relu6", "activation must be 'none', 'relu' or 'relu6', got '", activation, "'");
    return {T{0}, T{6}};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet, library) { define<PackedConv2d>(library); }

}  // namespace padnet
