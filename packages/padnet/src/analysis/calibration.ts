/**
 * The cost of each plan of a dynamic convolution on this machine, over layers of ResNet-18, ResNet-50 and MobileNetV2:
 * the rates of the cost model that these times give, and how good its choices are.
 */
import {
  backward,
  getNumThreads,
  manualSeed,
  nn,
  noGrad,
  ops,
  randn,
  scope,
  setNumThreads,
  type Tensor,
} from '@padnet/torch';
import { Bank, type Router } from '../dynamic/index.js';
import {
  directions,
  fitRates,
  planWork,
  planSeconds,
  type ConvolutionPlan,
  type ConvolutionWork,
  type Direction,
  type MixingPlan,
  type PlanRates,
  loadMachineRates,
  type Rates,
  type Work,
} from '../compute/index.js';
import { DynamicConv2d } from '../layers/index.js';
import { Mask, PartialSource, type ParameterSource } from '../partial/index.js';
import { mean, quantile } from '../statistics.js';
import { interleaved, secondsOf } from './timing.js';

/** A layer, and how much of it is dynamic. */
export interface PlanCase {
  readonly layer: string;
  readonly geometry: nn.Conv2dGeometry;
  /** Height and width of the input. */
  readonly size: number;
  readonly batch: number;
  /** K */
  readonly numKernels: number;
  /** `dynamic` for a bank; else by which units a partial layer is dynamic. */
  readonly granularity: 'dynamic' | 'entry' | 'filter';
  /** κ */
  readonly ratio: number;
}

/**
 * Seconds of every plan that a case has: the lower quartile of its times, since what else the machine does only adds.
 */
export interface PlanTimes {
  readonly case: PlanCase;
  readonly direction: Direction;
  readonly work: ConvolutionWork;
  /** How `structured` computed its dynamic filters. */
  readonly dynamicFilters: MixingPlan;
  readonly seconds: Readonly<Partial<Record<ConvolutionPlan, number>>>;
}

export interface PlanQuality {
  readonly cases: number;
  /** Share of the cases whose chosen plan is the fastest, or takes at most 3 % longer. */
  readonly fastest: number;
  /** Time of the chosen plan over that of the fastest, less 1. */
  readonly meanLoss: number;
  readonly mostLoss: number;
}

/**
 * [layer, inChannels, outChannels, kernelSize, stride, groups, size, batches]; maps of 4² and 28² inputs beside those
 * of 224².
 */
const layers: readonly (readonly [string, number, number, number, number, number, number, readonly number[]])[] = [
  ['ResNet-18 layer1 3×3', 64, 64, 3, 1, 1, 56, [1, 16]],
  ['ResNet-18 layer2 3×3 /2', 64, 128, 3, 2, 1, 56, [1, 16]],
  ['ResNet-18 layer2 3×3', 128, 128, 3, 1, 1, 28, [1, 16]],
  ['ResNet-18 layer2 1×1 /2', 64, 128, 1, 2, 1, 56, [1, 16]],
  ['ResNet-18 layer3 3×3', 256, 256, 3, 1, 1, 14, [1, 16]],
  ['ResNet-18 layer4 3×3', 512, 512, 3, 1, 1, 7, [1, 16]],
  ['ResNet-18 layer1 3×3', 64, 64, 3, 1, 1, 28, [128]],
  ['ResNet-18 layer3 3×3', 256, 256, 3, 1, 1, 7, [128]],
  ['ResNet-18 layer4 3×3', 512, 512, 3, 1, 1, 4, [1, 128]],
  ['ResNet-10 layer1 3×3', 16, 16, 3, 1, 1, 28, [1, 16, 128]],
  ['ResNet-10 layer3 3×3', 64, 64, 3, 1, 1, 7, [1, 16, 128]],
  ['ResNet-50 layer1 1×1', 256, 64, 1, 1, 1, 56, [1, 16]],
  ['ResNet-50 layer1 1×1', 64, 256, 1, 1, 1, 56, [1, 16]],
  ['ResNet-50 layer3 1×1', 1024, 256, 1, 1, 1, 14, [1, 16]],
  ['ResNet-50 layer4 1×1', 512, 2048, 1, 1, 1, 7, [1, 16]],
  ['MobileNetV2 1×1', 16, 96, 1, 1, 1, 112, [1, 16]],
  ['MobileNetV2 3×3 /2 depth-wise', 96, 96, 3, 2, 96, 112, [1, 16]],
  ['MobileNetV2 1×1', 144, 24, 1, 1, 1, 56, [1, 16]],
  ['MobileNetV2 3×3 depth-wise', 144, 144, 3, 1, 144, 56, [1, 16]],
  ['MobileNetV2 1×1', 384, 64, 1, 1, 1, 14, [1, 16]],
  ['MobileNetV2 3×3 depth-wise', 384, 384, 3, 1, 384, 14, [1, 16, 128]],
  ['MobileNetV2 1×1', 960, 160, 1, 1, 1, 7, [1, 16, 128]],
  ['MobileNetV2 3×3 depth-wise', 960, 960, 3, 1, 960, 7, [1, 16]],
  ['MobileNetV2 1×1', 320, 1280, 1, 1, 1, 7, [1, 16]],
];
const mixtures = [
  { granularity: 'dynamic', ratio: 1 },
  { granularity: 'entry', ratio: 0.3 },
  { granularity: 'filter', ratio: 0.1 },
  { granularity: 'filter', ratio: 0.3 },
] as const;

/** The cases that are timed, each with K = 4. */
export const planCases: readonly PlanCase[] = layers.flatMap(
  ([layer, inChannels, outChannels, kernelSize, stride, groups, size, batches]) =>
    batches.flatMap((batch) =>
      mixtures.map((mixture): PlanCase => {
        const padding = (kernelSize - 1) / 2;
        const geometry = nn.conv2dGeometry({ inChannels, outChannels, kernelSize, stride, padding, groups });
        return { layer, geometry, size, batch, numKernels: 4, ...mixture };
      }),
    ),
);

/** Coefficients [batch, K] that a router would give, so that only the convolution is timed. */
class GivenCoefficients extends nn.Module implements Router {
  readonly sumsToOne = true;
  readonly coefficients: nn.Parameter;

  constructor(
    batch: number,
    readonly numKernels: number,
  ) {
    super();
    this.coefficients = new nn.Parameter(ops.softmax(randn([batch, numKernels]), 1));
  }

  forward(): Tensor {
    return this.coefficients;
  }

  countMacs(): number {
    return 0;
  }
}

/**
 * The times of one case after another; the number of threads is left as it was.
 *
 * @param repeats timed passes of each plan
 */
export function* measurePlans(cases: readonly PlanCase[], repeats: number, threads: number): Generator<PlanTimes[]> {
  loadMachineRates();
  const threadsBefore = getNumThreads();
  setNumThreads(threads);
  try {
    for (const given of cases) yield timePlans(given, repeats);
  } finally {
    setNumThreads(threadsBefore);
  }
}

/** A plan that takes so many times as long as another is run once only. */
const hopeless = 4;

/** Times all plans of a case in turns. Maps are channels-last, as in the networks. */
function timePlans(given: PlanCase, repeats: number): PlanTimes[] {
  return scope(() => {
    manualSeed(0);
    const { geometry, batch, numKernels, size } = given;
    const channelsLast = { memoryFormat: 'channels_last' } as const;
    const router = new GivenCoefficients(batch, numKernels);
    const layer = new DynamicConv2d({ geometry, router, source: sourceOf(given) });
    const input = randn([batch, geometry.inChannels, size, size]).contiguous(channelsLast);
    const { shape, device, dtype } = input;
    const gradient = noGrad(() => randn(layer.forward(input).shape)).contiguous(channelsLast);
    return directions.map((direction) => {
      layer.plan = null;
      layer.train(direction === 'training');
      input.requiresGrad = direction === 'training';
      const { costs, dynamicFilters, work } = layer.planCosts({ shape, device, dtype, direction });
      const pass = (plan: ConvolutionPlan) => (): number => {
        layer.plan = plan;
        const seconds = secondsOf(() => {
          if (direction === 'inference') noGrad(() => layer.forward(input));
          else backward(layer.forward(input), { gradients: [gradient] });
        });
        layer.zeroGrad();
        input.grad = null;
        return seconds;
      };
      const passes = Object.fromEntries(costs.map(({ plan }) => [plan, pass(plan)]));
      interleaved(passes, 1); // memory is allocated, code is compiled, compact banks are filled in
      const first = interleaved(passes, 1);
      const fastest = Math.min(...Object.values(first).flat());
      const tasks = Object.fromEntries(
        Object.entries(passes).filter(([plan]) => first[plan]![0]! < hopeless * fastest),
      );
      const all = { ...first, ...interleaved(tasks, repeats) };
      const seconds = Object.fromEntries(Object.entries(all).map(([plan, values]) => [plan, quantile(values, 0.25)]));
      return { case: given, direction, work, dynamicFilters, seconds };
    });
  });
}

/** The rates of a machine that took these times. */
export function ratesOf(times: readonly PlanTimes[]): PlanRates {
  const timings = (direction: Direction) =>
    times
      .filter((timed) => timed.direction === direction)
      .flatMap((timed) => plansOf(timed).map((plan) => ({ work: workOf(timed, plan), seconds: timed.seconds[plan]! })));
  return { inference: fitRates(timings('inference')), training: fitRates(timings('training')) };
}

/** @param choose what plans are chosen by: rates, or one plan wherever it can run */
export function planQuality(times: readonly PlanTimes[], choose: PlanRates | ConvolutionPlan): PlanQuality {
  const losses = times.map((timed) => {
    const chosen = typeof choose === 'string' ? choose : predictedFastest(timed, choose[timed.direction]);
    return timed.seconds[chosen]! / Math.min(...Object.values(timed.seconds)) - 1;
  });
  return {
    cases: losses.length,
    fastest: losses.filter((loss) => loss <= 0.03).length / losses.length,
    meanLoss: mean(losses),
    mostLoss: Math.max(...losses),
  };
}

function predictedFastest(timed: PlanTimes, rates: Rates): ConvolutionPlan {
  const predicted = (plan: ConvolutionPlan): number => planSeconds(workOf(timed, plan), rates);
  return plansOf(timed).sort((a, b) => predicted(a) - predicted(b))[0]!;
}

function plansOf({ seconds }: PlanTimes): ConvolutionPlan[] {
  return Object.keys(seconds) as ConvolutionPlan[];
}

function workOf({ work, dynamicFilters }: PlanTimes, plan: ConvolutionPlan): Work {
  return planWork(plan, work, dynamicFilters);
}

function sourceOf({ geometry, numKernels, granularity, ratio }: PlanCase): ParameterSource {
  const shape = nn.convWeightShape(geometry);
  const masks = { dynamic: () => null, entry: randomMask, filter: randomFilterMask };
  return randomSource(shape, numKernels, masks[granularity](shape, ratio));
}

/** Random numbers; all of them are dynamic where there is no mask. */
export function randomSource(shape: readonly number[], numKernels: number, mask: Mask | null): ParameterSource {
  return scope(() => {
    const bank = randn([numKernels, ...shape]);
    return mask ? new PartialSource({ bank, staticWeight: randn(shape), mask }) : new Bank(bank);
  });
}

/**
 * A mask that makes each unit dynamic with probability `ratio`: each number of a tensor `units` that is expanded to
 * `shape`.
 */
export function randomMask(shape: readonly number[], ratio: number, units = shape): Mask {
  return scope(() => Mask.fromTensor(ops.rand(units).lt(ratio).expand(shape)));
}

/** As `randomMask`, of whole filters of a convolution. */
export function randomFilterMask(shape: readonly number[], ratio: number): Mask {
  return randomMask(shape, ratio, [shape[0]!, 1, 1, 1]);
}
