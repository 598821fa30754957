import { manualSeed, nn, noGrad, randn, scope, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { attend, CondRouter, KernelAttention } from '../dynamic/index.js';
import { InputError } from '../errors.js';
import { ConvSequential, DynamicConv, dynamicConv } from '../layers/index.js';
import { dynamicConvolutions, modelNames } from '../models/index.js';
import { SearchSource } from '../partial/index.js';
import { lived, pictureModel, type Granularity } from './compactNetworks.test.fixture.js';
import { difference, exportedFiles, openSession, run, type NumbersByName } from './exported.test.fixture.js';
import { pictureGraph } from './pictureGraph.js';

const isLong = process.env.PADNET_LONG_TESTS === '1';
const tolerance = 1e-4;

/** Logits, and the coefficients of every layer that has them. */
function answers(network: nn.Layer, pixels: Tensor): NumbersByName {
  const found = new Map<string, { readonly shape: readonly number[]; readonly data: number[] }>();
  scope(() => {
    noGrad(() => {
      const watch = (path: string, module: nn.Module, input: Tensor): void => {
        if (!(module instanceof DynamicConv) || module.source.kind === 'static') return; // those of DCD are no shares
        const { coefficients } = attend(module.router, input);
        found.set(`${path}.coefficients`, { shape: coefficients.shape, data: coefficients.toArray() });
      };
      const logits = nn.watchForward(network, watch, () => network.forward(pixels));
      found.set('logits', { shape: logits.shape, data: logits.toArray() });
    });
  });
  return found;
}

/** The largest difference to libtorch, over batches of these sizes. */
async function largestDifference(
  network: nn.Layer,
  shape: readonly number[],
  batches: readonly number[] = [1, 3],
): Promise<number> {
  const files = exportedFiles(network, (tensors) => pictureGraph(network, tensors, shape, 'weights.bin'));
  const session = await openSession(files);
  const differences = [];
  for (const batch of batches) {
    const pixels = randn([batch, ...shape]);
    differences.push(difference(await run(session, { pixels }), answers(network, pixels)));
  }
  await session.release();
  return Math.max(...differences);
}

describe.each(modelNames)('%s', (name) => {
  it('is what it is in libtorch as a static network', async () => {
    const { network } = pictureModel({ name });
    expect(await largestDifference(network, [3, 16, 15], [1, 3, 16])).toBeLessThan(tolerance);
  });

  const forms = [
    ['dynamic', 'nothing'],
    ['partial', 'entry'],
    ['partial', 'filter'],
  ] as const satisfies (readonly ['dynamic' | 'partial', Granularity])[];
  // One of each kind of block has them all; the others have the same blocks.
  const isWhole = isLong || ['resnet10', 'mobilenetV2'].includes(name);
  const convolutions = isWhole ? dynamicConvolutions : name === 'resnet50' ? (['dcd'] as const) : [];
  it.each(convolutions.flatMap((convolution) => forms.map((form) => [convolution, ...form] as const)))(
    'is what it is in libtorch with %s, %s, by %s',
    async (convolution, layer, granularity) => {
      const { network } = pictureModel({ name, layer, convolution }, granularity);
      expect(await largestDifference(network, [3, 16, 15], isLong ? [1, 3, 16] : [1, 3])).toBeLessThan(tolerance);
    },
  );
});

describe('a network of one’s own', () => {
  const geometry = nn.conv1dGeometry({ inChannels: 6, outChannels: 8, kernelSize: 3, padding: 1, stride: 2 });
  const partial = (): DynamicConv =>
    dynamicConv({
      geometry,
      router: new KernelAttention({ inChannels: 6, numKernels: 3 }),
      source: new SearchSource({ bank: randn([3, 8, 6, 3]), staticWeight: randn([8, 6, 3]) }),
      biasBank: randn([3, 8]),
    });

  it.each(['entry', 'filter'] as const)('may be of one dimension, with biases that are mixed, by %s', async (by) => {
    manualSeed(5);
    const network = new ConvSequential(
      new nn.Conv1d({ inChannels: 2, outChannels: 6, kernelSize: 5, padding: 2 }),
      new nn.BatchNorm1d({ numFeatures: 6, activation: 'relu6' }),
      new nn.MaxPool1d({ kernelSize: 2, ceilMode: true }),
      partial(),
      new nn.BatchNorm1d({ numFeatures: 8 }),
      new nn.ReLU(),
      new nn.Flatten({ startDim: 1 }),
      new nn.Linear({ inFeatures: 8 * 5, outFeatures: 4 }),
    );
    expect(await largestDifference(lived(network, 0.4, by), [2, 19])).toBeLessThan(tolerance);
  });

  it('is refused by the name of what has no graph', () => {
    class Cube extends nn.Module {
      forward(input: Tensor): Tensor {
        return input.mul(input).mul(input);
      }
    }
    const network = new nn.Sequential(new nn.ReLU(), new Cube());
    const refuse = (): unknown => pictureGraph(network, new Map(), [3, 8, 8], 'weights.bin');
    expect(refuse).toThrow(InputError);
    expect(refuse).toThrow(/^1 is a Cube, which cannot be exported; expected ResNet/);
  });

  it('is refused where its router is code', () => {
    class Own extends CondRouter {}
    const own = new Own({ inChannels: 6, numKernels: 3 });
    Object.setPrototypeOf(own, nn.Module.prototype);
    const network = new nn.Sequential(
      dynamicConv({
        geometry,
        router: own,
        source: new SearchSource({ bank: randn([3, 8, 6, 3]), staticWeight: randn([8, 6, 3]) }),
      }),
    );
    const refuse = (): unknown => pictureGraph(network, new Map(), [6, 9], 'weights.bin');
    expect(refuse).toThrow('0.router: a router of one’s own is code, which has no graph');
  });
});
