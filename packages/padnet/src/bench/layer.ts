/**
 * What one convolution costs: static, dynamic and partial, by every plan, in one process, in turns. Dynamic layers run with
 * their router.
 */
import {
  backward,
  getNumThreads,
  manualSeed,
  nn,
  noGrad,
  randn,
  scope,
  setNumThreads,
  type MemoryFormat,
  type Tensor,
} from '@padnet/torch';
import { Bank, KernelAttention } from '../dynamic/index.js';
import type { ConvolutionPlan } from '../compute/convolutionPlan.js';
import { loadMachineRates, outputSize } from '../compute/index.js';
import { DynamicConv2d } from '../layers/index.js';
import { PartialSource, type Mask, type ParameterSource } from '../partial/index.js';
import { median } from '../statistics.js';
import { randomMask } from './benchNetwork.js';
import { measuredPass, type MeasuredPass } from './measuredPass.js';
import { convolutionWork, roofline, type MachinePeaks, type Roofline } from './roofline.js';
import { machinePeaks } from './speed.js';
import { interleaved, spread } from './repeats.js';

/** `pad` has a mask by entry, `pad-filter` by filter. */
export type ConvolutionKind = 'static' | 'dyconv' | 'pad' | 'pad-filter';

export interface LayerBenchOptions {
  readonly geometry: nn.Conv2dGeometry;
  /** Pixels of a side of the input. */
  readonly size: number;
  readonly batch: number;
  /** K */
  readonly numKernels: number;
  /** κ of `pad` and `pad-filter`. */
  readonly ratio: number;
  readonly layers: readonly ConvolutionKind[];
  /** Those that a dynamic or partial layer does not have are left out. */
  readonly plans: readonly ConvolutionPlan[];
  readonly memoryFormat: Extract<MemoryFormat, 'contiguous' | 'channels_last'>;
  /** Timed passes of each. */
  readonly repeats: number;
  readonly threads: number;
  /** @default measured just before */
  readonly peaks?: MachinePeaks;
}

export interface PassCost extends Roofline {
  /** Median. */
  readonly seconds: number;
  /** Distance of the quartiles over the median. */
  readonly spread: number;
  /** Over that of `static`, median of the rounds; null without it. */
  readonly ratioToStatic: number | null;
}

export interface LayerCost {
  readonly layer: ConvolutionKind;
  /** Null for `static`, which is libtorch's convolution. */
  readonly plan: ConvolutionPlan | null;
  /** In evaluation mode, without gradients. */
  readonly forward: PassCost;
  /** With the gradients of input and parameters. */
  readonly forwardBackward: PassCost;
  /** The most that tensors held in forward and backward: parameters, gradients, input, output and what lies between. */
  readonly peakMemoryBytes: number;
  /** Stored numbers of the weight: n, Kn, or (1 − κ)n + Kκn. */
  readonly parameters: number;
}

export interface LayerCosts {
  readonly results: readonly LayerCost[];
  readonly peaks: MachinePeaks;
}

/** Untimed rounds: memory is allocated, code is compiled. */
const warmUpRounds = 2;

const passes = ['forward', 'forwardBackward'] as const;
type Timed = (typeof passes)[number];

/** Random input and gradient of the output, fresh weights, random masks. */
export function benchLayer(options: LayerBenchOptions): LayerCosts {
  const { geometry, size, batch, layers, memoryFormat, repeats, threads } = options;
  loadMachineRates();
  const threadsBefore = getNumThreads();
  setNumThreads(threads);
  try {
    return scope(() => {
      const { peaks = machinePeaks() } = options;
      manualSeed(0);
      const shape = [batch, geometry.inChannels, size, size];
      const input = randn(shape).contiguous({ memoryFormat });
      input.requiresGrad = true;
      const outputShape = [batch, geometry.outChannels, ...outputSize(geometry, shape)];
      const outputGradient = randn(outputShape).contiguous({ memoryFormat });
      const shared = input.byteLength + outputGradient.byteLength;
      const rows = layers.flatMap((layer) => measuredRows(options, layer, input, outputGradient));
      const tasks = Object.fromEntries(
        rows.flatMap(({ measured }, index) => passes.map((pass) => [key(index, pass), measured[pass].seconds])),
      );
      interleaved(tasks, warmUpRounds);
      const seconds = interleaved(tasks, repeats);
      const fixed = rows.findIndex(({ layer }) => layer === 'static');
      const cost = (index: number, pass: Timed): PassCost => {
        const mine = seconds[key(index, pass)]!;
        const theirs = fixed < 0 ? null : seconds[key(fixed, pass)]!;
        const work = convolutionWork(geometry, shape, rows[index]!.parameters, pass);
        return {
          seconds: median(mine),
          spread: spread(mine),
          ratioToStatic: theirs && median(mine.map((value, round) => value / theirs[round]!)),
          ...roofline(work, peaks, median(mine)),
        };
      };
      const results = rows.map(({ layer, plan, measured, parameters }, index) => ({
        layer,
        plan,
        forward: cost(index, 'forward'),
        forwardBackward: cost(index, 'forwardBackward'),
        peakMemoryBytes: shared + measured.forwardBackward.peakBytes(),
        parameters,
      }));
      return { results, peaks };
    });
  } finally {
    setNumThreads(threadsBefore);
  }
}

function key(index: number, pass: Timed): string {
  return `${index} ${pass}`;
}

interface MeasuredRow {
  readonly layer: ConvolutionKind;
  readonly plan: ConvolutionPlan | null;
  readonly parameters: number;
  readonly measured: Readonly<Record<Timed, MeasuredPass>>;
}

/** Of a dynamic layer a row for each of the plans that it has, all with the same mask. */
function measuredRows(
  options: LayerBenchOptions,
  layer: ConvolutionKind,
  input: Tensor,
  outputGradient: Tensor,
): MeasuredRow[] {
  const { geometry, numKernels, ratio, plans } = options;
  const shape = nn.convWeightShape(geometry);
  if (layer === 'static') {
    const create = (): nn.Layer => new nn.Conv2d({ ...geometry, bias: false });
    return [{ layer, plan: null, ...measureLayer(create, input, outputGradient) }];
  }
  const mask = layer === 'dyconv' ? null : randomMask(shape, ratio, layer === 'pad-filter' ? 'filter' : 'entry');
  const create = (plan: ConvolutionPlan | null): DynamicConv2d => {
    const router = new KernelAttention({ inChannels: geometry.inChannels, numKernels });
    const source = scope(() => createSource(randn([numKernels, ...shape]), mask));
    const convolution = new DynamicConv2d({ geometry, router, source });
    convolution.plan = plan;
    return convolution;
  };
  const { costs } = scope(() => create(null).planCosts(input));
  return plans
    .filter((plan) => costs.some((cost) => cost.plan === plan))
    .map((plan) => ({ layer, plan, ...measureLayer(() => create(plan), input, outputGradient) }));
}

function measureLayer(
  create: () => nn.Layer,
  input: Tensor,
  outputGradient: Tensor,
): Pick<MeasuredRow, 'parameters' | 'measured'> {
  const forwardBackward = measuredPass(() => {
    const trained = create().train();
    return () => {
      backward(trained.forward(input), { gradients: [outputGradient] });
      trained.zeroGrad();
      input.grad = null;
    };
  });
  // A layer of its own, for in evaluation mode a layer keeps what training would make anew.
  const evaluated = create().eval();
  const forward = measuredPass(() => () => {
    noGrad(() => evaluated.forward(input));
  });
  return { parameters: storedWeights(evaluated), measured: { forward, forwardBackward } };
}

/** @param mask null for a layer that is dynamic as a whole */
function createSource(bank: Tensor, mask: Mask | null): ParameterSource {
  return mask ? new PartialSource({ bank, staticWeight: randn(mask.shape), mask }) : new Bank(bank);
}

/** Numbers of the weight, without the router's. */
function storedWeights(layer: nn.Layer): number {
  const weights = layer instanceof DynamicConv2d ? layer.source : layer;
  return weights.parameters().reduce((sum, { numel }) => sum + numel, 0);
}
