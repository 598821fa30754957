import { liveTensors, manualSeed, nn, noGrad, rand, randn, scope, tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { Bank } from '../dynamic/index.js';
import { FeedForwardStack, pretrainedStack } from '../layers/feedForwardStack.test.fixture.js';
import { FeedForward, MoELinear, Routing, routingLevels } from '../layers/index.js';
import { Mask, SearchSource } from '../partial/index.js';
import { convertToMoE, convertToPartialMoE, moePositions, type ConvertToPartialMoEOptions } from './convertMoE.js';

const kinds = (network: nn.Module): string[] =>
  Array.from(network.namedModules(), ([path, module]) =>
    module instanceof MoELinear ? `${path} ${module.source.kind}` : module instanceof nn.Linear ? `${path} static` : '',
  ).filter(Boolean);

const searchSources = (network: nn.Module): SearchSource[] =>
  Array.from(network.namedModules(), ([, module]) => module).filter((module) => module instanceof SearchSource);

const layerOf = (network: nn.Module, path: string): MoELinear => {
  const layer = network.getModule(path);
  if (!(layer instanceof MoELinear)) throw new Error(`${path} is no mixture`);
  return layer;
};

const searchOf = ({ source }: MoELinear): SearchSource => {
  if (!(source instanceof SearchSource)) throw new Error('not searched');
  return source;
};
const bankOf = ({ source }: MoELinear): Bank => {
  if (!(source instanceof Bank)) throw new Error('not dynamic');
  return source;
};

describe('conversion to mixtures of experts', () => {
  it('changes the linear layers of the chosen blocks at the chosen position, and no other layer', () => {
    expect(kinds(convertToMoE(pretrainedStack(), { position: 'intermediate', layers: [0, 2] }))).toEqual([
      'layers.0.intermediate dynamic',
      'layers.0.output static',
      'layers.1.intermediate static',
      'layers.1.output static',
      'layers.2.intermediate dynamic',
      'layers.2.output static',
      'classifier static',
    ]);
    const network = convertToMoE(pretrainedStack(), { position: 'output' });
    expect(kinds(convertToPartialMoE(network, { layers: [1] }))).toEqual([
      'layers.0.intermediate static',
      'layers.0.output dynamic',
      'layers.1.intermediate searched',
      'layers.1.output searched',
      'layers.2.intermediate static',
      'layers.2.output dynamic',
      'classifier static',
    ]);
    const partial = convertToPartialMoE(pretrainedStack());
    const before = searchSources(partial);
    expect(searchSources(convertToPartialMoE(convertToMoE(partial)))).toEqual(before);
  });

  it.each(moePositions.flatMap((position) => routingLevels.map((routing) => [position, routing] as const)))(
    'with a router that has not been trained leaves the output as it was: %s, by %s',
    (position, routing) => {
      const input = randn([2, 4, 6]);
      const tokenMask = tensor([
        [1, 1, 1, 1],
        [1, 1, 0, 0],
      ]).to('bool');
      const expected = noGrad(() => pretrainedStack().forward(input));
      const options: ConvertToPartialMoEOptions = { position, routing, numTasks: 3, numExperts: 4, k: 3 };
      for (const network of [
        convertToMoE(pretrainedStack(), options),
        convertToPartialMoE(pretrainedStack(), options),
        convertToPartialMoE(convertToMoE(pretrainedStack(), options)),
      ]) {
        expect(network.training).toBe(false);
        expectClose(
          noGrad(() => network.forward(input)),
          expected,
          { atol: 1e-5 },
        );
        const padded = noGrad(() => network.forward(input, new Routing({ tokenMask, task: 1 })));
        expectClose(padded.mul(tokenMask.unsqueeze(2)), expected.mul(tokenMask.unsqueeze(2)), { atol: 1e-5 });
      }
    },
  );

  it('copies weights and biases, shares the memory of the static weight, and adds noise where asked', () => {
    const network = pretrainedStack();
    const linear = network.layers.items[0]!.intermediate as nn.Linear;
    convertToPartialMoE(network, { numExperts: 5, noise: 0.1, auxiliaryWeight: 0.5, scaleMode: 'static' });
    const layer = layerOf(network, 'layers.0.intermediate');
    const source = searchOf(layer);
    expect(source.bank.shape).toEqual([5, 10, 6]);
    expect(layer.biasBank!.toArray()).toEqual(Array.from({ length: 5 }, () => linear.bias!.toArray()).flat());
    noGrad(() => linear.weight.zero_());
    expect(source.staticWeight.abs().sum().item()).toBe(0);
    expect(source.scaleMode).toBe('static');
    expect(layer.router.auxiliaryWeight).toBe(0.5);
    const clean = bankOf(layerOf(convertToMoE(pretrainedStack(), { numExperts: 5 }), 'layers.0.intermediate'));
    const noise = source.bank.sub(clean.bank);
    const spread = clean.bank.square().mean().sqrt().item();
    expect(noise.square().mean().sqrt().item() / spread).toBeGreaterThan(0.08);
    expect(noise.square().mean().sqrt().item() / spread).toBeLessThan(0.12);
  });

  it('routers start at zero, or with numbers of their own by which tokens differ', () => {
    manualSeed(1);
    const blocks = () => new FeedForward({ hiddenSize: 64, intermediateSize: 32, activation: (x) => x.relu() });
    const fresh = convertToMoE(blocks(), { numExperts: 4, k: 1 });
    const started = convertToMoE(blocks(), { numExperts: 4, k: 1, routerStart: 'normal' });
    const gate = ({ intermediate }: FeedForward) => (intermediate as MoELinear).router.wGate;
    expect(gate(fresh).abs().max().item()).toBe(0);
    expect(gate(started).square().mean().sqrt().item()).toBeCloseTo(0.02, 2);
    const { experts } = (started.eval().intermediate as MoELinear).router.forward(randn([50, 64]));
    expect(new Set(experts.toArray().flat()).size).toBe(4);
  });

  it('makes a trained mixture partial with the mean of its experts, and keeps all else of it', () => {
    const network = convertToMoE(pretrainedStack(), { numExperts: 3, k: 2, noise: 0.5, routing: 'task', numTasks: 2 });
    const layer = layerOf(network, 'layers.1.output');
    const { router, biasBank, taskEmbedding } = layer;
    const { bank } = bankOf(layer);
    noGrad(() => router.wGate.copy_(randn(router.wGate.shape)));
    const input = randn([2, 3, 6]);
    const expected = noGrad(() => network.forward(input));
    convertToPartialMoE(network);
    expect(layerOf(network, 'layers.1.output')).toBe(layer);
    expect(layer).toMatchObject({ router, biasBank, taskEmbedding });
    const partial = searchOf(layer);
    expectClose(partial.staticWeight, bank.mean([0]), { atol: 1e-6 });
    expectClose(
      noGrad(() => network.forward(input)),
      expected,
      { atol: 1e-5 },
    ); // κ = 1: the mixture itself
    noGrad(() => bank.zero_());
    expect(partial.bank.abs().sum().item()).toBe(0);
  });

  it('is the dense layer at κ = 0, with a trained router and experts far apart', () => {
    const input = randn([3, 2, 6]);
    const expected = noGrad(() => pretrainedStack().forward(input));
    const network = convertToPartialMoE(pretrainedStack(), { noise: 2 });
    for (const [, module] of network.namedModules()) {
      if (module instanceof MoELinear) noGrad(() => module.router.wGate.copy_(randn(module.router.wGate.shape)));
    }
    for (const source of searchSources(network)) source.mask = Mask.empty(source.shape);
    expectClose(
      noGrad(() => network.forward(input)),
      expected,
      { atol: 1e-5 },
    );
  });

  it('takes the mean so that a mask changes nothing where experts are equal, and little where they nearly are', () => {
    const change = (noise: number): number => {
      const network = convertToPartialMoE(pretrainedStack(), { noise }).to('float64');
      for (const source of searchSources(network)) noGrad(() => source.phi!.fill_(0.7));
      const input = randn([4, 5, 6], { dtype: 'float64' });
      const before = noGrad(() => network.forward(input));
      for (const source of searchSources(network)) {
        source.meanIntoStatic();
        source.mask = Mask.fromTensor(rand(source.shape).lt(0.5));
      }
      const after = noGrad(() => network.forward(input));
      return after.sub(before).abs().max().item();
    };
    expect(change(0)).toBeLessThan(1e-12);
    expect(change(1e-3)).toBeGreaterThan(1e-6);
    expect(change(1e-3)).toBeLessThan(1e-2);
  });

  it('has the dtype and the mode of the layers it replaces, and can be moved after that', () => {
    const network = convertToPartialMoE(new FeedForwardStack({ depth: 1 }).to('float64'), { routing: 'task' });
    expect(new Set(network.parameters().map(({ dtype }) => dtype))).toEqual(new Set(['float64']));
    expect(layerOf(network, 'layers.0.output').training).toBe(true);
    expect(layerOf(network.to('float32').eval(), 'layers.0.output').router.training).toBe(false);
    expect(noGrad(() => network.forward(randn([1, 2, 6]))).dtype).toBe('float32');
  });

  it('keeps what it made and nothing else', () => {
    const made = scope(() => convertToPartialMoE(pretrainedStack(), { noise: 0.1 }));
    expect(made.layers.items[0]!.output).toBeInstanceOf(MoELinear);
    const network = convertToMoE(pretrainedStack());
    const tensors = network.stateDict().size;
    const before = liveTensors();
    convertToPartialMoE(network);
    expect(liveTensors() - before).toBe(network.stateDict().size - tensors + 6); // six banks have a second owner
  });

  it('converts a block that is reached by two paths once', () => {
    class Shared extends nn.Module {
      readonly first = new FeedForwardStack({ depth: 1 }).layers.items[0]!;
      readonly second = this.first;
    }
    const network = convertToMoE(new Shared());
    expect(network.second).toBe(network.first);
    expect(kinds(network).every((kind) => kind.endsWith('dynamic'))).toBe(true);
    expect(() => convertToMoE(new Shared(), { layers: [1] })).toThrow('the network has 1 feed-forward block (0)');
  });

  it.each([
    [{ layers: [0, 3] }, 'layers: there is no block 3; the network has 3 feed-forward blocks (0 to 2)'],
    [{ layers: [-1] }, 'layers: there is no block -1; the network has 3 feed-forward blocks (0 to 2)'],
    [{ layers: [] }, 'layers: name at least one feed-forward block to convert'],
    [{ k: 9 }, 'k must be a whole number from 1 to the 8 experts, got 9'],
    [{ numExperts: 0 }, 'the number of experts must be a whole number of at least 1, got 0'],
  ])('refuses %o and changes nothing', (options, message) => {
    const network = convertToMoE(pretrainedStack(), { layers: [0] });
    const before = kinds(network);
    expect(() => convertToPartialMoE(network, options)).toThrow(RangeError);
    expect(() => convertToPartialMoE(network, options)).toThrow(message);
    expect(kinds(network)).toEqual(before);
  });

  it('refuses a network without feed-forward blocks', () => {
    const network = new nn.Sequential(new nn.Linear({ inFeatures: 2, outFeatures: 2 }));
    expect(() => convertToMoE(network)).toThrow('the network has no feed-forward block to convert');
  });
});
