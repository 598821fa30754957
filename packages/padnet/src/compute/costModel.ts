/**
 * Predicted time of each way to compute a dynamic convolution: a plan is so many units of a few kinds of work, and a
 * machine has a rate for each kind (`planRates.ts`), measured (`padnet calibrate`). Symbols as in method.md: B samples,
 * K bank entries, n entries of a kernel, d of them dynamic.
 */
import type { nn } from '@padnet/torch';
import { numEntries } from '../partial/numEntries.js';

/** The sizes of a convolution, on which its time depends. */
export interface ConvolutionWork {
  readonly geometry: nn.ConvGeometry;
  /** B */
  readonly batch: number;
  /** Positions of the input, and of the output: height × width of a picture. */
  readonly inPositions: number;
  readonly positions: number;
  /** K */
  readonly numKernels: number;
  /** d */
  readonly dynamicEntries: number;
  /** Filters without dynamic entries. */
  readonly staticFilters: number;
  /** Whether only the numbers in use are held, so that others must be filled in. */
  readonly isCompact: boolean;
}

/**
 * Kinds of work; a rate is seconds a unit.
 *
 * - `call`: operators called.
 * - `convolve`: multiply-accumulates of libtorch's convolution; `multiply`: of its batched matrix product.
 * - `fuse`: multiply-accumulates of our kernels. Those for depth-wise layers wait for memory instead.
 * - `accumulate`: sums that our kernels read and write between blocks of input channels.
 * - `mix`: products α_k Θ_k in cache.
 * - `filter`: steps of mixing one filter of a depth-wise layer, too short for the rates of larger ones.
 * - `order`: bank entries that our kernels bring into the order of their products; `expand`: compact ones, that need it
 *   first.
 * - `move`: numbers of maps read or written.
 * - `bank`: numbers of a whole bank that libtorch mixes.
 * - `pack`: numbers of kernels that libtorch writes and brings into its order.
 * - `scatter`: numbers of a whole bank that libtorch makes from a compact one.
 */
export const workKinds = [
  'call',
  'convolve',
  'multiply',
  'fuse',
  'accumulate',
  'mix',
  'filter',
  'order',
  'expand',
  'move',
  'bank',
  'pack',
  'scatter',
] as const;
export type WorkKind = (typeof workKinds)[number];

/** Units of work; kinds that are left out do not occur. */
export type Work = Readonly<Partial<Record<WorkKind, number>>>;
/** Seconds a unit. */
export type Rates = Readonly<Record<WorkKind, number>>;

/** Channels that the native kernels sum at once (`BlockedMaps::mostChannels`). */
const blockChannels = 64;

/** One convolution with a kernel for all samples: no mixing. */
export function staticWork(work: ConvolutionWork): Work {
  const { macs, entries, input, output } = sizes(work);
  return { call: 1, convolve: macs, pack: entries, move: input + output };
}

/**
 * Tiles of static filters are not mixed. With fewer samples than bank entries, mixtures are brought into order, not the
 * bank.
 */
export function fusedWork(work: ConvolutionWork): Work {
  const { batch, numKernels, staticFilters, isCompact, geometry } = work;
  const { macs, entries, input, output } = sizes(work);
  const { inChannels, outChannels, groups, kernelSize } = geometry;
  const filterSize = (inChannels / groups) * numEntries(kernelSize);
  // The input is copied into blocks first.
  const maps = 3 * input + output;
  // Compact filters are mixed, filled in twice and added up.
  if (isDepthwise(geometry)) return { call: 1, filter: batch * outChannels * (isCompact ? 4 : 1), move: maps };
  const ordered = Math.min(batch, numKernels) * entries;
  const isReordered = staticFilters > 0 && staticFilters < outChannels;
  return {
    call: 1,
    fuse: macs,
    accumulate: output * Math.ceil(inChannels / groups / blockChannels),
    mix: batch * numKernels * (outChannels - staticFilters) * filterSize,
    order: ordered,
    expand: isCompact ? ordered : 0,
    // What static and dynamic tiles give is put back in the order of the filters.
    move: maps + (isReordered ? 2 * output : 0),
  };
}

export function isDepthwise({ groups, inChannels, outChannels }: nn.ConvGeometry): boolean {
  return groups > 1 && groups === inChannels && groups === outChannels;
}

/** Whether each output position meets one input position, and every channel of it. */
export function isPointwise({ kernelSize, padding, groups }: nn.ConvGeometry): boolean {
  return groups === 1 && kernelSize.every((size) => size === 1) && padding.every((size) => size === 0);
}

/** B kernels are mixed and packed. Beyond one sample maps change their layout, except for matrix products. */
export function perSampleWork(work: ConvolutionWork): Work {
  const { batch, numKernels, isCompact, geometry } = work;
  const { macs, entries, input, output } = sizes(work);
  const isProduct = batch > 1 && isPointwise(geometry);
  return {
    call: 4,
    [isProduct ? 'multiply' : 'convolve']: macs,
    bank: numKernels * entries,
    pack: batch * entries,
    scatter: isCompact ? numKernels * entries : 0,
    move: (batch > 1 && !isProduct ? 3 : 1) * (input + output),
  };
}

/** K times the input, its channels and the arithmetic. */
export function perKernelWork(work: ConvolutionWork): Work {
  const { numKernels, isCompact } = work;
  const { macs, entries, input, output } = sizes(work);
  return {
    call: 4,
    convolve: numKernels * macs,
    pack: numKernels * entries,
    scatter: isCompact ? numKernels * entries : 0,
    move: (1 + 2 * numKernels) * input + output,
  };
}

/**
 * The work that a structured plan adds to the convolution of its dynamic filters: that of the static ones, and putting
 * both together.
 */
export function staticFiltersWork(work: ConvolutionWork): Work {
  const { output } = sizes(work);
  const convolution = staticWork(withFilters(work, work.staticFilters));
  // The weight is scaled first.
  return { ...convolution, call: 4, pack: 2 * convolution.pack!, move: convolution.move! + 3 * output };
}

/** The dynamic filters alone: a whole bank. */
export function dynamicFiltersWork(work: ConvolutionWork): ConvolutionWork {
  const alone = withFilters(work, work.geometry.outChannels - work.staticFilters);
  return { ...alone, staticFilters: 0, isCompact: false };
}

export function planSeconds(work: Work, rates: Rates): number {
  return workKinds.reduce((sum, kind) => sum + (work[kind] ?? 0) * rates[kind], 0);
}

export function sumOfWork(a: Work, b: Work): Work {
  return Object.fromEntries(workKinds.map((kind) => [kind, (a[kind] ?? 0) + (b[kind] ?? 0)]));
}

function withFilters(work: ConvolutionWork, outChannels: number): ConvolutionWork {
  return { ...work, geometry: { ...work.geometry, outChannels } };
}

/** Multiply-accumulates of one convolution; n; numbers of the maps. */
function sizes({ geometry, batch, inPositions, positions }: ConvolutionWork): {
  readonly macs: number;
  readonly entries: number;
  readonly input: number;
  readonly output: number;
} {
  const { inChannels, outChannels, groups, kernelSize } = geometry;
  const entries = outChannels * (inChannels / groups) * numEntries(kernelSize);
  return {
    macs: batch * positions * entries,
    entries,
    input: batch * inChannels * inPositions,
    output: batch * outChannels * positions,
  };
}
