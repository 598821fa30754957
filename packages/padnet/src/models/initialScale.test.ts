import { manualSeed, nn, noGrad, randn, scope, tensor, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { convertToDynamic } from '../convert/index.js';
import { attend, mixParameter, type Router } from '../dynamic/index.js';
import {
  DecomposedConv2d,
  DynamicConv2d,
  isDynamicConvolution,
  type DynamicConvolutionLayer,
} from '../layers/index.js';
import { moduleAt } from '../layers/moduleAt.test.fixture.js';
import { Mask, SearchSource } from '../partial/index.js';
import { weightsFingerprint } from '../runs/fingerprint.js';
import { createModel, modelSchema, type ModelOptions } from './createModel.js';

const shape = { inChannels: 3, numClasses: 4 };

function create(options: Partial<ModelOptions>, seed = 3): nn.Layer {
  manualSeed(seed);
  return createModel(modelSchema.parse({ name: 'resnet10', stem: 'small', width: 8, ...options }), shape);
}

interface Spread {
  /** Sum of squares, and how many there are. */
  readonly squares: number;
  readonly count: number;
}

const rootMean = ({ squares, count }: Spread): number => Math.sqrt(squares / count);

function spreadOf(kernels: Tensor): Spread {
  return { squares: kernels.square().sum().item(), count: kernels.numel };
}

/** The kernel by which the layer computes each sample: [batch, outChannels, inChannels / groups, height, width]. */
function effectiveKernel(layer: DynamicConvolutionLayer, input: Tensor): Tensor {
  const { router, source, geometry } = layer;
  const { coefficients, spatial, channel, filter } = attend(router, input);
  const [height = 1, width = 1] = geometry.kernelSize;
  const ofOutputs = (values: Tensor): Tensor => values.reshape([-1, geometry.outChannels, 1, 1, 1]);
  if (layer instanceof DecomposedConv2d) {
    expect(layer.p.abs().max().item()).toBe(0); // so the branch adds nothing
    return layer.weight.mul(ofOutputs(filter!));
  }
  const positions = spatial?.reshape([-1, 1, 1, height, width]) ?? null;
  // A spatial attention does not weigh the static part, which then is not added to the bank.
  let kernel = mixParameter(coefficients, source.effective(router.sumsToOne && !spatial), positions);
  if (filter) kernel = kernel.mul(ofOutputs(filter));
  if (!channel) return kernel;
  // The channels of a depth-wise layer's input are those of its output.
  return kernel.mul(geometry.groups > 1 ? ofOutputs(channel) : channel.reshape([-1, 1, geometry.inChannels, 1, 1]));
}

/** By path, of every layer that depends on its input, over normal inputs. */
function effectiveSpreads(network: nn.Layer): Map<string, Spread> {
  const layers = [...network.namedModules()].filter((entry): entry is [string, DynamicConvolutionLayer] =>
    isDynamicConvolution(entry[1]),
  );
  const spread = (layer: DynamicConvolutionLayer): Spread =>
    scope(() => noGrad(() => spreadOf(effectiveKernel(layer, randn([4, layer.geometry.inChannels, 8, 8])))));
  return new Map(layers.map(([path, layer]) => [path, spread(layer)]));
}

function staticSpreads(network: nn.Layer): Map<string, Spread> {
  const found = new Map<string, Spread>();
  for (const [path, module] of network.namedModules())
    if (module instanceof nn.Conv)
      found.set(
        path,
        scope(() => spreadOf(module.weight)),
      );
  return found;
}

/**
 * Layer by layer within five standard errors and the few percent that attention is uneven by at the start; all together
 * within less.
 *
 * @param uneven the standard deviation of a layer's coefficients, as a share
 */
function expectSameSpread(
  found: ReadonlyMap<string, Spread>,
  wanted: ReadonlyMap<string, Spread>,
  { factor = 1, uneven = 0 } = {},
): void {
  expect(found.size).toBe(wanted.size - 1); // the first convolution stays static
  let [sum, entries] = [0, 0];
  for (const [path, spread] of found) {
    const { count } = wanted.get(path)!;
    const ratio = rootMean(spread) / (factor * rootMean(wanted.get(path)!));
    expect(Math.abs(ratio - 1), path).toBeLessThan(5 / Math.sqrt(count) + 0.03 + 3 * uneven);
    sum += ratio ** 2 * count;
    entries += count;
  }
  expect(Math.abs(Math.sqrt(sum / entries) - 1)).toBeLessThan(0.02 + uneven);
}

const kinds: [name: string, options: Partial<ModelOptions>][] = [
  ...[1, 2, 3, 4, 8].map((numKernels): [string, Partial<ModelOptions>] => [
    `DY-Conv, K = ${numKernels}`,
    { numKernels },
  ]),
  ...[1, 4, 7].map((numKernels): [string, Partial<ModelOptions>] => [
    `CondConv, K = ${numKernels}`,
    { convolution: 'condconv', numKernels },
  ]),
  ...[1, 4, 5].map((numKernels): [string, Partial<ModelOptions>] => [
    `ODConv, K = ${numKernels}`,
    { convolution: 'odconv', numKernels },
  ]),
  ['DCD', { convolution: 'dcd' }],
];
const networks: Partial<ModelOptions>[] = [{ name: 'resnet10' }, { name: 'mobilenetV2', width: 0.35 }];

describe.each(kinds)('a fresh network of %s', (_, kind) => {
  // Those of CondConv do not have to sum to 1, and start with what the router's bias is.
  const uneven = kind.convolution === 'condconv' ? 0.1 / Math.sqrt(kind.numKernels!) : 0;

  it.each(networks)('starts with the effective kernels of the static one: $name', (network) => {
    const wanted = staticSpreads(create(network, 1));
    expectSameSpread(effectiveSpreads(create({ ...network, ...kind, layer: 'dynamic' })), wanted, { uneven });
    const partial = create({ ...network, ...kind, layer: 'partial' });
    expectSameSpread(effectiveSpreads(partial), wanted, { uneven });
    if (kind.convolution === 'dcd') return; // its mask is of Φ, which the kernel does not start with
    // What becomes static has that spread too.
    for (const [, module] of partial.namedModules())
      if (module instanceof SearchSource) module.mask = Mask.empty(module.shape);
    expectSameSpread(effectiveSpreads(partial), wanted);
  });
});

it('scales the effective kernels of all kinds of layers alike, but for the first convolution', () => {
  const wanted = staticSpreads(create({}, 1));
  for (const initialScale of [0.5, 3]) {
    const scaled = staticSpreads(create({ initialScale }, 1));
    const [first, ...others] = wanted;
    expect(scaled.get(first![0])).toEqual(first![1]);
    for (const [path, spread] of others)
      expect(rootMean(scaled.get(path)!) / rootMean(spread), path).toBeCloseTo(initialScale, 5);
    for (const convolution of ['dyconv', 'odconv', 'dcd'] as const)
      for (const layer of ['dynamic', 'partial'] as const)
        expectSameSpread(effectiveSpreads(create({ initialScale, convolution, layer })), wanted, {
          factor: initialScale,
        });
  }
});

it("measures what a router of one's own comes to, where it does not say", () => {
  class Peaked extends nn.Module implements Router {
    readonly sumsToOne = false;
    readonly numKernels = 4;

    forward(input: Tensor): Tensor {
      return tensor([3, 0, 0, 0]).expand([input.shape[0]!, 4]);
    }

    countMacs(): number {
      return 0;
    }
  }
  manualSeed(1);
  const conv = new nn.Conv2d({ inChannels: 16, outChannels: 32, kernelSize: 3 });
  const spread = rootMean(spreadOf(conv.weight));
  const network = new nn.Sequential(conv);
  convertToDynamic(network, { keepStatic: [], router: () => new Peaked(), bankInitialisation: 'independent' });
  const layer = moduleAt(network, '0', DynamicConv2d);
  const kernel = noGrad(() => effectiveKernel(layer, randn([2, 16, 5, 5])));
  expect(rootMean(spreadOf(kernel)) / spread).toBeCloseTo(1, 1);
  expect(layer.biasBank!.toArray()[0]! * 3).toBeCloseTo(conv.bias!.toArray()[0]!, 6);
});

describe('as before', () => {
  it('half the spread is what a bank of four kernels had, bit for bit', () => {
    const options = { layer: 'dynamic', numKernels: 4 } as const;
    const former = weightsFingerprint(create({ ...options, initialScale: 'perKernel' }));
    expect(weightsFingerprint(create({ ...options, initialScale: 0.5 }))).toBe(former);
    expect(weightsFingerprint(create(options))).not.toBe(former);
    expect(weightsFingerprint(create({ initialScale: 'perKernel' }))).toBe(weightsFingerprint(create({})));
  });

  // Sums of squares that version 96bcc69 gave.
  it.each<[Partial<ModelOptions>, Record<'bank' | 'static_weight' | 'p', number>]>([
    [{ layer: 'dynamic' }, { bank: 949.8295593, static_weight: 0, p: 0 }],
    [{ layer: 'partial' }, { bank: 949.8295593, static_weight: 239.731503, p: 0 }],
    [
      { layer: 'dynamic', convolution: 'condconv', numKernels: 8 },
      { bank: 1916.152066, static_weight: 0, p: 0 },
    ],
    [
      { layer: 'dynamic', convolution: 'odconv' },
      { bank: 952.501913, static_weight: 0, p: 0 },
    ],
    [
      { layer: 'partial', convolution: 'dcd' },
      { bank: 129.2756706, static_weight: 4.911968798, p: 117.3275986 },
    ],
  ])('perKernel gives the numbers of then: %j', (options, wanted) => {
    manualSeed(3);
    const common = { name: 'resnet10', stem: 'small', width: 4, initialScale: 'perKernel' };
    const network = createModel(modelSchema.parse({ ...common, ...options }), { inChannels: 1, numClasses: 4 });
    const state = [...network.stateDict()];
    for (const [key, value] of Object.entries(wanted)) {
      const tensors = state.filter(([name]) => name.endsWith(`.${key}`)).map(([, each]) => each);
      const sum = tensors.reduce((total, each) => total + each.square().sum().item(), 0);
      expect(sum, key).toBeGreaterThanOrEqual(value * 0.99999);
      expect(sum, key).toBeLessThanOrEqual(value * 1.00001);
    }
  });
});
