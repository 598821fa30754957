import { nn, noGrad, ops, rand, randn, scope, tensor, zeros } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { Bank, KernelAttention, StaticSource } from '../dynamic/index.js';
import { Mask, PartialSource, type ParameterSource } from '../partial/index.js';
import { DynamicConv2d } from '../layers/dynamicConvolutions.js';
import { workKinds, type Rates } from './costModel.js';
import { checkPlan, PlanChooser, type InputDescription } from './planChooser.js';
import { setPlanRates } from './planRatesInUse.js';

const geometry = nn.conv2dGeometry({ inChannels: 4, outChannels: 6, kernelSize: 3, stride: 2, padding: 1 });
const shape = nn.convWeightShape(geometry);

function partial(mask: Mask): PartialSource {
  return new PartialSource({ bank: randn([3, ...shape]), staticWeight: randn(shape), mask });
}

const byFilter = Mask.fromTensor(tensor([1, 0, 0, 1, 0, 1]).reshape([6, 1, 1, 1]).expand(shape));

function layerOf(source: ParameterSource): DynamicConv2d {
  return new DynamicConv2d({ geometry, router: new KernelAttention({ inChannels: 4, numKernels: 3 }), source });
}

const input: InputDescription = { shape: [2, 4, 8, 10], device: 'cpu', dtype: 'float32', direction: 'inference' };

describe('PlanChooser', () => {
  it('describes the work of the layer for an input', () => {
    const { work, filters } = new PlanChooser().choose({ geometry, source: partial(byFilter), numKernels: 3 }, input);
    expect(work).toEqual({
      geometry,
      batch: 2,
      inPositions: 80,
      positions: 4 * 5,
      numKernels: 3,
      dynamicEntries: 3 * 36,
      staticFilters: 3,
      isCompact: true,
    });
    expect(filters!.dynamic.toArray()).toEqual([0, 3, 5]);
    const whole = new PlanChooser().choose({ geometry, source: new Bank(randn([3, ...shape])), numKernels: 3 }, input);
    expect(whole.work).toMatchObject({ dynamicEntries: 6 * 36, staticFilters: 0, isCompact: false });
    expect(whole.filters).toBeNull();
  });

  it('chooses once for a shape, batch, device, dtype and direction', () => {
    const chooser = new PlanChooser();
    const convolution = { geometry, source: partial(byFilter), numKernels: 3 };
    const known = new Set([chooser.choose(convolution, input)]);
    expect(chooser.choose(convolution, { ...input, shape: [...input.shape] })).toBe([...known][0]);
    const others: InputDescription[] = [
      { ...input, shape: [3, 4, 8, 10] },
      { ...input, shape: [2, 4, 10, 8] },
      { ...input, device: 'cuda' },
      { ...input, dtype: 'float64' },
      { ...input, direction: 'training' },
    ];
    for (const other of others) {
      const choice = chooser.choose(convolution, other);
      expect(known.has(choice)).toBe(false);
      expect(chooser.choose(convolution, other)).toBe(choice);
      known.add(choice);
    }
    expect(chooser.choose(convolution, input)).toBe([...known][0]);
  });

  it('chooses anew by other rates', () => {
    const chooser = new PlanChooser();
    const convolution = { geometry, source: partial(byFilter), numKernels: 3 };
    const before = chooser.choose(convolution, input);
    const free = Object.fromEntries(workKinds.map((kind) => [kind, 0])) as Rates;
    setPlanRates({ inference: { ...free, fuse: 1, mix: 1 }, training: free });
    try {
      const after = chooser.choose(convolution, input);
      expect(after.costs[0]!.plan).not.toBe('fused');
      expect(after.costs.at(-1)).toMatchObject({ plan: 'fused', seconds: expect.any(Number) as number });
      expect(chooser.choose(convolution, input)).toBe(after);
    } finally {
      setPlanRates(null);
    }
    expect(chooser.choose(convolution, input)).toEqual(before);
  });

  it('takes recorded gradients for training', () => {
    const chooser = new PlanChooser();
    const convolution = { geometry, source: partial(byFilter), numKernels: 3 };
    const { shape: inputShape, device, dtype } = input;
    const undirected = { shape: inputShape, device, dtype };
    expect(chooser.choose(convolution, undirected)).toBe(
      chooser.choose(convolution, { ...input, direction: 'training' }),
    );
    expect(noGrad(() => chooser.choose(convolution, undirected))).toBe(chooser.choose(convolution, input));
  });

  it('has no native kernels for half precision, nor on other devices', () => {
    const layer = layerOf(partial(byFilter));
    const plans = (other: Partial<InputDescription>): string[] =>
      layer
        .planCosts({ ...input, ...other })
        .costs.map(({ plan }) => plan)
        .sort();
    expect(plans({})).toEqual(['fused', 'perKernel', 'perSample', 'structured']);
    expect(plans({ dtype: 'float64' })).toContain('fused');
    expect(plans({ dtype: 'bfloat16' })).toEqual(['perKernel', 'perSample', 'structured']);
    expect(plans({ device: 'cuda' })).toEqual(['perKernel', 'perSample']);
  });

  it('chooses anew when a mask is loaded', () => {
    scope(() => {
      const layer = layerOf(partial(byFilter));
      const before = layer.planCosts(input);
      expect(before.costs.map(({ plan }) => plan)).toContain('structured');
      const bits = byFilter.toTensor().reshape([-1]);
      // As many dynamic entries, but not of whole filters.
      const turned = Mask.fromTensor(ops.roll(bits, [1]).reshape(shape));
      layer.source.loadStateDict(partial(turned).stateDict());
      const after = layer.planCosts(input);
      expect(after.costs.map(({ plan }) => plan)).not.toContain('structured');
      expect(after.work).toMatchObject({ dynamicEntries: before.work.dynamicEntries, staticFilters: 1 });
      expect(layer.planCosts(input)).toBe(after);
    });
  });
});

describe("a layer's plan", () => {
  it('is the fastest, or what is set', () => {
    const layer = layerOf(partial(byFilter));
    expect(layer.planFor(input)).toBe(layer.planCosts(input).costs[0]!.plan);
    for (const plan of ['fused', 'perSample', 'perKernel', 'structured'] as const) {
      layer.plan = plan;
      expect(layer.planFor(input)).toBe(plan);
    }
    layer.plan = null;
    expect(layer.planFor(input)).toBe(layer.planCosts(input).costs[0]!.plan);
  });

  it('is refused where the layer has not what it needs', () => {
    const input4 = zeros([2, 4, 8, 8]);
    const byEntry = partial(Mask.fromTensor(rand(shape).lt(0.5)));
    const structured =
      'plan structured needs filters that are static or dynamic as a whole, some of each, and one group';
    for (const source of [
      byEntry,
      partial(Mask.full(shape)),
      partial(Mask.empty(shape)),
      new Bank(randn([3, ...shape])),
    ]) {
      const layer = layerOf(source);
      layer.plan = 'structured';
      expect(() => layer.forward(input4)).toThrow(structured);
    }
    const layer = layerOf(byEntry);
    layer.plan = 'static';
    expect(() => layer.forward(input4)).toThrow('plan static needs a weight without dynamic entries');
    layer.plan = null;
    expect(layer.forward(input4).shape).toEqual([2, 6, 4, 4]);
  });

  it('is static where nothing is dynamic', () => {
    const ofStatic = layerOf(new StaticSource(randn(shape)));
    expect(ofStatic.planCosts(input).costs.map(({ plan }) => plan)).toEqual(['static']);
    const empty = layerOf(partial(Mask.empty(shape)));
    expect(empty.planFor(input)).toBe('static');
    expect(() => {
      checkPlan('static', empty.planCosts(input));
    }).not.toThrow();
  });
});
