/** The operators of dynamic and partial layers that are compiled: `native/`, loaded when one is first called. */
import { fileURLToPath } from 'node:url';
import { loadLibrary, nn, operator, type Tensor } from '@padnet/torch';
import type { CompactParameter } from '../dynamic/index.js';
import { reasonOf } from '../errors.js';
import type { InstructionSet } from './planRates.js';

/** Whether the native kernels take a tensor like this. */
export function isFusable({ device, dtype }: Pick<Tensor, 'device' | 'dtype'>): boolean {
  return device === 'cpu' && (dtype === 'float32' || dtype === 'float64');
}

const nativeInstructionSet = lazily(() => operator<() => InstructionSet>('padnet::instruction_set', { '': [] }));

/** Of the native kernels, in this process: that of the processor, or what `PADNET_ISA` asks for at most. */
export function instructionSet(): InstructionSet {
  return nativeInstructionSet()();
}

const mixedConv2d = lazily(() =>
  operator<
    (
      input: Tensor,
      coefficients: Tensor,
      bank: Tensor,
      staticWeight: Tensor | null,
      staticScale: Tensor | null,
      maskBits: Tensor | null,
      weightShape: readonly number[],
      stride: readonly number[],
      padding: readonly number[],
      dilation: readonly number[],
      groups: number,
    ) => Tensor
  >('padnet::mixed_conv2d', {
    '': [
      'input',
      'coefficients',
      'bank',
      'static_weight',
      'static_scale',
      'mask_bits',
      'weight_shape',
      'stride',
      'padding',
      'dilation',
      'groups',
    ],
  }),
);

const packWeights = lazily(() =>
  operator<
    (
      bank: Tensor,
      scale: Tensor | null,
      staticWeight: Tensor | null,
      staticScale: Tensor | null,
      maskBits: Tensor | null,
      filterScale: Tensor | null,
      weightShape: readonly number[],
      groups: number,
    ) => [Tensor, Tensor, Tensor, Tensor]
  >('padnet::pack_conv2d', {
    '': ['bank', 'scale', 'static_weight', 'static_scale', 'mask_bits', 'filter_scale', 'weight_shape', 'groups'],
  }),
);

const convolvePacked = lazily(() =>
  operator<
    (
      input: Tensor,
      coefficients: Tensor,
      bank: Tensor,
      staticWeight: Tensor,
      maskBits: Tensor,
      filters: Tensor,
      shift: Tensor | null,
      residual: Tensor | null,
      activation: nn.Activation,
      weightShape: readonly number[],
      stride: readonly number[],
      padding: readonly number[],
      dilation: readonly number[],
      groups: number,
    ) => Tensor
  >('padnet::packed_conv2d', {
    '': [
      'input',
      'coefficients',
      'bank',
      'static_weight',
      'mask_bits',
      'filters',
      'shift',
      'residual',
      'activation',
      'weight_shape',
      'stride',
      'padding',
      'dilation',
      'groups',
    ],
  }),
);

const mixedExperts = lazily(() =>
  operator<
    (
      tokens: Tensor,
      experts: Tensor,
      weights: Tensor,
      bank: Tensor,
      biasBank: Tensor | null,
      scale: Tensor | null,
      staticWeight: Tensor | null,
      staticScale: Tensor | null,
      maskBits: Tensor | null,
      outFeatures: number,
    ) => Tensor
  >('padnet::mixed_experts', {
    '': [
      'tokens',
      'experts',
      'weights',
      'bank',
      'bias_bank',
      'scale',
      'static_weight',
      'static_scale',
      'mask_bits',
      'out_features',
    ],
  }),
);

/**
 * y_b = θ_b ∗ x_b with θ_b = M ⊙ Σ_k α_bk Θ_k + λ_s (1 − M) ⊙ Θ_s, mixed tile by tile in cache; float32 and float64 on the CPU.
 *
 * @param input [batch, inChannels, height, width]; the output has its memory format
 * @param coefficients α, times λ_d [batch, K]
 * @param bank Θ [K, outChannels, inChannels / groups, kernelHeight, kernelWidth], or [K, d] with a static part
 * @returns [batch, outChannels, height', width']
 */
export function fusedConv2d(
  input: Tensor,
  coefficients: Tensor,
  bank: Tensor,
  staticPart: CompactParameter['staticPart'] | null,
  geometry: nn.Conv2dGeometry,
): Tensor {
  const { stride, padding, dilation, groups } = geometry;
  const { weight = null, scale = null, maskBits = null } = staticPart ?? {};
  return mixedConv2d()(
    input,
    coefficients,
    bank,
    weight,
    scale,
    maskBits,
    nn.convWeightShape(geometry),
    stride,
    padding,
    dilation,
    groups,
  );
}

/** A bank, and where partial a static part, in the order of the native kernels' products, scale factors applied. */
export type PackedConv2d = readonly [bank: Tensor, staticWeight: Tensor, maskBits: Tensor, filters: Tensor];

/**
 * Prepares a weight that stays as it is for `packedConv2d`, in this process: the order depends on the processor.
 *
 * @param bank as in `fusedConv2d`
 * @param scale λ_d, a scalar; null for 1
 * @param filterScale [outChannels], another factor of each filter; null for 1
 */
export function packConv2d(
  bank: Tensor,
  scale: Tensor | null,
  staticPart: CompactParameter['staticPart'] | null,
  geometry: nn.Conv2dGeometry,
  filterScale: Tensor | null = null,
): PackedConv2d {
  const { weight = null, scale: staticScale = null, maskBits = null } = staticPart ?? {};
  const shape = nn.convWeightShape(geometry);
  return packWeights()(bank, scale, weight, staticScale, maskBits, filterScale, shape, geometry.groups);
}

/** What follows a convolution in the same pass: activation(y + shift + residual). */
export interface Epilogue {
  /** [outChannels] */
  readonly shift: Tensor;
  /** Of the output's shape; null for none. */
  readonly residual: Tensor | null;
  readonly activation: nn.Activation;
}

/**
 * `fusedConv2d` of a packed weight, without a gradient. Bank entries whose coefficient is 0 are not read.
 *
 * @param coefficients α [batch, K], without λ_d
 */
export function packedConv2d(
  input: Tensor,
  coefficients: Tensor,
  packed: PackedConv2d,
  geometry: nn.Conv2dGeometry,
  epilogue: Epilogue | null = null,
): Tensor {
  const { stride, padding, dilation, groups } = geometry;
  const { shift = null, residual = null, activation = 'none' } = epilogue ?? {};
  const shape = nn.convWeightShape(geometry);
  return convolvePacked()(
    input,
    coefficients,
    ...packed,
    shift,
    residual,
    activation,
    shape,
    stride,
    padding,
    dilation,
    groups,
  );
}

export interface FusedExpertsInputs {
  /** x [tokens, in] */
  readonly tokens: Tensor;
  /** The chosen experts [tokens, k], int64. */
  readonly experts: Tensor;
  /** w [tokens, k] */
  readonly weights: Tensor;
  /** W [E, out, in], or [E, d] with a static part */
  readonly bank: Tensor;
  /** b [E, out]; null for none. */
  readonly biasBank: Tensor | null;
  /** λ_d, a scalar; null for 1. */
  readonly scale: Tensor | null;
  /** The entries that all experts share; null where the bank is whole. */
  readonly staticPart: {
    /** W_s [n − d] */
    readonly weight: Tensor;
    /** λ_s, a scalar; null for 1. */
    readonly scale: Tensor | null;
    /** See `Mask.bits`. */
    readonly maskBits: Tensor;
  } | null;
  readonly outFeatures: number;
}

/**
 * y_t = Σ_i w_ti · (λ_d M ⊙ W_i x_t + λ_s (1 − M) ⊙ W_s x_t + b_i), i over the k experts of token t; float32 and float64 on the
 * CPU. What keeps whole rows or columns static is computed once a token.
 *
 * @returns [tokens, out]
 */
export function fusedExperts(inputs: FusedExpertsInputs): Tensor {
  const { tokens, experts, weights, bank, biasBank, scale, staticPart, outFeatures } = inputs;
  const { weight = null, scale: staticScale = null, maskBits = null } = staticPart ?? {};
  return mixedExperts()(tokens, experts, weights, bank, biasBank, scale, weight, staticScale, maskBits, outFeatures);
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    if (made === undefined) {
      load();
      made = make();
    }
    return made;
  };
}

function load(): void {
  const file = process.env.PADNET_LIBRARY ?? fileURLToPath(new URL('../../build/libpadnet.so', import.meta.url));
  try {
    loadLibrary(file);
  } catch (error) {
    throw new Error(
      `the operators of dynamic layers could not be loaded (${reasonOf(error)}); build them with \`make build\``,
      { cause: error },
    );
  }
}
