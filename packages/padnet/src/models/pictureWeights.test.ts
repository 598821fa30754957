import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSafetensors, manualSeed, noGrad, randn, scope, type nn, type Tensor } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertToDynamic, convertToPartial } from '../convert/index.js';
import { DcdRouter } from '../dynamic/index.js';
import { createModel, modelNames, modelSchema } from './createModel.js';
import { loadPictureWeights } from './pictureWeights.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-weights-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const widthOf = (name: string): number => (name === 'mobilenetV2' ? 0.25 : 4);

function fresh(name: string): nn.Layer {
  manualSeed(1);
  return createModel(modelSchema.parse({ name, width: widthOf(name) }), { inChannels: 2, numClasses: 5 }).eval();
}

function write(network: nn.Layer, rename = (name: string): string => name): string {
  const file = join(folder, 'weights.safetensors');
  const state = Array.from(network.stateDict(), ([name, tensor]): [string, Tensor] => [rename(name), tensor]);
  writeFileSync(
    file,
    scope(() => encodeSafetensors(new Map(state))),
  );
  return file;
}

function logits(network: nn.Layer): number[] {
  manualSeed(2);
  network.eval();
  return scope(() => noGrad(() => network.forward(randn([2, 2, 64, 64])).toArray()));
}

describe.each(modelNames)('%s', (name) => {
  it('is the same from a file, and as a dynamic and a partial network', () => {
    const wanted = logits(fresh(name));
    const file = write(fresh(name));
    const load = (): nn.Layer => loadPictureWeights(file, { name, width: widthOf(name) }).network;
    const largest = Math.max(...wanted.map(Math.abs));
    const error = (network: nn.Layer): number =>
      Math.max(...logits(network).map((value, index) => Math.abs(value - wanted[index]!))) / largest;
    expect(error(load())).toBe(0);
    expect(error(convertToDynamic(load()))).toBeLessThan(1e-5);
    expect(error(convertToPartial(load()))).toBeLessThan(1e-5);
    const router = (geometry: nn.ConvGeometry): DcdRouter => new DcdRouter({ geometry });
    expect(error(convertToPartial(convertToDynamic(load(), { router })))).toBeLessThan(1e-5);
  });
});

describe('loadPictureWeights', () => {
  const options = { name: 'resnet10', width: 4 } as const;

  it.each(['module.', 'state_dict.model._orig_mod.', '_orig_mod.', 'backbone.', 'net.', 'state_dict.student.encoder.'])(
    'understands names after %s',
    (prefix) => {
      const file = write(fresh('resnet10'), (name) => prefix + name);
      const { network, shape } = loadPictureWeights(file, options);
      expect(shape).toEqual({ inChannels: 2, numClasses: 5 });
      expect(logits(network)).toEqual(logits(fresh('resnet10')));
    },
  );

  it('understands what is wrapped inside of the network', () => {
    const file = write(fresh('resnet10'), (name) => `module.${name.replace(/^layer2\./, 'layer2._orig_mod.')}`);
    expect(logits(loadPictureWeights(file, options).network)).toEqual(logits(fresh('resnet10')));
  });

  it('takes the network itself, not its moving average, and asks where it cannot tell', () => {
    const wanted = logits(fresh('resnet10'));
    const both = (prefix: string, other: string): string =>
      scope(() => {
        const file = join(folder, 'both.safetensors');
        const state = [...fresh('resnet10').stateDict()].flatMap(([name, tensor]): [string, Tensor][] => [
          [other + name, tensor.mul(2)],
          [prefix + name, tensor],
        ]);
        writeFileSync(file, encodeSafetensors(new Map(state)));
        return file;
      });
    expect(logits(loadPictureWeights(both('state_dict.', 'state_dict_ema.'), options).network)).toEqual(wanted);
    expect(() => loadPictureWeights(both('student.', 'teacher.'), options)).toThrow(
      "both.safetensors: holds several networks, under 'student.', 'teacher.'; save only the one that is meant",
    );
  });

  it('does without counters of batches', () => {
    const file = write(fresh('resnet10'), (name) => name.replace(/^(.*)num_batches_tracked$/, 'optimizer.$1'));
    expect(() => loadPictureWeights(file, options)).toThrow(/unexpected optimizer\.bn1/);
    const wrapped = write(fresh('resnet10'), (name) =>
      name.endsWith('num_batches_tracked') ? `optimizer.${name}` : `state_dict.${name}`,
    );
    expect(logits(loadPictureWeights(wrapped, options).network)).toEqual(logits(fresh('resnet10')));
  });

  it('names the tensors of another width, and missing files', () => {
    const file = write(fresh('resnet10'));
    expect(() => loadPictureWeights(file, { ...options, width: 8 })).toThrow(
      /conv1\.weight has shape \[4, 2, 7, 7\], expected \[8, 2, 7, 7\].*and \d+ more; give the network and width/,
    );
    expect(() => loadPictureWeights(file, { name: 'mobilenetV2' })).toThrow(
      'no weights of mobilenetV2, features.0.0.weight is missing',
    );
    const headless = write(fresh('resnet10'), (name) => `backbone.${name.replace(/^fc/, 'head')}`);
    expect(() => loadPictureWeights(headless, options)).toThrow(
      'no weights of resnet10, conv1.weight is missing (backbone.conv1.weight is there)',
    );
    expect(() => loadPictureWeights(join(folder, 'x.pth'), options)).toThrow(
      'x.pth: expected weights, but there is no such file',
    );
  });
});
