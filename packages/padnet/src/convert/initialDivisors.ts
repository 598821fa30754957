/** What a layer's weights are divided by to start with the static kernel, or one of its spread (method.md §6). */
import type { Gains, InitialGains } from '../dynamic/index.js';
import type { InitialBankOptions } from './initialBank.js';

export interface InitialDivisors {
  /** Of each kernel of the bank, beside `output`. */
  readonly bank: number;
  readonly bias: number;
  /** Of all kernels, the static one too. */
  readonly output: number;
}

/**
 * @param neutral of a router that decides alike for every input, where the bank starts from copies
 * @param initial of a fresh router
 */
export function initialDivisors(
  { bankInitialisation = 'copies', bankSpread = 'effective' }: InitialBankOptions,
  neutral: Gains | undefined,
  initial: InitialGains,
): InitialDivisors {
  if (bankInitialisation === 'copies' && neutral) {
    const { coefficients, spatial, output } = neutral;
    return { bank: coefficients * spatial, bias: coefficients, output };
  }
  if (bankInitialisation === 'copies' || bankSpread === 'perKernel') return { bank: 1, bias: 1, output: 1 };
  const { coefficients, squares, spatial, output } = initial;
  return { bank: Math.sqrt(squares) * spatial, bias: coefficients, output };
}
