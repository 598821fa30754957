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
 * @param neutral of a router that was made to decide alike for every input, where the bank starts from copies
 * @param initial of a fresh router; null: not known
 */
export function initialDivisors(
  options: InitialBankOptions,
  neutral: Gains | undefined,
  initial: InitialGains | null,
): InitialDivisors {
  if (neutral) {
    const { coefficients, spatial, output } = neutral;
    return { bank: coefficients * spatial, bias: coefficients, output };
  }
  if (!initial || !startsByGains(options)) return { bank: 1, bias: 1, output: 1 };
  const { coefficients, squares, spatial, output } = initial;
  return { bank: Math.sqrt(squares) * spatial, bias: coefficients, output };
}

/** Whether the bank is drawn by what a fresh router multiplies it by. */
export function startsByGains({
  bankInitialisation = 'copies',
  bankSpread = 'effective',
}: InitialBankOptions): boolean {
  return bankInitialisation === 'independent' && bankSpread === 'effective';
}
