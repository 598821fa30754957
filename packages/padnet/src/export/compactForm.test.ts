import {
  decodeSafetensors,
  encodeSafetensors,
  manualSeed,
  nn,
  noGrad,
  ops,
  rand,
  randn,
  scope,
  type Tensor,
} from '@padnet/torch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { dynamicConvolutions, layerKinds } from '../models/index.js';
import { Mask, PartialSource } from '../partial/index.js';
import { factorAndShift } from '../compute/fusedNorm.js';
import { applyPartition, partialLayers } from '../partition/index.js';
import type { SavedModel, TokenizerFiles } from '../runs/index.js';
import { compactDTypes, compactFile, compactKind, readCompactFile, type CompactDType } from './compactForm.js';
import { logitsOf, pictureModel, textModel } from './compactNetworks.test.fixture.js';
import { dequantise, evenChannels, partialChannels, quantise } from './quantise.js';
import { trainingForm } from './trainingForm.js';

/** Largest difference over the largest value. */
function difference(got: readonly number[], wanted: readonly number[]): number {
  const largest = Math.max(...wanted.map(Math.abs));
  expect(largest).toBeGreaterThan(1e-3);
  expect(largest).toBeLessThan(1e4);
  return Math.max(...wanted.map((value, index) => Math.abs(value - got[index]!))) / largest;
}

function back(file: Uint8Array): nn.Module {
  return scope(() => trainingForm(readCompactFile(file, 'the file'), 'the file'));
}

/** The compact file of a network in the place of a model's. */
function fileOf(model: SavedModel, network: nn.Module, dtype: CompactDType = 'float32'): Uint8Array {
  return compactFile({ ...model, network } as SavedModel, { dtype });
}

const pictureForms = (['resnet10', 'resnet18', 'resnet50', 'mobilenetV2'] as const).flatMap((name) =>
  layerKinds.flatMap((layer) =>
    (layer === 'static' ? (['dyconv'] as const) : dynamicConvolutions).map((convolution) => ({
      name,
      layer,
      convolution,
    })),
  ),
);

const textForms = (['bert', 'roberta', 'albert', 'electra'] as const).flatMap((family) =>
  layerKinds.flatMap((layer) =>
    (layer === 'static' ? (['token'] as const) : (['token', 'sentence', 'task'] as const)).map((routing) => ({
      family,
      layer,
      routing,
    })),
  ),
);

describe('the network of a compact file', () => {
  it.each(pictureForms)('$name, $layer, $convolution: answers the same, and gives the same file', (form) => {
    const model = pictureModel(form);
    const file = compactFile(model);
    const network = back(file);
    expect(difference(logitsOf(model, network), logitsOf(model, model.network))).toBeLessThan(2e-6);
    expect(Buffer.compare(fileOf(model, network), file)).toBe(0);
  });

  it.each(textForms)('$family, $layer by $routing: answers the same, and gives the same file', (form) => {
    const { family, ...options } = form;
    const model = textModel(family, options);
    const file = compactFile(model);
    const network = back(file);
    expect(difference(logitsOf(model, network), logitsOf(model, model.network))).toBeLessThan(2e-6);
    expect(Buffer.compare(fileOf(model, network), file)).toBe(0);
  });

  it.each([
    ['float16', 2 ** -11],
    ['bfloat16', 2 ** -8],
  ] as const)('has the numbers of %s, rounded to nearest, and gives the same file', (dtype, rounding) => {
    for (const model of [
      pictureModel({ name: 'resnet10', layer: 'partial' }),
      textModel('bert', { layer: 'partial' }),
    ]) {
      const file = compactFile(model, { dtype });
      const network = back(file);
      expect(Buffer.compare(fileOf(model, network, dtype), file)).toBe(0);
      expect(difference(logitsOf(model, network), logitsOf(model, model.network))).toBeLessThan(20 * rounding);
      scope(() => {
        const exact = readCompactFile(compactFile(model), 'exact').tensors;
        for (const [name, tensor] of readCompactFile(file, 'rounded').tensors) {
          const bound = exact
            .get(name)!
            .abs()
            .mul(rounding)
            .add(2 ** -25);
          expect(ops.all(exact.get(name)!.sub(tensor).abs().le(bound)).item()).toBe(1);
        }
      });
    }
  });

  it('of int8 answers nearly the same, and its file again has the same whole numbers', () => {
    for (const model of [
      pictureModel({ name: 'resnet18', layer: 'partial' }),
      pictureModel({ name: 'resnet10', layer: 'dynamic', convolution: 'odconv' }),
      pictureModel({ name: 'resnet10', layer: 'partial', convolution: 'dcd' }),
      textModel('albert', { layer: 'partial' }),
      textModel('electra', { layer: 'dynamic', k: 4 }),
    ]) {
      const file = compactFile(model, { dtype: 'int8' });
      const network = back(file);
      expect(difference(logitsOf(model, network), logitsOf(model, model.network))).toBeLessThan(0.1);
      scope(() => {
        const [first, second] = [file, fileOf(model, network, 'int8')].map((bytes) => decodeSafetensors(bytes).tensors);
        for (const [name, tensor] of first!) {
          if (tensor.dtype === 'int8') expect(ops.equal(tensor, second!.get(name)!), name).toBe(true);
        }
      });
    }
  });

  it.each(dynamicConvolutions)(
    'of %s, where masks are still to be searched, has every entry dynamic',
    (convolution) => {
      const model = pictureModel({ name: 'resnet10', convolution, layer: 'partial' }, 'nothing');
      const made = back(compactFile(model));
      expect(difference(logitsOf(model, made), logitsOf(model, model.network))).toBeLessThan(2e-6);
      for (const { mask } of partialLayers(made).values()) expect(mask.dynamicRatio).toBe(1);
    },
  );

  it.each(dynamicConvolutions)('of %s, where a partition left one layer, or all of them, static', (convolution) => {
    for (const others of ['full', 'empty'] as const) {
      const model = pictureModel({ name: 'resnet10', convolution, layer: 'partial' }, 'nothing');
      const { network } = model;
      const first = 'layer1.0.conv1';
      const masks = Array.from(partialLayers(network), ([path, { shape }]): [string, Mask] => {
        return [path, path === first ? Mask.empty(shape) : Mask[others](shape)];
      });
      applyPartition(network, { masks: new Map(masks) }, [() => network.forward(randn([4, 3, 16, 15]))]);
      const file = compactFile(model);
      const made = back(file);
      expect(made.getModule(first)).toBeInstanceOf(nn.Conv2d);
      expect(difference(logitsOf(model, made), logitsOf(model, network))).toBeLessThan(2e-6);
      expect(Buffer.compare(fileOf(model, made), file)).toBe(0);
    }
  });

  it('has norms that add the bias and nothing else, φ = 0 and no noise', () => {
    const network = back(compactFile(pictureModel({ name: 'resnet10', layer: 'partial', convolution: 'odconv' })));
    for (const [, module] of network.namedModules()) {
      if (module instanceof nn.BatchNorm) {
        const [factor, shift] = factorAndShift(module, null);
        expect(new Set(factor.toArray())).toEqual(new Set([1]));
        expect(shift.toArray()).toEqual(module.bias!.toArray());
      }
      if (module instanceof PartialSource) expect(module.phi!.item()).toBe(0);
    }
    const mixture = back(compactFile(textModel('bert', { layer: 'dynamic' })));
    const noises = Array.from(mixture.stateDict()).filter(([name]) => name.endsWith('.w_noise'));
    expect(noises).toHaveLength(6);
    for (const [, noise] of noises) expect(Math.max(...noise.abs().toArray())).toBe(0);
  });
});

describe('int8', () => {
  const shapes = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 12 }));

  it('is within half a step of every number, a step being 1/127 of the largest of its channel', () => {
    fc.assert(
      fc.property(
        shapes,
        fc.integer({ min: 1, max: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 0, max: 2 ** 31 }),
        ([channels, perChannel], kernels, ratio, seed) => {
          scope(() => {
            manualSeed(seed);
            const shape = [channels, perChannel];
            const mask = Mask.fromTensor(rand(shape).lt(ratio));
            const source = new PartialSource({ bank: randn([kernels, ...shape]), staticWeight: randn(shape), mask });
            const of = partialChannels(mask);
            // Channels as the definition says: entry p of the weight is of channel ⌊p / perChannel⌋.
            const { dynamic, static: fixed } = source.entries();
            const channelOf = (positions: Tensor) => positions.toArray().map((p) => Math.floor(p / perChannel));
            const [ofDynamic, ofStatic] = [channelOf(dynamic), channelOf(fixed)];
            checkSteps(source.staticWeight, of.staticWeight, (index) => ofStatic[index]!, channels);
            const ofBank = (index: number): number =>
              Math.floor(index / mask.count) * channels + ofDynamic[index % mask.count]!;
            checkSteps(source.bank, of.bank, ofBank, kernels * channels);
            const whole = randn([kernels, ...shape]);
            const even = (index: number): number => Math.floor(index / perChannel);
            checkSteps(whole, evenChannels(whole.numel, kernels * channels), even, kernels * channels);
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  function checkSteps(
    tensor: Tensor,
    channelOf: (index: number) => number,
    expected: (index: number) => number,
    numChannels: number,
  ): void {
    const weights = tensor.toTypedArray() as Float32Array;
    const quantised = quantise(weights, channelOf, numChannels);
    const again = dequantise(quantised, channelOf);
    const largest = new Float64Array(numChannels);
    for (const [index, weight] of weights.entries()) {
      const channel = expected(index);
      expect(channelOf(index)).toBe(channel);
      largest[channel] = Math.max(largest[channel]!, Math.abs(weight));
    }
    for (const [index, weight] of weights.entries())
      expect(Math.abs(again[index]! - weight)).toBeLessThanOrEqual((largest[expected(index)]! / 127) * 0.5001);
    expect(Array.from(quantised.scales, (scale) => scale * 127)).toEqual(
      Array.from(largest, (value) => expect.closeTo(value, 5) as number),
    );
  }

  it('is 0 where a channel is, and holds the smallest numbers that there are', () => {
    const weights = Float32Array.of(0, 0, 1e-45, -1e-45, 2, -1);
    const { numbers, scales } = quantise(weights, evenChannels(6, 3), 3);
    expect([...numbers]).toEqual([0, 0, 0, 0, 127, -64]);
    expect([...scales]).toEqual([0, 0, Math.fround(2 / 127)]);
  });
});

describe('what is in a compact file', () => {
  const encoder: TokenizerFiles = new Map([['vocab.txt', Buffer.from('[PAD]\nnaïve\n')]]);

  it('is what answers: no φ, no norm that was folded, no noise; mask bits stay bits', () => {
    const names = (file: Uint8Array): string[] => scope(() => [...decodeSafetensors(file).tensors.keys()].sort());
    const of = (path: string, file: Uint8Array): string[] =>
      names(file).flatMap((name) => (name.startsWith(`${path}.`) ? [name.slice(path.length + 1)] : []));
    const router = ['router.fc1.weight', 'router.fc2.bias', 'router.fc2.weight', 'router.temperature'];
    const source = ['source.bank', 'source.mask_bits', 'source.static_weight'];
    const partial = compactFile(pictureModel({ name: 'resnet10', layer: 'partial' }));
    expect(of('layer1.0.conv1', partial)).toEqual(['bias', ...router, ...source]);
    expect(of('layer1.0.bn1', partial)).toEqual([]);
    expect(of('conv1', partial)).toEqual(['bias', 'weight']);
    const dynamic = compactFile(pictureModel({ name: 'resnet10', layer: 'dynamic' }), { dtype: 'int8' });
    expect(of('layer1.0.conv1', dynamic)).toEqual(['bias', ...router, 'source.bank', 'source.bank.scale']);
    const mixture = compactFile(textModel('bert', { layer: 'partial' }), { dtype: 'int8' });
    const scales = ['source.bank.scale', 'source.static_weight.scale'];
    expect(of('encoder.layers.0.feed_forward.output', mixture)).toEqual(
      ['bias_bank', 'router.w_gate', ...source, ...scales].sort(),
    );
    expect(of('encoder.layers.0.norm', mixture)).toEqual(['bias', 'weight']);
  });

  it.each(compactDTypes)('of %s: weights are stored as it, all other numbers as float32', (dtype) => {
    const file = compactFile(textModel('roberta', { layer: 'partial', routing: 'task' }), { dtype });
    scope(() => {
      for (const [name, tensor] of decodeSafetensors(file).tensors) {
        const isWeight = (name.endsWith('.weight') && tensor.dim > 1) || /\.source\.(bank|static_weight)$/.test(name);
        expect(tensor.dtype, name).toBe(isWeight ? dtype : name.endsWith('.mask_bits') ? 'uint8' : 'float32');
      }
    });
  });

  it('says all that the network is, but not where on this machine it came from', () => {
    const model = textModel('bert', { layer: 'partial' });
    const file = compactFile(model, { dtype: 'bfloat16', tokenizer: encoder });
    const { metadata } = scope(() => decodeSafetensors(file));
    expect(Object.keys(metadata)).toEqual(['dtype', 'format', 'model', 'tokenizer']);
    expect(JSON.parse(metadata.tokenizer!)).toEqual({ 'vocab.txt': '[PAD]\nnaïve\n' });
    expect(JSON.parse(metadata.model!)).toMatchObject({
      format: 'padnet-model-1',
      modality: 'text',
      model: { pretrained: 'encoder', layer: 'partial' },
      config: { model_type: 'bert' },
      layers: { 'encoder.layers.0.feed_forward.output': { shape: [8, 12], kernels: 4 } },
    });
    scope(() => {
      const read = readCompactFile(file, 'file');
      expect(read.dtype).toBe('bfloat16');
      expect(read.tokenizer).toEqual(encoder);
      expect(read.description).toMatchObject({ modality: 'text', maxLength: 16 });
    });
    const pictures = pictureModel({ name: 'resnet10', layer: 'dynamic', pretrained: '/home/me/resnet.pth' });
    expect(Buffer.from(compactFile(pictures)).includes('/home/me')).toBe(false);
    scope(() => {
      const { description } = readCompactFile(compactFile(pictures), 'file');
      const of = { ...pictures.description.model, pretrained: undefined };
      expect(description).toEqual({ format: 'padnet-model-1', ...pictures.description, model: of });
    });
  });

  it('is seen from its first bytes', () => {
    const beginning = (file: Uint8Array): string => Buffer.from(file).toString('latin1', 0, 2 ** 16);
    const model = pictureModel({ name: 'resnet10', layer: 'static' });
    for (const dtype of compactDTypes) expect(compactKind.isOne(beginning(compactFile(model, { dtype })))).toBe(true);
    expect(compactKind.isOne(beginning(encodeSafetensors(model.network.stateDict())))).toBe(false);
    expect(compactKind.isOne(beginning(encodeSafetensors(new Map(), { format: 'pt' })))).toBe(false);
  });

  it('is refused where numbers do not fit, or the router is code', () => {
    const model = pictureModel({ name: 'resnet10', layer: 'partial' });
    const set = (value: number): void => {
      noGrad(() => model.network.getModule('fc').parameters()[0]!.fill_(value));
    };
    set(1e5);
    expect(() => compactFile(model, { dtype: 'float16' })).toThrow(
      new InputError('fc.weight has numbers that float16 cannot hold; choose float32'),
    );
    expect(() => compactFile(model, { dtype: 'bfloat16' })).not.toThrow();
    set(NaN);
    expect(() => compactFile(model, { dtype: 'int8' })).toThrow('fc.weight has numbers that int8 cannot hold');
    const own = pictureModel({ name: 'resnet10', layer: 'dynamic' });
    const description = { ...own.description, model: { ...own.description.model, router: './mine.ts' } };
    expect(() => compactFile({ ...own, description })).toThrow(
      './mine.ts has the router of this network, and a compact file has numbers alone',
    );
  });
});

describe('a file that is none', () => {
  const model = pictureModel({ name: 'resnet10', layer: 'partial' });
  const file = compactFile(model, { dtype: 'int8' });

  /** The file with other tensors or metadata. */
  function changed(change: (tensors: Map<string, Tensor>, metadata: Record<string, string>) => void): Uint8Array {
    return scope(() => {
      const { tensors, metadata } = decodeSafetensors(file);
      const others = { ...metadata };
      change(tensors, others);
      return encodeSafetensors(tensors, others);
    });
  }

  function expectRefused(bytes: Uint8Array, message: string | RegExp): void {
    const read = (): unknown => scope(() => trainingForm(readCompactFile(bytes, 'a.safetensors'), 'a.safetensors'));
    expect(read).toThrow(InputError);
    expect(read).toThrow(message);
    try {
      read();
    } catch (error) {
      expect((error as Error).message).toMatch(/^a\.safetensors[^\n]*; [^\n]*$/);
    }
  }

  it('is refused wherever it is cut off, and whichever byte of its header is changed, or answers as it did', () => {
    for (const length of [0, 3, 8, 100, 5000, file.length - 1])
      expectRefused(file.slice(0, length), 'expected a file that `padnet compact` wrote');
    const header = Number(new DataView(file.buffer).getBigUint64(0, true));
    for (let step = 0; step < 150; step++) {
      const bytes = file.slice();
      bytes[Math.floor((step / 150) * (header + 8))]! ^= 1 + (step % 7);
      try {
        scope(() => trainingForm(readCompactFile(bytes, 'a.safetensors'), 'a.safetensors'));
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        expect((error as Error).message).not.toContain('\n');
      }
    }
  });

  it('says what it is instead', () => {
    expectRefused(Buffer.from('hello, this is no file of tensors'), 'expected a file that `padnet compact` wrote');
    expectRefused(
      scope(() => encodeSafetensors(model.network.stateDict())),
      'a.safetensors is not a compact file; expected one that `padnet compact` wrote',
    );
    expectRefused(
      changed((_, metadata) => (metadata.format = 'padnet-compact-2')),
      "a.safetensors has the format padnet-compact-2, expected padnet-compact-1; write it again with this version's " +
        '`padnet compact`',
    );
  });

  it('says which tensor, or which part of the description, is wrong', () => {
    const bank = 'layer1.0.conv1.source.bank';
    expectRefused(
      changed((tensors) => tensors.delete('fc.weight')),
      'missing fc.weight [10, 64]',
    );
    expectRefused(
      changed((tensors) => tensors.delete(`${bank}.scale`)),
      `${bank} does not fit its scales or its mask`,
    );
    expectRefused(
      changed((tensors) => tensors.set('layer1.0.conv1.source.mask_bits', ops.full([72], 255, { dtype: 'uint8' }))),
      `${bank} does not fit its scales or its mask`,
    );
    expectRefused(
      changed((tensors) => tensors.set(bank, tensors.get(bank)!.narrow(0, 0, 2).contiguous())),
      `${bank} does not fit its scales or its mask`,
    );
    expectRefused(
      changed((_, metadata) => (metadata.dtype = 'float64')),
      'dtype: expected one of float32, float16, bfloat16, int8, got "float64"',
    );
    expectRefused(
      changed((_, metadata) => (metadata.model = '{"modality":"image"')),
      'a.safetensors, model: expected the description of a network, but it is not JSON',
    );
    expectRefused(
      changed((_, metadata) => (metadata.model = metadata.model!.replace('"numClasses":10', '"numClasses":0'))),
      'a.safetensors, model: numClasses: expected a whole number of at least 1',
    );
    expectRefused(
      changed((_, metadata) => (metadata.model = metadata.model!.replace('"numClasses":10', '"numClasses":1e12'))),
      /the network that it describes cannot be made: (?!aten)/,
    );
    expectRefused(
      changed((_, metadata) => (metadata.model = metadata.model!.replace(/"size":\[\d+,/, '"size":[-1,'))),
      'a.safetensors, model: size[0]: expected a whole number from 1',
    );
    expectRefused(
      changed((_, metadata) => (metadata.model = metadata.model!.replace('"resnet10"', '"resnet18"'))),
      'the weights do not fit ResNet: missing layer1.1.conv1',
    );
    expectRefused(
      changed((_, metadata) => (metadata.tokenizer = '{"../../.bashrc":"boo"}')),
      '../../.bashrc is no file of a tokenizer',
    );
    expectRefused(
      changed(
        (_, metadata) => (metadata.model = metadata.model!.replace('"convolution"', '"router":"./a.js","convolution"')),
      ),
      'a.safetensors wants a router from ./a.js; a compact file has numbers alone',
    );
  });
});
