/**
 * Rates of the cost model as `padnet calibrate` has measured them on two cores: what is assumed until this machine has
 * been measured. `avx512`: an Intel Xeon, libtorch 2.11, other cores busy; `avx2`: an AMD EPYC (Zen 3), libtorch 1.13.
 * Nothing was measured for `portable`: it is `avx2` with our own kernels' arithmetic slower by what a vector is
 * shorter.
 */
import type { Rates } from './costModel.js';

/** A forward pass alone; or with the gradients of input and parameters. */
export const directions = ['inference', 'training'] as const;
export type Direction = (typeof directions)[number];
export type PlanRates = Readonly<Record<Direction, Rates>>;

export const instructionSets = ['avx512', 'avx2', 'portable'] as const;
export type InstructionSet = (typeof instructionSets)[number];

const avx512: PlanRates = {
  inference: {
    call: 7.63e-5,
    convolve: 1.19e-11,
    multiply: 4.37e-12,
    fuse: 1.24e-11,
    accumulate: 2.37e-10,
    mix: 5.85e-11,
    filter: 2.6e-8,
    order: 6.52e-10,
    expand: 0,
    move: 3.56e-10,
    bank: 5.62e-11,
    pack: 1.08e-9,
    scatter: 1.06e-10,
  },
  training: {
    call: 2.11e-4,
    convolve: 3.76e-11,
    multiply: 1.95e-11,
    fuse: 3.72e-11,
    accumulate: 2.37e-9,
    mix: 1.79e-10,
    filter: 1.79e-7,
    order: 5.29e-9,
    expand: 1.76e-9,
    move: 1.1e-9,
    bank: 6.06e-10,
    pack: 3.37e-9,
    scatter: 5.42e-9,
  },
};

const avx2: PlanRates = {
  inference: {
    call: 5.22e-5,
    convolve: 1.98e-11,
    multiply: 1.81e-11,
    fuse: 1.61e-11,
    accumulate: 0,
    mix: 7.11e-11,
    filter: 3.99e-8,
    order: 5.49e-10,
    expand: 0,
    move: 3.44e-10,
    bank: 2.39e-10,
    pack: 9.67e-10,
    scatter: 0,
  },
  training: {
    call: 1.62e-4,
    convolve: 5.96e-11,
    multiply: 5.76e-11,
    fuse: 5.58e-11,
    accumulate: 1.13e-9,
    mix: 1.7e-10,
    filter: 1.63e-7,
    order: 6.76e-9,
    expand: 1.07e-9,
    move: 1.18e-9,
    bank: 2.9e-9,
    pack: 3.35e-9,
    scatter: 2.7e-9,
  },
};

function portable(rates: Rates): Rates {
  const { fuse, accumulate, mix } = rates;
  return { ...rates, fuse: 2 * fuse, accumulate: 2 * accumulate, mix: 2 * mix };
}

export const defaultRates: Readonly<Record<InstructionSet, PlanRates>> = {
  avx512,
  avx2,
  portable: { inference: portable(avx2.inference), training: portable(avx2.training) },
};
