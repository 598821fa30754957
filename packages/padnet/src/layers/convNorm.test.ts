import {
  autocast,
  backward,
  liveTensors,
  manualSeed,
  nn,
  noGrad,
  ops,
  rand,
  randn,
  scope,
  type Tensor,
} from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { convertToDynamic } from '../convert/index.js';
import {
  createModel,
  dynamicConvolutions,
  layerKinds,
  modelSchema,
  type DynamicConvolution,
  type LayerKind,
  type ModelOptions,
} from '../models/index.js';
import { Mask } from '../partial/index.js';
import { applyPartition, partialLayers } from '../partition/index.js';
import { DynamicConv } from './dynamicConv.js';
import { convNorm, ConvSequential, fuseBatchNorms } from './convNorm.js';

beforeEach(() => {
  manualSeed(4);
});

/** With statistics of data, and γ and β as training leaves them: no two alike. */
function networkOf(options: Partial<ModelOptions> & Pick<ModelOptions, 'name'>): nn.Layer {
  const network = createModel(modelSchema.parse({ stem: 'small', ...options }), { inChannels: 3, numClasses: 5 });
  applyPartition(network, {
    masks: new Map(
      Array.from(partialLayers(network), ([path, { shape }]) => [path, Mask.fromTensor(rand(shape).lt(0.4))]),
    ),
  });
  scope(() => {
    noGrad(() => {
      for (const [, module] of network.namedModules()) {
        if (!(module instanceof nn.BatchNorm)) continue;
        Object.assign(module, { momentum: 1 });
        module.weight!.uniform_({ from: 0.5, to: 1.5 });
        module.bias!.normal_({ std: 0.3 });
      }
      network.train().forward(randn([8, 3, 20, 20]));
    });
  });
  return network.eval();
}

const networks = [
  { name: 'resnet10', width: 8 },
  { name: 'resnet18', width: 8 },
  { name: 'resnet50', width: 8 },
  { name: 'mobilenetV2', width: 0.25 },
] as const;

/**
 * DCD's branch is quadratic in the activations: a deep network that was never trained gives numbers without a digit
 * that holds.
 */
function convolutionsOf(name: string, layer: LayerKind): readonly DynamicConvolution[] {
  if (layer === 'static') return ['dyconv'];
  return dynamicConvolutions.filter((convolution) => convolution !== 'dcd' || name === 'resnet10');
}

describe('convNorm', () => {
  it.each(
    networks.flatMap((network) =>
      layerKinds.flatMap((layer) =>
        convolutionsOf(network.name, layer).map(
          (convolution) => [network.name, layer, convolution, { ...network, layer, convolution }] as const,
        ),
      ),
    ),
  )('%s, %s, %s: the same output, and the same state to be saved', (_name, _layer, _convolution, options) => {
    // Fifty layers of float32 amplify what is rounded in another order, and coefficients follow.
    const tolerances = [['float64', 1e-10], ['float32', 5e-5]] as const; // prettier-ignore
    for (const [dtype, atol] of tolerances) {
      const network = networkOf(options).to(dtype);
      const input = randn([2, 3, 20, 20], { dtype });
      const run = (): Tensor => noGrad(() => network.forward(input));
      const expected = run();
      const state = new Map(network.stateDict());
      const restore = fuseBatchNorms(network);
      expectClose(run(), expected, { atol, rtol: atol });
      expect([...network.stateDict()]).toEqual([...state]);
      restore();
      expect(ops.equal(run(), expected)).toBe(true);
    }
  });

  it('computes dynamic and partial convolutions and what follows in one pass, but for those that cannot', () => {
    const fuses = (options: Partial<ModelOptions> & Pick<ModelOptions, 'name'>): Map<string, boolean> => {
      const network = networkOf(options);
      fuseBatchNorms(network);
      const found = new Map<string, boolean>();
      let last = '';
      const observe = (path: string, module: nn.Module, input: Tensor, output: Tensor): void => {
        if (module instanceof nn.BatchNorm && found.has(last)) found.set(last, input === output);
        last = path;
        if (module instanceof DynamicConv) found.set(path, false);
      };
      noGrad(() => nn.watchForward(network, observe, () => network.forward(randn([2, 3, 20, 20]))));
      return found;
    };
    for (const layer of ['dynamic', 'partial'] as const) {
      const found = fuses({ name: 'resnet10', width: 8, layer });
      expect([found.size, [...found.values()].filter((isFused) => isFused).length]).toEqual([11, 11]);
      expect([...fuses({ name: 'resnet10', width: 8, layer, convolution: 'odconv' }).values()]).not.toContain(true);
    }
    const depthwise = [...fuses({ name: 'mobilenetV2', width: 0.25, layer: 'dynamic' })].filter(
      ([, isFused]) => !isFused,
    );
    expect(depthwise.length).toBe(17);
  });

  it('fuses over one and three dimensions, a bias and batch norms without γ', () => {
    for (const [Conv, Norm, size] of [
      [nn.Conv1d, nn.BatchNorm1d, [9]],
      [nn.Conv3d, nn.BatchNorm3d, [3, 4, 5]],
    ] as const) {
      const network = new ConvSequential(
        new Conv({ inChannels: 2, outChannels: 4, kernelSize: 3, padding: 1 }),
        new Norm({ numFeatures: 4, affine: false, activation: 'relu6' }),
      ).to('float64');
      network.forward(randn([4, 2, ...size], { dtype: 'float64' })); // statistics
      const input = randn([2, 2, ...size], { dtype: 'float64' });
      network.eval();
      const expected = noGrad(() => network.forward(input));
      fuseBatchNorms(network);
      expectClose(noGrad(() => network.forward(input)), expected, { atol: 1e-12 }); // prettier-ignore
    }
  });

  it('fuses a dynamic convolution over one dimension, with a residual and for a batch', () => {
    const norm = new nn.BatchNorm1d({ numFeatures: 6, activation: 'relu' });
    const network = new ConvSequential(
      new nn.Conv1d({ inChannels: 2, outChannels: 4, kernelSize: 1 }),
      new nn.Conv1d({ inChannels: 4, outChannels: 6, kernelSize: 3, stride: 2, padding: 1, bias: false }),
      norm,
    );
    convertToDynamic(network, { numKernels: 3, noise: 1 }).to('float64');
    network.forward(randn([4, 2, 9], { dtype: 'float64' })); // statistics
    const conv = network.eval().getModule('1');
    if (!(conv instanceof DynamicConv)) throw new Error('not converted');
    const [input, residual] = [randn([5, 4, 9], { dtype: 'float64' }), randn([5, 6, 5], { dtype: 'float64' })];
    const run = (): Tensor => noGrad(() => convNorm(conv, norm, input, () => residual));
    const expected = run();
    fuseBatchNorms(network);
    expectClose(run(), expected, { atol: 1e-12 });
    let seen: Tensor | null = null;
    const restore = nn.observeForward(norm, ([given], output) => (seen = given === output ? (output as Tensor) : null));
    expect(run()).toBe(seen);
    restore();
  });

  it('leaves it to the convolution to say what is wrong with an input, and computes in float32 under autocast', () => {
    const network = networkOf({ name: 'resnet10', width: 8, layer: 'dynamic' });
    const input = randn([2, 3, 20, 20]);
    const run = (): Tensor => noGrad(() => autocast('bfloat16', () => network.forward(input)));
    const expected = run();
    fuseBatchNorms(network);
    expectClose(run(), expected, { atol: 0.1, rtol: 0.1 });

    const norm = new nn.BatchNorm1d({ numFeatures: 6 });
    const line = new ConvSequential(
      new nn.Conv1d({ inChannels: 2, outChannels: 4, kernelSize: 1 }),
      new nn.Conv1d({ inChannels: 4, outChannels: 6, kernelSize: 3 }),
      norm,
    );
    fuseBatchNorms(convertToDynamic(line).eval());
    const refusal = (shape: number[]) => () =>
      noGrad(() => convNorm(line.getModule('1') as nn.Layer, norm, randn(shape)));
    expect(refusal([2, 4, 5, 6])).toThrow('DynamicConv1d expects [batch, channels, length]');
    expect(refusal([2, 4, 2])).toThrow('does not fit');
  });

  it('is undone in training and with gradients, and follows weights that change', () => {
    const [network, plain] = [networkOf(networks[0]), networkOf(networks[0])];
    plain.loadStateDict(network.stateDict());
    fuseBatchNorms(network);
    const input = randn([4, 3, 16, 16]);
    const evaluated = (): void => {
      // prettier-ignore
      expectClose(noGrad(() => network.forward(input)), noGrad(() => plain.forward(input)), { atol: 1e-5, rtol: 1e-5 });
    };
    evaluated();
    for (const training of [true, false]) {
      for (const net of [network, plain]) {
        net.train(training).zeroGrad();
        backward(net.forward(input).square().sum());
      }
      for (const [index, { grad }] of network.parameters().entries())
        expect(ops.equal(grad!, plain.parameters()[index]!.grad!)).toBe(true);
    }
    noGrad(() => {
      for (const net of [network, plain]) for (const parameter of net.parameters()) parameter.mul_(0.9);
    });
    evaluated();
  });

  it('normalises what does not come from its convolution', () => {
    const [conv, norm] = [
      new nn.Conv2d({ inChannels: 2, outChannels: 2, kernelSize: 1 }),
      new nn.BatchNorm2d({ numFeatures: 2, eps: 0 }),
    ];
    noGrad(() => norm.runningVar!.fill_(4));
    const network = new ConvSequential(conv, norm).eval();
    fuseBatchNorms(network);
    const input = randn([1, 2, 3, 3]);
    noGrad(() => {
      conv.forward(input);
      expectClose(norm.forward(input), input.div(2));
    });
  });

  it('keeps no more than a copy of the weights', () => {
    const network = networkOf(networks[0]);
    const input = randn([1, 3, 16, 16]);
    const pass = (): void => {
      scope(() => {
        noGrad(() => network.forward(input));
      });
    };
    pass();
    const before = liveTensors();
    const restore = fuseBatchNorms(network);
    pass();
    const after = liveTensors();
    pass();
    expect(liveTensors()).toBe(after);
    restore();
    expect(liveTensors()).toBe(before);
  });
});
