import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manualSeed, noGrad, randn, scope } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertToMoE, type ConvertToMoEOptions } from '../convert/index.js';
import { loadTokenizer, TextLoader, tokenise, type TextTokenizer, type TokenisedDataset } from '../data/index.js';
import { MoELinear } from '../layers/index.js';
import { loadPretrained, type SequenceClassifier } from '../models/index.js';
import { loadTexts, textInputs } from '../training/index.js';
import { writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import { expertLoad, expertRouterStates, type TypicalToken } from './expertLoad.js';

let folder: string;
let tokenizer: TextTokenizer;
let dataset: TokenisedDataset;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-experts-'));
  writeTexts(join(folder, 'glue'));
  writeEncoder(join(folder, 'encoder'));
  tokenizer = loadTokenizer(join(folder, 'encoder'));
  const { test } = loadTexts({
    name: 'glue',
    task: 'rte',
    path: join(folder, 'glue'),
    batchSize: 8,
    maxLength: 32,
    padding: 'longest',
    groupByLength: true,
  });
  dataset = tokenise(test, tokenizer, { maxLength: 32 });
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function mixtures(network: SequenceClassifier): MoELinear[] {
  return Array.from(network.namedModules(), ([, module]) => module).filter((module) => module instanceof MoELinear);
}

function encoder(
  options: ConvertToMoEOptions & { readonly decided?: boolean; readonly pretrained?: string } = {},
): SequenceClassifier {
  const { decided = true, pretrained = 'encoder', ...moe } = options;
  const { network } = loadPretrained(join(folder, pretrained));
  convertToMoE(network, { numExperts: 3, k: 2, ...moe });
  manualSeed(3);
  if (decided)
    noGrad(() => {
      for (const { router } of mixtures(network)) router.wGate.copy_(randn(router.wGate.shape));
    });
  return network;
}

/** Gates of every token of the data set in one layer, sentence by sentence: [tokens][E], and the tokens. */
async function gatesOf(network: SequenceClassifier, layer: number): Promise<{ id: number; gates: number[] }[]> {
  const loader = new TextLoader({ dataset, batchSize: 1 });
  const rows: { id: number; gates: number[] }[] = [];
  network.eval();
  for await (const batch of loader.epoch(0)) {
    scope(() => {
      noGrad(() => {
        const { gates, rowOf } = network.forward(textInputs(batch)).routing[layer]!;
        const values = gates.toArray();
        const rowOfToken = rowOf?.toArray();
        batch.inputIds.forEach((id, token) => {
          const row = rowOfToken?.[token] ?? token;
          rows.push({ id: Number(id), gates: values.slice(3 * row, 3 * row + 3) });
        });
      });
    });
  }
  return rows;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const entropy = (shares: readonly number[]): number =>
  -shares.reduce((sum, share) => sum + (share > 0 ? share * Math.log(share) : 0), 0);

describe('expertLoad', () => {
  it.each(['token', 'sentence'] as const)('counts shares, evenness and typical tokens, by %s', async (routing) => {
    const network = encoder({ routing });
    const load = (await expertLoad(network, dataset, { tokenizer, minCount: 3, numTypical: 4 }))!;
    expect(load.sentences).toBe(dataset.length);
    expect(load.tokens).toBe(dataset.inputIds.length);
    expect(load.layers.map(({ path }) => path)).toEqual([
      'encoder.layers.0.feed_forward.intermediate',
      'encoder.layers.0.feed_forward.output',
      'encoder.layers.1.feed_forward.intermediate',
      'encoder.layers.1.feed_forward.output',
    ]);
    expect(load.typical.map(({ path }) => path)).toEqual([0, 1, 3].map((index) => load.layers[index]!.path));

    const rows = await gatesOf(network, 1);
    const shares = [0, 1, 2].map((expert) => mean(rows.map(({ gates }) => gates[expert]!)));
    const layer = load.layers[1]!;
    expect(layer.level).toBe(routing);
    layer.shares.forEach((share, expert) => {
      expect(share).toBeCloseTo(shares[expert]!, 5);
    });
    expect(layer.loadEntropy).toBeCloseTo(entropy(shares) / Math.log(3), 5);
    const distance = mean(rows.map(({ gates }) => Math.hypot(...gates.map((gate, at) => gate - shares[at]!)) ** 2));
    expect(layer.variation).toBeCloseTo(Math.sqrt(distance) / Math.hypot(...shares), 5);
    expect(expertRouterStates(load)[1]).toEqual({
      path: layer.path,
      variation: layer.variation,
      dead: null,
      unusedExperts: [0, 1, 2].filter((expert) => shares[expert] === 0),
    });
    expect(layer.gateEntropy).toBeCloseTo(mean(rows.map(({ gates }) => entropy(gates))) / Math.log(2), 5);

    const lifts = (expert: number): (TypicalToken & { readonly id: number })[] =>
      [...new Set(rows.map(({ id }) => id))]
        .map((id) => {
          const own = rows.filter((row) => row.id === id);
          const lift = mean(own.map(({ gates }) => gates[expert]!)) / shares[expert]!;
          return { token: tokenizer.tokens([id])[0]!, count: own.length, lift: Math.round(100 * lift) / 100, id };
        })
        .filter(({ count, lift }) => count >= 3 && lift > 1)
        .sort((a, b) => b.lift - a.lift || b.count - a.count || a.id - b.id)
        .slice(0, 4);
    load.typical[1]!.experts.forEach((tokens, expert) => {
      expect(tokens).toEqual(lifts(expert).map(({ token, count, lift }) => ({ token, count, lift })));
    });
  });

  it('of a router that is undecided, finds no token typical', async () => {
    const load = (await expertLoad(encoder({ decided: false }), dataset, { tokenizer }))!;
    for (const { shares, gateEntropy, loadEntropy } of load.layers) {
      // Equal logits go to the lower experts.
      expect(shares).toEqual([0.5, 0.5, 0]);
      expect(gateEntropy).toBeCloseTo(1, 6);
      expect(loadEntropy).toBeCloseTo(Math.log(2) / Math.log(3), 6);
    }
    for (const { experts } of load.typical) expect(experts).toEqual([[], [], []]);
    for (const state of expertRouterStates(load)) {
      expect(state).toMatchObject({ dead: 'alike', unusedExperts: [2] });
      expect(state.variation).toBeLessThan(1e-6);
    }
    // By the task all tokens have the same experts, and are meant to.
    const byTask = (await expertLoad(encoder({ decided: false, routing: 'task' }), dataset, { tokenizer }))!;
    for (const state of expertRouterStates(byTask)) expect(state).toMatchObject({ dead: null, unusedExperts: [2] });
    const alone = (await expertLoad(encoder({ numExperts: 1, k: 1 }), dataset, { tokenizer }))!;
    for (const { dead } of expertRouterStates(alone)) expect(dead).toBe('oneKernel');
  });

  it('adds up the passes of a layer that runs twice (ALBERT)', async () => {
    writeEncoder(join(folder, 'albert'), {
      model_type: 'albert',
      embedding_size: 8,
      num_hidden_groups: 1,
      inner_group_num: 1,
    });
    const network = encoder({ pretrained: 'albert' });
    const load = (await expertLoad(network, dataset, { tokenizer, numTypical: 100 }))!;
    expect(load.tokens).toBe(dataset.inputIds.length);
    expect(load.layers.map(({ path }) => path)).toEqual([
      'encoder.layers.0.feed_forward.intermediate',
      'encoder.layers.0.feed_forward.output',
    ]);
    // Its first and its second decision.
    const rows = [...(await gatesOf(network, 0)), ...(await gatesOf(network, 2))];
    load.layers[0]!.shares.forEach((share, expert) => {
      expect(share).toBeCloseTo(mean(rows.map(({ gates }) => gates[expert]!)), 5);
    });
    const typical = load.typical[0]!.experts.flat();
    expect(typical.length).toBeGreaterThan(0);
    for (const { token, count } of typical) {
      expect(count).toBe(dataset.inputIds.filter((id) => tokenizer.tokens([id])[0] === token).length);
    }
  });

  it('takes the first sentences, and leaves the mode as it was', async () => {
    const network = encoder().train();
    const load = (await expertLoad(network, dataset, { tokenizer, maxSentences: 2 }))!;
    expect([load.sentences, load.tokens]).toEqual([2, dataset.offsets[2]]);
    expect(network.training).toBe(true);
  });

  it('is null of a static network', async () => {
    const { network } = loadPretrained(join(folder, 'encoder'));
    expect(await expertLoad(network, dataset, { tokenizer })).toBeNull();
  });
});
