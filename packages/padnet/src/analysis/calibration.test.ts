import { getNumThreads, nn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import {
  directions,
  outputSize,
  planSeconds,
  planWork,
  workKinds,
  type ConvolutionPlan,
  type ConvolutionWork,
  type PlanRates,
  type Rates,
} from '../compute/index.js';
import { measurePlans, planCases, planQuality, ratesOf, type PlanCase, type PlanTimes } from './calibration.js';

const plans = ['fused', 'perSample', 'perKernel'] as const;

/** As if a whole bank was measured, or a compact one that is dynamic by entry. */
function workOf({ geometry, batch, size, numKernels, granularity }: PlanCase): ConvolutionWork {
  const [height = 0, width = 0] = outputSize(geometry, [batch, geometry.inChannels, size, size]);
  const positions = { inPositions: size ** 2, positions: height * width };
  return {
    geometry,
    batch,
    ...positions,
    numKernels,
    dynamicEntries: 1,
    staticFilters: 0,
    isCompact: granularity !== 'dynamic',
  };
}

/** The times of every case on a machine of such rates. */
function timesAt(rates: PlanRates): PlanTimes[] {
  return planCases.flatMap((given) =>
    directions.map((direction) => {
      const work = workOf(given);
      const secondsOf = (plan: ConvolutionPlan): number => planSeconds(planWork(plan, work, 'fused'), rates[direction]);
      const seconds = Object.fromEntries(plans.map((plan) => [plan, secondsOf(plan)]));
      return { case: given, direction, work, dynamicFilters: 'fused', seconds };
    }),
  );
}

/** A machine on which an operator takes `call` seconds to be called; training takes longer for some kinds. */
function machine(call: number): PlanRates {
  const inference: Rates = {
    call,
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
  return { inference, training: { ...inference, call: 2 * call, fuse: 3 * inference.fuse } };
}

describe('planCases', () => {
  it('have pictures of every network, alone and in batches, and every kind of mask', () => {
    const has = (property: (given: PlanCase) => boolean): boolean => planCases.some(property);
    for (const batch of [1, 16, 128]) expect(has((given) => given.batch === batch)).toBe(true);
    for (const granularity of ['dynamic', 'entry', 'filter'])
      expect(has((given) => given.granularity === granularity)).toBe(true);
    for (const network of ['ResNet-18', 'ResNet-50', 'MobileNetV2'])
      expect(has(({ layer }) => layer.startsWith(network))).toBe(true);
    expect(has(({ geometry: { groups, inChannels } }) => groups > 1 && groups === inChannels)).toBe(true);
  });
});

describe('ratesOf', () => {
  it('finds rates by which the fastest plan is chosen, of each direction', () => {
    const times = timesAt(machine(2e-5));
    const rates = ratesOf(times);
    expect(rates.training.call / rates.inference.call).toBeCloseTo(2, 1);
    expect(rates.training.fuse / rates.inference.fuse).toBeCloseTo(3, 1);
    for (const { work, direction, seconds } of times)
      for (const plan of plans) {
        const predicted = planSeconds(planWork(plan, work, 'fused'), rates[direction]);
        expect(predicted / seconds[plan]!).toBeCloseTo(1, 2);
      }
    expect(planQuality(times, rates)).toMatchObject({ cases: times.length, fastest: 1 });
    expect(planQuality(times, rates).mostLoss).toBeLessThan(0.03);
  });
});

describe('planQuality', () => {
  const times = timesAt(machine(2e-5)).slice(0, 3);
  const measured = [
    { fused: 1, perSample: 2, perKernel: 3 },
    { fused: 1.02, perSample: 1, perKernel: 3 },
    { fused: 3, perSample: 1, perKernel: 2 },
  ].map((seconds, index): PlanTimes => ({ ...times[index]!, seconds }));
  const free = Object.fromEntries(workKinds.map((kind) => [kind, 0])) as Rates;

  it('is the time that is lost to the fastest plan; 3 % are none', () => {
    const only = (rates: Rates): PlanRates => ({ inference: rates, training: rates });
    // Fused costs nothing where only libtorch's arithmetic does.
    const quality = planQuality(measured, only({ ...free, convolve: 1, multiply: 1 }));
    expect(quality).toMatchObject({ cases: 3, fastest: 2 / 3 });
    expect(quality.meanLoss).toBeCloseTo((0 + 0.02 + 2) / 3);
    expect(quality.mostLoss).toBe(2);
    expect(planQuality(measured, 'fused')).toEqual(quality);
    // By kernel is the only one that mixes no bank.
    const other = planQuality(measured, only({ ...free, bank: 1, mix: 1 }));
    expect(other).toMatchObject({ fastest: 0, mostLoss: 2 });
    expect(other.meanLoss).toBeCloseTo((2 + 2 + 1) / 3);
  });
});

describe('measurePlans', () => {
  const geometry = nn.conv2dGeometry({ inChannels: 4, outChannels: 6, kernelSize: 3, padding: 1 });
  const small: PlanCase = {
    layer: 'small',
    geometry,
    size: 6,
    batch: 2,
    numKernels: 3,
    granularity: 'filter',
    ratio: 0.5,
  };
  const dynamic: PlanCase = { ...small, granularity: 'dynamic', ratio: 1 };

  it('times every plan of a case, forward alone and with backward', () => {
    const threads = getNumThreads();
    const times = [...measurePlans([small, dynamic], 2, 1)].flat();
    expect(getNumThreads()).toBe(threads);
    expect(times.map((timed) => [timed.case, timed.direction])).toEqual([
      [small, 'inference'],
      [small, 'training'],
      [dynamic, 'inference'],
      [dynamic, 'training'],
    ]);
    for (const { case: given, work, seconds } of times) {
      const structured = given === small ? ['structured'] : [];
      expect(Object.keys(seconds).sort()).toEqual([...plans, ...structured].sort());
      for (const value of Object.values(seconds)) expect(value).toBeGreaterThan(0);
      expect(work).toMatchObject({ batch: 2, inPositions: 36, positions: 36, isCompact: given === small });
      expect(work.staticFilters > 0).toBe(given === small);
    }
    const rates = ratesOf(times);
    for (const direction of directions)
      for (const kind of workKinds) expect(rates[direction][kind]).toBeGreaterThanOrEqual(0);
  });

  it('leaves the threads as they were where no more is asked for', () => {
    const threads = getNumThreads();
    for (const times of measurePlans([dynamic, dynamic], 1, threads + 1)) {
      expect(times).toHaveLength(2);
      break;
    }
    expect(getNumThreads()).toBe(threads);
  });
});
