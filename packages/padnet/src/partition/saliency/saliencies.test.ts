/** Each score against its formula: worked out by hand, or by finite differences in float64. */
import {
  grad,
  liveTensors,
  manualSeed,
  nn,
  noGrad,
  ops,
  randn,
  scope,
  tensor,
  zeros,
  type Tensor,
} from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { convertToPartial, convertToPartialMoE, type ConvertOptions } from '../../convert/index.js';
import { DcdRouter, KernelAttention, mixBank, NoisyTopK } from '../../dynamic/index.js';
import { pretrainedStack } from '../../layers/feedForwardStack.test.fixture.js';
import { DecomposedConv2d, DynamicConv2d, MoELinear } from '../../layers/index.js';
import { MobileNetV2 } from '../../models/index.js';
import { Mask, SearchSource } from '../../partial/index.js';
import { iterativeModePartition } from '../iterativeModePartition.js';
import { searchLayers } from '../partition.js';
import { gain, grasp, newtonGain, saliencies, snip, spread, synFlow, variance, type Saliency } from './index.js';

/** [K, out, in, 1, 1] of kernels in float64, λ_d = 2σ(φ) */
function pointwise(bank: Tensor, staticWeight: Tensor, mask: Mask, phi = 0): DynamicConv2d {
  const [numKernels = 0, outChannels = 0, inChannels = 0] = bank.shape;
  const source = new SearchSource({ bank, staticWeight, mask });
  noGrad(() => source.phi!.fill_(phi));
  return new DynamicConv2d({
    geometry: nn.conv2dGeometry({ inChannels, outChannels, kernelSize: 1 }),
    router: new KernelAttention({ inChannels, numKernels, temperature: 1 }),
    source,
  });
}

function smallNetwork(): nn.Sequential {
  const random = (shape: number[]): Tensor => randn(shape, { dtype: 'float64' });
  const layer = (outChannels: number, inChannels: number, phi: number): DynamicConv2d => {
    const shape = [outChannels, inChannels, 1, 1];
    return pointwise(random([3, ...shape]), random(shape), Mask.fromTensor(random(shape).gt(-0.4)), phi);
  };
  return new nn.Sequential(layer(4, 2, 0.3), new nn.ReLU(), new nn.BatchNorm2d({ numFeatures: 4 }), layer(3, 4, -0.2))
    .to('float64')
    .eval();
}

/** 3×3 layers of DCD in float64, a mask each; P is not 0. */
function decomposed(): nn.Sequential {
  const conv = (inChannels: number, outChannels: number): nn.Conv2d =>
    new nn.Conv2d({ inChannels, outChannels, kernelSize: 3, padding: 1 });
  const made = convertToPartial(new nn.Sequential(conv(2, 4), new nn.ReLU(), conv(4, 3)), {
    router: (geometry) => new DcdRouter({ geometry, hiddenChannels: 3 }),
    bankInitialisation: 'independent',
    bankSpread: 'perKernel',
    keepStatic: [],
  });
  for (const source of searchLayers(made).values()) {
    source.mask = Mask.fromTensor(randn(source.shape).gt(-0.4));
    noGrad(() => source.staticWeight.copy_(randn(source.shape)));
  }
  return made.to('float64').eval();
}

let network: nn.Sequential;
let images: Tensor;
let batchLosses: (() => Tensor)[];

beforeEach(() => {
  manualSeed(7);
  network = smallNetwork();
  images = randn([2, 5, 2, 3, 3], { dtype: 'float64' });
  const labels = ops.randint(3, [2, 5], { dtype: 'int64' });
  batchLosses = [0, 1].map(
    (index) => () =>
      ops.crossEntropyLoss(network.forward(images.select(0, index)).mean([2, 3]), labels.select(0, index)),
  );
});

const scoresOf = (saliency: Saliency, of: nn.Module = network, losses = batchLosses): Promise<Map<string, Tensor>> =>
  saliency.score({
    network: of,
    sources: searchLayers(of),
    batchLosses: losses,
    sampleShape: [2, 3, 3],
    seed: 0,
  });

const totalLoss = (): Tensor => batchLosses.map((loss) => loss()).reduce((sum, loss) => sum.add(loss));

/** The derivative of the loss along Θ_j, at Φ = M ⊙ Θ. */
function alongBank(source: SearchSource, index: number): number {
  return source.withBankVariable((bank) => {
    const step = 1e-6;
    const at = (change: number): number =>
      noGrad(() =>
        scope(() => {
          const entry = (of: Tensor): Tensor => of.detach().reshape([3, -1]).select(1, index);
          const before = entry(bank).clone();
          entry(bank).add_(entry(source.bank).mul(change));
          const loss = totalLoss().item();
          entry(bank).copy_(before);
          return loss;
        }),
      );
    return (at(step) - at(-step)) / (2 * step);
  });
}

describe('snip', () => {
  it('is the derivative of the loss along the bank of an entry, dynamic or static', async () => {
    const scores = await scoresOf(snip);
    for (const [path, source] of searchLayers(network)) {
      const values = scores.get(path)!.toArray();
      expect(new Set(source.mask.toTensor().toArray()).size).toBe(2);
      values.forEach((value, index) => {
        expect(value).toBeCloseTo(alongBank(source, index), 7);
      });
    }
  });

  it('is Σ_k g_k θ_k of the bank itself where all entries are dynamic', async () => {
    const source = searchLayers(network).get('0')!;
    source.mask = Mask.full(source.shape);
    const [gradient] = grad(totalLoss(), [source.bank]);
    const expected = noGrad(() => gradient!.mul(source.bank).sum([0]));
    expectClose((await scoresOf(snip)).get('0')!, expected, { atol: 1e-12 });
  });
});

/** Σ_k Θ_k ⊙ (g(Φ + εv) − g(Φ − εv)) / 2ε with v = M ⊙ g, by layer. */
function graspByDifferences(of: nn.Module, loss: () => Tensor): Tensor[] {
  const sources = [...searchLayers(of).values()];
  const withBanks = <T>(
    rest: readonly SearchSource[],
    banks: readonly Tensor[],
    body: (b: readonly Tensor[]) => T,
  ): T =>
    rest.length === 0
      ? body(banks)
      : rest[0]!.withBankVariable((bank) => withBanks(rest.slice(1), [...banks, bank], body));
  return withBanks(sources, [], (banks) => {
    const gradients = (): Tensor[] => grad(loss(), banks);
    const direction = gradients().map((gradient, index) => gradient.mul(sources[index]!.maskTensor()));
    const move = (step: number): void => {
      for (const [index, bank] of banks.entries()) noGrad(() => bank.detach().add_(direction[index]!.mul(step)));
    };
    const step = 1e-5;
    move(step);
    const above = gradients();
    move(-2 * step);
    const below = gradients();
    return sources.map(({ bank }, index) =>
      noGrad(() =>
        above[index]!.sub(below[index]!)
          .div(2 * step)
          .mul(bank)
          .sum([0]),
      ),
    );
  });
}

describe('grasp', () => {
  it('is Θ · Hg as differences of the gradient give it, over the sum of the batches', async () => {
    const scores = await scoresOf(grasp);
    for (const [index, expected] of graspByDifferences(network, totalLoss).entries())
      expectClose([...scores.values()][index]!, expected, { atol: 1e-8 });
    expect(Math.max(...scores.get('0')!.abs().toArray())).toBeGreaterThan(1e-3);
  });

  it('is that of a mixture of experts too, and leaves plans as they were', async () => {
    const stack = convertToPartialMoE(pretrainedStack({ depth: 1 }), { numExperts: 3, k: 2, noise: 0.5 }).to('float64');
    const layers = [...stack.namedModules()]
      .map(([, module]) => module)
      .filter((module) => module instanceof MoELinear);
    noGrad(() => {
      for (const { router } of layers) router.wGate.copy_(randn(router.wGate.shape));
    });
    for (const source of searchLayers(stack).values()) source.mask = Mask.fromTensor(randn(source.shape).gt(-0.5));
    layers[0]!.plan = 'composed';
    const inputs = randn([3, 4, 6], { dtype: 'float64' });
    const loss = (): Tensor => ops.crossEntropyLoss(stack.classify(inputs), tensor([0, 1, 1]).to('int64'));
    const scores = await scoresOf(grasp, stack, [loss]);
    expect(layers.map(({ plan }) => plan)).toEqual(['composed', null]);
    for (const [index, expected] of graspByDifferences(stack, loss).entries())
      expectClose([...scores.values()][index]!, expected, { atol: 1e-7 });
  });

  it('is that of DCD too', async () => {
    network = decomposed();
    const scores = await scoresOf(grasp);
    for (const [index, expected] of graspByDifferences(network, totalLoss).entries())
      expectClose([...scores.values()][index]!, expected, { atol: 1e-6, rtol: 1e-6 });
    expect(Math.max(...scores.get('2')!.abs().toArray())).toBeGreaterThan(1e-4);
  });

  it('makes the entries static that are below 0', async () => {
    const scores = await scoresOf(grasp);
    const values = [...scores.values()].flatMap((layer) => layer.toArray());
    const ratio = values.filter((value) => value > 0).length / values.length;
    expect(ratio).toBeGreaterThan(0.1);
    expect(ratio).toBeLessThan(0.9);
    const { masks } = await iterativeModePartition(network, { ratio, rounds: 1, saliency: grasp, batchLosses });
    for (const [path, mask] of masks)
      expect(mask.toTensor().toArray().map(Boolean)).toEqual(
        scores
          .get(path)!
          .toArray()
          .map((value) => value > 0),
      );
  });
});

describe('synFlow', () => {
  // Φ: means over the bank of [3, 5; static 7] and [1, 2], batch norm between them with γ/σ = [2, 0.5].
  function chain(): nn.Sequential {
    const column = (values: number[]): Tensor => tensor(values, { dtype: 'float64' });
    const first = pointwise(
      column([-2, 4, 3, 6, 5, 20]).reshape([2, 3]).t().reshape([3, 2, 1, 1, 1]).narrow(0, 0, 2),
      column([1, -7]).reshape([2, 1, 1, 1]),
      Mask.fromTensor(tensor([1, 0]).gt(0).reshape([2, 1, 1, 1])),
    );
    const second = pointwise(
      column([-1, 1, 1, -3]).reshape([2, 1, 2, 1, 1]),
      column([9, 9]).reshape([1, 2, 1, 1]),
      Mask.full([1, 2, 1, 1]),
    );
    const norm = new nn.BatchNorm2d({ numFeatures: 2, eps: 0 });
    noGrad(() => {
      norm.weight!.copy_(tensor([-4, 1]));
      norm.bias!.fill_(-100);
      norm.runningMean!.copy_(tensor([50, -60]));
      norm.runningVar!.copy_(tensor([4, 4]));
    });
    return new nn.Sequential(first, norm, new nn.ReLU6(), second).eval();
  }

  it('is the flow that passes an entry, as worked out by hand', async () => {
    network = chain();
    const scores = await synFlow.score({
      network,
      sources: searchLayers(network),
      batchLosses: [],
      sampleShape: [1, 2, 1],
      seed: 0,
    });
    // First layer: |bank| [2, 6] and [4, 5] → means 3 and 5.5 (of its coming back; static it is 7). Two positions.
    const one = 1e-250;
    const flow = (values: number[]): number[] => values.map((value) => 2 * value * one);
    const close = (path: string, expected: number[]): void => {
      scores
        .get(path)!
        .toArray()
        .forEach((value, index) => {
          expect(value / expected[index]!).toBeCloseTo(1, 10);
        });
    };
    // Second layer: means 1 and 2.
    close('0', flow([3 * 2 * 1, 5.5 * 0.5 * 2]));
    close('3', flow([3 * 2 * 1, 7 * 0.5 * 2]));
  });

  it('leaves the network as it was, also where it fails', async () => {
    network = chain().to('float32');
    const before = Array.from(network.stateDict(), ([name, value]) => [name, value.dtype, value.toArray()]);
    await scoresOf(synFlow, network, []).catch(() => undefined); // [2, 3, 3] into one channel
    const context = { sources: searchLayers(network), batchLosses: [], sampleShape: [1, 1, 1], seed: 0 };
    await synFlow.score({ network, ...context });
    expect(Array.from(network.stateDict(), ([name, value]) => [name, value.dtype, value.toArray()])).toEqual(before);
  });

  it('has coefficients of 1 / K and scales of 1 in DCD', async () => {
    const geometry = nn.conv2dGeometry({ inChannels: 1, outChannels: 1, kernelSize: 1 });
    const column = (values: number[]): Tensor => tensor(values, { dtype: 'float64' }).reshape([-1, 1, 1, 1, 1]);
    const source = new SearchSource({ bank: column([-2, 3]), staticWeight: column([7]).squeeze(0) });
    const router = new DcdRouter({ geometry, hiddenChannels: 2 });
    const layer = new DecomposedConv2d({ geometry, router, source, weight: column([-5]).squeeze(0) }).eval();
    noGrad(() => {
      for (const bn of [layer.bn1, layer.bn2]) bn.runningVar!.fill_(4 - bn.eps);
      layer.q.fill_(-3);
      layer.p.fill_(8);
    });
    const alone = new nn.Sequential(layer);
    const sources = searchLayers(alone);
    const before = router.forward(zeros([1, 1, 1, 1]).add(2)).toArray();
    const scores = await synFlow.score({ network: alone, sources, batchLosses: [], sampleShape: [1, 1, 1], seed: 0 });
    // R = 5 x + 8 (z + (2 + 3) / 2 · z / 2), z = 3 x / 2: what passes Φ is 8 · 5 / 2 · 3 / 4.
    expect(scores.get('0')!.item() / 1e-250).toBeCloseTo(15, 5);
    expect(router.forward(zeros([1, 1, 1, 1]).add(2)).toArray()).toEqual(before);
  });

  it('is not for encoders of text', async () => {
    const context = { sources: searchLayers(network), batchLosses: [], sampleShape: null, seed: 0 };
    await expect(synFlow.score({ network, ...context })).rejects.toThrow('synFlow needs a network that takes an input');
  });
});

describe('variance', () => {
  it('is that of λ_d · Σ_k α_k Θ_k over the pictures of all batches', async () => {
    const scores = await scoresOf(variance);
    const layer = network.getModule('0');
    if (!(layer instanceof DynamicConv2d)) throw new Error('no convolution');
    const source = searchLayers(network).get('0')!;
    const expected = noGrad(() => {
      const coefficients = layer.router.forward(images.reshape([10, 2, 3, 3]));
      const effective = mixBank(coefficients, source.bank).mul(source.phi!.sigmoid().mul(2));
      return effective
        .sub(effective.mean([0]))
        .square()
        .mean([0]);
    });
    expectClose(scores.get('0')!, expected, { atol: 1e-12 });
    expect(Math.max(...expected.toArray())).toBeGreaterThan(1e-3);
  });

  it('is that of Φ(x) in DCD', async () => {
    network = decomposed();
    const scores = await scoresOf(variance);
    const layer = network.getModule('0');
    if (!(layer instanceof DecomposedConv2d)) throw new Error('no DCD');
    const source = searchLayers(network).get('0')!;
    const expected = noGrad(() => {
      const phi = mixBank(layer.router.forward(images.reshape([10, 2, 3, 3])), source.bank);
      return phi
        .sub(phi.mean([0]))
        .square()
        .mean([0]);
    });
    expectClose(scores.get('0')!, expected, { atol: 1e-12 });
    expect(Math.max(...expected.toArray())).toBeGreaterThan(1e-4);
  });

  it('is over the gates of tokens in a mixture of experts, 0 where routing never changes', async () => {
    const stack = convertToPartialMoE(pretrainedStack({ depth: 1 }), { numExperts: 3, k: 2, noise: 0.5 }).to('float64');
    const inputs = randn([3, 4, 6], { dtype: 'float64' });
    const loss = (): Tensor => stack.classify(inputs).sum();
    for (const scores of (await scoresOf(variance, stack, [loss])).values())
      expectClose(scores, zeros(scores.shape, { dtype: 'float64' }), { atol: 1e-12 });
    const layer = stack.layers.items[0]!.intermediate as MoELinear;
    noGrad(() => layer.router.wGate.copy_(randn([6, 3])));
    const expected = noGrad(() => {
      const { gates } = layer.router.forward(inputs.reshape([12, 6]));
      const effective = mixBank(gates, searchLayers(stack).get('layers.0.intermediate')!.bank);
      return effective
        .sub(effective.mean([0]))
        .square()
        .mean([0]);
    });
    expectClose((await scoresOf(variance, stack, [loss])).get('layers.0.intermediate')!, expected, { atol: 1e-12 });
  });
});

/** Of the layer at `path`, p_k by its router on all pictures, the layers before it being static. */
function useOf(path: string): number[] {
  const layer = network.getModule(path);
  if (!(layer instanceof DynamicConv2d)) throw new Error('no convolution');
  return noGrad(() =>
    scope(() => {
      let inputs: Tensor | null = null;
      const watch = (at: string, _module: nn.Module, input: Tensor): void => {
        if (at === path) inputs = input;
      };
      nn.watchForward(network, watch, () => network.forward(images.reshape([10, 2, 3, 3])));
      return layer.router.forward(inputs!).mean([0]).toArray();
    }),
  );
}

/** The loss of all batches where each kernel adds `values` [K] to entry `index` of a layer, all else being static. */
function lossWith(source: SearchSource, index: number, values: readonly number[]): number {
  return source.withBankVariable((bank) =>
    noGrad(() =>
      scope(() => {
        const entry = bank.detach().reshape([values.length, -1]).select(1, index);
        entry.copy_(tensor(values));
        return totalLoss().item();
      }),
    ),
  );
}

function makeStatic(): ReadonlyMap<string, SearchSource> {
  const sources = searchLayers(network);
  for (const source of sources.values()) source.mask = Mask.empty(source.shape);
  return sources;
}

/** ∂L/∂Φ_kj by differences [K]. */
function gradientsOf(source: SearchSource, index: number): number[] {
  const step = 1e-6;
  return [0, 1, 2].map((kernel) => {
    const at = (change: number): number =>
      lossWith(
        source,
        index,
        [0, 1, 2].map((each) => (each === kernel ? change : 0)),
      );
    return (at(step) - at(-step)) / (2 * step);
  });
}

describe('gain', () => {
  it('is how much more a step takes from the loss where the kernels may differ, whatever the masks are', async () => {
    const scores = await scoresOf(gain);
    const largest = Math.max(...[...scores.values()].flatMap((layer) => layer.toArray()));
    const sources = makeStatic();
    for (const [path, source] of sources) {
      const use = useOf(path);
      scores
        .get(path)!
        .toArray()
        .forEach((value, index) => {
          const gradients = gradientsOf(source, index);
          const shared = gradients.reduce((sum, each) => sum + each, 0);
          const step = 1e-5;
          const apart = gradients.map((each, kernel) => (-step * each) / use[kernel]!);
          const together = gradients.map(() => -step * shared);
          const gained = (lossWith(source, index, together) - lossWith(source, index, apart)) / step;
          expect(Math.abs(value - gained), `${path} ${index}`).toBeLessThan(1e-3 * largest);
        });
    }
    expect(largest).toBeGreaterThan(1e-4);
  });

  it('is 0 where every input gets the same coefficients', async () => {
    noGrad(() => {
      for (const [, module] of network.namedModules())
        if (module instanceof KernelAttention) {
          for (const parameter of module.parameters()) if (parameter.dim === 2) parameter.zero_();
        }
    });
    for (const saliency of [gain, newtonGain])
      for (const layer of (await scoresOf(saliency)).values()) expect(Math.max(...layer.toArray())).toBeLessThan(1e-20);
  });

  it('leaves masks as they were, also where it fails', async () => {
    const masks = (): number[] => [...searchLayers(network).values()].flatMap(({ mask }) => [...mask.bits]);
    const before = masks();
    await scoresOf(gain);
    const failing = (): Tensor => {
      throw new Error('no loss');
    };
    await expect(scoresOf(newtonGain, network, [failing])).rejects.toThrow('no loss');
    expect(masks()).toEqual(before);
    expect(new Set(before).size).toBeGreaterThan(1);
  });
});

describe('newtonGain', () => {
  it('is gain over the squared gradients of the batches, from 0 to their number', async () => {
    const [gains, scores] = [await scoresOf(gain), await scoresOf(newtonGain)];
    const sources = makeStatic();
    const values = [...scores.values()].flatMap((layer) => layer.toArray());
    expect(Math.max(...values)).toBeLessThanOrEqual(2);
    expect(Math.max(...values)).toBeGreaterThan(0.01);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    for (const [path, source] of sources) {
      const use = tensor(useOf(path), { dtype: 'float64' }).reshape([3, 1, 1, 1, 1]);
      const squares = batchLosses.map((loss) => {
        const [gradient] = source.withBankVariable((bank) => grad(loss(), [bank]));
        return noGrad(() => gradient!.square().div(use).sum([0]));
      });
      const curvature = squares[0]!.add(squares[1]!);
      const expected = ops.where(curvature.gt(0), gains.get(path)!.div(curvature), zeros([], { dtype: 'float64' }));
      expectClose(scores.get(path)!, expected, { atol: 1e-10 });
    }
  });

  it('stays the same where a layer before batch norm is scaled, unlike gain', async () => {
    const [gains, scores] = [await scoresOf(gain), await scoresOf(newtonGain)];
    const norm = network.getModule('2');
    if (!(norm instanceof nn.BatchNorm2d)) throw new Error('no batch norm');
    const source = searchLayers(network).get('0')!;
    noGrad(() => {
      norm.runningVar!.copy_(norm.runningVar!.add(norm.eps).mul(9).sub(norm.eps));
      norm.runningMean!.mul_(3);
      source.bank.mul_(3);
      source.staticWeight.mul_(3);
    });
    for (const [path, layer] of await scoresOf(newtonGain))
      expectClose(layer, scores.get(path)!, { atol: 1e-9, rtol: 1e-9 });
    expectClose((await scoresOf(gain)).get('0')!, gains.get('0')!.div(9), { atol: 1e-9, rtol: 1e-9 });
  });

  it('is 0, not NaN, where nothing reaches the loss', async () => {
    const none = (): Tensor => network.forward(images.select(0, 0)).sum().mul(0);
    for (const layer of (await scoresOf(newtonGain, network, [none])).values())
      expect(new Set(layer.toArray())).toEqual(new Set([0]));
  });
});

describe('spread', () => {
  it('is the variance of the kernels by their use, times λ_d²', async () => {
    const scores = await scoresOf(spread);
    const use = useOf('0');
    const source = searchLayers(network).get('0')!;
    const kernels = [0, 1, 2].map((kernel) => source.bank.detach().select(0, kernel).toArray());
    const scale = 2 / (1 + Math.exp(-0.3));
    scores
      .get('0')!
      .toArray()
      .forEach((value, entry) => {
        const mean = kernels.reduce((sum, kernel, k) => sum + use[k]! * kernel[entry]!, 0);
        const expected = kernels.reduce((sum, kernel, k) => sum + use[k]! * (kernel[entry]! - mean) ** 2, 0);
        expect(value).toBeCloseTo(scale ** 2 * expected, 10);
      });
  });

  it('is what variance says where one expert is chosen, and 0 of experts that are never used', async () => {
    const stack = convertToPartialMoE(pretrainedStack({ depth: 1 }), { numExperts: 3, k: 1, noise: 0.5 }).to('float64');
    const inputs = randn([3, 4, 6], { dtype: 'float64' });
    const loss = (): Tensor => stack.classify(inputs).sum();
    const routers = Array.from(stack.namedModules(), ([, module]) => module).filter(
      (module) => module instanceof NoisyTopK,
    );
    // Every token gets expert 0.
    for (const layer of (await scoresOf(spread, stack, [loss])).values())
      expect(new Set(layer.toArray())).toEqual(new Set([0]));
    noGrad(() => {
      for (const { wGate } of routers) wGate.copy_(randn(wGate.shape));
    });
    const expected = await scoresOf(variance, stack, [loss]);
    for (const [path, layer] of await scoresOf(spread, stack, [loss]))
      expectClose(layer, expected.get(path)!, { atol: 1e-12 });
    expect(Math.max(...expected.get('layers.0.intermediate')!.toArray())).toBeGreaterThan(1e-3);
  });

  it('is exactly 0 where kernels are the same', async () => {
    const source = searchLayers(network).get('0')!;
    noGrad(() => source.bank.copy_(source.bank.narrow(0, 1, 1).expand(source.bank.shape).clone()));
    expect(new Set((await scoresOf(spread)).get('0')!.toArray())).toEqual(new Set([0]));
  });
});

// Those by lot: `byLot.test.ts`.
describe.each(Object.values(saliencies).filter(({ name }) => !['randomByLayer', 'shuffled'].includes(name)))(
  '$name',
  (saliency) => {
    it.each<[string, ConvertOptions]>([
      ['depth-wise layers', { numKernels: 2, noise: 0.1 }],
      ['DCD', { router: (geometry) => new DcdRouter({ geometry }), noise: 0.01 }],
    ])('partitions a network with %s in float32, leaves it as it was and leaks nothing', async (_, conversion) => {
      const mobile = convertToPartial(
        new MobileNetV2({ inChannels: 1, numClasses: 3, stem: 'small', widthMultiplier: 0.1 }),
        conversion,
      );
      const inputs = randn([4, 1, 8, 8]);
      const labels = tensor([0, 1, 2, 0]).to('int64');
      const losses = [(): Tensor => ops.crossEntropyLoss(mobile.forward(inputs), labels)];
      const options = { ratio: 0.4, rounds: 2, saliency, batchLosses: losses, sampleShape: [1, 8, 8] };
      const before = Array.from(mobile.stateDict(), ([name, value]) => [name, value.toArray()]);
      const { rounds } = await iterativeModePartition(mobile, options);
      // Less where entries tie: those of filters that no ReLU lets through all score 0.
      expect(rounds.at(-1)!.dynamicRatio).toBeLessThan(0.405);
      expect(rounds.at(-1)!.dynamicRatio).toBeGreaterThan(0.1);
      expect(Array.from(mobile.stateDict(), ([name, value]) => [name, value.toArray()])).toEqual(before);
      const live = liveTensors();
      await iterativeModePartition(mobile, options);
      expect(liveTensors()).toBeLessThanOrEqual(live); // fewer where those of earlier tests are collected
    });
  },
);
