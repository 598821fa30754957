import { backward, manualSeed, nn, noGrad, ops, rand, randn, type Tensor } from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { attend, Bank, CondRouter, KernelAttention, OdAttention, StaticSource, type Router } from '../dynamic/index.js';
import { Mask, PartialSource, scaleModes, SearchSource, type ParameterSource } from '../partial/index.js';
import { countMacs, countStored } from './counting.js';
import type { DynamicConv } from './dynamicConv.js';
import { DynamicConv1d, DynamicConv2d, DynamicConv3d, dynamicConv } from './dynamicConvolutions.js';

const numKernels = 2;
const [float64, channels] = [{ dtype: 'float64' } as const, { inChannels: 2, outChannels: 4 }];
const cases: [name: string, geometry: nn.ConvGeometry, size: number[]][] = [
  ['1-D', nn.conv1dGeometry({ ...channels, kernelSize: 3, padding: 1 }), [7]],
  [
    '1-D, grouped, strided, dilated',
    nn.conv1dGeometry({ ...channels, kernelSize: 3, stride: 2, padding: 2, dilation: 2, groups: 2 }),
    [8],
  ],
  ['1-D, depth-wise', nn.conv1dGeometry({ inChannels: 2, outChannels: 2, kernelSize: 5, padding: 2, groups: 2 }), [6]],
  ['1-D, point-wise, strided', nn.conv1dGeometry({ ...channels, kernelSize: 1, stride: 2 }), [7]],
  ['3-D', nn.conv3dGeometry({ ...channels, kernelSize: [2, 3, 1], padding: [1, 1, 0] }), [2, 3, 2]],
  [
    '3-D, grouped, strided',
    nn.conv3dGeometry({ ...channels, kernelSize: 2, stride: [1, 2, 1], padding: 1, groups: 2 }),
    [2, 3, 2],
  ],
  ['3-D, point-wise, strided', nn.conv3dGeometry({ ...channels, kernelSize: 1, stride: [2, 1, 2] }), [3, 2, 3]],
];
const routers: [name: string, make: (geometry: nn.ConvGeometry) => Router][] = [
  ['DY-Conv', ({ inChannels }) => new KernelAttention({ inChannels, numKernels, hiddenChannels: 2, temperature: 2 })],
  ['CondConv', ({ inChannels }) => new CondRouter({ inChannels, numKernels })],
  // In evaluation mode, in which a sample does not depend on the others.
  ['ODConv', (geometry) => new OdAttention({ geometry, numKernels, hiddenChannels: 3, temperature: 2 }).eval()],
];

function partial(shape: number[], scaleMode: (typeof scaleModes)[number] = 'both'): PartialSource {
  const mask = Mask.fromTensor(rand(shape).lt(0.4));
  const source = new PartialSource({
    bank: randn([numKernels, ...shape]),
    staticWeight: randn(shape),
    mask,
    scaleMode,
  });
  noGrad(() => source.phi?.fill_(0.3));
  return source;
}

const sources: [name: string, make: (shape: number[]) => ParameterSource][] = [
  ['static', (shape) => new StaticSource(randn(shape))],
  ['dynamic', (shape) => new Bank(randn([numKernels, ...shape]))],
  ['searched', (shape) => new SearchSource({ bank: randn([numKernels, ...shape]), staticWeight: randn(shape) })],
  ...scaleModes.map((mode): (typeof sources)[number] => [`partial, ${mode}`, (shape) => partial(shape, mode)]),
];

function layerOf(geometry: nn.ConvGeometry, router: Router, source: (shape: number[]) => ParameterSource): DynamicConv {
  const biasBank = randn([numKernels, geometry.outChannels]);
  return dynamicConv({ geometry, router, source: source(nn.convWeightShape(geometry)), biasBank }).to('float64');
}

/** θ(x) as method.md §1 and §2 write it, one sample after the other. */
function reference({ router, source, geometry, biasBank }: DynamicConv, input: Tensor): Tensor {
  const { bank, scale, constant } = source.effective(false);
  const outputs = Array.from({ length: input.shape[0]! }, (_, b) => {
    const sample = input.narrow(0, b, 1);
    const { coefficients, spatial, channel, filter } = attend(router, sample);
    const perChannel = (values: Tensor): Tensor => values.reshape([1, -1, ...geometry.kernelSize.map(() => 1)]);
    const mixed = bank && ops.tensordot(coefficients.squeeze(0), bank, [0], [0]);
    const modulated = spatial && mixed ? mixed.mul(spatial.reshape([1, 1, ...geometry.kernelSize])) : mixed;
    const dynamic = modulated && scale ? modulated.mul(scale) : modulated;
    const kernel = dynamic && constant ? dynamic.add(constant) : (dynamic ?? constant)!;
    const output = nn.convolve(channel ? sample.mul(perChannel(channel)) : sample, kernel, null, geometry);
    const filtered = filter ? output.mul(perChannel(filter)) : output;
    return filtered.add(perChannel(coefficients.matmul(biasBank!)));
  });
  return ops.cat(outputs);
}

beforeEach(() => {
  manualSeed(3);
});

describe.each(cases)('%s', (_, geometry, size) => {
  describe.each(routers)('%s', (_, makeRouter) => {
    it.each(sources)('%s: each sample is convolved with its own kernel, and the gradients are right', (_, source) => {
      const layer = layerOf(geometry, makeRouter(geometry), source);
      const input = randn([3, 2, ...size], float64);
      const expected = reference(layer, input);
      expectClose(layer.forward(input), expected, { atol: 1e-12 });
      const few = randn([2, 2, ...size], { ...float64, requiresGrad: true });
      gradcheck((x) => layer.forward(x), [few, ...layer.parameters()]);
      layer.eval();
      for (const batch of [1, 3]) {
        const evaluated = noGrad(() => layer.forward(input.narrow(0, 0, batch)));
        expectClose(evaluated, expected.narrow(0, 0, batch), { atol: 1e-12 });
      }
    });

    it('trains at batch 1, on maps of one position', () => {
      const padded = { ...geometry, padding: [...geometry.kernelSize] };
      const layer = layerOf(padded, makeRouter(geometry), partial);
      const input = randn([1, 2, ...size.map(() => 1)], { ...float64, requiresGrad: true });
      backward(layer.train().forward(input).square().sum());
      for (const tensor of [input, ...layer.parameters()])
        expect(tensor.grad!.toArray().every(Number.isFinite)).toBe(true);
    });
  });

  it('gives the same by every plan that it has', () => {
    const isFirst = ops.arange(geometry.outChannels).lt(1);
    const filters = isFirst.reshape([-1, 1, ...geometry.kernelSize.map(() => 1)]);
    const byFilter = Mask.fromTensor(filters.expand(nn.convWeightShape(geometry)));
    const source = (shape: number[]): ParameterSource =>
      new PartialSource({ bank: randn([numKernels, ...shape]), staticWeight: randn(shape), mask: byFilter });
    const layer = layerOf(geometry, routers[1]![1](geometry), source);
    const input = randn([3, 2, ...size], float64);
    const plans = layer.planCosts(input).costs.map(({ plan }) => plan);
    expect(plans.includes('fused')).toBe(size.length === 1);
    for (const plan of plans) {
      layer.plan = plan;
      expectClose(layer.forward(input), reference(layer, input), { atol: 1e-12 });
    }
  });
});

describe('where a kernel spans one position of a dimension', () => {
  const flat = nn.conv2dGeometry({ ...channels, kernelSize: [1, 3], stride: [1, 2], padding: [0, 1] });
  const line = nn.conv1dGeometry({ ...channels, kernelSize: 3, stride: 2, padding: 1 });
  const deep = nn.conv3dGeometry({ ...channels, kernelSize: [1, 1, 3], stride: [1, 1, 2], padding: [0, 0, 1] });

  it.each(routers)('%s: 1-D, 2-D and 3-D are one, partial, in numbers stored and in multiplications too', (_, make) => {
    const [flatLayer, lineLayer, deepLayer] = [flat, line, deep].map((geometry) => {
      manualSeed(5); // the same numbers for each
      return layerOf(geometry, make(geometry), partial).eval();
    });
    expect([lineLayer, flatLayer, deepLayer].map((layer) => layer!.constructor)).toEqual([
      DynamicConv1d,
      DynamicConv2d,
      DynamicConv3d,
    ]);
    const input = randn([2, 2, 9], float64);
    const expected = flatLayer!.forward(input.unsqueeze(2)).squeeze(2);
    expect(expected.shape).toEqual([2, 4, 5]);
    expectClose(lineLayer!.forward(input), expected, { atol: 1e-12 });
    expectClose(deepLayer!.forward(input.unsqueeze(2).unsqueeze(2)).squeeze(2).squeeze(2), expected, { atol: 1e-12 });
    const counts = [lineLayer!, flatLayer!, deepLayer!].map((layer) => {
      const ones = Array<number>(layer.geometry.kernelSize.length - 1).fill(1);
      const { parameters, dynamicEntries, maskBits } = countStored(layer);
      const macs = countMacs(layer.to('float32'), [1, 2, ...ones, 9]).map((cost) => cost.macs);
      return { parameters, dynamicEntries, maskBits, macs };
    });
    expect(counts[0]).toEqual(counts[1]);
    expect(counts[2]).toEqual(counts[1]);
  });

  it('plans for 1-D as for 2-D: our own kernels serve it', () => {
    const [lineLayer, flatLayer] = [line, flat].map((geometry) => layerOf(geometry, routers[0]![1](geometry), partial));
    const input = { device: 'cpu', dtype: 'float32', direction: 'training' } as const;
    const { costs } = flatLayer!.planCosts({ ...input, shape: [8, 2, 1, 64] });
    expect(lineLayer!.planCosts({ ...input, shape: [8, 2, 64] }).costs).toEqual(costs);
    expect(costs.map(({ plan }) => plan)).toContain('fused');
  });
});

it('refuses inputs of another number of dimensions', () => {
  const [, geometry] = cases[0]!;
  const layer = layerOf(geometry, routers[0]![1](geometry), sources[1]![1]);
  expect(() => layer.forward(randn([2, 2, 1, 7], float64))).toThrow(
    'DynamicConv1d expects [batch, channels, length], got [2, 2, 1, 7]',
  );
});
