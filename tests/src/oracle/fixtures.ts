/** The golden numbers: where they are, and as tensors. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromTypedArray, type DType, type Tensor } from '@padnet/torch';

/** `$FIXTURES`, or the copy in this repository. */
export const fixturesFolder = process.env.FIXTURES ?? fileURLToPath(new URL('../../fixtures', import.meta.url));

export interface Numbers {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller states the type
export function readFixture<T>(name: string): T {
  return JSON.parse(readFileSync(join(fixturesFolder, name), 'utf8')) as T;
}

export function toTensor({ shape, data }: Numbers, dtype: DType): Tensor {
  return fromTypedArray(Float64Array.from(data), shape).to(dtype);
}

/** One quantity of one case, compared. */
export interface Comparison {
  readonly file: string;
  readonly case: string;
  readonly dtype: DType;
  readonly quantity: string;
  /** Largest |ours − expected| / max(1, |expected|); masks: number of entries that differ. */
  readonly error: number;
  readonly bound: number;
}

export const bounds = { float64: 1e-6, float32: 1e-4 } as const;
export type OracleDType = keyof typeof bounds;
export const oracleDTypes = ['float64', 'float32'] as const;

/** Infinity where the shapes differ or an element is not a number. */
export function largestError(ours: Tensor | null, expected: Numbers): number {
  if (ours?.shape.join() !== expected.shape.join()) return Infinity;
  let largest = 0;
  ours.toArray().forEach((value, index) => {
    const wanted = expected.data[index]!;
    const error = Math.abs(value - wanted) / Math.max(1, Math.abs(wanted));
    largest = Number.isNaN(error) ? Infinity : Math.max(largest, error);
  });
  return largest;
}

export type Compare = (quantity: string, ours: Tensor | null, expected: Numbers) => Comparison;

/** Compares the quantities of one case. */
export function comparer(file: string, name: string, dtype: OracleDType): Compare {
  return (quantity, ours, expected) => ({
    file,
    case: name,
    dtype,
    quantity,
    error: largestError(ours, expected),
    bound: bounds[dtype],
  });
}

export type Gradients = ReadonlyMap<string, Tensor | null>;

/** With the mask as a variable, and as training runs, where the mask has no gradient. */
export function compareGradients(
  compare: Compare,
  oracle: Readonly<Record<string, Numbers>>,
  scored: Gradients,
  trained: Gradients,
): Comparison[] {
  return Object.entries(oracle).flatMap(([name, expected]) => [
    compare(`∂${name}`, scored.get(name) ?? null, expected),
    ...(name === 'mask' ? [] : [compare(`∂${name} in training`, trained.get(name) ?? null, expected)]),
  ]);
}
