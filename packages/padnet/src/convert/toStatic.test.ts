import { manualSeed, nn, noGrad, ops, rand, randn, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { CondRouter, DcdRouter, KernelAttention, OdAttention, type Router } from '../dynamic/index.js';
import { pretrainedStack } from '../layers/feedForwardStack.test.fixture.js';
import { DynamicConv, FeedForward, MoELinear } from '../layers/index.js';
import { Mask, SearchSource } from '../partial/index.js';
import { convertToDynamic, convertToPartial } from './convert.js';
import { convertToMoE } from './convertMoE.js';
import { toMeanCoefficients, toStatic } from './toStatic.js';

type MakeRouter = (geometry: nn.ConvGeometry, numKernels: number) => Router;

const routers: readonly [string, MakeRouter][] = [
  ['DY-Conv', ({ inChannels }, numKernels) => new KernelAttention({ inChannels, numKernels, temperature: 1 })],
  ['CondConv', ({ inChannels }, numKernels) => new CondRouter({ inChannels, numKernels })],
  ['ODConv', (geometry, numKernels) => new OdAttention({ geometry, numKernels, temperature: 1 })],
];

/** Dense with bias, grouped, depth-wise, 1×1. */
function network(): nn.Sequential {
  const conv = (options: Partial<nn.Conv2dOptions>) =>
    new nn.Conv2d({ inChannels: 4, outChannels: 4, kernelSize: 3, padding: 1, ...options });
  return new nn.Sequential(
    conv({}),
    conv({ outChannels: 6, stride: 2 }),
    new nn.ReLU(),
    conv({ inChannels: 6, outChannels: 4, groups: 2 }),
    conv({ groups: 4, kernelSize: [1, 3], padding: [0, 1] }),
    conv({ kernelSize: 1, padding: 0, bias: false }),
  );
}

const bank = { numKernels: 3, bankInitialisation: 'independent' } as const;

function convolution(net: nn.Module, path: string): nn.Conv2d {
  const layer = net.getModule(path);
  if (layer instanceof nn.Conv2d) return layer;
  throw new Error(`${path} is no static convolution`);
}

function dynamicLayers(net: nn.Module): DynamicConv[] {
  return Array.from(net.namedModules(), ([, module]) => module).filter((module) => module instanceof DynamicConv);
}

/**
 * Every layer decides alike for all inputs, though not evenly: weights of what sees the input are 0, biases are not.
 */
function makeConstant(net: nn.Module): void {
  noGrad(() => {
    for (const { router } of dynamicLayers(net)) {
      for (const [name, value] of router.namedParameters()) {
        if (name.endsWith('bias')) nn.init.normal_(value, 0, 1);
        else value.zero_();
      }
    }
  });
}

/** With masks, static weights of their own and λ's that are not 1. */
function makePartial(net: nn.Module): void {
  for (const [path, source] of [...net.namedModules()]) {
    if (!(source instanceof SearchSource)) continue;
    noGrad(() => {
      source.staticWeight.copy_(randn(source.shape));
      source.phi!.fill_(0.7);
    });
    net.replaceModule(path, source.toPartial(Mask.fromTensor(rand(source.shape).lt(0.4))));
  }
}

describe.each(routers)('toStatic of %s', (_, router) => {
  it.each([
    ['dynamic', (net: nn.Sequential) => convertToDynamic(net, { router, ...bank })],
    ['partial', (net: nn.Sequential) => convertToPartial(net, { router, ...bank })],
  ])('%s: changes nothing where routers decide alike for every input', (_kind, convert) => {
    manualSeed(3);
    const net = convert(network());
    makePartial(net);
    makeConstant(net);
    const input = randn([5, 4, 8, 8]);
    const output = (): Tensor => noGrad(() => net.eval().forward(input));
    const before = output();
    toStatic(net, [() => net.forward(randn([2, 4, 8, 8]))]);
    expect(dynamicLayers(net)).toEqual([]);
    expectClose(output(), before, { atol: 1e-5 });
    const [was, is] = [network(), net].map((each) => convolution(each, '4'));
    expect(is!.geometry).toEqual(was!.geometry);
    expect(is!.training).toBe(false);
  });

  it('takes the means of all samples, whatever batches they come in', () => {
    manualSeed(4);
    const net = convertToDynamic(network(), { router, ...bank }).eval();
    const copy = convertToDynamic(network(), { router, ...bank }).eval();
    copy.loadStateDict(net.stateDict());
    const [first, second] = [randn([1, 4, 8, 8]), randn([3, 4, 8, 8])];
    toStatic(net, [() => net.forward(first), () => net.forward(second)]);
    toStatic(copy, [() => copy.forward(ops.cat([second, first]))]);
    for (const [name, value] of net.stateDict()) expectClose(value, copy.stateDict().get(name)!, { atol: 1e-6 });
  });
});

describe('toStatic', () => {
  it('is Σ ᾱ_k Θ_k of the mean coefficients', () => {
    const conv = new nn.Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1, bias: false });
    const router = new CondRouter({ inChannels: 1, numKernels: 2 });
    const net = convertToDynamic(new nn.Sequential(conv), { keepStatic: [], numKernels: 2, router: () => router });
    const [layer] = dynamicLayers(net);
    noGrad(() => {
      router.fc.weight.copy_(tensor([[1], [0]]));
      router.fc.bias!.copy_(tensor([0, 0]));
      layer!.source
        .stateDict()
        .get('bank')!
        .copy_(tensor([4, 10]).reshape([2, 1, 1, 1, 1]));
    });
    // α_1 = sigmoid(0) = ½ and sigmoid(ln 3) = ¾, α_2 = ½: 4 · 5/8 + 10 · ½.
    toStatic(net, [() => net.forward(tensor([0, Math.log(3)]).reshape([2, 1, 1, 1]))]);
    expectClose(convolution(net, '0').weight.reshape([1]), [7.5], { atol: 1e-6 });
  });

  it.each([
    ['1-D', nn.Conv1d, [9]],
    ['3-D', nn.Conv3d, [3, 4, 3]],
  ] as const)('makes %s convolutions static too', (_name, Conv, size) => {
    manualSeed(5);
    const conv = new Conv({ inChannels: 2, outChannels: 4, kernelSize: 3, groups: 2 });
    const net = convertToDynamic(new nn.Sequential(conv), { ...bank, keepStatic: [], router: routers[2]![1] });
    makeConstant(net);
    const input = randn([2, 2, ...size]);
    const before = noGrad(() => net.eval().forward(input));
    toStatic(net, [() => net.forward(input)]);
    expect(net.getModule('0')).toBeInstanceOf(Conv);
    expectClose(
      noGrad(() => net.forward(input)),
      before,
      { atol: 1e-5 },
    );
  });

  it('takes DCD, its branch too where filters see all channels', () => {
    manualSeed(6);
    const dense = (): nn.Sequential =>
      new nn.Sequential(
        new nn.Conv2d({ inChannels: 4, outChannels: 4, kernelSize: 3, padding: 1 }),
        new nn.Conv2d({ inChannels: 4, outChannels: 6, kernelSize: 3, padding: 1, stride: 2, bias: false }),
        new nn.BatchNorm2d({ numFeatures: 6 }),
        new nn.Conv2d({ inChannels: 6, outChannels: 4, kernelSize: 1 }),
      );
    const net = convertToDynamic(dense(), { ...bank, router: (geometry) => new DcdRouter({ geometry }) });
    for (let i = 0; i < 20; i++) net.forward(randn([16, 4, 8, 8])); // batch norms settle
    // A single picture decides alike for itself.
    const input = randn([1, 4, 8, 8]);
    const output = (): Tensor => noGrad(() => net.eval().forward(input));
    const before = output();
    toStatic(net, [() => net.forward(input)]);
    expectClose(output(), before, { atol: 1e-4, rtol: 1e-4 });
    // A bias of the branch is in the batch norm that follows; the layer that had one keeps it.
    expect([...net.stateDict().keys()]).toEqual([...dense().stateDict().keys()]);
  });

  it('refuses mixtures of experts, static networks and layers that no pass reaches, and changes nothing', () => {
    const block = new FeedForward({ hiddenSize: 4, intermediateSize: 4, activation: (input) => input });
    expect(() => toStatic(convertToMoE(block), [])).toThrow('intermediate is a mixture of experts');
    expect(() => toStatic(network(), [])).toThrow('the network has no dynamic layer');
    const net = convertToDynamic(network());
    expect(() => toStatic(net, [])).toThrow('1 did not run');
    expect(dynamicLayers(net)).toHaveLength(4);
  });
});

describe('toMeanCoefficients', () => {
  it('makes mixtures of experts linear, with the same output where every token is the same', () => {
    manualSeed(6);
    const stack = convertToMoE(pretrainedStack({ depth: 2 }), { numExperts: 4, k: 2, noise: 0.5 }).eval();
    noGrad(() => {
      for (const [, { router }] of mixtures(stack)) router.wGate.copy_(randn(router.wGate.shape));
    });
    const token = randn([1, 1, 6]).expand([2, 3, 6]);
    const output = (of: Tensor): Tensor => noGrad(() => stack.classify(of));
    const before = output(token);
    const [path, first] = mixtures(stack)[0]!;
    const { gates } = noGrad(() => first.router.forward(token.reshape([6, 6])));
    const bias = noGrad(() => ops.matmul(gates.select(0, 0), first.biasBank!));
    toMeanCoefficients(stack, [() => stack.classify(token)]);
    expect(mixtures(stack)).toEqual([]);
    expectClose(output(token), before, { atol: 1e-5 });
    const linear = stack.getModule(path);
    if (!(linear instanceof nn.Linear)) throw new Error(`${path} is not linear`);
    expectClose(linear.bias!, bias, { atol: 1e-6 });
  });

  it('refuses static networks and layers that no pass reaches, and changes nothing', () => {
    expect(() => toMeanCoefficients(network(), [])).toThrow('the network has no dynamic layer');
    const stack = convertToMoE(pretrainedStack({ depth: 1 }));
    expect(() => toMeanCoefficients(stack, [])).toThrow('layers.0.intermediate did not run, so it has no mean coeff');
    expect(mixtures(stack)).toHaveLength(2);
  });
});

function mixtures(net: nn.Module): [path: string, layer: MoELinear][] {
  return Array.from(net.namedModules()).flatMap(([path, layer]) => (layer instanceof MoELinear ? [[path, layer]] : []));
}
