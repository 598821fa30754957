/** The first values of a bank, when a layer with one weight gets K of them. */
import { noGrad, ops, type Tensor } from '@padnet/torch';

export const bankInitialisations = ['copies', 'independent'] as const;

export const bankSpreads = ['effective', 'perKernel'] as const;

export interface InitialBankOptions {
  /**
   * `copies` of the static weight (a trained network keeps its output), or `independent` normal numbers (a network
   * trained from the start). @default 'copies'
   */
  readonly bankInitialisation?: (typeof bankInitialisations)[number];
  /**
   * What starts with the spread of the static weight where kernels are independent: the `effective` kernel (method.md
   * §6), or each kernel of the bank, as published. @default 'effective'
   */
  readonly bankSpread?: (typeof bankSpreads)[number];
  /** Normal noise on copies, in standard deviations of the weight. @default 0 */
  readonly noise?: number;
}

/** […shape] → [K, …shape], memory of its own */
export function initialBank(
  weight: Tensor,
  numKernels: number,
  { bankInitialisation = 'copies', noise = 0 }: InitialBankOptions,
): Tensor {
  return noGrad(() => {
    const spread = weight.square().mean().sqrt();
    const shape = [numKernels, ...weight.shape];
    const normal = (): Tensor => ops.randn(shape, { dtype: weight.dtype, device: weight.device }).mul(spread);
    if (bankInitialisation === 'independent') return normal();
    const copies = weight.detach().expand(shape).clone();
    return noise === 0 ? copies : copies.add(normal(), { alpha: noise });
  });
}

/** [outFeatures] → [K, outFeatures] */
export function initialBias(bias: Tensor | null, numKernels: number): Tensor | null {
  return bias ? bias.detach().expand([numKernels, -1]).clone() : null;
}
