/**
 * What a call through the dispatcher costs from TypeScript: operators on tensors of one number, where libtorch has next to
 * nothing to compute. The time includes argument checks, the crossing to C++ and back, the result's `Tensor` and freeing it.
 */
import { noGrad, ones, ops, scope } from '@padnet/torch';
import { median } from '../statistics.js';
import { interleaved, spread } from './repeats.js';

export interface OperatorCost {
  readonly operator: string;
  /** Median of a call. */
  readonly microseconds: number;
  /** Distance of the quartiles over the median. */
  readonly spread: number;
}

export interface OperatorCosts {
  /** The target for `callMicroseconds`. */
  readonly targetMicroseconds: number;
  /** Of `add`. */
  readonly callMicroseconds: number;
  readonly results: readonly OperatorCost[];
}

export const targetMicroseconds = 6;

/** Calls in one scope, as a small training step has them. */
const callsInScope = 100;

/** @param repeats interleaved rounds, each of a few thousand calls of every operator */
export function benchOperators({ repeats = 15 }: { readonly repeats?: number } = {}): OperatorCosts {
  return scope(() => {
    const a = ones([1]);
    const b = ones([1]);
    const withGradient = ones([1]);
    withGradient.requiresGrad = true;
    const kernel = ones([1, 1, 1, 1]);
    const picture = ones([1, 1, 1, 1]);
    const calls = {
      add: () => ops.add(a, b),
      'add, recorded for backward': () => ops.add(withGradient, b),
      'add in noGrad': () => noGrad(() => ops.add(withGradient, b)),
      relu: () => ops.relu(a),
      reshape: () => a.reshape([1, 1]),
      conv2d: () => ops.conv2d(picture, kernel, { stride: [1, 1], padding: [0, 0] }),
    };
    const tasks = Object.fromEntries(
      Object.entries(calls).map(([name, call]) => [name, () => microsecondsPerCall(call, 20)]),
    );
    interleaved(tasks, 2); // compiled and warm from here on
    const measured = Object.entries(interleaved(tasks, repeats));
    const results = measured.map(([operator, values]) => ({
      operator,
      microseconds: median(values),
      spread: spread(values),
    }));
    return { targetMicroseconds, callMicroseconds: results[0]!.microseconds, results };
  });
}

function microsecondsPerCall(call: () => unknown, scopes: number): number {
  const start = performance.now();
  for (let round = 0; round < scopes; round++) {
    scope(() => {
      for (let i = 0; i < callsInScope; i++) call();
    });
  }
  return ((performance.now() - start) * 1000) / (scopes * callsInScope);
}
