import { manualSeed, nn, noGrad, ops, optim, randn, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { convertToDynamic, convertToMoE } from '../convert/index.js';
import { CondRouter, KernelAttention, OdAttention, type Router } from '../dynamic/index.js';
import { DynamicConv2d, FeedForward } from '../layers/index.js';
import { moduleAt } from '../layers/moduleAt.test.fixture.js';
import { createOptimizer, learningRateSchedule } from './optimizer.js';
import { smallNetwork } from '../runs/pictures.test.fixture.js';
import { trainingSchema, type TrainingOptions } from '../recipe/recipe.js';

const training = (options: Partial<TrainingOptions> = {}): TrainingOptions =>
  trainingSchema.parse({ epochs: 10, ...options });

function groups(layer: 'static' | 'dynamic' | 'partial', options: Partial<TrainingOptions> = {}) {
  const network = smallNetwork(layer);
  const { groups: made } = createOptimizer(network, training({ learningRate: 0.1, weightDecay: 0.01, ...options }));
  const count = made.reduce((sum, { names }) => sum + names.length, 0);
  expect(count).toBe(network.parameters().length);
  return made.map(({ names, options: { learningRate, weightDecay } }) => ({ names, learningRate, weightDecay }));
}

it('gives the banks K times the learning rate and a Kth of the weight decay', () => {
  for (const layer of ['dynamic', 'partial'] as const) {
    const [ordinary, banks, ...more] = groups(layer);
    expect(more).toEqual([]);
    expect(ordinary).toMatchObject({ learningRate: 0.1, weightDecay: 0.01 });
    expect(banks).toMatchObject({ learningRate: 0.2, weightDecay: 0.005 });
    expect(banks!.names).toHaveLength(11);
    for (const name of banks!.names) expect(name).toMatch(/\.source\.bank$/);
    for (const name of ordinary!.names) expect(name).not.toMatch(/bank$/);
  }
});

it('takes a factor of its own, and needs no second group for 1', () => {
  expect(groups('dynamic', { bankFactor: 4 })[1]).toMatchObject({ learningRate: 0.4, weightDecay: 0.0025 });
  expect(groups('dynamic', { bankFactor: 1 })).toHaveLength(1);
  expect(groups('static')).toHaveLength(1);
});

it('multiplies the learning rate of routers alone by routerFactor', () => {
  const [ordinary, banks, routers, ...more] = groups('dynamic', { routerFactor: 5 });
  expect(more).toEqual([]);
  expect(routers).toMatchObject({ learningRate: 0.5, weightDecay: 0.01 });
  expect(routers!.names).toHaveLength(3 * 11);
  for (const name of routers!.names) expect(name).toContain('.router.');
  expect(banks).toMatchObject({ learningRate: 0.2, weightDecay: 0.005 });
  for (const name of ordinary!.names) expect(name).not.toContain('.router.');
  expect(() => createOptimizer(smallNetwork('dynamic'), training({ routerFactor: 1e308, learningRate: 10 }))).toThrow(
    'training.routerFactor: 1e+308 makes the learning rate of routers infinite; give a smaller one',
  );
});

it.each([
  ['condconv', { bank: 2 / 1 }],
  // Attentions of ½: on positions (none of 1×1 layers), channels and filters.
  ['odconv', { '1×1': 2 * 16, '3×3': 2 * 64 }],
] as const)('undoes the gains of a fresh router of %s', (convolution, factors) => {
  const network = smallNetwork('dynamic', { convolution });
  const { groups: made } = createOptimizer(network, training({ learningRate: 0.1, weightDecay: 0.01 }));
  const found = made.filter(({ names }) => names.every((name) => name.endsWith('bank')));
  const wanted = Object.values(factors);
  expect(found).toHaveLength(wanted.length);
  for (const [index, factor] of wanted.entries()) {
    expect(found[index]!.options.learningRate / 0.1).toBeCloseTo(factor, 9);
    expect(found[index]!.options.weightDecay * factor).toBeCloseTo(0.01, 9);
  }
  const plain = createOptimizer(network, training({ bankFactor: 'numKernels' })).groups;
  expect(plain).toHaveLength(2);
});

/** Does not say what it multiplies a layer by: σ of all logits, each ½ before it has learnt. */
class OwnRouter extends nn.Module implements Router {
  readonly sumsToOne = false;
  readonly fc: nn.Linear;
  constructor(
    inFeatures: number,
    readonly numKernels: number,
  ) {
    super();
    this.fc = new nn.Linear({ inFeatures, outFeatures: numKernels });
    noGrad(() => this.fc.weight.zero_());
    noGrad(() => this.fc.bias!.zero_());
  }
  forward(input: Tensor): Tensor {
    return this.fc.forward(input.mean([2, 3])).sigmoid();
  }
  countMacs = (): number => 0;
}

it.each(['copies', 'independent'] as const)('measures a router of ones own that does not say: %s', (start) => {
  const network = new nn.Sequential(new nn.Conv2d({ inChannels: 2, outChannels: 2, kernelSize: 3 }));
  const router = ({ inChannels }: nn.ConvGeometry, numKernels: number) => new OwnRouter(inChannels, numKernels);
  convertToDynamic(network, { numKernels: 8, keepStatic: [], router, bankInitialisation: start });
  const factors = (options: Partial<TrainingOptions>) => {
    const { groups: made } = createOptimizer(network, training({ learningRate: 0.1, ...options }));
    return new Map(made.flatMap(({ names, options: { learningRate } }) => names.map((name) => [name, learningRate])));
  };
  // Σ α² = 8 / 4, Σ α = 8 / 2; it stays what it was, whatever the router learns.
  for (const change of [0, 3]) {
    noGrad(() => moduleAt(network, '0.router.fc', nn.Linear).bias!.add_(change));
    expect(factors({}).get('0.source.bank')).toBeCloseTo(0.1 / 2, 6);
    expect(factors({}).get('0.bias_bank')).toBeCloseTo(0.1 / 2, 6);
    expect(factors({ optimizer: 'adamw' }).get('0.source.bank')).toBeCloseTo(0.1 / 4, 6);
    expect(factors({ bankFactor: 'numKernels' }).get('0.source.bank')).toBeCloseTo(0.8, 6);
  }
});

it('takes sizes of coefficients where signs differ: their sum says nothing of a step', () => {
  const network = new nn.Sequential(new nn.Conv2d({ inChannels: 2, outChannels: 2, kernelSize: 3 }));
  const router = ({ inChannels }: nn.ConvGeometry, numKernels: number) => {
    const signed = new OwnRouter(inChannels, numKernels);
    signed.forward = (input) =>
      input
        .mean([1, 2, 3])
        .unsqueeze(1)
        .sign()
        .mul(tensor([2, -2]));
    return signed;
  };
  convertToDynamic(network, { numKernels: 2, keepStatic: [], router, bankInitialisation: 'independent' });
  const { groups: made } = createOptimizer(network, training({ learningRate: 0.1, optimizer: 'adamw' }));
  const bank = made.find(({ names }) => names.includes('0.source.bank'))!;
  expect(bank.options.learningRate).toBeCloseTo(0.1 / 4, 6);
});

it('leaves experts their learning rate with AdamW, whose steps have one size', () => {
  const network = new FeedForward({ hiddenSize: 4, intermediateSize: 8, activation: (x) => x.relu() });
  convertToMoE(network, { numExperts: 4, k: 2 });
  const rates = (optimizer: 'adamw' | 'sgd') =>
    createOptimizer(network, training({ learningRate: 0.1, optimizer, weightDecay: 0 })).groups.map(
      ({ options }) => options.learningRate,
    );
  expect(rates('adamw')).toEqual([0.1]);
  expect(Math.max(...rates('sgd'))).toBeCloseTo(0.4, 9);
});

it('counts the bank of biases too', () => {
  const network = new nn.Sequential(new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 1 }));
  convertToDynamic(network, { numKernels: 3, keepStatic: [] });
  const [, banks] = createOptimizer(network, training()).groups;
  expect(banks!.names).toEqual(['0.bias_bank', '0.source.bank']);
});

it('refuses a bankFactor that leaves no numbers', () => {
  const network = smallNetwork('dynamic');
  for (const bankFactor of [1e-320, 1e308])
    expect(() => createOptimizer(network, training({ bankFactor, learningRate: 10 }))).toThrow(
      `training.bankFactor: ${bankFactor} makes the learning rate or the weight decay of banks infinite`,
    );
});

it('takes what Φ of DCD is generated from for the linear layer that it is', () => {
  const network = smallNetwork('partial', { convolution: 'dcd' });
  const [ordinary, ...more] = createOptimizer(network, training({ bankFactor: 4 })).groups;
  expect(more).toEqual([]);
  expect(ordinary!.names).toContain('layer1.0.conv1.source.bank');
});

it('decays neither biases nor norms under AdamW, but routers, kernels and banks', () => {
  const optimizer = createOptimizer(smallNetwork('partial'), training({ optimizer: 'adamw', weightDecay: 0.1 }));
  const names = (decays: boolean): string[] =>
    optimizer.groups.filter(({ options }) => options.weightDecay > 0 === decays).flatMap((group) => group.names);
  expect(names(false).length).toBeGreaterThan(10);
  for (const name of names(false)) expect(name).toMatch(/bias$|bias_bank$|\bphi$|\b(bn\d|downsample\.1)\.weight$/);
  expect(names(true).filter((name) => /bias|phi|bn/.test(name))).toEqual([]);
  expect(names(true)).toContain('layer1.0.conv1.router.fc1.weight');
});

it('knows the biases and norms of other layers too', () => {
  const sizes = { embedDim: 2, numHeads: 1 };
  const network = new nn.ModuleList([
    new nn.GroupNorm({ numGroups: 1, numChannels: 2 }),
    new nn.GRU({ inputSize: 1, hiddenSize: 1, bidirectional: true }),
    new nn.MultiheadAttention(sizes),
    new nn.ConvTranspose2d({ inChannels: 1, outChannels: 1, kernelSize: 1 }),
  ]);
  const { groups } = createOptimizer(network, training({ optimizer: 'adamw', weightDecay: 0.1 }));
  const decayed = groups.filter(({ options }) => options.weightDecay > 0).flatMap(({ names }) => names);
  const recurrent = ['weight_ih_l0', 'weight_hh_l0'].flatMap((name) => [name, `${name}_reverse`]);
  const expected = [...recurrent.map((name) => `1.${name}`), '2.in_proj_weight', '2.out_proj.weight', '3.weight'];
  expect(decayed.sort()).toEqual(expected.sort());
});

it('makes the optimizer that the recipe names', () => {
  const network = smallNetwork();
  expect(createOptimizer(network, training({ optimizer: 'adamw' }))).toBeInstanceOf(optim.AdamW);
  const sgd = createOptimizer(network, training({ momentum: 0.5 }));
  expect(sgd).toBeInstanceOf(optim.SGD);
  expect(sgd.groups[0]!.options).toMatchObject({ momentum: 0.5, nesterov: true });
  // Nesterov's momentum is nothing without momentum.
  expect(createOptimizer(network, training({ momentum: 0 })).groups[0]!.options).toMatchObject({ nesterov: false });
});

/** One step of SGD each of a static kernel and of a layer that starts with it, on the same data: how far both move. */
function movesOf(
  convolution: keyof typeof routers,
  options: Partial<TrainingOptions>,
): { readonly fixed: Tensor; readonly mixed: Tensor } {
  const geometry = { inChannels: 3, outChannels: 4, kernelSize: 3, padding: 1, bias: false } as const;
  const fixed = new nn.Sequential(new nn.Conv2d(geometry)).to('float64');
  const dynamic = new nn.Sequential(new nn.Conv2d(geometry)).to('float64');
  dynamic.loadStateDict(fixed.stateDict());
  convertToDynamic(dynamic, { router: routers[convolution], keepStatic: [] }).to('float64');
  const layer = moduleAt(dynamic, '0', DynamicConv2d);
  noGrad(() => {
    const weights = [...layer.router.namedParameters()].filter(([name]) => /weight$|^fc\.bias$/.test(name));
    for (const [name, weight] of weights) if (!name.startsWith('bn')) weight.zero_();
  });
  const { coefficients, spatial, output } = layer.router.initialGains!;
  const kernel = (): Tensor =>
    noGrad(() =>
      layer.source
        .effective(false)
        .bank!.mean([0])
        .mul(coefficients * spatial * output),
    );
  const weight = (): Tensor => fixed.stateDict().get('0.weight')!;
  noGrad(() => weight().copy_(kernel()));
  const [start, input, target] = [
    kernel(),
    randn([5, 3, 6, 6], { dtype: 'float64' }),
    randn([5, 4, 6, 6], { dtype: 'float64' }),
  ];
  for (const network of [fixed, dynamic]) {
    const optimizer = createOptimizer(network, training(options));
    ops.mseLoss(network.forward(input), target).backward();
    optimizer.step();
  }
  return { fixed: weight().sub(start), mixed: kernel().sub(start) };
}

it('effective makes a step of AdamW as large as that of a static kernel', () => {
  for (const convolution of ['dyconv', 'condconv', 'odconv'] as const) {
    manualSeed(1);
    // The first step of each entry is as large as the learning rate, where the gradient is far from 0.
    const { fixed, mixed } = movesOf(convolution, { optimizer: 'adamw', weightDecay: 0, learningRate: 1e-3 });
    expect(fixed.abs().mean().item()).toBeCloseTo(1e-3, 5);
    expectClose(mixed, fixed, { atol: 2e-5 });
  }
});

const routers = {
  dyconv: ({ inChannels }: nn.ConvGeometry, numKernels: number) => new KernelAttention({ inChannels, numKernels }),
  condconv: ({ inChannels }: nn.ConvGeometry, numKernels: number) => new CondRouter({ inChannels, numKernels }),
  odconv: (geometry: nn.ConvGeometry, numKernels: number) => new OdAttention({ geometry, numKernels }),
};

it.each([
  ['dyconv', 1],
  ['condconv', 4],
  ['odconv', 1 / 64],
] as const)('effective moves the kernel of %s as a static one; numKernels %d times as far', (convolution, times) => {
  manualSeed(1);
  const { fixed, mixed } = movesOf(convolution, { bankFactor: 'effective', weightDecay: 0.01 });
  expect(fixed.abs().max().item()).toBeGreaterThan(1e-4);
  expectClose(mixed, fixed, { atol: 1e-12, rtol: 1e-9 });
  const former = movesOf(convolution, { bankFactor: 'numKernels', weightDecay: 0 });
  expectClose(former.mixed, former.fixed.mul(times), { atol: 1e-12, rtol: 1e-9 });
});

it.each([2, 4])('moves the mixture of %i equal kernels as one static kernel, under uniform attention', (numKernels) => {
  const options = { inChannels: 3, outChannels: 4, kernelSize: 3, padding: 1, bias: false } as const;
  const fixed = new nn.Sequential(new nn.Conv2d(options)).to('float64');
  const dynamic = new nn.Sequential(new nn.Conv2d(options)).to('float64');
  dynamic.loadStateDict(fixed.stateDict());
  convertToDynamic(dynamic, { numKernels, keepStatic: [] }).to('float64');
  const bank = dynamic.stateDict().get('0.source.bank')!;
  noGrad(() => dynamic.stateDict().get('0.router.fc2.weight')!.zero_()); // coefficients of 1/K for every input
  const recipe = training({ learningRate: 0.1, weightDecay: 0.01, momentum: 0.9 });
  const input = randn([5, 3, 6, 6], { dtype: 'float64' });
  const target = randn([5, 4, 6, 6], { dtype: 'float64' });
  const mixed = (): Tensor => bank.mean([0]);
  const weight = (): Tensor => fixed.stateDict().get('0.weight')!;
  const step = (network: nn.Layer, optimizer: optim.SGD | optim.AdamW): void => {
    scope(() => {
      ops.mseLoss(network.forward(input), target).backward();
      optimizer.step();
      network.zeroGrad();
    });
  };
  const start = weight().clone();
  const [one, other] = [createOptimizer(fixed, recipe), createOptimizer(dynamic, recipe)];
  for (let index = 0; index < 3; index++) {
    step(fixed, one);
    step(dynamic, other);
    expectClose(mixed(), weight(), { atol: 1e-12, rtol: 1e-12 });
  }
  expect(weight().sub(start).abs().max().item()).toBeGreaterThan(1e-3);

  // Without the factor it moves a Kth as far.
  noGrad(() => {
    bank.copy_(start.expand(bank.shape));
    weight().copy_(start);
  });
  const plain = createOptimizer(dynamic, { ...recipe, bankFactor: 1, weightDecay: 0 });
  step(fixed, createOptimizer(fixed, { ...recipe, weightDecay: 0 }));
  step(dynamic, plain);
  expectClose(mixed().sub(start), weight().sub(start).div(numKernels), { atol: 1e-12, rtol: 1e-9 });
});

describe('the learning rate', () => {
  /** The factors of the learning rate at steps of a training of 10 epochs of 10 steps. */
  const at = (options: Partial<TrainingOptions>, ...steps: number[]): number[] =>
    steps.map(learningRateSchedule(training({ epochs: 10, ...options }), 10));
  const cosine = (done: number): number => (1 + Math.cos(Math.PI * done)) / 2;
  const expectRates = (rates: number[], expected: number[]): void => {
    for (const [index, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[index]!, 12);
  };

  it('follows cosine, steps or nothing', () => {
    expectRates(
      at({}, 0, 25, 50, 99),
      [0, 25, 50, 99].map((step) => cosine(step / 100)),
    );
    expect(at({ schedule: 'constant' }, 0, 50, 99)).toEqual([1, 1, 1]);
    const steps = at({ schedule: 'step', milestones: [3, 6.5], gamma: 0.1 }, 0, 29, 30, 64, 65, 99);
    expectRates(steps, [1, 1, 0.1, 0.1, 0.01, 0.01]);
  });

  it('rises from 0 to all of it, and the schedule goes over the steps that are left', () => {
    expect(at({ schedule: 'constant', warmupEpochs: 0.5 }, 0, 1, 4, 5, 6)).toEqual([0, 0.2, 0.8, 1, 1]);
    expectRates(at({ schedule: 'linear', warmupEpochs: 2 }, 0, 10, 20, 60, 99), [0, 0.5, 1, 0.5, 1 / 80]);
    expectRates(at({ warmupEpochs: 2 }, 19, 20, 40, 99), [0.95, 1, cosine(0.25), cosine(79 / 80)]);
  });

  it('has milestones by epochs of the whole training', () => {
    const options = { schedule: 'step' as const, milestones: [1, 4], gamma: 0.1, warmupEpochs: 2 };
    expectRates(at(options, 10, 19, 20, 39, 40), [0.5, 0.95, 0.1, 0.1, 0.01]);
  });

  it('never falls where the warm-up is as long as the training', () => {
    expectRates(at({ schedule: 'linear', warmupEpochs: 10 }, 0, 50, 99), [0, 0.5, 0.99]);
    expectRates(at({ schedule: 'linear', warmupEpochs: 20 }, 50, 99), [0.25, 0.495]);
  });

  it('is what it was in runs of before, whose schedule began at the first step', () => {
    const old = { scheduleStart: 'firstStep' } as const;
    expect(at({ ...old, schedule: 'constant', warmupEpochs: 0.5 }, 0, 1, 3, 4, 5)).toEqual([0.2, 0.4, 0.8, 1, 1]);
    expectRates(at({ ...old, schedule: 'linear', warmupEpochs: 2 }, 0, 9, 19, 20), [0.05, 0.455, 0.81, 0.8]);
    expectRates(at({ ...old, warmupEpochs: 2 }, 9, 20), [0.5 * cosine(0.09), cosine(0.2)]);
    const options = { ...old, schedule: 'step' as const, milestones: [1, 4], gamma: 0.1, warmupEpochs: 2 };
    expectRates(at(options, 9, 10, 40), [0.5, 0.055, 0.01]);
  });
});
