// padnet::pack_conv2d: brings weights into the order of the products once, for padnet::packed_conv2d.
#include <ATen/Dispatch.h>

#include "convolution/packedWeights.h"
#include "operators/operands.h"
#include "operators/operator.h"

namespace padnet {
namespace {

struct PackConv2d {
  static constexpr char name[] = "padnet::pack_conv2d";
  static constexpr char schema[] =
      "(Tensor bank, Tensor? scale, Tensor? static_weight, Tensor? static_scale, Tensor? mask_bits, "
      "Tensor? filter_scale, int[] weight_shape, int groups) -> (Tensor, Tensor, Tensor, Tensor)";

  struct Operands {
    Tensor bank, scale, staticWeight, staticScale, maskBits, filterScale;
    std::vector<int64_t> weightShape;
    int64_t groups;
  };

  static Tensors forward(const Operands& o) {
    const Geometry g = weightGeometry(o.weightShape, o.groups);
    const auto dtype = o.bank.scalar_type();
    const PartialWeights weights =
        checkedWeights(name, {o.bank, o.staticWeight, o.staticScale, o.maskBits}, o.weightShape, dtype);
    const double scale = checkedScale(name, "scale", o.scale, dtype);
    Tensor filterScale, bank, staticWeight, maskBits, filters = at::empty({g.outChannels}, at::kLong);
    if (o.filterScale.defined()) {
      checkTensor(name, "filter_scale must be", o.filterScale, {g.outChannels}, dtype);
      filterScale = o.filterScale.contiguous();
    }
    AT_DISPATCH_FLOATING_TYPES(dtype, name, [&] {
      const Mixture<scalar_t> mixture(g, weights, nullptr);
      const int64_t size = weights.ranks ? PackedOrder<scalar_t>(g).size() : 0;
      staticWeight = at::empty({size}, o.bank.options());
      maskBits = at::empty({(size + 7) / 8}, at::kByte);
      const scalar_t* factors = filterScale.defined() ? filterScale.data_ptr<scalar_t>() : nullptr;
      PackedWeights<scalar_t> packed{nullptr,
                                     staticWeight.data_ptr<scalar_t>(),
                                     weights.ranks ? maskBits.data_ptr<uint8_t>() : nullptr,
                                     filters.data_ptr<int64_t>(),
                                     weights.numKernels(),
                                     0};
      packed.numDynamic = packStatic<scalar_t>(g, mixture, factors, packed);
      bank = at::empty({packed.numKernels, packed.numDynamic}, o.bank.options());
      packed.bank = bank.data_ptr<scalar_t>();
      packBank<scalar_t>(g, mixture, scalar_t(scale), factors, packed);
    });
    return {bank, staticWeight, maskBits, filters};
  }

 private:
  /// The weight's part of a geometry; a depth-wise one has kernels of its own.
  static Geometry weightGeometry(at::IntArrayRef shape, int64_t groups) {
    checkWeightShape(name, shape);
    Check{name}(groups > 0 && groups <= shape[0] && shape[0] % groups == 0, shape[0], " filters in ", groups,
                " groups");
    Geometry g{};
    g.outChannels = shape[0];
    g.inChannels = shape[1] * groups;
    g.kernelHeight = shape[2];
    g.kernelWidth = shape[3];
    g.groups = groups;
    return g;
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet, library) { define<PackConv2d>(library); }

}  // namespace padnet
