/**
 * How near a measured time is to what the machine allows: nothing is faster than its arithmetic at the rate of a large matrix
 * product, nor than moving its numbers at the rate of memory, whichever takes longer (Williams et al. 2009).
 */
import type { nn } from '@padnet/torch';
import { outputSize } from '../compute/index.js';
import { numEntries } from '../partial/index.js';
import { median } from '../statistics.js';

/** What something has to compute and to move at least. */
export interface LeastWork {
  /** Floating-point operations: two a multiply-accumulate. */
  readonly flops: number;
  readonly bytes: number;
}

/** What the machine reaches at best. */
export interface MachinePeaks {
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface Roofline {
  readonly gigaflops: number;
  /** What takes longer at the machine's peaks. */
  readonly bound: 'arithmetic' | 'memory';
  /** The time at the machine's peaks over the measured one; above 1 where the numbers stay in a cache. */
  readonly share: number;
}

export function roofline({ flops, bytes }: LeastWork, peaks: MachinePeaks, seconds: number): Roofline {
  const arithmetic = flops / peaks.flopsPerSecond;
  const memory = bytes / peaks.bytesPerSecond;
  return {
    gigaflops: flops / seconds / 1e9,
    bound: memory > arithmetic ? 'memory' : 'arithmetic',
    share: Math.max(arithmetic, memory) / seconds,
  };
}

export function medianPeaks(peaks: readonly MachinePeaks[]): MachinePeaks {
  return {
    flopsPerSecond: median(peaks.map(({ flopsPerSecond }) => flopsPerSecond)),
    bytesPerSecond: median(peaks.map(({ bytesPerSecond }) => bytesPerSecond)),
  };
}

/** `forwardBackward`: gradients of input and parameters as well. `step`: the optimizer's step with momentum as well. */
const products = { forward: 1, forwardBackward: 3, step: 3 } as const;
/**
 * Forward, and for the input's gradient, a parameter is read, and its gradient written; the optimizer reads it, its gradient
 * and its momentum and writes two.
 */
const parameterMoves = { forward: 1, forwardBackward: 3, step: 8 } as const;
/** The input is read for the output and for the weight's gradient, its gradient is written. */
const inputMoves = { forward: 1, forwardBackward: 3 } as const;
/** The output is written, its gradient read. */
const outputMoves = { forward: 1, forwardBackward: 2 } as const;

const floatBytes = 4;

/**
 * Of a network: the multiply-accumulates of the static one, for mixing comes on top, and every stored parameter; activations,
 * which a cache may hold, are not counted.
 */
export function networkWork(macs: number, parameters: number, pass: 'forward' | 'step'): LeastWork {
  return { flops: 2 * macs * products[pass], bytes: floatBytes * parameters * parameterMoves[pass] };
}

/** Of a convolution with `parameters` stored numbers: the static one's arithmetic; its maps and its parameters are moved. */
export function convolutionWork(
  geometry: nn.Conv2dGeometry,
  inputShape: readonly number[],
  parameters: number,
  pass: 'forward' | 'forwardBackward',
): LeastWork {
  const { inChannels, outChannels, groups, kernelSize } = geometry;
  const output = inputShape[0]! * outChannels * numEntries(outputSize(geometry, inputShape));
  const macs = (output * inChannels * numEntries(kernelSize)) / groups;
  return layerWork({ macs, input: numEntries(inputShape), output, parameters }, pass);
}

export interface LayerSize {
  /** Multiply-accumulates of a forward pass. */
  readonly macs: number;
  /** Numbers that it reads and writes, and that it stores. */
  readonly input: number;
  readonly output: number;
  readonly parameters: number;
}

export function layerWork(
  { macs, input, output, parameters }: LayerSize,
  pass: 'forward' | 'forwardBackward',
): LeastWork {
  const moved = input * inputMoves[pass] + output * outputMoves[pass] + parameters * parameterMoves[pass];
  return { flops: 2 * macs * products[pass], bytes: floatBytes * moved };
}
