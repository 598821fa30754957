import { liveTensors, manualSeed, nn, noGrad, ops, randn, scope, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { convertToPartial, convertToPartialMoE, type ConvertToPartialOptions } from '../convert/index.js';
import { CondRouter, DcdRouter, KernelAttention, OdAttention } from '../dynamic/index.js';
import { pretrainedStack, type FeedForwardStack } from '../layers/feedForwardStack.test.fixture.js';
import { moduleAt } from '../layers/moduleAt.test.fixture.js';
import { countMacs, countStored, DynamicConv, isDynamicLayer, MoELinear, Routing } from '../layers/index.js';
import { Mask, numEntries, PartialSource, SearchSource } from '../partial/index.js';
import { applyPartition, assertPartitionFits, needsMeans } from './applyPartition.js';
import { partialLayers, searchLayers } from './partition.js';

beforeEach(() => {
  manualSeed(11);
});

const routers: Readonly<Record<string, NonNullable<ConvertToPartialOptions['router']>>> = {
  dyconv: ({ inChannels }, numKernels) => new KernelAttention({ inChannels, numKernels, temperature: 1 }),
  condconv: ({ inChannels }, numKernels) => new CondRouter({ inChannels, numKernels }),
  odconv: (geometry, numKernels) => new OdAttention({ geometry, numKernels, temperature: 1 }),
  dcd: (geometry) => new DcdRouter({ geometry }),
};

/** Four convolutions, of which the last three are searched, each with a static weight and a φ of its own. */
function network(router: string, { bias = false } = {}): nn.Sequential {
  const conv = (inChannels: number): nn.Conv2d =>
    new nn.Conv2d({ inChannels, outChannels: 4, kernelSize: 3, padding: 1, bias });
  const norm = (): nn.BatchNorm2d => new nn.BatchNorm2d({ numFeatures: 4 });
  const net = new nn.Sequential(conv(2), norm(), conv(4), norm(), conv(4), norm(), conv(4), norm());
  convertToPartial(net, { router: routers[router]!, numKernels: 3, bankInitialisation: 'independent' });
  net.to('float64');
  for (let i = 0; i < 10; i++) net.forward(pictures());
  ownWeights(net);
  return net.eval();
}

function ownWeights(net: nn.Module): void {
  noGrad(() => {
    for (const { staticWeight, phi } of searchLayers(net).values()) {
      staticWeight.copy_(randn(staticWeight.shape, { dtype: 'float64' }));
      phi!.fill_(0.4);
    }
  });
}

const pictures = (batch = 6): Tensor => randn([batch, 2, 7, 7], { dtype: 'float64' });

/** Every third entry dynamic, but where `path` is to be empty. */
function masks(net: nn.Module, isEmpty: (path: string) => boolean): { masks: Map<string, Mask> } {
  const made = Array.from(searchLayers(net), ([path, { shape }]): [string, Mask] => {
    const third = ops.arange(numEntries(shape), {}).remainder(3).eq(0).reshape(shape);
    return [path, isEmpty(path) ? Mask.empty(shape) : Mask.fromTensor(third)];
  });
  return { masks: new Map(made) };
}

/** The result of `body` while the layers have the masks, before these are for good. */
function withMasks<T>(net: nn.Module, found: { masks: Map<string, Mask> }, body: () => T): T {
  for (const [path, source] of searchLayers(net)) source.mask = found.masks.get(path)!;
  return noGrad(body);
}

describe('a layer that a partition leaves no dynamic entry', () => {
  it.each(['dyconv', 'condconv'])('of %s is a static convolution with the output that it had', (router) => {
    const net = network(router);
    const found = masks(net, (path) => path === '4');
    const input = pictures();
    const before = withMasks(net, found, () => net.forward(input));
    const { router: routed } = moduleAt(net, '4', DynamicConv);
    const routerWeight = routed.parameters()[0]!;
    applyPartition(net, found);
    const layer = moduleAt(net, '4', nn.Conv2d);
    expect(layer).toBeInstanceOf(nn.Conv2d);
    expect(layer.bias).toBeNull();
    expect(layer.training).toBe(false);
    expect(layer.weight.dtype).toBe('float64');
    expect([...net.stateDict().keys()].filter((name) => name.startsWith('4.'))).toEqual(['4.weight']);
    expect(net.getModule('2.source')).toBeInstanceOf(PartialSource);
    expectClose(
      noGrad(() => net.forward(input)),
      before,
      { atol: 1e-12 },
    );
    expect(() => routerWeight.toArray()).toThrow(); // freed
  });

  it.each(['1-D', '3-D'])('over other dimensions (%s) too', (kind) => {
    const Conv = kind === '1-D' ? nn.Conv1d : nn.Conv3d;
    const conv = new Conv({ inChannels: 2, outChannels: 2, kernelSize: 2, bias: false });
    const net = convertToPartial(new nn.Sequential(conv), { keepStatic: [], numKernels: 2 }).eval();
    const found = masks(net, () => true);
    const input = randn(kind === '1-D' ? [2, 2, 5] : [2, 2, 4, 5, 3]);
    const before = withMasks(net, found, () => net.forward(input));
    applyPartition(net, found);
    expect(net.getModule('0')).toBeInstanceOf(Conv);
    expectClose(
      noGrad(() => net.forward(input)),
      before,
      { atol: 1e-5 },
    );
  });

  it('has the weight λ_s Θ_s, and the mean over equal coefficients as its bias', () => {
    const net = network('dyconv', { bias: true });
    const found = masks(net, (path) => path === '6');
    const layer = moduleAt(net, '6', DynamicConv);
    const [weight, bias] = noGrad(() => [
      moduleAt(net, '6.source', SearchSource).staticWeight.mul(2 - 2 / (1 + Math.exp(-0.4))),
      layer.biasBank!.copy_(randn(layer.biasBank!.shape)).mean([0]),
    ]);
    expect(needsMeans(net, found)).toBe(false);
    applyPartition(net, found);
    const fixed = moduleAt(net, '6', nn.Conv2d);
    expectClose(fixed.weight, weight, { atol: 1e-12 });
    expectClose(fixed.bias!, bias, { atol: 1e-12 });
  });

  it.each([
    ['odconv', false],
    ['dcd', false],
    ['condconv', true],
  ] as const)('of %s (bias %s) takes what its router decides on average over the passes', (router, bias) => {
    const net = network(router, { bias });
    const found = masks(net, (path) => path === '4');
    expect(needsMeans(net, found)).toBe(true);
    expect(
      needsMeans(
        net,
        masks(net, () => false),
      ),
    ).toBe(false);
    // A single picture decides as its own mean does.
    const input = pictures(1);
    const before = withMasks(net, found, () => net.forward(input));
    expect(() => {
      applyPartition(net, found);
    }).toThrow('4 becomes static with what its router decides on average; give passes that run it on data');
    expect(isDynamicLayer(net.getModule('4'))).toBe(true);
    expect(searchLayers(net).size).toBe(3);
    applyPartition(net, found, [() => net.forward(input)]);
    expect(net.getModule('4')).toBeInstanceOf(nn.Conv2d);
    // The branch of DCD has a bias, which the batch norm that follows takes.
    expect([...net.stateDict().keys()].filter((name) => name.startsWith('4.'))).toEqual(
      bias ? ['4.weight', '4.bias'] : ['4.weight'],
    );
    expectClose(
      noGrad(() => net.forward(input)),
      before,
      { atol: 1e-8 },
    );
  });

  it('has gradients where the others have them, and all of them move', () => {
    const net = network('dyconv').train();
    applyPartition(
      net,
      masks(net, (path) => path === '4'),
    );
    net.forward(pictures()).square().sum().backward();
    const still = Array.from(net.namedParameters()).filter(([, { grad }]) => grad === null);
    expect(still.map(([name]) => name)).toEqual([]);
  });

  it('is counted as what it is, and in κ', () => {
    const net = network('dyconv').to('float32');
    const found = masks(net, (path) => path !== '2');
    const plain = 4 * 4 * 9;
    const dynamic = plain / 3;
    applyPartition(net, found);
    const router = moduleAt(net, '2', DynamicConv)
      .router.parameters()
      .reduce((sum, { numel }) => sum + numel, 0);
    const rest = 4 * 2 * 9 + 4 * 2 * 4; // the first convolution and four batch norms
    expect(countStored(net)).toEqual({
      parameters: rest + 2 * plain + (3 * dynamic + (plain - dynamic) + 1 + router),
      maskBits: plain,
      entries: 3 * plain,
      dynamicEntries: dynamic,
    });
    const macs = new Map(countMacs(net, [1, 2, 7, 7]).map((cost) => [cost.path, cost.macs]));
    expect(macs.get('4')).toBe(49 * plain);
    expect(macs.get('2')).toBeGreaterThan(49 * plain + 3 * plain);
  });

  it('stays one layer where two paths reach it, by a shared parent or by another', () => {
    class Shared extends nn.Module {
      readonly first = network('dyconv');
      readonly second = this.first;
      readonly alone = this.first.getModule('4');
    }
    const shared = new Shared();
    applyPartition(
      shared,
      masks(shared, (path) => path === 'alone' || path.endsWith('.4')),
    );
    expect(shared.alone).toBeInstanceOf(nn.Conv2d);
    expect(shared.first.getModule('4')).toBe(shared.alone);
    expect(shared.second.getModule('4')).toBe(shared.alone);
  });

  it('is left with its mask where it cannot be replaced: the network itself, or a module of one’s own', () => {
    const layer = moduleAt(network('dyconv'), '2', DynamicConv);
    const shape = [4, 4, 3, 3];
    applyPartition(layer, { masks: new Map([['', Mask.empty(shape)]]) });
    expect(moduleAt(layer, 'source', PartialSource).mask.count).toBe(0);
    class Own extends nn.Module {
      readonly source = new SearchSource({ bank: randn([2, 3]), staticWeight: randn([3]) });
    }
    const own = new nn.Sequential(new Own() as never);
    applyPartition(own, { masks: new Map([['0', Mask.empty([3])]]) });
    expect(moduleAt(own, '0.source', PartialSource).mask.count).toBe(0);
  });

  it('leaves no tensor behind but its weight', () => {
    const count = (isEmpty: boolean): number => {
      const net = network('dyconv');
      const found = masks(net, (path) => isEmpty && path === '4');
      const before = liveTensors();
      applyPartition(net, found);
      return liveTensors() - before;
    };
    count(true);
    // Router (3 numbers and T), bank, static weight, φ and mask, less the weight.
    expect(count(true) - count(false)).toBe(1 - 8);
  });
});

describe('a mixture of experts that a partition leaves no dynamic entry', () => {
  const shape = { depth: 2, hiddenSize: 6, intermediateSize: 10 };

  function stack(): FeedForwardStack {
    const net = convertToPartialMoE(pretrainedStack(shape), { numExperts: 4, k: 2, noise: 0.5 }).to('float64');
    ownWeights(net);
    noGrad(() => {
      for (const [, module] of net.namedModules())
        if (module instanceof MoELinear) module.router.wGate.copy_(randn(module.router.wGate.shape));
    });
    return net.eval();
  }

  it('is a linear layer with the mean bias, that routes nothing and adds no auxiliary loss', () => {
    const net = stack();
    const found = masks(net, (path) => path.startsWith('layers.0'));
    const input = randn([3, 5, 6], { dtype: 'float64' });
    // The experts' biases are copies, so that their mean is each of them.
    const before = withMasks(net, found, () => net.forward(input));
    applyPartition(net, found);
    const [first, second] = net.layers.items;
    expect(first!.intermediate).toBeInstanceOf(nn.Linear);
    expect(first!.output).toBeInstanceOf(nn.Linear);
    expect(second!.intermediate).toBeInstanceOf(MoELinear);
    expectClose(
      noGrad(() => net.forward(input)),
      before,
      { atol: 1e-12 },
    );
    const routing = new Routing();
    noGrad(() => net.classify(input, routing));
    expect(routing.decisions).toHaveLength(2);
    expect([...net.stateDict().keys()].filter((name) => name.startsWith('layers.0'))).toEqual([
      'layers.0.intermediate.weight',
      'layers.0.intermediate.bias',
      'layers.0.output.weight',
      'layers.0.output.bias',
    ]);
  });

  it('leaves a network of κ = 0 wholly static, without a routing decision', () => {
    const net = stack();
    applyPartition(
      net,
      masks(net, () => true),
    );
    expect(Array.from(net.namedModules()).some(([, module]) => isDynamicLayer(module))).toBe(false);
    const routing = new Routing();
    noGrad(() => net.classify(randn([2, 5, 6], { dtype: 'float64' }), routing));
    expect(routing.auxiliaryLoss()).toBeNull();
    expect(countStored(net)).toMatchObject({ maskBits: 0, entries: 2 * 2 * 60, dynamicEntries: 0 });
  });
});

describe('a partition that was applied', () => {
  it('fits the same network again, and no other does', () => {
    const net = network('dyconv');
    const found = masks(net, (path) => path === '4');
    applyPartition(net, found);
    const [layer, source] = [net.getModule('4'), partialLayers(net).get('2')];
    applyPartition(net, found);
    expect(net.getModule('4')).toBe(layer);
    expect(partialLayers(net).get('2')).toBe(source);
    const changed = (path: string, mask: Mask | null): { masks: Map<string, Mask> } => {
      const all = new Map(found.masks);
      if (mask) all.set(path, mask);
      else all.delete(path);
      return { masks: all };
    };
    const fits = (path: string, mask: Mask | null) => (): void => {
      assertPartitionFits(net, changed(path, mask));
    };
    expect(fits('4', Mask.full([4, 4, 3, 3]))).toThrow('4 has another mask, and its bank no longer has');
    expect(fits('4', Mask.empty([4, 4, 1, 1]))).toThrow(
      'mask shape [4, 4, 1, 1] does not match bank entry [4, 4, 3, 3]',
    );
    expect(fits('4', null)).toThrow('the partition has no mask for 4');
    expect(fits('0', Mask.empty([4, 2, 3, 3]))).toThrow('the network has no partial layer 0');
    scope(fits('2', found.masks.get('2')!));
  });
});
