import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeSafetensors, getNumThreads, scope, setNumThreads } from '@padnet/torch';
import { runRanks } from '@padnet/torch/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePartition, type SaliencyName } from '../partition/index.js';
import { listCheckpoints } from '../runs/checkpoint.js';
import { parseEvent, type TrainingEvent } from '../runs/events.js';
import { collect, smallRecipe, writePictures } from '../runs/pictures.test.fixture.js';
import { smallTextRecipe, writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import type { Recipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import type { RankedRun } from './ranks.test.child.js';
import { trainRecipe } from './trainRecipe.js';

const program = new URL('./ranks.test.child.js', import.meta.url);

let folder: string;
const threads = getNumThreads();
beforeAll(() => {
  setNumThreads(1);
  folder = mkdtempSync(join(tmpdir(), 'padnet-ranks-'));
  writePictures(join(folder, 'pictures'));
  writeTexts(join(folder, 'glue'));
  writeEncoder(join(folder, 'encoder'), { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  setNumThreads(threads);
});

const loss = (event: TrainingEvent): number[] => (event.type === 'step' ? [event.loss] : []);

/** Trains on ranks, to the end of each. */
async function train(size: number, runs: readonly RankedRun[]): Promise<void> {
  for (const { code, stderr } of await runRanks(program, size, { arguments: [JSON.stringify(runs)] }))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

function eventsOf(out: string): TrainingEvent[] {
  const lines = readFileSync(new RunFolder(out).metrics, 'utf8').trimEnd().split('\n');
  return lines.map((line) => parseEvent(line)!);
}

/** The newest checkpoint's tensors; what is random is compared as bytes. */
function checkpoint(out: string): Map<string, number[]> {
  const { checkpoints } = new RunFolder(out);
  const bytes = readFileSync(join(checkpoints, `${listCheckpoints(checkpoints).at(-1)!}.safetensors`));
  return scope(
    () =>
      new Map(
        Array.from(decodeSafetensors(bytes).tensors, ([name, tensor]) => [
          name,
          Array.from(tensor.toTypedArray(), Number),
        ]),
      ),
  );
}

/** The largest difference of weights, in parts of the largest of their tensor, or 0.01 where that is less. */
function largestDifference(one: ReadonlyMap<string, number[]>, other: ReadonlyMap<string, number[]>): number {
  expect([...other.keys()]).toEqual([...one.keys()]);
  const weights = [...one].filter(([name]) => name.startsWith('network.'));
  const differences = weights.map(([name, values]) => {
    const others = other.get(name)!;
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-2);
    return values.reduce((most, value, index) => Math.max(most, Math.abs(value - others[index]!)), 0) / scale;
  });
  return Math.max(...differences);
}

const distributed = {
  syncBatchNorm: true,
  shardOptimizer: false,
  shardExperts: false,
  bucketBytes: 4000,
  lifeTimeout: 10,
  timeout: 60,
};
const picture = (layer: 'static' | 'dynamic' | 'partial', more = {}): Recipe =>
  smallRecipe(join(folder, 'pictures'), layer, {
    epochs: 1,
    learningRate: 3e-4,
    clipGradNorm: 1,
    distributed,
    ...more,
  });
const withoutFold = (recipe: Recipe): Recipe => ({ ...recipe, partition: { ...recipe.partition!, fold: false } });
// Whose routers have no ReLU: one that is dead gives every input the same coefficients, and gains that are rounding.
const condConv = (recipe: Recipe): Recipe => {
  if (recipe.modality === 'text') throw new Error('texts have no convolutions');
  return { ...recipe, model: { ...recipe.model, convolution: 'condconv' } };
};
const scoredBy = (saliency: SaliencyName, recipe: Recipe): Recipe => ({
  ...recipe,
  partition: { ...recipe.partition!, saliency },
});
const text = (layer: 'static' | 'dynamic' | 'partial', more = {}): Recipe =>
  smallTextRecipe(folder, layer, { training: { epochs: 1, learningRate: 3e-4, distributed, ...more } });

const isLong = process.env.PADNET_LONG_TESTS === '1';

describe.each([2, 3])('%i ranks', (size) => {
  const cases = (): Record<string, Recipe> => ({
    static: picture('static'),
    dynamic: picture('dynamic', { accumulation: 2 }),
    // Without the fold: with it, entries that hardly differ from the mean score as much as rounding does.
    partial: withoutFold(picture('partial', { epochs: 2 })),
    'partial by gain': scoredBy('gain', withoutFold(condConv(picture('partial', { epochs: 2 })))),
    'static text': text('static'),
    'dynamic text': text('dynamic'),
    'partial text': text('partial'),
    'partial text by spread': scoredBy('spread', text('partial')),
  });
  const all = [
    ...['static', 'dynamic', 'partial', 'partial by gain'],
    ...['static text', 'dynamic text', 'partial text', 'partial text by spread'],
  ];
  const names = size === 2 || isLong ? all : ['dynamic', 'partial', 'partial text'];
  const place = (name: string): string => join(folder, `${size} ${name}`);
  beforeAll(async () => {
    const runs = names.map((name) => ({ recipe: cases()[name]!, options: { out: place(name) } }));
    await train(size, runs);
  }, 120_000);

  it.each(names)('train a %s network as one process does', async (name) => {
    const out = join(folder, `one for ${size} ${name}`);
    const events = await collect(trainRecipe(cases()[name]!, { out }));
    const [alone, together] = [events.flatMap(loss), eventsOf(place(name)).flatMap(loss)];
    expect(together).toHaveLength(alone.length);
    for (const [index, value] of alone.entries()) expect(Math.abs(together[index]! - value)).toBeLessThan(1e-5 * value);
    expect(largestDifference(checkpoint(out), checkpoint(place(name)))).toBeLessThan(2e-5);
    const partition = (run: string): unknown => {
      const file = new RunFolder(run).partition;
      return Array.from(decodePartition(readFileSync(file), file).masks, ([path, { bits }]) => [path, [...bits]]);
    };
    if (name.startsWith('partial')) expect(partition(place(name))).toEqual(partition(out));
    expect(eventsOf(place(name)).at(-1)).toMatchObject({ type: 'finished' });
  });
});

describe('ways of sharing', () => {
  const sameBits = (one: string, other: string): void => {
    const [a, b] = [one, other].map((out) => Object.fromEntries(checkpoint(out)));
    expect(b).toEqual(a);
  };
  const place = (name: string): string => join(folder, name);
  const shared = { ...distributed, syncBatchNorm: false };
  const cases = (): Record<string, RankedRun> => ({
    plain: { recipe: picture('partial', { epochs: 2, distributed: shared }), options: { out: place('plain') } },
    optimizer: {
      recipe: picture('partial', { epochs: 2, distributed: { ...shared, shardOptimizer: true } }),
      options: { out: place('optimizer') },
    },
    texts: { recipe: text('partial'), options: { out: place('texts') } },
    'texts, optimizer': {
      recipe: text('partial', { distributed: { ...distributed, shardOptimizer: true } }),
      options: { out: place('texts, optimizer') },
    },
    'texts, experts': {
      recipe: text('partial', { distributed: { ...distributed, shardExperts: true } }),
      options: { out: place('texts, experts') },
    },
    // Stopped by a signal that one rank alone got, and gone on with.
    ...Object.fromEntries(
      ['plain', 'optimizer'].flatMap((name): [string, RankedRun][] => {
        const out = place(`stopped ${name}`);
        const recipe = picture('partial', {
          epochs: 2,
          distributed: { ...shared, shardOptimizer: name === 'optimizer' },
        });
        return [
          [`stopped ${name}`, { recipe, options: { out }, stopAfter: 12 }],
          [`resumed ${name}`, { recipe, options: { out, resume: true } }],
        ];
      }),
    ),
    'stopped experts': {
      recipe: text('partial', { distributed: { ...distributed, shardExperts: true } }),
      options: { out: place('stopped experts') },
      stopAfter: 4,
    },
    'resumed experts': {
      recipe: text('partial', { distributed: { ...distributed, shardExperts: true } }),
      options: { out: place('stopped experts'), resume: true },
    },
    // Saved by two; one and three go on below.
    forOne: { recipe: picture('dynamic'), options: { out: place('for one') }, stopAfter: 4 },
    forThree: { recipe: picture('dynamic'), options: { out: place('for three') }, stopAfter: 4 },
  });
  beforeAll(async () => {
    await train(2, Object.values(cases()));
    await train(3, [{ recipe: picture('dynamic'), options: { out: place('for three'), resume: true } }]);
  }, 120_000);

  it('the state of the optimizer changes no bit', () => {
    sameBits(place('plain'), place('optimizer'));
    sameBits(place('texts'), place('texts, optimizer'));
  });

  it('experts change nothing but by rounding', () => {
    expect(largestDifference(checkpoint(place('texts')), checkpoint(place('texts, experts')))).toBeLessThan(2e-5);
  });

  it('a run that was stopped ends as one that was not', () => {
    sameBits(place('plain'), place('stopped plain'));
    sameBits(place('plain'), place('stopped optimizer'));
    sameBits(place('texts, experts'), place('stopped experts'));
  });

  it('a checkpoint of two ranks is gone on with by one and by three', async () => {
    const recipe = picture('dynamic');
    await collect(trainRecipe(recipe, { out: place('alone') }));
    const events = await collect(trainRecipe(recipe, { out: place('for one'), resume: true }));
    expect(events[0]).toMatchObject({ type: 'changed', changes: [{ what: 'ranks', before: '2', now: null }] });
    for (const name of ['for one', 'for three'])
      expect(largestDifference(checkpoint(place('alone')), checkpoint(place(name)))).toBeLessThan(2e-5);
  });
});

it('ranks that would train something else do not begin', async () => {
  const runs = [1, 2].map((seed) => ({ recipe: picture('static', { seed }), options: { out: join(folder, 'other') } }));
  const results = await runRanks(program, 2, { argumentsOf: (rank) => [JSON.stringify([runs[rank]])] });
  expect(results.map(({ code }) => code)).toEqual([1, 1]);
  const [first, second] = results.map(({ stderr }) => stderr);
  const reason = 'this rank would train something else than rank 0: training.seed was 1, is 2';
  expect(second).toContain(reason);
  expect(first).toContain(`rank 1 stopped: ${reason}`);
});

it.each(isLong ? [0, 1] : [0])('rank %i may be killed while a checkpoint is written', async (rank) => {
  const recipe = picture('static', { checkpointSteps: 1, distributed: { ...distributed, lifeTimeout: 2.5 } });
  const [whole, cut] = ['never killed', `killed ${rank}`].map((name) => ({ out: join(folder, `${rank} ${name}`) }));
  await train(2, [{ recipe, options: whole! }]);
  const { checkpoints } = new RunFolder(cut!.out);
  const hasBegun = (): boolean =>
    existsSync(checkpoints) && readdirSync(checkpoints).some((name) => name.startsWith('step-0000005'));
  const results = await runRanks(program, 2, {
    arguments: [JSON.stringify([{ recipe, options: cut! }])],
    onStart: (processes) => {
      const watch = setInterval(() => {
        if (!hasBegun()) return;
        clearInterval(watch);
        process.kill(processes[rank]!.pid, 'SIGKILL');
      }, 1);
    },
  });
  expect(results[rank]!.signal).toBe('SIGKILL');
  expect(results[1 - rank]!.stderr).toContain(`rank ${rank} is lost: its process has ended`);
  await train(2, [{ recipe, options: { ...cut!, resume: true } }]);
  const [a, b] = [whole!, cut!].map(({ out }) => Object.fromEntries(checkpoint(out)));
  expect(b).toEqual(a);
});
