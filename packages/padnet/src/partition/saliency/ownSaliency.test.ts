import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manualSeed, nn, zeros, type Tensor } from '@padnet/torch';
import { afterAll, describe, expect, it } from 'vitest';
import { convertToPartial } from '../../convert/index.js';
import { InputError } from '../../errors.js';
import { iterativeModePartition } from '../iterativeModePartition.js';
import { loadSaliency, saliencyOf } from './ownSaliency.js';
import { maskGradient, type Saliency } from './saliency.js';

const folder = mkdtempSync(join(tmpdir(), 'padnet-saliency-'));
const file = join(folder, 'own.ts');
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function load(text: string): Saliency {
  writeFileSync(file, text);
  return loadSaliency(file, { allowCode: true }).saliency;
}

function network(): nn.Module {
  manualSeed(1);
  const conv = (inChannels: number): nn.Conv2d =>
    new nn.Conv2d({ inChannels, outChannels: 4, kernelSize: 3, bias: false });
  return convertToPartial(new nn.Sequential(conv(1), conv(4), conv(4)), { numKernels: 2 });
}

const partition = (saliency: Saliency): ReturnType<typeof iterativeModePartition> =>
  iterativeModePartition(network(), { ratio: 0.5, rounds: 1, saliency, batchLosses: [] });

describe('loadSaliency', () => {
  it('scores by the file', async () => {
    // The first half of each layer's entries is worth nothing.
    const own = load(`
      import { arange } from '@padnet/torch';
      import type { Saliency } from 'padnet';
      const late: Saliency = {
        name: 'late',
        score: async ({ sources }) => {
          const values = arange(0, 144).to('float32');
          return new Map(Array.from(sources, ([path, { shape }]) => [path, values.reshape(shape).keep()]));
        },
      };
      export default late;
    `);
    const { masks, settings } = await partition(own);
    expect(settings.saliency).toBe('late');
    for (const mask of masks.values()) {
      expect(mask.count).toBe(72);
      expect([mask.has(71), mask.has(72)]).toEqual([false, true]);
    }
    expect(saliencyOf('maskGradient', {})).toBe(maskGradient);
    expect(() => saliencyOf(file, {})).toThrow('--allow-code');
  });

  it.each([
    ['export const a = 1;', 'expected `export default { name, score }`, a score of entries; name is not a string'],
    [
      'export default 1;',
      'expected `export default { name, score }`, a score of entries; the default export is a number',
    ],
    [
      "export default { name: '', score: async () => new Map() };",
      'expected `export default { name, score }`, a score of entries; name is empty',
    ],
    [
      "export default { name: 'mine' };",
      'expected `export default { name, score }`, a score of entries; score is not a function',
    ],
    [
      "export default { name: 'snip', score: async () => new Map() };",
      "name: snip is a score of padnet's own; give it another",
    ],
    [
      "export default { name: 'mine', isSigned: 1, score: async () => new Map() };",
      'isSigned: expected true or false, got number',
    ],
  ])('refuses %s', (text, expected) => {
    expect(() => load(text)).toThrow(`partition.saliency: ${file}: ${expected}`);
  });

  it.each([
    ["throw new Error('no\\nluck');", ' failed: no; luck'],
    ["throw 'x';", " failed: it threw 'x'"],
    ['throw null;', ' failed: it threw null'],
    ['return Promise.reject(undefined);', ' failed: it threw undefined'],
    ['return undefined;', ' must return a Map with a tensor for each searched layer, got undefined'],
    [
      'const all = ones(sources); all.get("1")[Symbol.dispose](); return all;',
      ' gives a tensor for the layer 1 that was freed meanwhile; call keep() on it',
    ],
    [
      'return ones(sources).set("head", zeros([2]).keep());',
      " gives scores for 'head', which is not a searched layer; expected those of 1, 2",
    ],
  ])('names the file where %s', async (body, expected) => {
    const own = load(`
      import { zeros } from '@padnet/torch';
      const ones = (sources) => new Map(Array.from(sources, ([path, { shape }]) => [path, zeros(shape).add(1).keep()]));
      export default { name: 'mine', score: async ({ sources }) => { ${body} } };
    `);
    const error = await partition(own).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toBe(`partition.saliency: ${file}: score${expected}`);
  });
});

describe('a score that is not one of entries', () => {
  const scores = (change: (all: Map<string, Tensor>) => unknown): Saliency => ({
    name: 'mine',
    score: ({ sources }) => {
      const all = new Map(Array.from(sources, ([path, { shape }]) => [path, zeros(shape).add(1).keep()]));
      return Promise.resolve((change(all) ?? all) as Map<string, Tensor>);
    },
  });

  it.each([
    [() => ({}), 'the saliency mine must return a Map with a tensor for each searched layer, got object'],
    [(all: Map<string, Tensor>) => void all.delete('1'), 'the saliency mine gives no tensor for the layer 1'],
    [
      (all: Map<string, Tensor>) => void all.set('2', zeros([4, 4]).keep()),
      'the saliency mine gives [4, 4] for the layer 2, expected the shape of its weight [4, 4, 3, 3]',
    ],
    [
      (all: Map<string, Tensor>) => void all.set('2', zeros([4, 4, 3, 3]).div(0).keep()),
      'the saliency mine is not finite: that of 2 is not',
    ],
  ])('is told by its name and layer: %#', async (change, expected) => {
    await expect(partition(scores(change))).rejects.toThrow(expected);
  });
});
