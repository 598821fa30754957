/**
 * While training, each element is 0 with probability p and else divided by 1 − p, as `torch.nn.Dropout`; in evaluation
 * nothing changes. Draws from the default generator, under a shared batch as `withOwnRandom` says.
 */
import { withOwnRandom } from '../distributed/sharedBatch.js';
import { dropout } from '../ops.generated.js';
import { checkOptions } from '../options.js';
import type { Tensor } from '../tensor.js';
import { checkRange } from './checks.js';
import { Module } from './module.js';

export interface DropoutOptions {
  /** The probability of zero. @default 0.5 */
  readonly p?: number;
}

export class Dropout extends Module {
  readonly p: number;

  /** @throws RangeError unless 0 ≤ p ≤ 1 */
  constructor(options: DropoutOptions = {}) {
    super();
    checkOptions('Dropout', options, ['p']);
    const { p = 0.5 } = options;
    this.p = checkRange('p', p, 0, 1);
  }

  forward(input: Tensor): Tensor {
    return dropped(input, this.p, this.training);
  }
}

/** `input` with a share p of zeros while training. */
export function dropped(input: Tensor, p: number, training: boolean): Tensor {
  return training && p > 0 ? withOwnRandom(() => dropout(input, p, true)) : dropout(input, p, false);
}
