import { nn } from '@padnet/torch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dynamicFiltersPlan, planCosts, planWork, type ConvolutionPlan, type PlanChoices } from './convolutionPlan.js';
import { planSeconds, workKinds, type Rates } from './costModel.js';
import { outputSize } from './outputSize.js';
import { defaultRates } from './planRates.js';

const rates = defaultRates.portable.training;

interface Shape {
  readonly batch: number;
  readonly groups: number;
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  readonly kernelSize: number;
  readonly stride: number;
  readonly numKernels: number;
  readonly staticFilters: number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  batch: fc.integer({ min: 1, max: 200 }),
  groups: fc.integer({ min: 1, max: 3 }),
  inPerGroup: fc.integer({ min: 1, max: 300 }),
  outPerGroup: fc.integer({ min: 2, max: 300 }),
  kernelSize: fc.constantFrom(1, 3, 5),
  stride: fc.integer({ min: 1, max: 2 }),
  numKernels: fc.integer({ min: 1, max: 8 }),
  staticFilters: fc.integer({ min: 0, max: 1 }),
});

/** A partial layer by filter where it has static filters, else a dynamic one; 14² maps. */
function choicesOf({ groups, inPerGroup, outPerGroup, kernelSize, stride, ...rest }: Shape): PlanChoices {
  const geometry = nn.conv2dGeometry({
    inChannels: groups * inPerGroup,
    outChannels: groups * outPerGroup,
    kernelSize,
    stride,
    padding: (kernelSize - 1) / 2,
    groups,
  });
  const [height = 0, width = 0] = outputSize(geometry, [1, geometry.inChannels, 14, 14]);
  const isCompact = rest.staticFilters > 0;
  const dynamicEntries = (geometry.outChannels - rest.staticFilters) * inPerGroup * kernelSize ** 2;
  return {
    work: { ...rest, geometry, inPositions: 14 * 14, positions: height * width, dynamicEntries, isCompact },
    hasSpatialAttention: false,
    isFusable: true,
    isStatic: false,
    isStructured: isCompact,
  };
}

const layer = choicesOf({
  batch: 2,
  groups: 1,
  inPerGroup: 4,
  outPerGroup: 6,
  kernelSize: 3,
  stride: 1,
  numKernels: 3,
  staticFilters: 1,
});

function plansOf(choices: PlanChoices): ConvolutionPlan[] {
  return planCosts(choices, rates)
    .map(({ plan }) => plan)
    .sort();
}

describe('planCosts', () => {
  it('has the plans that the layer allows', () => {
    const whole = { ...layer, isStructured: false };
    const nothingDynamic = { ...whole, work: { ...layer.work, dynamicEntries: 0, staticFilters: 6 } };
    expect(plansOf(layer)).toEqual(['fused', 'perKernel', 'perSample', 'structured']);
    expect(plansOf({ ...layer, isFusable: false })).toEqual(['perKernel', 'perSample', 'structured']);
    expect(plansOf(whole)).toEqual(['fused', 'perKernel', 'perSample']);
    expect(plansOf(nothingDynamic)).toEqual(['fused', 'perKernel', 'perSample', 'static']);
    expect(plansOf({ ...nothingDynamic, isStatic: true })).toEqual(['static']);
  });

  it('has no plan by kernel for a depth-wise layer, nor a structured one for groups', () => {
    const grouped = (groups: number): PlanChoices => ({
      ...layer,
      work: { ...layer.work, geometry: { ...layer.work.geometry, groups } },
    });
    expect(plansOf(grouped(2))).toEqual(['fused', 'perKernel', 'perSample']);
    expect(plansOf(grouped(4))).toEqual(['fused', 'perSample']);
  });

  it('says what the work of each plan takes, the fastest first, and more for more samples', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const choices = choicesOf(shape);
        const costs = planCosts(choices, rates);
        const dynamicFilters = dynamicFiltersPlan(choices, rates);
        for (const { plan, seconds } of costs)
          expect(seconds).toBeCloseTo(planSeconds(planWork(plan, choices.work, dynamicFilters), rates), 12);
        const seconds = costs.map((cost) => cost.seconds);
        expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
        const more = planCosts(choicesOf({ ...shape, batch: shape.batch + 1 }), rates);
        for (const cost of costs)
          expect(more.find(({ plan }) => plan === cost.plan)!.seconds).toBeGreaterThan(cost.seconds);
      }),
      { numRuns: 300 },
    );
  });
});

describe('dynamicFiltersPlan', () => {
  it('is the fastest that mixes, by the rates', () => {
    const free = Object.fromEntries(workKinds.map((kind) => [kind, 0])) as Rates;
    expect(dynamicFiltersPlan(layer, { ...free, convolve: 1 })).toBe('fused');
    expect(dynamicFiltersPlan(layer, { ...free, mix: 1, bank: 1 })).toBe('perKernel');
    expect(dynamicFiltersPlan(layer, { ...free, fuse: 1, move: 1 })).toBe('perSample');
    expect(dynamicFiltersPlan({ ...layer, isFusable: false }, { ...free, convolve: 1 })).toBe('perSample');
  });
});
