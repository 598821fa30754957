/**
 * Comparison of tensors within tolerances, for tests: |actual − expected| ≤ atol + rtol · |expected| for every element.
 */
import type { DType } from '../dtype.js';
import { scope } from '../scope.js';
import { Tensor, tensor, type NestedArray } from '../tensor.js';
import { positionOf } from './position.js';

export interface Tolerance {
  /** Absolute. @default by the dtype of `actual`: see `defaultTolerance` */
  readonly atol?: number;
  /** Relative to the expected value. @default by the dtype of `actual`: see `defaultTolerance` */
  readonly rtol?: number;
}

/** The defaults of `torch.testing.assert_close`; whole numbers and booleans must be equal. */
export function defaultTolerance(dtype: DType): Required<Tolerance> {
  switch (dtype) {
    case 'float64':
    case 'complex128':
      return { atol: 1e-7, rtol: 1e-7 };
    case 'float32':
    case 'complex64':
      return { atol: 1e-5, rtol: 1.3e-6 };
    case 'float16':
      return { atol: 1e-5, rtol: 1e-3 };
    case 'bfloat16':
      return { atol: 1e-5, rtol: 1.6e-2 };
    default:
      return { atol: 0, rtol: 0 };
  }
}

/**
 * Asserts that shapes are equal and all elements close. A NaN is close to a NaN only, an infinity to itself only.
 * Dtypes may differ: values are compared as float64.
 *
 * @param expected a tensor, a number, or nested arrays of the same shape
 * @throws naming both shapes, or the worst element, its position and how many differ
 */
export function expectClose(actual: Tensor | number, expected: Tensor | NestedArray, tolerance: Tolerance = {}): void {
  scope(() => {
    const got = actual instanceof Tensor ? actual : tensor(actual, { dtype: 'float64' });
    const wanted = expected instanceof Tensor ? expected : tensor(expected, { dtype: 'float64' });
    const { shape } = got;
    if (shape.join() !== wanted.shape.join()) {
      throw new Error(`expected shape [${wanted.shape.join(', ')}], got [${shape.join(', ')}]`);
    }
    const { atol, rtol } = { ...defaultTolerance(got.dtype), ...tolerance };
    const gotValues = got.toArray();
    const wantedValues = wanted.toArray();
    let differing = 0;
    let worst = -1;
    let worstExcess = 0;
    for (const [index, value] of gotValues.entries()) {
      const excess = excessOf(value, wantedValues[index]!, atol, rtol);
      if (excess <= 0) continue;
      differing += 1;
      if (excess > worstExcess) [worst, worstExcess] = [index, excess];
    }
    if (differing === 0) return;
    const [value, target] = [gotValues[worst]!, wantedValues[worst]!];
    throw new Error(
      `${differing} of ${gotValues.length} elements differ by more than ${atol} + ${rtol} · |expected|; the worst is ` +
        `at [${positionOf(worst, shape).join(', ')}]: expected ${target}, got ${value} (difference ` +
        `${Math.abs(value - target)})`,
    );
  });
}

/** By how much a difference is beyond the tolerance; Infinity where no tolerance helps, at most 0 where all is well. */
function excessOf(actual: number, expected: number, atol: number, rtol: number): number {
  if (Object.is(actual, expected) || actual === expected) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(expected)) return Infinity;
  return Math.abs(actual - expected) - (atol + rtol * Math.abs(expected));
}
