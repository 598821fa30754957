import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSafetensors, manualSeed } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Inspection, inspectNetwork, networkOfFolder, networkOfModel } from '../analysis/index.js';
import { createModel, modelSchema } from '../models/index.js';
import { loadAnyModel, savePictureModel } from '../runs/index.js';
import { writeEncoder } from '../runs/texts.test.fixture.js';
import { convertNetwork, type Conversion } from './convertNetwork.js';
import type { ConvertOptions } from './convertOptions.js';
import { writeNetworkFolder } from './networkFolder.js';

let folder: string;
let encoder: string;
let pictures: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-convert-'));
  encoder = join(folder, 'encoder');
  pictures = join(folder, 'pictures');
  // 2 blocks, 8 wide, 16 between.
  writeEncoder(encoder);
  const model = modelSchema.parse({ name: 'resnet10', stem: 'small', width: 4 });
  manualSeed(1);
  savePictureModel(join(pictures, 'model.json'), createModel(model, { inChannels: 1, numClasses: 4 }), {
    modality: 'image',
    model,
    inChannels: 1,
    numClasses: 4,
    size: [8, 8],
    classNames: ['a', 'b', 'c', 'd'],
    normalise: { mean: [0.5], std: [0.25] },
  });
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function convert(path: string, options: Omit<ConvertOptions, 'out' | 'force'>, name = 'out'): Promise<Conversion> {
  return convertNetwork(path, { ...options, out: join(folder, name), force: name === 'out' });
}

function inspect(name: string): Inspection {
  const { network, pass } = networkOfModel(loadAnyModel(join(folder, name)));
  return inspectNetwork(network, pass);
}

describe('convertNetwork', () => {
  it('makes chosen layers of an encoder mixtures of experts with the same output', async () => {
    const options = { layer: 'dynamic', experts: 3, k: 2, position: 'output', layers: [1] } as const;
    const { before, after, difference, inputs } = await convert(encoder, options);
    expect(difference).toBeLessThan(1e-6);
    expect(inputs).toBe('4 random texts of 32 tokens');
    expect(after.layers).toMatchObject([
      { path: 'encoder.layers.1.feed_forward.output', entries: 128, dynamicEntries: 128 },
    ]);
    // Two more experts with biases; gates and noise of 16 × 3 each.
    expect(after.stored.parameters - before.stored.parameters).toBe(2 * (8 * 16 + 8) + 2 * 16 * 3);
    expect(inspect('out').parameters).toBe(after.stored.parameters);
  });

  it('makes an encoder partial with the largest entries dynamic, stored compactly', async () => {
    const { before, after, difference } = await convert(encoder, { layer: 'partial', experts: 4, ratio: 0.25 });
    expect(difference).toBeLessThan(1e-6);
    const { entries, dynamicEntries, maskBits, parameters } = after.stored;
    expect([entries, maskBits, dynamicEntries]).toEqual([512, 512, 128]);
    // Three more of each dynamic entry and bias, a router and φ for each of four layers.
    const biases = 2 * (8 + 16);
    const routers = 2 * 4 * (2 * 8 + 2 * 16);
    expect(parameters - before.stored.parameters).toBe(3 * (dynamicEntries + biases) + routers + 4);
    expect(inspect('out').dynamicRatio).toBe(0.25);
  });

  it('says how far noise moves the output', async () => {
    const { difference: still } = await convert(encoder, { layer: 'dynamic' });
    const { difference: moved } = await convert(encoder, { layer: 'dynamic', noise: 0.5 });
    expect(moved).toBeGreaterThan(10 * still);
  });

  it('writes a static encoder as Hugging Face does', async () => {
    await convert(encoder, { layer: 'static' }, 'static');
    expect(existsSync(join(folder, 'static/vocab.txt'))).toBe(true);
    const { network, pass } = networkOfFolder(join(folder, 'static'));
    const again = await convert(join(folder, 'static'), { layer: 'static' }, 'again');
    expect(again.difference).toBe(0);
    expect(again.after.stored.parameters).toBe(inspectNetwork(network, pass).parameters);
  });

  it('replaces a network of the other form whole', async () => {
    await convert(encoder, { layer: 'static' });
    await convert(encoder, { layer: 'partial', ratio: 0.5 });
    expect(existsSync(join(folder, 'out/config.json'))).toBe(false);
    const { difference } = await convert(encoder, { layer: 'static' });
    expect(difference).toBe(0);
    expect(existsSync(join(folder, 'out/model.json'))).toBe(false);
  });

  it('makes networks for pictures dynamic and partial', async () => {
    const dynamic = await convert(pictures, { layer: 'dynamic', kernels: 3 });
    expect(dynamic.difference).toBeLessThan(1e-4);
    expect(dynamic.after.stored.dynamicEntries).toBe(dynamic.after.stored.entries);
    const partial = await convert(pictures, { layer: 'partial', kernels: 3, ratio: 0.3 });
    expect(partial.difference).toBeLessThan(1e-4);
    expect(partial.after.stored.dynamicEntries / partial.after.stored.entries).toBeCloseTo(0.3, 2);
    expect(inspect('out').rows.some(({ kind }) => kind === 'DynamicConv2d partial')).toBe(true);
  });

  it('makes routers as wide as it is asked to, which what reads the network knows', async () => {
    const narrow = await convert(pictures, { layer: 'dynamic' });
    const wide = await convert(pictures, { layer: 'dynamic', routerWidth: 8 });
    expect(wide.difference).toBeLessThan(1e-4);
    // A hidden unit of a layer of C channels has C and K numbers; 1 or 2 units become 8.
    const layers = inspect('out').rows.filter(({ kind }) => kind.startsWith('DynamicConv2d'));
    const added = layers.map(
      ({ inputShape }) => (8 - Math.max(1, Math.floor(inputShape![0]! / 16))) * (inputShape![0]! + 4),
    );
    expect(wide.after.stored.parameters - narrow.after.stored.parameters).toBe(added.reduce((a, b) => a + b, 0));
    await expect(convert(pictures, { layer: 'dynamic', convolution: 'condconv', routerWidth: 8 })).rejects.toThrow(
      '--router-width is for the routers of dyconv and odconv',
    );
    await expect(convert(encoder, { layer: 'dynamic', routerWidth: 8 })).rejects.toThrow(
      '--router-width is for networks for pictures',
    );
  });

  it('makes them dynamic and partial by DCD, which has no kernels to mix', async () => {
    for (const options of [{ layer: 'dynamic' }, { layer: 'partial', ratio: 0.3 }] as const) {
      const { difference, after } = await convert(pictures, { ...options, convolution: 'dcd' });
      expect(difference).toBeLessThan(1e-5);
      const { entries, dynamicEntries } = after.stored;
      expect(dynamicEntries / entries).toBeCloseTo(options.layer === 'partial' ? 0.3 : 1, 2);
      const { rows } = inspect('out');
      const kind = options.layer === 'partial' ? 'partial' : 'dynamic';
      // 4 channels: 16 = 4² of Φ's rows and columns.
      expect(rows[2]).toMatchObject({ kind: `DecomposedConv2d ${kind}`, kernel: '3×3 /1 L 4' });
    }
    await expect(convert(pictures, { layer: 'partial', convolution: 'dcd', kernels: 2 })).rejects.toThrow(
      '--kernels is for convolutions that mix kernels, and dcd does not',
    );
  });

  it('keeps the scale factors that the static network was to have', async () => {
    const saved = loadAnyModel(pictures);
    if (saved.modality !== 'image') throw new Error('not of pictures');
    const model = { ...saved.description.model, scaleMode: 'none' as const };
    savePictureModel(join(folder, 'none/model.json'), saved.network, { ...saved.description, model });
    const { difference } = await convert(join(folder, 'none'), { layer: 'partial', ratio: 0.3 });
    expect(difference).toBeLessThan(1e-4);
    expect(loadAnyModel(join(folder, 'out')).description.model).toMatchObject({ layer: 'partial', scaleMode: 'none' });
  });

  it('starts from a file of weights, where it is told the network', async () => {
    manualSeed(1);
    const network = createModel(modelSchema.parse({ name: 'resnet10', width: 4 }), { inChannels: 1, numClasses: 3 });
    const file = join(folder, 'weights.safetensors');
    writeFileSync(file, encodeSafetensors(network.stateDict()));
    const named = { model: 'resnet10', width: 4 } as const;
    const { difference, after } = await convert(file, { ...named, layer: 'partial', ratio: 0.3 });
    expect(difference).toBeLessThan(1e-5);
    expect(after.stored.dynamicEntries / after.stored.entries).toBeCloseTo(0.3, 2);
    await expect(convert(file, { layer: 'partial' })).rejects.toThrow('say of which network with --model');
    await expect(convert(file, { ...named, width: 8, layer: 'partial' })).rejects.toThrow(
      'conv1.weight has shape [4, 1, 7, 7]',
    );
    await expect(convert(pictures, { ...named, layer: 'partial' })).rejects.toThrow('are for files of weights');
  });

  it('refuses what makes no sense, and writes nothing', async () => {
    const refuse = async (path: string, options: Parameters<typeof convert>[1], message: string): Promise<void> => {
      await expect(convert(path, options, 'wrong')).rejects.toThrow(message);
    };
    await refuse(encoder, { layer: 'dynamic', k: 9 }, 'k must be a whole number from 1 to the 8 experts, got 9');
    await refuse(
      encoder,
      { layer: 'dynamic', layers: [2] },
      'there is no block 2; the network has 2 feed-forward blocks',
    );
    await refuse(encoder, { layer: 'dynamic', ratio: 0.5 }, '--ratio is for --layer partial, not dynamic');
    await refuse(encoder, { layer: 'partial', kernels: 2 }, '--kernels is for networks for pictures');
    await refuse(encoder, { layer: 'static', experts: 2 }, '--experts is for what becomes dynamic');
    await convert(pictures, { layer: 'dynamic', convolution: 'dcd' }, 'dcd');
    await refuse(join(folder, 'dcd'), { layer: 'partial' }, 'dcd has no data of its own, on which to measure');
    await convert(pictures, { layer: 'dynamic' }, 'dynamic');
    await refuse(join(folder, 'dynamic'), { layer: 'static' }, 'dynamic has no data of its own, on which to measure');
    await refuse(pictures, { layer: 'static' }, 'is static already');
    await refuse(join(folder, 'dynamic'), { layer: 'dynamic' }, 'is dynamic already');
    await refuse(join(folder, 'dynamic'), { layer: 'partial', kernels: 2 }, '--kernels is for a static network');
    await refuse(pictures, { layer: 'partial', recipe: 'x.yaml' }, '--recipe is for a dynamic network for pictures');
    await refuse(
      pictures,
      { layer: 'partial', kernels: 100 },
      '--kernels: expected a whole number from 1 to 64, got 100',
    );
    await refuse(
      encoder,
      { layer: 'dynamic', experts: 300 },
      '--experts: expected a whole number from 1 to 256, got 300',
    );
    await refuse(pictures, { layer: 'partial', experts: 2 }, '--experts is for networks for texts');
    await convert(encoder, { layer: 'dynamic' }, 'mixture');
    await refuse(join(folder, 'mixture'), { layer: 'dynamic' }, 'is dynamic already');
    await refuse(join(folder, 'mixture'), { layer: 'static' }, 'a mixture has no static form: each token');
    await expect(convert(encoder, { layer: 'dynamic' }, 'mixture')).rejects.toThrow(
      /has a network already, [a-z.]+; --force replaces it/,
    );
    expect(existsSync(join(folder, 'wrong'))).toBe(false);
  });

  it('replaces what it has written itself, and nothing else', async () => {
    const replace = (path: string, name: string): Promise<Conversion> =>
      convertNetwork(path, {
        layer: path === encoder ? 'static' : 'dynamic',
        out: join(folder, name),
        force: true,
      });
    const mine = (name: string): string => {
      writeFileSync(join(folder, name), 'mine');
      return name;
    };
    const refuse = async (path: string, name: string, message: RegExp): Promise<void> => {
      const names = readdirSync(join(folder, name));
      await expect(replace(path, name)).rejects.toThrow(message);
      expect(readdirSync(join(folder, name))).toEqual(names);
    };
    await replace(pictures, 'net');
    const files = [mine('net/vocab.txt'), mine('net/config.json')];
    await refuse(pictures, 'net', /net\/(vocab\.txt|config\.json) is no file that padnet has written/);
    expect(files.map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual(['mine', 'mine']);
    for (const name of files) rmSync(join(folder, name));
    // Where the tokenizer's files come from is known only of a folder that was written as a whole.
    cpSync(encoder, join(folder, 'written'), { recursive: true });
    await refuse(pictures, 'written', /written\/vocab\.txt is no file that padnet has written/);
    await replace(encoder, 'net');
    await replace(pictures, 'net');
    expect(readdirSync(join(folder, 'net')).sort()).toEqual(['model.json', 'model.safetensors']);
  });

  it('does not replace what it reads', async () => {
    const weights = join(folder, 'out/model.safetensors');
    await convert(encoder, { layer: 'static' });
    const before = readFileSync(weights);
    const options = { layer: 'static', model: 'resnet10', out: join(folder, 'out'), force: true } as const;
    await expect(convertNetwork(weights, options)).rejects.toThrow();
    await expect(
      writeNetworkFolder(options.out, { source: weights, force: true }, () => Promise.resolve()),
    ).rejects.toThrow(/model\.safetensors is what is converted, and stays; choose another folder than .*out$/);
    expect(readFileSync(weights).equals(before)).toBe(true);
  });
});
