import { backward, manualSeed, nn, noGrad, ops, optim, rand, randn, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { Bank, CondRouter, DcdRouter, OdAttention } from '../dynamic/index.js';
import { DecomposedConv2d, DynamicConv2d, isDynamicConvolution } from '../layers/index.js';
import { Mask, numEntries, SearchSource } from '../partial/index.js';
import { iterativeModePartition } from '../partition/index.js';
import { convertToDynamic, convertToPartial, type ConvertOptions } from './convert.js';
import { toStatic } from './toStatic.js';

function network(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d({ inChannels: 3, outChannels: 8, kernelSize: 3 }),
    new nn.ReLU(),
    new nn.Sequential(
      new nn.Conv2d({ inChannels: 8, outChannels: 8, kernelSize: 3, padding: 1, groups: 8 }),
      new nn.ReLU(),
    ),
    new nn.Conv2d({ inChannels: 8, outChannels: 4, kernelSize: 1, stride: 2, bias: false }),
  );
}

const kinds = (net: nn.Module): string[] =>
  Array.from(net.namedModules(), ([path, module]) =>
    isDynamicConvolution(module)
      ? `${path} ${module.source.kind}`
      : module instanceof nn.Conv2d
        ? `${path} static`
        : '',
  ).filter(Boolean);

describe('an optimizer made before', () => {
  it.each([
    ['convertToDynamic', (net: nn.Sequential) => convertToDynamic(net)],
    ['convertToPartial', (net: nn.Sequential) => convertToPartial(net)],
    ['convertToPartial, of a dynamic network', (net: nn.Sequential) => convertToPartial(net)],
    ['toStatic', (net: nn.Sequential) => toStatic(net, [() => net.forward(randn([1, 3, 8, 8]))])],
  ] as const)('%s steps no parameters that are replaced: it is refused', (name, convert) => {
    const net = network();
    if (name.includes('of a dynamic') || name === 'toStatic') convertToDynamic(net);
    const optimizer = new optim.SGD(net.parameters(), { learningRate: 0.1 });
    convert(net);
    net
      .forward(randn([2, 3, 8, 8]))
      .sum()
      .backward();
    const message = /are not parameters of the Sequential any more: .*; make a new one/;
    expect(() => {
      optimizer.step();
    }).toThrow(message);
    expect(() => {
      optimizer.zeroGrad();
    }).toThrow(message);
    new optim.SGD(net.parameters(), { learningRate: 0.1 }).step();
  });
});

describe('conversion', () => {
  it('makes every convolution but the first dynamic or partial', () => {
    expect(kinds(convertToDynamic(network()))).toEqual(['0 static', '2.0 dynamic', '3 dynamic']);
    expect(kinds(convertToPartial(network()))).toEqual(['0 static', '2.0 searched', '3 searched']);
    expect(kinds(convertToPartial(convertToDynamic(network())))).toEqual(['0 static', '2.0 searched', '3 searched']);
    expect(kinds(convertToPartial(network(), { keepStatic: ['2.0'] }))).toEqual([
      '0 searched',
      '2.0 static',
      '3 searched',
    ]);
  });

  it('leaves the output as it was: static to dynamic to partial, any K, any temperature', () => {
    manualSeed(2);
    const net = network();
    const input = randn([3, 3, 9, 9]);
    const expected = noGrad(() => net.forward(input));
    for (const numKernels of [1, 2, 4]) {
      const copy = network();
      copy.loadStateDict(net.stateDict());
      expectClose(
        noGrad(() => convertToDynamic(copy, { numKernels }).forward(input)),
        expected,
        { atol: 1e-5 },
      );
      expectClose(
        noGrad(() => convertToPartial(copy).forward(input)),
        expected,
        { atol: 1e-5 },
      );
      for (const [, module] of copy.namedModules()) {
        if (module instanceof SearchSource) expectClose(module.staticWeight, module.bank.mean([0]), { atol: 1e-6 });
      }
    }
  });

  it.each([
    ['CondConv', ({ inChannels }: nn.ConvGeometry, numKernels: number) => new CondRouter({ inChannels, numKernels })],
    ['ODConv', (geometry: nn.ConvGeometry, numKernels: number) => new OdAttention({ geometry, numKernels })],
  ])('leaves the output as it was with %s, before and after a mask, and its kernels do not stay equal', (_, router) => {
    manualSeed(2);
    const net = network();
    const input = randn([3, 3, 9, 9]);
    const expected = noGrad(() => net.forward(input));
    for (const convert of [convertToDynamic, convertToPartial]) {
      const copy = network();
      copy.loadStateDict(net.stateDict());
      convert(copy, { router });
      expectClose(
        noGrad(() => copy.forward(input)),
        expected,
        { atol: 1e-5 },
      );
      for (const [, module] of copy.namedModules())
        if (module instanceof SearchSource) module.mask = Mask.fromTensor(rand(module.shape).lt(0.5));
      expectClose(
        noGrad(() => copy.forward(input)),
        expected,
        { atol: 1e-5 },
      );
    }
    const layer = convertToDynamic(network(), { router }).getModule('3');
    if (!(layer instanceof DynamicConv2d && layer.source instanceof Bank)) throw new Error('not converted');
    backward(
      layer
        .forward(randn([3, 8, 7, 7]))
        .square()
        .mean(),
    );
    const { grad } = layer.source.bank;
    expect(
      grad!
        .sub(grad!.mean([0]))
        .abs()
        .max()
        .item(),
    ).toBeGreaterThan(1e-4);
  });

  it('leaves the output as it was with DCD, before and after a mask, and all of it learns from there', () => {
    manualSeed(2);
    const router = (geometry: nn.ConvGeometry): DcdRouter => new DcdRouter({ geometry });
    const net = network();
    const input = randn([3, 3, 9, 9]);
    const output = (of: nn.Sequential): Tensor => noGrad(() => of.forward(input));
    const copy = (options: ConvertOptions = {}, convert = convertToDynamic): nn.Sequential => {
      const made = network();
      made.loadStateDict(net.stateDict());
      return convert(made, { router, ...options });
    };
    const partial = convertToPartial(copy());
    expect(kinds(partial)).toEqual(['0 static', '2.0 searched', '3 searched']);
    for (const same of [copy(), partial, copy({}, convertToPartial)]) {
      for (const training of [false, true]) expectClose(output(same.train(training)), output(net), { atol: 1e-6 });
      for (const [, module] of same.namedModules())
        if (module instanceof SearchSource) module.mask = Mask.fromTensor(rand(module.shape).lt(0.5));
      expectClose(output(same), output(net), { atol: 1e-6 });
    }
    const fresh = copy({ bankInitialisation: 'independent', bankSpread: 'perKernel' });
    const noisy = copy({ noise: 0.1 });
    const moved = (of: nn.Sequential): number => output(of).sub(output(net)).abs().max().item();
    expect(moved(noisy)).toBeGreaterThan(1e-3);
    expect(moved(fresh)).toBeGreaterThan(3 * moved(noisy));

    const learning = copy();
    const layer = learning.getModule('2.0');
    if (!(layer instanceof DecomposedConv2d && layer.source instanceof Bank)) throw new Error('not converted');
    const optimizer = new optim.SGD([{ parameters: [...learning.namedParameters()] }], { learningRate: 0.1 });
    const { p, q, router: branch, source } = layer;
    const moves = (): boolean[] =>
      [p, branch.scale.weight, q, source.bank, branch.fc.weight].map(({ grad }) => grad!.abs().max().item() > 1e-7);
    for (const all of [false, true]) {
      optimizer.zeroGrad();
      backward(learning.forward(input).square().mean());
      expect(moves()).toEqual([true, true, all, all, all]);
      optimizer.step();
    }
  });

  it.each([
    ['1-D', nn.Conv1d, [9]],
    ['3-D', nn.Conv3d, [3, 4, 3]],
  ] as const)('makes %s convolutions dynamic and partial by the same rules', async (name, Conv, size) => {
    manualSeed(2);
    const shaped = (): nn.Sequential =>
      new nn.Sequential(
        new Conv({ inChannels: 2, outChannels: 4, kernelSize: 3, padding: 1 }),
        new nn.ReLU(),
        new Conv({ inChannels: 4, outChannels: 6, kernelSize: 2, stride: 2, groups: 2 }),
      );
    const net = shaped();
    const input = randn([3, 2, ...size]);
    const expected = noGrad(() => net.forward(input));
    const routers = [
      undefined,
      ({ inChannels }: nn.ConvGeometry, numKernels: number) => new CondRouter({ inChannels, numKernels }),
      (geometry: nn.ConvGeometry, numKernels: number) => new OdAttention({ geometry, numKernels }),
    ];
    for (const router of routers) {
      const copy = shaped();
      copy.loadStateDict(net.stateDict());
      convertToPartial(copy, { numKernels: 3, ...(router && { router }) });
      expect(copy.getModule('2').constructor.name).toBe(name === '1-D' ? 'DynamicConv1d' : 'DynamicConv3d');
      expectClose(noGrad(() => copy.eval().forward(input)), expected, { atol: 1e-5 }); // prettier-ignore
      for (const granularity of ['kernel', 'filter'] as const) {
        const batchLosses = [(): Tensor => copy.forward(input).square().mean()];
        const partition = await iterativeModePartition(copy, { ratio: 0.5, rounds: 1, granularity, batchLosses });
        const unit = numEntries([...(granularity === 'filter' ? [2] : []), ...size.map(() => 2)]);
        const runs = partition.masks.get('2')!.toTensor().reshape([-1, unit]);
        expect(ops.equal(runs.any(1), runs.all(1))).toBe(true);
        // Units of equal scores become static together.
        expect(partition.masks.get('2')!.dynamicRatio).toBeGreaterThan(0.2);
      }
    }
    const mixed = new nn.Sequential(
      shaped(),
      ...[6, 4].map((channels) => new nn.Conv2d({ inChannels: channels, outChannels: 4, kernelSize: 3 })),
      new Conv({ inChannels: 4, outChannels: 4, kernelSize: 3 }),
    );
    const dcd = (geometry: nn.ConvGeometry): DcdRouter => new DcdRouter({ geometry });
    expect(() => convertToDynamic(mixed, { router: dcd, keepStatic: ['0.0', '0.2'] })).toThrow(
      `DCD is for two dimensions; '3' is a ${Conv.name}: name it in keepStatic`,
    );
    expect(mixed.getModule('1')).toBeInstanceOf(nn.Conv2d);
    const before = convertToDynamic(mixed, { keepStatic: ['0.0', '0.2', '3'] }).getModule('1');
    if (!(before instanceof DynamicConv2d)) throw new Error('not converted');
    expect(() => convertToPartial(mixed, { router: dcd, keepStatic: ['0.0', '0.2'] })).toThrow("'3' is a");
    expect(before.source).toBeInstanceOf(Bank);
  });

  it('starts a bank from copies, noisy copies, or independent kernels', () => {
    manualSeed(2);
    const spread = (options: Parameters<typeof convertToDynamic>[1]): { between: number; size: number } => {
      const net = convertToDynamic(
        new nn.Sequential(network(), new nn.Conv2d({ inChannels: 4, outChannels: 512, kernelSize: 3 })),
        options,
      );
      const layer = net.getModule('1');
      if (!(layer instanceof DynamicConv2d && layer.source instanceof Bank)) throw new Error('not converted');
      const { bank } = layer.source;
      const between = bank
        .sub(bank.mean([0]))
        .square()
        .mean()
        .sqrt()
        .item();
      return { between, size: bank.square().mean().sqrt().item() };
    };
    const static_ = 1 / Math.sqrt(3 * 36); // uniform within ±1/√fan-in
    expect(spread({}).between).toBeLessThan(1e-8);
    expect(spread({ noise: 0.1 }).between / static_).toBeCloseTo(0.1 * Math.sqrt(3 / 4), 2);
    for (const [bankSpread, size] of [
      ['perKernel', 1],
      ['effective', 2], // so that the mean of four has the spread of one
    ] as const) {
      const independent = spread({ bankInitialisation: 'independent', bankSpread });
      expect(independent.size / static_ / size).toBeCloseTo(1, 1);
      expect(independent.between / static_ / size).toBeCloseTo(Math.sqrt(3 / 4), 1);
    }
  });

  it.each([
    [{ numKernels: 0 }, 'numKernels must be a whole number of at least 1, got 0'],
    [{ keepStatic: ['nowhere'] }, "keepStatic: the network has no convolution 'nowhere'"],
    [{ keepStatic: ['0', '2.0', '3'] }, 'the network has no convolution to convert besides those that stay static'],
  ])('refuses %o', (options, message) => {
    expect(() => convertToDynamic(network(), options)).toThrow(message);
  });
});
