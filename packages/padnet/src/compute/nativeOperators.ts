/** The operators of dynamic and partial layers that are compiled: `native/`, loaded when one is first called. */
import { nn, type Tensor } from '@padnet/torch';
import type { CompactParameter } from '../dynamic/index.js';
import { loadNativeLibrary } from './nativeLibrary.js';
import * as operators from './nativeOperators.generated.js';
import type { InstructionSet } from './planRates.js';

type StaticPart = CompactParameter['staticPart'];

/** Whether the native kernels take a tensor like this. */
export function isFusable({ device, dtype }: Pick<Tensor, 'device' | 'dtype'>): boolean {
  return device === 'cpu' && (dtype === 'float32' || dtype === 'float64');
}

/**
 * The instruction set of the native kernels in this process: that of the processor, or what `PADNET_ISA` asks for at
 * most.
 */
export function instructionSet(): InstructionSet {
  return native().instructionSet() as InstructionSet;
}

/**
 * y_b = θ_b ∗ x_b with θ_b = M ⊙ Σ_k α_bk Θ_k + λ_s (1 − M) ⊙ Θ_s, mixed tile by tile in cache; float32 and float64 on
 * the CPU.
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
  staticPart: StaticPart | null,
  geometry: nn.Conv2dGeometry,
): Tensor {
  return native().fusedConv2d(input, coefficients, bank, ...staticOperands(staticPart), ...windowOperands(geometry));
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
  staticPart: StaticPart | null,
  geometry: nn.Conv2dGeometry,
  filterScale: Tensor | null = null,
): PackedConv2d {
  const shape = nn.convWeightShape(geometry);
  return native().packConv2d(bank, scale, ...staticOperands(staticPart), filterScale, shape, geometry.groups);
}

/** The step behind a convolution, in the same pass: activation(y + shift + residual). */
export interface Epilogue {
  /** [outChannels] */
  readonly shift: Tensor;
  /** [batch, outChannels, height', width'], like the output; null for none. */
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
  const { shift = null, residual = null, activation = 'none' } = epilogue ?? {};
  const window = windowOperands(geometry);
  return native().packedConv2d(input, coefficients, ...packed, shift, residual, activation, ...window);
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
  readonly staticPart: StaticPart | null;
  readonly outFeatures: number;
}

/**
 * y_t = Σ_i w_ti · (λ_d M ⊙ W_i x_t + λ_s (1 − M) ⊙ W_s x_t + b_i), i over the k experts of token t; float32 and
 * float64 on the CPU. What keeps whole rows or columns static is computed once a token.
 *
 * @returns [tokens, out]
 */
export function fusedExperts(inputs: FusedExpertsInputs): Tensor {
  const { tokens, experts, weights, bank, biasBank, scale, staticPart, outFeatures } = inputs;
  const shared = staticOperands(staticPart);
  return native().fusedExperts(tokens, experts, weights, bank, biasBank, scale, ...shared, outFeatures);
}

/** The generated calls, with the library that they are in. */
function native(): typeof operators {
  loadNativeLibrary();
  return operators;
}

/** The operands `static_weight`, `static_scale` and `mask_bits` of the schemas. */
function staticOperands(
  part: StaticPart | null,
): [weight: Tensor | null, scale: Tensor | null, maskBits: Tensor | null] {
  return part ? [part.weight, part.scale, part.maskBits] : [null, null, null];
}

/** The operands `weight_shape`, `stride`, `padding`, `dilation` and `groups`. */
function windowOperands(geometry: nn.Conv2dGeometry) {
  const { stride, padding, dilation, groups } = geometry;
  return [nn.convWeightShape(geometry), stride, padding, dilation, groups] as const;
}
