/**
 * Operators that get no function, and that `operator()` refuses too, because bad arguments to them end the process or
 * read memory that is not theirs: libtorch's kernels trust their caller there. Found by `fuzz.test.ts` (400,000 calls,
 * most of them with every tensor before an inaccessible page, `native/fence.c`) and by reading; whole families where a
 * program has no use for them. Where users do need an operator, its arguments are checked instead (`preconditions.ts`,
 * `native/bounds.cc`).
 */

interface Family {
  readonly reason: string;
  readonly names: RegExp;
  /** Members that are safe and of use. */
  readonly except?: RegExp;
}

const families: readonly Family[] = [
  {
    reason: 'part of libtorch’s own machinery (profiler, interpreter, tests)',
    names: /^(profiler|static_runtime|prim|_test)::|^aten::_(test_|foobar|dummy)/,
  },
  {
    reason: 'quantized tensors are not supported: their kernels check neither dtype nor quantization parameters',
    names:
      /^_?quantized::|^quantization::|^aten::(_?choose_qparams|dequantize|fbgemm_|int_repr|q_|qscheme|_empty_.*affine|_make_per_|empty_quantized|_saturate_weight|_rowwise_prune|.*quantize|.*fused_moving_avg)/,
    except: /^aten::fake_quantize_per_(tensor|channel)_affine$/,
  },
  {
    reason: 'a kernel for a device or library that is chosen by libtorch itself, never by name',
    names:
      /^aten::.*(cudnn|miopen|mps|mkldnn|nnpack|cufft|cuda|triton|xnnpack|vulkan|slow_conv|thnn_conv|conv_depthwise3d)/,
  },
  {
    reason: 'nested, named and batched (vmap) tensors are not supported',
    names:
      /^aten::(.*nested.*|.*padded_tensor.*|align_.*|refine_names|rename|names|_add_batch_dim|_remove_batch_dim|.*transform_bias_rescale.*|_transformer_.*|_native_.*)/,
  },
  {
    reason: 'changes what libtorch knows of a tensor’s memory, without checks',
    names:
      /^aten::(set_?|set_data|data|from_file|resize_as_sparse.*|sparse_resize.*|_resize_output.*|_coalesced.*|_values.*|_indices.*|copy_sparse_to_sparse.*|_sparse_.*_unsafe|_sparse_coo_tensor_with_dims.*|_reshape_alias.*|_new_zeros_with.*|_efficientzerotensor|_make_dual.*|_unpack_dual|_fw_primal.*|lift.*|_copy_from.*|_pin_memory|pin_memory|record_stream|_backward|retain_grad|requires_grad_|output_nr|is_leaf|unsafe_.*)$/,
  },
  {
    reason: 'the gradient of another operator: libtorch calls it with arguments that it has checked before',
    names: /^aten::.*backward/,
    except:
      /^aten::(convolution_backward|convolution_backward_overrideable|threshold_backward|gelu_backward|silu_backward|sigmoid_backward|tanh_backward|native_dropout_backward)$/,
  },
  {
    reason: 'an internal step of another operator, which checks its arguments',
    names: /^aten::_(?!_)/,
    except:
      /^aten::_(version|foreach_.*|sample_dirichlet|standard_gamma|fused_adam_?|(log_)?softmax|to_copy|unsafe_view|shape_as_tensor|cast_.*|convolution|conj.*|unique2?|aminmax|amp_.*|linalg_.*|euclidean_dist|trilinear|upsample_.*_aa|upsample_nearest_exact.*|pad_(circular|enum)|scaled_dot_product_attention|masked_scale|sample_dirichlet|standard_gamma|is_zerotensor|adaptive_avg_pool[23]d|neg_view.*|sparse_(mm|sum|softmax|log_softmax)|to_dense)$/,
  },
  {
    reason: 'takes time in proportion to the largest element, without an end for 1e9',
    names: /^aten::special_.*_polynomial_/,
  },
];

/** Single operators, and why. */
const single: Readonly<Record<string, string>> = {
  'aten::batch_norm_update_stats': 'reads as many statistics as the input has channels; batch_norm checks',
  'aten::native_batch_norm': 'reads as many statistics as the input has channels; batch_norm checks',
  'aten::native_group_norm': 'trusts the sizes that it is given; group_norm checks',
  'aten::rrelu_with_noise': 'trusts the shape of `noise`; rrelu makes its own',
  'aten::rrelu_with_noise_': 'trusts the shape of `noise`; rrelu_ makes its own',
  'aten::native_channel_shuffle': 'divides by zero where groups do not divide the channels; channel_shuffle checks',
};

/** Why the operator `name` (such as `aten::set_`) is left out; null where it is not. */
export function unsafeReason(name: string): string | null {
  if (Object.hasOwn(single, name)) return single[name]!;
  const family = families.find(({ names, except }) => names.test(name) && except?.test(name) !== true);
  return family?.reason ?? null;
}
