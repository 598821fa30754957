import { nn, randn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { Bank, KernelAttention } from '../dynamic/index.js';
import { DynamicConv2d } from '../layers/index.js';
import { Mask, PartialSource } from '../partial/index.js';
import { planText } from '../report/inspectText.js';
import { inspectPlans } from './inspectPlans.js';
import { picturePass } from './samplePass.js';

/** Static 3×3 convolution 1 → 2, dynamic one 2 → 4, partial 1×1 one 4 → 4 with two static filters. */
function network(): nn.Sequential {
  const router = (inChannels: number): KernelAttention => new KernelAttention({ inChannels, numKernels: 3 });
  return new nn.Sequential(
    new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 3, stride: 2, padding: 1 }),
    new DynamicConv2d({
      geometry: nn.conv2dGeometry({ inChannels: 2, outChannels: 4, kernelSize: 3, padding: 1 }),
      router: router(2),
      source: new Bank(randn([3, 4, 2, 3, 3])),
    }),
    new DynamicConv2d({
      geometry: nn.conv2dGeometry({ inChannels: 4, outChannels: 4, kernelSize: 1 }),
      router: router(4),
      source: new PartialSource({
        bank: randn([3, 4, 4, 1, 1]),
        staticWeight: randn([4, 4, 1, 1]),
        mask: Mask.fromBits([4, 4, 1, 1], Uint8Array.of(0b11110000, 0b11110000)),
      }),
    }),
  );
}

function dynamicLayer(model: nn.Sequential): DynamicConv2d {
  const layer = model.getModule('1');
  if (layer instanceof DynamicConv2d) return layer;
  throw new Error('layer 1 is not dynamic');
}

describe('inspectPlans', () => {
  const options = { batch: 5, direction: 'training' } as const;

  it('tells of each dynamic layer its plan, and what every plan should cost', () => {
    const model = network();
    const { rows, ...conditions } = inspectPlans(model, picturePass(model, [1, 6, 6]), options);
    expect(conditions).toMatchObject({
      batch: 5,
      direction: 'training',
      sample: '1 picture',
      rates: { problem: null },
    });
    const [dynamic, partial] = rows;
    expect(rows).toHaveLength(2);
    expect(dynamic).toMatchObject({
      path: '1',
      inputShape: [5, 2, 3, 3],
      kernel: '3×3 /1',
      numKernels: 3,
      dynamicRatio: 1,
      staticFilters: [0, 4],
      isOverridden: false,
    });
    expect(Object.keys(dynamic!.seconds!).sort()).toEqual(['fused', 'perKernel', 'perSample']);
    expect(partial).toMatchObject({
      path: '2',
      inputShape: [5, 4, 3, 3],
      kernel: '1×1 /1',
      dynamicRatio: 0.5,
      staticFilters: [2, 4],
    });
    expect(Object.keys(partial!.seconds!).sort()).toEqual(['fused', 'perKernel', 'perSample', 'structured']);
    for (const { plan, seconds } of rows) {
      const [fastest] = Object.entries(seconds!).sort(([, a], [, b]) => a - b);
      expect(plan).toBe(fastest![0]);
    }
  });

  it('is of the batch and direction that are asked for', () => {
    const model = network();
    const secondsOf = (batch: number, direction: 'inference' | 'training'): number =>
      inspectPlans(model, picturePass(model, [1, 6, 6]), { batch, direction }).rows[0]!.seconds!.perSample!;
    const layer = dynamicLayer(model);
    const input = { shape: [7, 2, 3, 3], device: 'cpu', dtype: 'float32', direction: 'inference' } as const;
    const { costs } = layer.planCosts(input);
    expect(secondsOf(7, 'inference')).toBe(costs.find(({ plan }) => plan === 'perSample')!.seconds);
    expect(secondsOf(7, 'inference')).toBeGreaterThan(secondsOf(1, 'inference'));
    expect(model.training).toBe(true);
  });

  it('prints a table, which says what was set', () => {
    const model = network();
    dynamicLayer(model).plan = 'perKernel';
    const { rates, ...rest } = inspectPlans(model, picturePass(model, [1, 6, 6]), options);
    const rows = rest.rows.map((row, index) => ({
      ...row,
      plan: index === 0 ? row.plan : ('structured' as const),
      seconds: { fused: 0.002, perSample: 0.001, perKernel: 0.003, ...(index === 1 && { structured: 0.0005 }) },
    }));
    const defaults = { instructions: 'avx2', file: null, problem: null } as const;
    expect(rates.file).toBeNull();
    const lines = planText({ ...rest, rows, rates: defaults })
      .split('\n')
      .map((line) => line.replace(/ {2,}/g, ' | '));
    expect(lines).toEqual([
      'layer | input | kernel | plan | K | κ | static filters | fused | perSample | perKernel | structured',
      expect.stringMatching(/^─/),
      '1 | 5×2×3×3 | 3×3 /1 | perKernel (set) | 3 | 100.0 % | 0 of 4 | 2.00 ms | 1.00 ms | 3.00 ms | –',
      '2 | 5×4×3×3 | 1×1 /1 | structured | 3 | 50.0 % | 2 of 4 | 2.00 ms | 1.00 ms | 3.00 ms | 500 µs',
      'training, batch 5 of 1 picture; times as the cost model predicts them, routers apart',
      "rates are the defaults for avx2; `padnet calibrate` measures this machine's",
    ]);
    expect(planText({ ...rest, rows, rates: { ...defaults, problem: 'rates.json: no rates' } })).toMatch(
      /\nrates\.json: no rates$/,
    );
    expect(planText({ ...rest, rows, rates: { ...defaults, file: '/cache/rates.json' } })).toMatch(
      /\nrates were measured on this machine: \/cache\/rates\.json$/,
    );
  });

  it('has nothing to say of a static network', () => {
    const conv = new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 3 });
    const plans = inspectPlans(conv, picturePass(conv, [1, 6, 6]), options);
    expect(plans.rows).toEqual([]);
    expect(planText(plans)).toBe('no layer can be computed in more than one way: there is nothing to plan');
  });
});
