import {
  backward,
  fromTypedArray,
  grad,
  manualSeed,
  nn,
  noGrad,
  ops,
  rand,
  randn,
  scope,
  type DType,
  type Tensor,
} from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bank, DcdRouter, latentChannels, StaticSource } from '../dynamic/index.js';
import { Mask, PartialSource, scaleModes, SearchSource, type ParameterSource } from '../partial/index.js';
import { countMacs, countStored } from './counting.js';
import {
  dcd,
  dcdGradient,
  outputSizes,
  type DcdName,
  type DcdNumbers,
  type DcdSpec,
} from './dcdOracle.test.fixture.js';
import { DecomposedConv2d } from './decomposedConv2d.js';

const base = {
  batch: 2,
  height: 4,
  width: 3,
  inChannels: 4,
  outChannels: 3,
  kernel: 3,
  stride: 1,
  padding: 1,
  dilation: 1,
  groups: 1,
  latent: 3,
  hidden: 4,
} as const;
type Layout = Omit<DcdSpec, 'kind' | 'training'>;
const layouts: Readonly<Record<string, Layout>> = {
  '3×3': base,
  '3×3 with stride 2': { ...base, stride: 2 },
  'grouped, strided, dilated': { ...base, outChannels: 4, stride: 2, dilation: 2, padding: 2, groups: 2 },
  'depth-wise with stride 2': { ...base, outChannels: 4, stride: 2, groups: 4 },
  '1×1 with stride 2': { ...base, kernel: 1, padding: 0, stride: 2 },
  '3×3 without padding': { ...base, padding: 0 },
  '2×2 with too much padding': { ...base, kernel: 2, padding: 2 },
};

beforeEach(() => {
  manualSeed(6);
});

function sizesOf(spec: Layout): Record<DcdName, number[]> {
  const { batch, height, width, inChannels, outChannels, kernel, groups, latent, hidden } = spec;
  return {
    x: [batch, inChannels, height, width],
    weight: [outChannels, inChannels / groups, kernel, kernel],
    bias: [outChannels],
    q: [latent, inChannels, 1, 1],
    p: [outChannels, latent, 1, 1],
    fc: [hidden, 4 * inChannels],
    gate: [hidden, hidden],
    scale: [outChannels, hidden],
    bank: [hidden, latent, latent, 1, 1],
    static: [latent, latent, 1, 1],
    mask: [latent, latent, 1, 1],
    phi: [],
    ...(Object.fromEntries(
      [1, 2].flatMap((index) => ['weight', 'bias', 'mean', 'var'].map((name) => [`bn${index}_${name}`, [latent]])),
    ) as Record<Extract<DcdName, `bn${string}`>, number[]>),
  };
}

function randomNumbers(spec: Layout): DcdNumbers {
  return Object.fromEntries(
    Object.entries(sizesOf(spec)).map(([name, shape]) => {
      const values = randn(shape, { dtype: 'float64' });
      if (name === 'mask') return [name, values.gt(0).toArray().map(Number)];
      return [name, (name.endsWith('var') ? values.square().add(0.5) : values).toArray()];
    }),
  ) as DcdNumbers;
}

interface Built {
  readonly layer: DecomposedConv2d;
  readonly input: Tensor;
  /** The tensors that have gradients. */
  readonly tensors: Readonly<Partial<Record<DcdName, Tensor>>>;
}

function build(spec: DcdSpec, numbers: DcdNumbers, dtype: DType, searched = false): Built {
  const sizes = sizesOf(spec);
  const tensorOf = (name: DcdName): Tensor => fromTypedArray(Float64Array.from(numbers[name]), sizes[name]).to(dtype);
  const { inChannels, outChannels, kernel: kernelSize, stride, padding, dilation, groups, hidden } = spec;
  const geometry = nn.conv2dGeometry({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups });
  const router = new DcdRouter({ geometry, hiddenChannels: hidden });
  const source = buildSource(spec, tensorOf, searched);
  const weight = tensorOf('weight');
  const layer = new DecomposedConv2d({ geometry, router, source, weight, bias: tensorOf('bias') }).to(dtype);
  const { q, p, bn1, bn2, bias } = layer;
  const filled = {
    q,
    p,
    fc: router.fc.weight,
    gate: router.gate.weight,
    scale: router.scale.weight,
    bn1_weight: bn1.weight!,
    bn1_bias: bn1.bias!,
    bn2_weight: bn2.weight!,
    bn2_bias: bn2.bias!,
  };
  const running = {
    bn1_mean: bn1.runningMean!,
    bn1_var: bn1.runningVar!,
    bn2_mean: bn2.runningMean!,
    bn2_var: bn2.runningVar!,
  };
  noGrad(() => {
    for (const [name, tensor] of Object.entries({ ...filled, ...running })) tensor.copy_(tensorOf(name as DcdName));
  });
  const input = tensorOf('x');
  input.requiresGrad = true;
  const ofSource = (): Partial<Record<DcdName, Tensor>> => {
    if (source instanceof Bank) return { bank: source.bank };
    if (source instanceof StaticSource) return { static: source.staticWeight };
    if (source instanceof SearchSource) return { bank: source.bank, phi: source.phi! };
    return source instanceof PartialSource ? { phi: source.phi! } : {};
  };
  return {
    layer: layer.train(spec.training),
    input,
    tensors: { x: input, weight: layer.weight, bias: bias!, ...filled, ...ofSource() },
  };
}

function buildSource({ kind }: DcdSpec, tensorOf: (name: DcdName) => Tensor, searched: boolean): ParameterSource {
  if (kind === 'static') return new StaticSource(tensorOf('static'));
  if (kind === 'dynamic') return new Bank(tensorOf('bank'));
  const mask = Mask.fromTensor(tensorOf('mask'));
  const source = new SearchSource({ bank: tensorOf('bank'), staticWeight: tensorOf('static'), mask });
  noGrad(() => source.phi!.copy_(tensorOf('phi')));
  return searched ? source : source.toPartial(mask);
}

function sourceOf<S>({ source }: DecomposedConv2d, kind: new (...options: never[]) => S): S {
  if (!(source instanceof kind)) throw new Error(`the source is ${source.kind}`);
  return source;
}

const tolerances = { float64: { atol: 1e-7, rtol: 1e-7 }, float32: { atol: 1e-4, rtol: 1e-4 } } as const;

describe.each(Object.entries(layouts))('DecomposedConv2d %s', (_, layout) => {
  describe.each(['static', 'dynamic', 'partial'] as const)('%s', (kind) => {
    it.each([
      ['in training', true],
      ['in evaluation', false],
    ])('has the values and gradients of the formula, %s', (_mode, training) => {
      const spec = { ...layout, kind, training };
      const numbers = randomNumbers(spec);
      const [height, width] = outputSizes(spec);
      const dy = randn([spec.batch, spec.outChannels, height, width], { dtype: 'float64' });
      const expected = dcd(spec, numbers);
      const gradients = new Map<string, Tensor>();
      for (const dtype of ['float64', 'float32'] as const) {
        for (const searched of kind === 'partial' ? [false, true] : [false]) {
          const { layer, input, tensors } = build(spec, numbers, dtype, searched);
          const output = layer.forward(input);
          expectClose(output, fromTypedArray(Float64Array.from(expected.y), dy.shape), tolerances[dtype]);
          for (const [name, values] of Object.entries(expected.running)) {
            const [bn, statistic] = name.split('_') as ['bn1' | 'bn2', 'mean' | 'var'];
            expectClose(layer[bn][statistic === 'mean' ? 'runningMean' : 'runningVar']!, values, tolerances[dtype]);
          }
          const found = grad(output, Object.values(tensors), { gradients: [dy.to(dtype)] });
          Object.entries(tensors).forEach(([name, tensor], index) => {
            const wanted =
              gradients.get(name) ??
              fromTypedArray(
                Float64Array.from(dcdGradient(spec, numbers, dy.toArray(), name as DcdName)),
                tensor.shape,
              );
            gradients.set(name, wanted);
            expectClose(found[index]!, wanted, tolerances[dtype]);
          });
        }
      }
    });
  });

  it('has the gradient by the mask, and those of the numbers in use, that the formula has', () => {
    const spec = { ...layout, kind: 'partial', training: true } as const;
    const numbers = randomNumbers(spec);
    const dy = randn([spec.batch, spec.outChannels, ...outputSizes(spec)], { dtype: 'float64' });
    const wanted = (name: DcdName): Tensor =>
      fromTypedArray(Float64Array.from(dcdGradient(spec, numbers, dy.toArray(), name)), sizesOf(spec)[name]);
    const search = build(spec, numbers, 'float64', true);
    const source = sourceOf(search.layer, SearchSource);
    const [gradient] = source.withMaskVariable((mask) =>
      grad(search.layer.forward(search.input), [mask], { gradients: [dy] }),
    );
    expectClose(gradient!, wanted('mask'), tolerances.float64);
    const { layer, input } = build(spec, numbers, 'float64');
    const partial = sourceOf(layer, PartialSource);
    const [bank, ofStatic] = grad(layer.forward(input), [partial.bank, partial.staticWeight], { gradients: [dy] });
    const { dynamic, static: others } = partial.entries();
    expectClose(bank!, wanted('bank').reshape([spec.hidden, -1]).indexSelect(1, dynamic), tolerances.float64);
    expectClose(ofStatic!, wanted('static').reshape([-1]).indexSelect(0, others), tolerances.float64);
  });

  it.each(scaleModes)('gives a mask for good what a searched one gives, scale factors %s', (scaleMode) => {
    const shape = [3, 3, 1, 1];
    const { layer, input } = build({ ...layout, kind: 'dynamic', training: false }, randomNumbers(layout), 'float64');
    const { bank } = sourceOf(layer, Bank);
    for (const mask of [Mask.fromTensor(rand(shape).lt(0.4)), Mask.empty(shape), Mask.full(shape)]) {
      const search = new SearchSource({ bank, staticWeight: randn(shape, { dtype: 'float64' }), mask, scaleMode });
      if (search.phi) noGrad(() => search.phi!.fill_(0.6));
      layer.setChild('source', search);
      const expected = layer.forward(input);
      layer.setChild('source', search.toPartial(mask));
      expectClose(layer.forward(input), expected, { atol: 1e-12 });
      expectClose(
        noGrad(() => layer.forward(input)),
        expected,
        { atol: 1e-12 },
      );
    }
  });
});

describe('DecomposedConv2d', () => {
  const geometry = nn.conv2dGeometry({ inChannels: 4, outChannels: 6, kernelSize: 3, padding: 1 });
  const shape = [4, 4, 1, 1];
  const layerOf = (makeSource: (numKernels: number) => ParameterSource): DecomposedConv2d => {
    const router = new DcdRouter({ geometry });
    return new DecomposedConv2d({
      geometry,
      router,
      source: makeSource(router.numKernels),
      weight: randn([6, 4, 3, 3]),
    });
  };
  const dynamic = (numKernels: number): Bank => new Bank(randn([numKernels, ...shape]));

  it.each([
    ['training', true],
    ['evaluation', false],
  ])('has the gradients of finite differences in %s', (_mode, training) => {
    for (const kind of ['static', 'dynamic', 'partial'] as const) {
      const spec = { ...base, height: 3, width: 2, inChannels: 2, latent: 2, hidden: 3, kind, training };
      const { layer, input } = build(spec, randomNumbers(spec), 'float64');
      gradcheck((x) => layer.forward(x), [input, ...layer.parameters()]);
    }
  });

  it('trains at batch 1 on maps of one pixel, as the formula does with running statistics', () => {
    const spec = { ...base, batch: 1, height: 1, width: 1, kind: 'partial', training: true } as const;
    const numbers = randomNumbers(spec);
    const { layer, input } = build(spec, numbers, 'float64');
    const output = layer.forward(input);
    expectClose(output.reshape([-1]), dcd(spec, numbers).y, { atol: 1e-9 });
    backward(output.square().sum());
    for (const tensor of [input, ...layer.parameters()])
      expect(tensor.grad!.toArray().every(Number.isFinite)).toBe(true);
    for (const [, tensor] of layer.stateDict()) expect(tensor.toArray().every(Number.isFinite)).toBe(true);
    expect([layer.bn1.training, layer.bn2.training]).toEqual([true, true]);
  });

  it('gives each sample what it would get alone in evaluation, in any memory format', () => {
    const layer = layerOf(dynamic).to('float64').eval();
    const input = randn([5, 4, 6, 6], { dtype: 'float64' });
    const together = noGrad(() => layer.forward(input));
    expectClose(
      noGrad(() => layer.forward(input.contiguous({ memoryFormat: 'channels_last' }))),
      together,
      { atol: 1e-12 },
    );
    expectClose(
      noGrad(() => ops.cat(Array.from({ length: 5 }, (_, b) => layer.forward(input.narrow(0, b, 1))))),
      together,
      { atol: 1e-12 },
    );
  });

  it('counts what it stores and multiplies: of Φ what generates the dynamic entries, and the others', () => {
    scope(() => {
      // C = 4, L = 4, h of max(4, 1) numbers.
      const rest = 6 * 4 * 9 + 4 * 4 + 6 * 4 + 4 * 4 + (4 * 16 + 4 * 4 + 6 * 4);
      const convolutions = 25 * (6 * 4 * 9 + 4 * 4 + 6 * 4 + 16);
      const router = 4 * 16 + 4 * 4 + 6 * 4;
      const mask = Mask.fromTensor(ops.arange(16).lt(5).reshape(shape));
      const sources: [(numKernels: number) => ParameterSource, number, number][] = [
        [() => new StaticSource(randn(shape)), 16, 0],
        [dynamic, 4 * 16, 16],
        [(numKernels) => PartialSource.empty({ numKernels, mask }), 4 * 5 + 11 + 1, 5],
      ];
      for (const [makeSource, ofPhi, dynamicEntries] of sources) {
        const layer = layerOf(makeSource);
        expect(countStored(layer)).toEqual({
          parameters: rest + ofPhi,
          maskBits: layer.source.kind === 'partial' ? 16 : 0,
          entries: 16,
          dynamicEntries,
        });
        const macs = router + 4 * dynamicEntries + convolutions;
        expect(layer.countMacs([3, 4, 5, 5])).toBe(3 * macs);
        expect(countMacs(new nn.Sequential(layer), [1, 4, 5, 5]).map((cost) => cost.macs)).toEqual([macs]);
      }
    });
  });

  it('has latent channels and widths as published: √(4C) and C / 4 for 3×3 kernels, √C and C / 16 for 1×1', () => {
    const widths = (kernelSize: number, inChannels: number): number[] => {
      const made = nn.conv2dGeometry({ inChannels, outChannels: 8, kernelSize });
      return [latentChannels(made), new DcdRouter({ geometry: made }).numKernels];
    };
    expect([widths(3, 64), widths(3, 512), widths(3, 3)]).toEqual([[16, 16], [45, 128], [3, 4]]); // prettier-ignore
    expect([widths(1, 64), widths(1, 2048), widths(1, 1)]).toEqual([[8, 4], [45, 128], [1, 4]]); // prettier-ignore
  });

  it('takes bfloat16 as autocast gives it', () => {
    const layer = layerOf(dynamic);
    const input = randn([2, 4, 5, 5]).to('bfloat16');
    const output = layer.forward(input);
    expect(output.dtype).toBe('float32');
    expectClose(output, layer.forward(input.to('float32')), { atol: 1e-6 });
  });

  it('refuses a source that is no square matrix', () => {
    expect(() => layerOf((numKernels) => new Bank(randn([numKernels, 6, 4, 3, 3])))).toThrow(
      'the source gives Φ [6, 4, 3, 3], expected [L, L, 1, 1]',
    );
  });

  it('refuses an input of another number of dimensions', () => {
    expect(() => layerOf(dynamic).forward(randn([2, 4, 5]))).toThrow(
      'DecomposedConv2d expects [batch, channels, height, width], got [2, 4, 5]',
    );
  });
});
