import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { liveTensors, noGrad, scope } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NonFiniteError } from '../errors.js';
import { MoELinear } from '../layers/index.js';
import { partialLayers } from '../partition/index.js';
import type { TrainingEvent } from '../runs/events.js';
import { partitionRun } from './partitionRun.js';
import { checksums, collect, metrics, withoutTimings } from '../runs/pictures.test.fixture.js';
import { prepareTask, savedTask } from './prepare.js';
import { loadRunModel, readRun } from '../runs/readRun.js';
import type { TextRecipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import { smallTextRecipe, writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import { textInputs } from './tasks/textTask.js';
import { Trainer } from './trainer.js';
import { trainRecipe } from './trainRecipe.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-texts-'));
  writeTexts(join(folder, 'glue'));
  writeEncoder(join(folder, 'encoder'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const ofType = <Type extends TrainingEvent['type']>(
  events: readonly TrainingEvent[],
  type: Type,
): Extract<TrainingEvent, { type: Type }>[] =>
  events.filter((event): event is Extract<TrainingEvent, { type: Type }> => event.type === type);

describe('a run on texts', () => {
  it.each(['static', 'dynamic', 'partial'] as const)(
    'of a %s network: same scores from disk, same again',
    async (layer) => {
      const recipe = smallTextRecipe(folder, layer);
      const out = join(folder, `run-${layer}`);
      const events = await collect(trainRecipe(recipe, { out }));
      expect(readRun(out).recipe).toEqual(recipe);
      const [finished] = ofType(events, 'finished');
      expect(finished).toMatchObject({ metric: 'accuracy', testMetrics: { accuracy: finished!.testScore } });
      const model = loadRunModel(out);
      const evaluation = await (await savedTask(recipe, model)).evaluate();
      expect(evaluation.score).toBe(finished!.testScore);
      expect(evaluation.loss).toBeCloseTo(finished!.testLoss, 6);
      await expect(savedTask(smallTextRecipe(folder, layer, { data: { task: 'mnli' } }), model)).rejects.toThrow(
        'data.task: mnli needs a network with 3 outputs, that of the run has 2',
      );
      for (const { routing } of ofType(events, 'step')) {
        if (layer === 'static') expect(routing).toBeNull();
        else {
          expect(routing!.auxiliaryLoss).toBeGreaterThan(0);
          for (const value of [routing!.gateEntropy, routing!.loadEntropy]) {
            expect(value).toBeGreaterThan(0);
            expect(value).toBeLessThanOrEqual(1 + 1e-6);
          }
        }
      }
      const again = await collect(trainRecipe(recipe, { out: `${out}-again` }));
      const told = (all: readonly TrainingEvent[]) =>
        all.filter(({ type }) => type !== 'checkpoint').map(withoutTimings);
      expect(told(again)).toEqual(told(events));
      expect(readFileSync(new RunFolder(`${out}-again`).modelWeights)).toEqual(
        readFileSync(new RunFolder(out).modelWeights),
      );
    },
  );

  it('learns what its sentences say', async () => {
    const recipe = smallTextRecipe(folder, 'static', { training: { epochs: 30, learningRate: 5e-3 } });
    const events = await collect(trainRecipe(recipe, { out: join(folder, 'learnt') }));
    expect(ofType(events, 'finished')[0]!.testScore).toBeGreaterThan(0.9);
  });

  it('partitions within an epoch, and is the same where it was interrupted there', async () => {
    const recipe = smallTextRecipe(folder, 'partial', { training: { checkpointSteps: 2 } });
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    const events = await collect(trainRecipe(recipe, { out: whole }));
    expect(ofType(events, 'partition')).toMatchObject([{ epoch: 0, step: 3 }]);
    for (let session = 0; session < 20 && !existsSync(new RunFolder(parts).model); session++) {
      const controller = new AbortController();
      for await (const event of trainRecipe(recipe, { out: parts, resume: session > 0, signal: controller.signal }))
        if (event.type === 'step') controller.abort();
    }
    expect(metrics(new RunFolder(parts).metrics)).toEqual(metrics(new RunFolder(whole).metrics));
    expect(readFileSync(new RunFolder(parts).modelWeights)).toEqual(readFileSync(new RunFolder(whole).modelWeights));
  });

  it('tells once a data set that sentences were truncated, to the positions that there are', async () => {
    const recipe = smallTextRecipe(folder, 'static', { data: { maxLength: 8 }, training: { epochs: 1 } });
    const events = await collect(trainRecipe(recipe, { out: join(folder, 'short') }));
    expect(ofType(events, 'truncated').map(({ name, maxLength }) => [name, maxLength])).toEqual([
      ['RTE/train', 8],
      ['RTE/dev', 8],
    ]);
    writeEncoder(join(folder, 'few'), { max_position_embeddings: 7 });
    const few = smallTextRecipe(folder, 'static', {
      model: { pretrained: join(folder, 'few') },
      training: { epochs: 1 },
    });
    const told = ofType(await collect(trainRecipe(few, { out: join(folder, 'fewer') })), 'truncated');
    expect(told.map(({ maxLength }) => maxLength)).toEqual([7, 7]);
  });

  it("tells which keys of the encoder's config.json nothing is known of", async () => {
    const pretrained = join(folder, 'noted');
    writeEncoder(pretrained);
    const file = join(pretrained, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...config, my_note: 'x', use_cache: true }));
    const recipe = smallTextRecipe(folder, 'static', { model: { pretrained }, training: { epochs: 1 } });
    const events = await collect(trainRecipe(recipe, { out: join(folder, 'noted-run') }));
    expect(ofType(events, 'unknownKeys')).toEqual([{ type: 'unknownKeys', pretrained, keys: ['my_note'] }]);
    writeFileSync(file, JSON.stringify({ ...config, is_decoder: true }));
    await expect(collect(trainRecipe(recipe, { out: join(folder, 'decoder') }))).rejects.toThrow(
      `${file}: is_decoder is true: tokens of a decoder see only earlier ones; choose another model`,
    );
  });

  it('leaves nothing behind where a line is wrong', async () => {
    const glue = join(folder, 'wrong');
    writeTexts(glue);
    const file = join(glue, 'RTE', 'dev.tsv');
    writeFileSync(file, readFileSync(file, 'utf8').replace('\tentailment\n', '\tmaybe\n'));
    const out = join(folder, 'none');
    const run = collect(trainRecipe(smallTextRecipe(folder, 'static', { data: { path: glue } }), { out }));
    await expect(run).rejects.toThrow(`${file}: line 2: label is "maybe", expected entailment or not_entailment`);
    expect(existsSync(out)).toBe(false);
  });

  it('is partitioned afterwards where it is a mixture', async () => {
    const out = join(folder, 'mixture');
    await collect(trainRecipe(smallTextRecipe(folder, 'dynamic', { model: { layers: [1] } }), { out }));
    const settings = smallTextRecipe(folder, 'partial', { partition: { granularity: 'neuron' } }).partition!;
    const { partition, before } = await partitionRun(out, settings);
    expect([...partition.masks.keys()]).toEqual([
      'encoder.layers.1.feed_forward.intermediate',
      'encoder.layers.1.feed_forward.output',
    ]);
    expect(before.score).toBe(ofType(readRun(out).events, 'finished')[0]!.testScore);
  });
});

describe('model.pretrained of a network of ours', () => {
  const at = (name: string): string => join(folder, `from-${name}`);
  beforeAll(async () => {
    for (const layer of ['static', 'dynamic', 'partial'] as const)
      await collect(trainRecipe(smallTextRecipe(folder, layer, { training: { epochs: 1 } }), { out: at(layer) }));
  });
  const from = (
    name: string,
    layer: TextRecipe['model']['layer'],
    model: Partial<TextRecipe['model']> = {},
  ): TextRecipe => smallTextRecipe(folder, layer, { model: { pretrained: at(name), ...model } });
  const lossOf = async (recipe: TextRecipe): Promise<number> => {
    const { task } = await prepareTask(recipe);
    return (await task.evaluate()).loss;
  };
  const reached = (name: string): number => ofType(readRun(at(name)).events, 'finished')[0]!.testLoss;

  it.each([
    ['static', 'static'],
    ['static', 'dynamic'],
    ['static', 'partial'],
    ['dynamic', 'dynamic'],
    ['dynamic', 'partial'],
    ['partial', 'dynamic'],
    ['partial', 'partial'],
  ] as const)('%s run, %s recipe: starts where the run ended', async (name, layer) => {
    expect(await lossOf(from(name, layer))).toBeCloseTo(reached(name), 5);
  });

  it('takes its shape and tokenizer alone where it is to be from scratch', async () => {
    const { task } = await prepareTask(from('dynamic', 'static', { fromScratch: true }));
    expect(Array.from(task.network.namedModules()).some(([, module]) => module instanceof MoELinear)).toBe(false);
  });

  it('trains on, and saves a network that is read again', async () => {
    const out = join(folder, 'trained-on');
    await collect(trainRecipe(from('partial', 'partial'), { out }));
    const { score } = await (await savedTask(from('partial', 'partial'), loadRunModel(out))).evaluate();
    expect(score).toBe(ofType(readRun(out).events, 'finished')[0]!.testScore);
  });

  it('trains a static network of a mixture with κ = 0', async () => {
    const out = join(folder, 'mean');
    const recipe = from('dynamic', 'partial');
    await collect(trainRecipe({ ...recipe, partition: { ...recipe.partition!, ratio: 0, epoch: 0 } }, { out }));
    expect(loadRunModel(out).description.model.layer).toBe('static');
  });

  it('says in one line what does not go together, and what to do', async () => {
    const refuse = async (recipe: TextRecipe, message: RegExp): Promise<void> => {
      await expect(prepareTask(recipe)).rejects.toThrow(message);
    };
    await refuse(
      from('dynamic', 'static'),
      /^model\.pretrained: .*from-dynamic has model\.layer: dynamic; .*; model\.layer: partial with .* trains a static one/,
    );
    await refuse(
      from('partial', 'dynamic', { numExperts: 4 }),
      /has model\.numExperts: 3, here it is 4; give the same$/,
    );
    await refuse(
      from('dynamic', 'dynamic', { position: 'output' }),
      /does not fit: .*unexpected encoder\.layers\.0\.feed_forward\.intermediate/,
    );
    const begun = join(folder, 'begun');
    const controller = new AbortController();
    for await (const event of trainRecipe(smallTextRecipe(folder, 'dynamic'), {
      out: begun,
      signal: controller.signal,
    }))
      if (event.type === 'step') controller.abort();
    await refuse(smallTextRecipe(folder, 'dynamic', { model: { pretrained: begun } }), /finishes the run$/);
  });
});

describe('a network whose outputs are no numbers', () => {
  it.each([NaN, Infinity])('(%s) has no score: text and layer are named', async (value) => {
    const recipe = smallTextRecipe(folder, 'static');
    const { task } = await prepareTask(recipe);
    noGrad(() => task.network.stateDict().get('encoder.layers.1.norm.weight')!.fill_(value));
    await expect(task.evaluate()).rejects.toThrow(
      new NonFiniteError(
        "RTE/dev: the network's output for text 1",
        'parameter encoder.layers.1.norm.weight has entries that are not finite',
      ),
    );
  });
});

describe('early stopping', () => {
  it('keeps the best epoch, stops after the others, and resumes to the same', async () => {
    const training = { epochs: 12, learningRate: 5e-3, earlyStopping: { patience: 2 } };
    const data = { validation: { fraction: 0.25, seed: 1 } };
    const recipe = smallTextRecipe(folder, 'dynamic', { training, data });
    const events = await collect(trainRecipe(recipe, { out: join(folder, 'early') }));
    const epochs = ofType(events, 'epoch');
    const best = epochs.reduce((a, b) => (b.validationScore! > a.validationScore! ? b : a));
    const [finished] = ofType(events, 'finished');
    const { validationScore } = best;
    expect(finished).toMatchObject({ validationScore });
    expect(epochs.length).toBe(Math.min(12, best.epoch + 2));
    const model = loadRunModel(join(folder, 'early'));
    const task = await savedTask(recipe, model);
    expect((await task.evaluate({ on: 'validation' })).score).toBe(validationScore);
    expect((await task.evaluate()).score).toBe(finished!.testScore);

    const parts = join(folder, 'early-parts');
    const controller = new AbortController();
    for await (const event of trainRecipe(recipe, { out: parts, signal: controller.signal }))
      if (event.type === 'epoch') controller.abort();
    await collect(trainRecipe(recipe, { out: parts, resume: true }));
    expect(readFileSync(new RunFolder(parts).modelWeights)).toEqual(
      readFileSync(new RunFolder(join(folder, 'early')).modelWeights),
    );
  });
});

describe('the start', () => {
  it('of mixtures of copies, whole or partial, is that of the static network', async () => {
    const logits = async (layer: 'static' | 'dynamic' | 'partial'): Promise<number[]> => {
      const { task } = await prepareTask(smallTextRecipe(folder, layer));
      task.network.eval();
      const found: number[] = [];
      for await (const batch of task.openLoader(1).epoch(0))
        scope(() => noGrad(() => found.push(...task.output(batch).toArray())));
      return found;
    };
    const expected = await logits('static');
    for (const layer of ['dynamic', 'partial'] as const)
      (await logits(layer)).forEach((value, index) => {
        expect(value).toBeCloseTo(expected[index]!, 5);
      });
  });

  it('needs tokenizer and encoder of one model', async () => {
    const other = join(folder, 'other');
    writeEncoder(other, { vocab_size: 9 });
    await expect(prepareTask(smallTextRecipe(folder, 'static', { model: { pretrained: other } }))).rejects.toThrow(
      /the tokenizer gives RTE\/train token \d+, but config.json knows 9 tokens/,
    );
  });

  it('from scratch has the encoder’s shape and none of its weights', async () => {
    const { task } = await prepareTask(smallTextRecipe(folder, 'static', { model: { fromScratch: true } }));
    const { task: pretrained } = await prepareTask(smallTextRecipe(folder, 'static'));
    const [fresh, known] = [checksums(task.network), checksums(pretrained.network)];
    expect(Object.keys(fresh)).toEqual(Object.keys(known));
    expect(fresh['encoder.layers.0.attention.query.weight']).not.toBe(known['encoder.layers.0.attention.query.weight']);
  });

  it('converts the blocks and positions that are asked for', async () => {
    const model: Partial<TextRecipe['model']> = { layers: [1], position: 'output', routing: 'sentence' };
    const { task } = await prepareTask(smallTextRecipe(folder, 'partial', { model }));
    expect([...partialLayers(task.network).keys()]).toEqual(['encoder.layers.1.feed_forward.output']);
    for (const [, module] of task.network.namedModules())
      if (module instanceof MoELinear) expect(module.routing).toBe('sentence');
    await expect(prepareTask(smallTextRecipe(folder, 'dynamic', { model: { layers: [2] } }))).rejects.toThrow(
      'layers: there is no block 2; the network has 2 feed-forward blocks (0 to 1)',
    );
    expect(() => smallTextRecipe(folder, 'dynamic', { model: { k: 4 } })).toThrow(
      'expected at most model.numExperts (3), got 4',
    );
  });
});

it('leaks no tensor from step to step', async () => {
  const { task, training } = await prepareTask(smallTextRecipe(folder, 'partial', { training: { epochs: 3 } }));
  const trainer = new Trainer({ task, training, partition: { ratio: 0.5, epoch: 1, batches: 2 } });
  const counts: number[] = [];
  // What came before is gone first.
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  await setImmediate();
  for await (const event of trainer.run()) if (event.type === 'step') counts.push(liveTensors());
  // Masks and merged weights are cached once, after the first epoch and its partition.
  expect(new Set(counts.slice(1, 6)).size).toBe(1);
  expect(new Set(counts.slice(12)).size).toBe(1);
  // Two moments of static weights, masks, and where entries are.
  expect(counts.at(-1)! - counts[1]!).toBeLessThanOrEqual(6 * partialLayers(task.network).size);
});

it('takes a batch as int64 tensors', () => {
  scope(() => {
    const inputs = textInputs({
      index: 0,
      size: 1,
      length: 2,
      sampleIndices: Uint32Array.of(0),
      inputIds: BigInt64Array.of(2n, 3n),
      attentionMask: BigInt64Array.of(1n, 0n),
      tokenTypeIds: BigInt64Array.of(0n, 0n),
      isPart: false,
      labels: null,
    });
    expect([inputs.inputIds.dtype, inputs.inputIds.shape]).toEqual(['int64', [1, 2]]);
    expect(inputs.attentionMask.toArray()).toEqual([1, 0]);
  });
});
