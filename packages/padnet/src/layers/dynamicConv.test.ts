import { backward, manualSeed, nn, noGrad, ops, rand, randn, scope, type Tensor } from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bank, CondRouter, KernelAttention, OdAttention, StaticSource, type Router } from '../dynamic/index.js';
import { Mask, PartialSource, scaleModes, SearchSource, type ParameterSource } from '../partial/index.js';
import { definedConvolution } from './definedConvolution.test.fixture.js';
import { DynamicConv2d } from './dynamicConvolutions.js';

const numKernels = 3;
const geometries = {
  '3×3': nn.conv2dGeometry({ inChannels: 4, outChannels: 6, kernelSize: 3, padding: 1 }),
  'grouped, strided, dilated': nn.conv2dGeometry({
    inChannels: 4,
    outChannels: 6,
    kernelSize: 3,
    stride: 2,
    padding: 2,
    dilation: 2,
    groups: 2,
  }),
  'depth-wise': nn.conv2dGeometry({ inChannels: 4, outChannels: 4, kernelSize: 3, padding: 1, groups: 4 }),
  'point-wise': nn.conv2dGeometry({ inChannels: 4, outChannels: 5, kernelSize: 1 }),
};
const routers: Record<string, (geometry: nn.Conv2dGeometry) => Router> = {
  'kernel attention': () => new KernelAttention({ inChannels: 4, numKernels, hiddenChannels: 3, temperature: 2 }),
  'coefficients that do not sum to 1': () => new CondRouter({ inChannels: 4, numKernels }),
  // In evaluation mode, in which a sample does not depend on the others.
  'attention on kernels, positions, channels and filters': (geometry) =>
    new OdAttention({ geometry, numKernels, hiddenChannels: 5, temperature: 2 }).eval(),
};

function layerOf(
  geometry: nn.Conv2dGeometry,
  router: Router,
  source: (shape: number[]) => ParameterSource,
  biased = true,
): DynamicConv2d {
  const biasBank = biased ? randn([numKernels, geometry.outChannels]) : null;
  return new DynamicConv2d({ geometry, router, source: source(nn.convWeightShape(geometry)), biasBank }).to('float64');
}

beforeEach(() => {
  manualSeed(3);
});

describe.each(Object.entries(geometries))('DynamicConv2d %s', (_, geometry) => {
  describe.each(Object.entries(routers))('with %s', (_, makeRouter) => {
    const sources: [string, (shape: number[]) => ParameterSource][] = [
      ['static', (shape) => new StaticSource(randn(shape))],
      ['dynamic', (shape) => new Bank(randn([numKernels, ...shape]))],
      ...scaleModes.map((scaleMode): [string, (shape: number[]) => ParameterSource] => [
        `partial, scale factors ${scaleMode}`,
        (shape) =>
          new PartialSource({
            bank: randn([numKernels, ...shape]),
            staticWeight: randn(shape),
            mask: Mask.fromTensor(rand(shape).lt(0.4)),
            scaleMode,
          }),
      ]),
      [
        'searched, every entry dynamic',
        (shape) => new SearchSource({ bank: randn([numKernels, ...shape]), staticWeight: randn(shape) }),
      ],
    ];
    it.each(sources)('%s has the gradients of finite differences', (_, source) => {
      const layer = layerOf(geometry, makeRouter(geometry), source);
      const input = randn([3, 4, 5, 5], { dtype: 'float64', requiresGrad: true });
      gradcheck((x) => layer.forward(x), [input, ...layer.parameters()]);
    });

    it.each(sources)('%s is θ(x) ∗ x as written, in training and evaluation', (_, source) => {
      const layer = layerOf(geometry, makeRouter(geometry), source);
      if ('phi' in layer.source) noGrad(() => (layer.source as PartialSource).phi?.fill_(0.6));
      const input = randn([3, 4, 5, 5], { dtype: 'float64' });
      const expected = definedConvolution(layer, input);
      expectClose(layer.forward(input), expected, { atol: 1e-12 });
      expectClose(noGrad(() => layer.eval().forward(input)), expected, { atol: 1e-12 }); // prettier-ignore
    });

    it('is the fully dynamic layer at κ = 1 and the static one at κ = 0', () => {
      const shape = nn.convWeightShape(geometry);
      const bank = randn([numKernels, ...shape]);
      const staticWeight = randn(shape);
      const router = makeRouter(geometry);
      const biasBank = randn([numKernels, geometry.outChannels]);
      const outputOf = (source: ParameterSource): Tensor =>
        new DynamicConv2d({ geometry, router, source, biasBank }).to('float64').forward(input);
      const input = randn([5, 4, 6, 6], { dtype: 'float64' });
      const dynamic = outputOf(new Bank(bank));
      const full = new PartialSource({ bank, staticWeight });
      expect([full.bank.numel, full.staticWeight.numel]).toEqual([bank.numel, 0]);
      expectClose(outputOf(full), dynamic, { atol: 1e-12 });
      expectClose(outputOf(new SearchSource({ bank, staticWeight })), dynamic, { atol: 1e-12 });
      const empty = new PartialSource({ bank, staticWeight, mask: Mask.empty(shape) });
      expect([empty.bank.numel, empty.staticWeight.numel]).toEqual([0, staticWeight.numel]);
      expectClose(outputOf(empty), outputOf(new StaticSource(staticWeight)), { atol: 1e-12 });
    });

    it('gives each sample what it would get alone: batch 1, batch 5, training and evaluation', () => {
      const layer = layerOf(geometry, makeRouter(geometry), sources[2]![1]);
      const input = randn([5, 4, 6, 6], { dtype: 'float64' });
      const together = layer.forward(input);
      const alone = ops.cat(Array.from({ length: 5 }, (_, b) => layer.forward(input.narrow(0, b, 1))));
      expectClose(together, alone, { atol: 1e-12 });
      expectClose(
        noGrad(() => layer.eval().forward(input)),
        together,
        { atol: 1e-12 },
      );
    });
  });
});

describe('DynamicConv2d', () => {
  const geometry = geometries['3×3'];

  it('has one answer for a static weight with a dynamic bias, whatever its plan, in training and evaluation', () => {
    scope(() => {
      const source = new StaticSource(randn(nn.convWeightShape(geometry)));
      const router = new KernelAttention({ inChannels: geometry.inChannels, numKernels: 3 });
      const layer = new DynamicConv2d({ geometry, router, source, biasBank: randn([3, geometry.outChannels]) });
      const input = randn([2, geometry.inChannels, 9, 9]);
      const expected = layer.forward(input);
      layer.eval();
      for (const plan of [null, 'fused', 'static'] as const) {
        layer.plan = plan;
        expectClose(
          noGrad(() => layer.forward(input)),
          expected,
          { rtol: 1e-5, atol: 1e-5 },
        );
      }
    });
  });

  it('counts what it multiplies', () => {
    const make = (source: (shape: number[]) => ParameterSource): DynamicConv2d =>
      layerOf(geometry, new KernelAttention({ inChannels: 4, numKernels, hiddenChannels: 2 }), source, false);
    const size = 6 * 4 * 9;
    const convolution = 5 * 5 * size;
    const router = 4 * 2 + 2 * numKernels;
    expect(make((shape) => new StaticSource(randn(shape))).countMacs([1, 4, 5, 5])).toBe(convolution);
    expect(make((shape) => new Bank(randn([numKernels, ...shape]))).countMacs([1, 4, 5, 5])).toBe(
      router + numKernels * size + convolution,
    );
    const layer = make((shape) => new Bank(randn([numKernels, ...shape])));
    expect(layer.countMacs([8, 4, 5, 5])).toBe(8 * (router + numKernels * size + convolution));
    layer.plan = 'perKernel';
    expect(layer.countMacs([8, 4, 5, 5])).toBe(8 * (router + numKernels * 4 * 25 + numKernels * convolution));
  });

  it('trains at batch 1 on maps of one pixel, whatever the router', () => {
    for (const makeRouter of Object.values(routers)) {
      const layer = layerOf(geometry, makeRouter(geometry), (shape) => new Bank(randn([numKernels, ...shape]))).train();
      const input = randn([1, 4, 1, 1], { dtype: 'float64', requiresGrad: true });
      backward(layer.forward(input).square().sum());
      for (const tensor of [input, ...layer.parameters()])
        expect(tensor.grad!.toArray().every(Number.isFinite)).toBe(true);
      // A variance of one number would make the running one NaN.
      for (const [, tensor] of layer.stateDict()) expect(tensor.toArray().every(Number.isFinite)).toBe(true);
    }
  });

  it('refuses a source of another shape', () => {
    expect(() =>
      layerOf(geometry, routers['kernel attention']!(geometry), () => new Bank(randn([numKernels, 6, 4, 1, 1]))),
    ).toThrow('the source gives kernels [6, 4, 1, 1], the convolution needs [6, 4, 3, 3]');
  });
});
