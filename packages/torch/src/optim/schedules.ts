/**
 * Learning rates over time, as pure functions from the number of steps already taken (0 for the first) to a factor on
 * the learning rate: `optimizer.learningRateScale = schedule(step)`. "Step" may as well be an epoch, whole or not.
 */
import { checkNonNegative } from '../nn/checks.js';

export type Schedule = (step: number) => number;

/** 1, always. */
export function constant(): Schedule {
  return () => 1;
}

export interface StepDecayOptions {
  /** The steps from which on the factor is multiplied once more, in ascending order. */
  readonly milestones: readonly number[];
  /** @default 0.1 */
  readonly gamma?: number;
}

/** gammaᵏ with k the number of milestones that `step` has reached. */
export function stepDecay({ milestones, gamma = 0.1 }: StepDecayOptions): Schedule {
  checkNonNegative('gamma', gamma);
  for (const [i, milestone] of milestones.entries()) {
    checkNonNegative('milestones', milestone);
    if (i > 0 && milestone <= milestones[i - 1]!) {
      throw new RangeError(`milestones must ascend, got [${milestones.join(', ')}]`);
    }
  }
  return (step) => gamma ** milestones.filter((milestone) => step >= milestone).length;
}

export interface DecayOptions {
  /** The step from which on the factor is `final`. */
  readonly steps: number;
  /** @default 0 */
  readonly final?: number;
}

/** final + (1 − final) (1 + cos(π step / steps)) / 2, then `final` (Loshchilov and Hutter 2017, without restarts). */
export function cosine(options: DecayOptions): Schedule {
  return decay(options, (part) => (1 + Math.cos(Math.PI * part)) / 2);
}

/** A straight line from 1 to `final`, then `final`. */
export function linear(options: DecayOptions): Schedule {
  return decay(options, (part) => 1 - part);
}

function decay({ steps, final = 0 }: DecayOptions, shape: (part: number) => number): Schedule {
  checkNonNegative('final', final);
  if (!(checkNonNegative('steps', steps) > 0)) throw new RangeError('steps must be more than 0, got 0');
  return (step) => (step >= steps ? final : final + (1 - final) * shape(step / steps));
}

/**
 * A straight line from 0 to 1 over the first `warmupSteps` steps, then `schedule` from its beginning: the numbers of
 * `torch.optim.lr_scheduler.SequentialLR` and of Hugging Face's `get_linear_schedule_with_warmup`. A schedule that is
 * to end with a training of n steps has n − warmupSteps of them.
 */
export function withWarmup(schedule: Schedule, warmupSteps: number): Schedule {
  checkNonNegative('warmupSteps', warmupSteps);
  return (step) => (step < warmupSteps ? step / warmupSteps : schedule(step - warmupSteps));
}
