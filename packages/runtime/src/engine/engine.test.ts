import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { openEngine, type Platform } from './engine.js';
import type { ModelFiles } from './modelFiles.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const numbers = 2 ** 22;

/** One weight of 16 MiB, in the compact form and as the graph wants it. */
function files(): ModelFiles {
  const header = {
    __metadata__: { format: 'padnet-compact-1' },
    weight: { dtype: 'F32', shape: [numbers], data_offsets: [0, 4 * numbers] },
  };
  const text = new TextEncoder().encode(JSON.stringify(header).padEnd(256));
  const manifest = {
    format: 'padnet-export-1',
    modality: 'image',
    name: 'one weight',
    layer: 'static',
    target: 'web',
    classNames: ['a'],
    graph: 'model.onnx',
    compact: 'model.safetensors',
    picture: { channels: 1, height: 2, width: 2, mean: [0], std: [1], cropFraction: 1 },
    weights: {
      file: 'weights.bin',
      bytes: 4 * numbers,
      tensors: [{ kind: 'tensor', tensor: 'weight', shape: [numbers], offset: 0 }],
    },
    outputs: [],
  };
  return {
    path: (name) => name,
    read: (name) => {
      if (name === 'padnet.json') return Promise.resolve(new TextEncoder().encode(JSON.stringify(manifest)));
      if (name === 'model.onnx') return Promise.resolve(new Uint8Array());
      const compact = new Uint8Array(8 + text.length + 4 * numbers);
      new DataView(compact.buffer).setBigUint64(0, BigInt(text.length), true);
      compact.set(text, 8);
      return Promise.resolve(compact);
    },
  };
}

it('holds the expanded weights alone once the session is made of them, and nothing of them afterwards', async () => {
  const held = (): number => {
    collect();
    return process.memoryUsage().arrayBuffers - before;
  };
  /** The least that is held within a second: what nobody refers to any more may go a moment later. */
  const leastHeld = async (): Promise<number> => {
    let least = Infinity;
    for (let turn = 0; turn < 20 && !(least < 2 ** 20); turn++) {
      await new Promise((resolve) => setTimeout(resolve, turn < 2 ? 1 : 50));
      least = Math.min(least, held());
    }
    return least;
  };
  collect();
  const before = process.memoryUsage().arrayBuffers;
  let whileOpening = 0;
  const platform: Platform<never> = {
    openSession: async ({ weights }) => {
      whileOpening = await leastHeld();
      expect(weights.data.length).toBe(4 * numbers);
      return {
        device: 'cpu',
        inputNames: ['pixels'],
        outputNames: ['logits'],
        run: () => Promise.reject(new Error('nothing is computed')),
        release: () => Promise.resolve(),
      };
    },
    decode: () => Promise.reject(new Error('nothing is decoded')),
  };
  const engine = await openEngine(files(), platform);
  expect(whileOpening).toBeGreaterThan(4 * numbers - 2 ** 20);
  expect(whileOpening).toBeLessThan(4 * numbers + 2 ** 20);
  expect(await leastHeld()).toBeLessThan(2 ** 20);
  expect(engine.facts.downloadedBytes).toBeGreaterThan(4 * numbers);
});
