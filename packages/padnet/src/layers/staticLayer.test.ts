import { manualSeed, nn, noGrad, ops, rand, randn, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { ExpertMixture } from '../compute/expertMixture.js';
import { convertToDynamic, convertToPartialMoE, type ConvertOptions } from '../convert/index.js';
import { CondRouter, DcdRouter, KernelAttention, OdAttention, StaticSource } from '../dynamic/index.js';
import { Mask, PartialSource } from '../partial/index.js';
import { DecomposedConv2d } from './decomposedConv2d.js';
import { DynamicConv } from './dynamicConv.js';
import type { DynamicConvolutionLayer } from './dynamicLayer.js';
import { pretrainedStack } from './feedForwardStack.test.fixture.js';
import { meanAttentions } from './meanAttention.js';
import { moduleAt } from './moduleAt.test.fixture.js';
import { MoELinear } from './moeLinear.js';
import {
  evenAttention,
  markPartitioned,
  partitionedShape,
  replaceByStatic,
  replaceConstantLayers,
  staticLayer,
} from './staticLayer.js';

beforeEach(() => {
  manualSeed(7);
});

const routers: Readonly<Record<string, NonNullable<ConvertOptions['router']>>> = {
  dyconv: ({ inChannels }, numKernels) => new KernelAttention({ inChannels, numKernels, temperature: 1 }),
  condconv: ({ inChannels }, numKernels) => new CondRouter({ inChannels, numKernels }),
  odconv: (geometry, numKernels) => new OdAttention({ geometry, numKernels, temperature: 1 }),
  dcd: (geometry) => new DcdRouter({ geometry }),
};

/** A dynamic layer made of `conv`, in float64 and evaluation, its batch norms settled. */
function dynamicLayer(conv: nn.Conv, name: string): DynamicConvolutionLayer {
  const network = convertToDynamic(new nn.Sequential(conv), {
    keepStatic: [],
    numKernels: 3,
    bankInitialisation: 'independent',
    router: routers[name]!,
  }).to('float64');
  for (let i = 0; i < 30; i++) network.forward(inputFor(conv, 8));
  return network.eval().getModule('0') as DynamicConvolutionLayer;
}

function inputFor({ geometry }: nn.Conv, batch: number): Tensor {
  return randn([batch, geometry.inChannels, ...geometry.kernelSize.map(() => 9)], { dtype: 'float64' });
}

const convolutions: Readonly<Record<string, () => nn.Conv>> = {
  dense: () => new nn.Conv2d({ inChannels: 4, outChannels: 6, kernelSize: 3, padding: 1, stride: 2 }),
  'without bias': () => new nn.Conv2d({ inChannels: 4, outChannels: 6, kernelSize: 3, padding: 2, bias: false }),
  'uneven kernel': () =>
    new nn.Conv2d({ inChannels: 4, outChannels: 6, kernelSize: [4, 5], padding: [1, 0], dilation: [1, 2] }),
  '1×1': () => new nn.Conv2d({ inChannels: 4, outChannels: 6, kernelSize: 1 }),
  grouped: () => new nn.Conv2d({ inChannels: 4, outChannels: 6, kernelSize: 3, groups: 2 }),
  'depth-wise': () => new nn.Conv2d({ inChannels: 4, outChannels: 4, kernelSize: 3, padding: 1, groups: 4 }),
  '1-D': () => new nn.Conv1d({ inChannels: 4, outChannels: 6, kernelSize: 3, stride: 2 }),
  '3-D': () => new nn.Conv3d({ inChannels: 4, outChannels: 6, kernelSize: 2 }),
};

describe.each(Object.keys(routers))('a %s layer as a static one', (name) => {
  it.each(Object.keys(convolutions).filter((kind) => name !== 'dcd' || !/grouped|depth|-D/.test(kind)))(
    '%s: is what it is for an input that decides as the mean does',
    (kind) => {
      const conv = convolutions[kind]!();
      const layer = dynamicLayer(conv, name);
      const network = new nn.Sequential(layer);
      const input = inputFor(conv, 1);
      const mean = meanAttentions(network, [layer], [() => network.forward(input)]).get(layer)!;
      const fixed = staticLayer(layer, mean);
      if (!(fixed instanceof nn.Conv)) throw new Error('no convolution');
      expect(fixed.geometry).toEqual(conv.geometry);
      expect(fixed.training).toBe(false);
      noGrad(() => {
        expectClose(fixed.forward(input), layer.forward(input), { atol: 1e-10, rtol: 1e-10 });
      });
    },
  );
});

it('has of the branch of a grouped convolution of DCD what its groups can have', () => {
  const conv = convolutions.grouped!();
  const layer = dynamicLayer(conv, 'dcd');
  if (!(layer instanceof DecomposedConv2d)) throw new Error('not of DCD');
  const input = inputFor(conv, 1);
  const network = new nn.Sequential(layer);
  const means = (): ReturnType<typeof evenAttention> =>
    meanAttentions(network, [layer], [() => network.forward(input)]).get(layer)!;
  const fixed = staticLayer(layer, means());
  // The branch alone, by the weights of a dense convolution that is 0 but for it.
  const branch = new DecomposedConv2d({
    geometry: nn.conv2dGeometry({ ...conv.geometry, groups: 1 } as nn.Conv2dOptions),
    router: layer.router,
    source: layer.source,
    weight: ops.zeros([6, 4, 3, 3], { dtype: 'float64' }),
  }).to('float64');
  noGrad(() => {
    branch.q.copy_(layer.q);
    branch.p.copy_(layer.p);
  });
  branch.bn1.loadStateDict(layer.bn1.stateDict());
  branch.bn2.loadStateDict(layer.bn2.stateDict());
  const dense = staticLayer(branch.eval(), means());
  const centre = (weight: Tensor, filter: number, channel: number): number =>
    weight.select(0, filter).select(0, channel).select(0, 1).select(0, 1).item();
  const scale = means().filter!;
  for (let filter = 0; filter < 6; filter++)
    for (let channel = 0; channel < 2; channel++) {
      const own = centre(layer.weight, filter, channel) * scale.select(0, filter).item();
      const group = filter < 3 ? 0 : 2;
      expect(centre(fixed.weight, filter, channel)).toBeCloseTo(
        own + centre(dense.weight, filter, group + channel),
        10,
      );
    }
});

describe('a static layer in the place of a dynamic one', () => {
  const input = (): Tensor => randn([5, 4, 6, 6], { dtype: 'float64' });

  function decomposed(bias: boolean): nn.Sequential {
    const conv = new nn.Conv2d({ inChannels: 4, outChannels: 6, kernelSize: 3, bias });
    const network = new nn.Sequential(conv, new nn.BatchNorm2d({ numFeatures: 6 })).to('float64');
    convertToDynamic(network, { keepStatic: [], router: routers.dcd! });
    network.to('float64');
    for (let i = 0; i < 30; i++) network.forward(input());
    return network.eval();
  }

  it.each([false, true])(
    'has a bias of its own where the layer had one (%s); the branch’s is in the batch norm',
    (bias) => {
      const network = decomposed(bias);
      const layer = moduleAt(network, '0', DecomposedConv2d);
      const one = input().narrow(0, 0, 1);
      const before = noGrad(() => network.forward(one));
      const mean = meanAttentions(network, [layer], [() => network.forward(one)]).get(layer)!;
      const made = staticLayer(layer, mean);
      const withBias = new nn.Sequential(made, new nn.BatchNorm2d({ numFeatures: 6 })).to('float64').train();
      const placed = replaceByStatic(network, '0', layer, made);
      expect(network.getModule('0')).toBe(placed);
      expect(placed.bias !== null).toBe(bias);
      expectClose(
        noGrad(() => network.forward(one)),
        before,
        { atol: 1e-9, rtol: 1e-9 },
      );
      // In training the batch norm takes a bias away whatever it is.
      const batch = input();
      expectClose(network.train().forward(batch), withBias.forward(batch), { atol: 1e-9, rtol: 1e-9 });
    },
  );

  it('keeps a bias that no batch norm takes', () => {
    const conv = new nn.Conv2d({ inChannels: 4, outChannels: 6, kernelSize: 3, bias: false });
    const network = convertToDynamic(new nn.Sequential(conv), { keepStatic: [], router: routers.dcd! });
    const layer = moduleAt(network, '0', DecomposedConv2d);
    expect(replaceByStatic(network, '0', layer, staticLayer(layer, evenAttention(layer))).bias).not.toBeNull();
  });

  it('is remembered as one that a partition was about', () => {
    const linear = new nn.Linear({ inFeatures: 2, outFeatures: 3 });
    expect(partitionedShape(linear)).toBeNull();
    markPartitioned(linear, [3, 2]);
    expect(partitionedShape(linear)).toEqual([3, 2]);
  });
});

describe('a mixture of experts without a dynamic entry', () => {
  it('is a linear layer with the mean bias', () => {
    const stack = convertToPartialMoE(pretrainedStack({ depth: 1, hiddenSize: 3, intermediateSize: 5 }));
    const layer = moduleAt(stack, 'layers.0.intermediate', MoELinear);
    const weight = randn([5, 3]);
    const mask = Mask.empty([5, 3]);
    const source = new PartialSource({ bank: randn([8, 5, 3]), staticWeight: weight, mask });
    layer.setChild('source', source);
    noGrad(() => {
      source.phi!.fill_(0.3);
      layer.biasBank!.copy_(randn([8, 5]));
    });
    const linear = staticLayer(layer, evenAttention(layer));
    const lambda = 2 - 2 / (1 + Math.exp(-0.3));
    expectClose(linear.weight, weight.mul(lambda), { atol: 1e-6 });
    expectClose(linear.bias!, layer.biasBank!.mean([0]), { atol: 1e-6 });
  });
});

describe('a mixture of experts', () => {
  it('is at its mean gates what all experts give by them, mask and scale factors included', () => {
    const stack = convertToPartialMoE(pretrainedStack({ depth: 1, hiddenSize: 3, intermediateSize: 5 }), {
      numExperts: 4,
      noise: 0.5,
    });
    const layer = moduleAt(stack, 'layers.0.intermediate', MoELinear);
    const mask = Mask.fromTensor(randn([5, 3]).gt(0));
    const source = new PartialSource({ bank: randn([4, 5, 3]), staticWeight: randn([5, 3]), mask });
    layer.setChild('source', source);
    noGrad(() => {
      source.phi!.fill_(0.3);
      layer.router.wGate.copy_(randn([3, 4]));
      layer.biasBank!.copy_(randn([4, 5]));
    });
    stack.to('float64').eval();
    const inputs = [2, 5].map((batch) => randn([batch, 4, 3], { dtype: 'float64' }));
    const means = meanAttentions(
      stack,
      [layer],
      inputs.map((each) => () => stack.classify(each)),
    );
    const gates = noGrad(() => layer.router.forward(ops.cat(inputs).reshape([28, 3])).gates.mean([0]));
    expectClose(means.get(layer)!.coefficients, gates, { atol: 1e-12 });
    const tokens = randn([6, 3], { dtype: 'float64' });
    const expected = noGrad(() => {
      // Each expert for every token, by its mean gate.
      const one = (expert: number): Tensor => {
        const choice = ops.full([6, 1], expert, { dtype: 'int64' });
        const gatesOf = ops
          .zeros([6, 4], { dtype: 'float64' })
          .scatter(1, choice, ops.ones([6, 1], { dtype: 'float64' }));
        const decided = { experts: choice, weights: ops.ones([6, 1], { dtype: 'float64' }), gates: gatesOf };
        const alone = new ExpertMixture(layer).mix(tokens, decided);
        return alone.mul(gates.select(0, expert));
      };
      return [0, 1, 2, 3].map(one).reduce((sum, each) => sum.add(each));
    });
    const linear = staticLayer(layer, means.get(layer)!);
    const output = noGrad(() => linear.forward(tokens));
    expectClose(output, expected, { atol: 1e-12 });
  });
});

describe('layers that compute the same for every input', () => {
  const network = (router: string, bias: boolean): nn.Sequential => {
    const conv = (inChannels: number): nn.Conv2d => new nn.Conv2d({ inChannels, outChannels: 4, kernelSize: 3, bias });
    return convertToDynamic(new nn.Sequential(conv(2), conv(4), conv(4)), { router: routers[router]! }).eval();
  };
  const empty = (net: nn.Module, path: string): void => {
    const layer = moduleAt(net, path, DynamicConv);
    const { shape } = layer.source;
    const source = new PartialSource({
      bank: rand([4, ...shape]),
      staticWeight: randn(shape),
      mask: Mask.empty(shape),
    });
    noGrad(() => source.phi!.fill_(-0.5));
    layer.setChild('source', source.eval());
  };

  it('become static ones with the same output, the others stay', () => {
    const net = network('dyconv', false);
    empty(net, '1');
    const input = randn([3, 2, 9, 9]);
    const before = noGrad(() => net.forward(input));
    replaceConstantLayers(net);
    expect(net.getModule('1')).toBeInstanceOf(nn.Conv2d);
    expect(net.getModule('2')).toBeInstanceOf(DynamicConv);
    expect(partitionedShape(net.getModule('1'))).toEqual([4, 4, 3, 3]);
    expectClose(
      noGrad(() => net.forward(input)),
      before,
      { atol: 1e-6 },
    );
  });

  it('do so with a static source, however it came there', () => {
    const net = network('condconv', false);
    moduleAt(net, '2', DynamicConv).setChild('source', new StaticSource(randn([4, 4, 3, 3])));
    replaceConstantLayers(net);
    expect(net.getModule('2')).toBeInstanceOf(nn.Conv2d);
  });

  it('are not those whose bias or attentions depend on the input', () => {
    for (const [router, bias] of [
      ['dyconv', true],
      ['odconv', false],
    ] as const) {
      const net = network(router, bias);
      empty(net, '1');
      replaceConstantLayers(net);
      expect(net.getModule('1')).toBeInstanceOf(DynamicConv);
    }
  });

  it('stay one layer where two paths reach it', () => {
    class Twice extends nn.Module {
      readonly first = network('dyconv', false);
      readonly second = this.first;
      readonly again = this.first.getModule('1');
    }
    const twice = new Twice();
    empty(twice, 'first.1');
    replaceConstantLayers(twice);
    expect(twice.again).toBeInstanceOf(nn.Conv2d);
    expect(twice.second.getModule('1')).toBe(twice.again);
    expect(twice.first.getModule('1')).toBe(twice.again);
  });
});
