/** What maps a layer's input to the coefficients of its bank. A router is a module of its own, apart from the bank. */
import type { nn, Tensor } from '@padnet/torch';

export interface Router extends nn.Module {
  /** K: the number of coefficients. */
  readonly numKernels: number;
  /** Whether the coefficients of one input always sum to 1; then a static part can be folded into every bank entry. */
  readonly sumsToOne: boolean;
  /** [batch, channels, height, width] → coefficients α [batch, K] */
  forward(input: Tensor): Tensor;
  /** Multiplications for one input of `shape` [batch, channels, height, width], all of the batch together. */
  countMacs(shape: readonly number[]): number;
}
