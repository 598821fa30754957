import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { Mask } from '../partial/index.js';
import { decodePartition, encodePartition, overallDynamicRatio, partialLayers } from '../partition/index.js';
import { evaluate } from './tasks/evaluate.js';
import { isMetric, type TrainingEvent } from '../runs/events.js';
import { collect, metrics, smallRecipe, splits, writePictures } from '../runs/pictures.test.fixture.js';
import { partitionRun } from './partitionRun.js';
import { loadRunModel, readRun } from '../runs/readRun.js';
import type { PictureRecipe, Recipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import { trainInProcess } from './trainInProcess.js';
import { trainRecipe } from './trainRecipe.js';

let parent: string;
let data: string;
let run: RunFolder;
beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), 'padnet-pictures-'));
  writePictures(data);
  return () => {
    rmSync(data, { recursive: true });
  };
});
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'padnet-recipe-'));
  run = new RunFolder(join(parent, 'run'));
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

const train = (recipe: Recipe, options: { resume?: boolean; force?: boolean; out?: string } = {}) =>
  collect(trainRecipe(recipe, { out: run.path, ...options }));

/** A file is deleted after the first checkpoint. */
async function* trainingWithout(recipe: Recipe, file: string): AsyncGenerator<TrainingEvent> {
  let isDeleted = false;
  for await (const event of trainRecipe(recipe, { out: run.path, force: existsSync(run.path) })) {
    if (event.type === 'checkpoint' && !isDeleted) {
      rmSync(file);
      isDeleted = true;
    }
    yield event;
  }
}

/** Trains until the step is told, then stops. */
async function trainUntil(recipe: Recipe, step: number, { resume = false } = {}): Promise<TrainingEvent[]> {
  const controller = new AbortController();
  const events: TrainingEvent[] = [];
  for await (const event of trainRecipe(recipe, { out: run.path, resume, signal: controller.signal })) {
    events.push(event);
    if (event.type === 'step' && event.step === step) controller.abort();
  }
  return events;
}

const failure = async (attempt: Promise<unknown>): Promise<string> => {
  const error = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message;
};

describe('a whole run', () => {
  it('leaves everything that the folder promises, and the network that it tells of', async () => {
    const recipe = smallRecipe(data, 'partial');
    const events = await train(recipe);
    expect(readdirSync(run.path).sort()).toEqual([
      'checkpoints',
      'environment.json',
      'metrics.jsonl',
      'model',
      'partition.safetensors',
      'recipe.yaml',
    ]);
    const read = readRun(run.path);
    expect(read.recipe).toEqual(recipe);
    expect(read.environment!.threads).toBeGreaterThan(0);
    expect(read.events).toEqual(events.filter(({ type }) => type !== 'checkpoint'));
    const model = loadRunModel(run.path);
    if (model.modality !== 'image') throw new Error('not of pictures');
    const { network, description } = model;
    expect(description).toMatchObject({ size: [8, 8], numClasses: 4, inChannels: 1 });
    const { score, loss } = await evaluate(network, splits.test, { normalise: description.normalise });
    expect(events.at(-1)).toMatchObject({
      type: 'finished',
      metric: 'accuracy',
      testScore: score,
      testMetrics: { accuracy: score },
      testLoss: loss,
    });
    const { masks } = decodePartition(readFileSync(run.partition), run.partition);
    for (const [path, { mask }] of partialLayers(network)) expect(mask.bits).toEqual(masks.get(path)!.bits);
  });

  it('is the same when it is trained again: the seed decides', async () => {
    const recipe = smallRecipe(data, 'partial', { mixup: 0.2 });
    const other = new RunFolder(join(parent, 'other'));
    await train(recipe);
    await train(recipe, { out: other.path });
    expect(readFileSync(run.modelWeights)).toEqual(readFileSync(other.modelWeights));
    expect(metrics(run.metrics)).toEqual(metrics(other.metrics));
    await train({ ...recipe, training: { ...recipe.training, seed: 2 } }, { out: other.path, force: true });
    expect(readFileSync(run.modelWeights)).not.toEqual(readFileSync(other.modelWeights));
  });

  it('once finished is only told of again', async () => {
    const recipe = smallRecipe(data, 'static', { epochs: 1 });
    const [last] = (await train(recipe)).slice(-1);
    const before = readFileSync(run.metrics, 'utf8');
    expect(await train(recipe, { resume: true })).toEqual([last]);
    expect(readFileSync(run.metrics, 'utf8')).toBe(before);
  });
});

describe('resumed', () => {
  it('has the metrics and weights of a run that was not interrupted', async () => {
    const recipe = smallRecipe(data, 'partial', { checkpointSteps: 4 });
    const whole = new RunFolder(join(parent, 'whole'));
    await train(recipe, { out: whole.path });
    await trainUntil(recipe, 6);
    expect(existsSync(run.model)).toBe(false);
    // The traces of a process that was killed: events after the checkpoint, a line that is cut off, half files.
    appendFileSync(run.metrics, '{"type":"step","step":7}\n{"type":"st');
    writeFileSync(join(run.checkpoints, '.padnet-999999999-0123456789ab.tmp'), 'half');
    writeFileSync(join(run.checkpoints, 'step-0000008-00000008.safetensors'), 'half');
    writeFileSync(join(run.path, '.padnet-999999999-0123456789ab.tmp'), 'half');
    await trainUntil(recipe, 12, { resume: true });
    await train(recipe, { resume: true });
    expect(metrics(run.metrics)).toEqual(metrics(whole.metrics));
    expect(readFileSync(run.modelWeights)).toEqual(readFileSync(whole.modelWeights));
    expect(readFileSync(run.partition)).toEqual(readFileSync(whole.partition));
    expect(readdirSync(run.checkpoints).sort()).toEqual(readdirSync(whole.checkpoints).sort());
    expect(readdirSync(run.path).sort()).toEqual(readdirSync(whole.path).sort());
  });

  it('after the last epoch finishes what was left', async () => {
    const recipe = smallRecipe(data, 'static', { epochs: 1 });
    await train(recipe);
    const weights = readFileSync(run.modelWeights);
    const lines = readFileSync(run.metrics, 'utf8').split('\n');
    const [finished] = metrics(run.metrics).slice(-1);
    writeFileSync(run.metrics, `${lines.slice(0, -2).join('\n')}\n{"type":"fin`);
    rmSync(run.model);
    const events = await train(recipe, { resume: true });
    expect(events.map(({ type }) => type)).toEqual(['finished']);
    expect(metrics(run.metrics).at(-1)).toEqual(finished);
    expect(readFileSync(run.modelWeights)).toEqual(weights);
  });

  it('starts from the beginning where it was killed before the first checkpoint', async () => {
    const recipe = smallRecipe(data, 'static', { epochs: 1 });
    for await (const event of trainRecipe(recipe, { out: run.path })) if (event.type === 'step') break;
    rmSync(run.environment);
    rmSync(run.checkpoints, { recursive: true });
    const events = await train(recipe, { resume: true });
    expect(events[0]).toMatchObject({ type: 'step', step: 1 });
    expect(metrics(run.metrics)).toHaveLength(9 + 2);
    expect(existsSync(run.environment)).toBe(true);
  });

  it('has the masks of its checkpoint, whatever became of their file, and describes its machine', async () => {
    const recipe = smallRecipe(data, 'partial', { epochs: 2, checkpointSteps: 4 });
    await trainUntil(recipe, 11);
    const found = decodePartition(readFileSync(run.partition), run.partition);
    const full = new Map(Array.from(found.masks, ([path, mask]) => [path, Mask.full(mask.shape)]));
    const changes = [
      () => {
        rmSync(run.partition);
      },
      () => {
        writeFileSync(run.partition, encodePartition({ ...found, masks: full }));
      },
    ];
    writeFileSync(run.environment, '{}');
    for (const [index, change] of changes.entries()) {
      change();
      await trainUntil(recipe, 13 + index, { resume: true });
      const again = decodePartition(readFileSync(run.partition), run.partition);
      expect(again).toEqual({ ...found, scores: new Map() });
    }
    expect(readRun(run.path).environment).toMatchObject({ node: process.version });
  });

  it('writes its recipe again where that is deleted meanwhile, and stops where its events are', async () => {
    const recipe = smallRecipe(data, 'static', { epochs: 3 });
    expect(await failure(collect(trainingWithout(recipe, run.metrics)))).toMatch(
      /metrics\.jsonl has been deleted while the run was trained, which has stopped; put it back, or go on without it/,
    );
    expect(existsSync(run.metrics)).toBe(false);
    rmSync(run.path, { recursive: true });
    await collect(trainingWithout(recipe, run.recipe));
    expect(readRun(run.path).recipe).toEqual(recipe);
  });

  it('is impossible where it has finished by another recipe and has no checkpoint', async () => {
    const recipe = smallRecipe(data, 'static', { epochs: 1 });
    await train(recipe);
    rmSync(run.checkpoints, { recursive: true });
    const text = readFileSync(run.recipe, 'utf8').replace('epochs: 1\n', 'epochs: 5\n');
    writeFileSync(run.recipe, text);
    const longer = smallRecipe(data, 'static', { epochs: 5 });
    for (const allowChanges of [false, true]) {
      expect(await failure(collect(trainRecipe(longer, { out: run.path, resume: true, allowChanges })))).toMatch(
        /run has finished at epoch 1, by another recipe, and has no checkpoint to go on from; put the recipe back/,
      );
    }
  });

  it('is impossible without a run', async () => {
    expect(await failure(train(smallRecipe(data, 'static'), { resume: true }))).toBe(
      `${run.path} has no run to resume: it has no recipe.yaml`,
    );
    expect(existsSync(run.path)).toBe(false);
  });
});

describe('nothing is lost', () => {
  const contents = (): Record<string, string> =>
    Object.fromEntries(
      readdirSync(run.path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name), 'hex')]),
    );

  it('where a run is there already', async () => {
    await trainUntil(smallRecipe(data, 'static'), 2);
    const before = contents();
    expect(await failure(train(smallRecipe(data, 'static')))).toContain('already has a run; --resume goes on with it');
    expect(contents()).toEqual(before);
  });

  it('where a forced run cannot even start', async () => {
    await trainUntil(smallRecipe(data, 'static'), 2);
    const before = contents();
    const pad = smallRecipe(data, 'partial');
    const withMasks = (masks: string): Recipe => ({ ...pad, partition: { ...pad.partition!, masks } });
    const noData = { ...pad, data: { ...pad.data, path: join(parent, 'nowhere') } };
    expect(await failure(train(noData, { force: true }))).toContain('nowhere');
    expect(await failure(train(withMasks(join(parent, 'none')), { force: true }))).toMatch(/^partition\.masks: .*none/);
    writeFileSync(join(parent, 'masks'), 'x');
    expect(await failure(train(withMasks(join(parent, 'masks')), { force: true }))).toContain('masks');
    expect(contents()).toEqual(before);
  });

  it('says in one line where a checkpoint is damaged, in its own process too, and goes on without it', async () => {
    const recipe = smallRecipe(data, 'static', { checkpointSteps: 2 });
    await trainUntil(recipe, 5);
    const last = join(run.checkpoints, 'step-0000005-00000005.json');
    writeFileSync(last, readFileSync(last, 'utf8').slice(0, 30));
    const before = contents();
    const expected =
      `${last}: not a checkpoint (damaged?); delete step-0000005-00000005.json and ` +
      'step-0000005-00000005.safetensors to go on from the checkpoint before';
    expect(await failure(train(recipe, { resume: true }))).toBe(expected);
    expect(await failure(collect(trainInProcess(recipe, { out: run.path, resume: true })))).toBe(expected);
    expect(contents()).toEqual(before);
    for (const end of ['json', 'safetensors']) rmSync(last.replace(/json$/, end));
    const events = await train(recipe, { resume: true });
    expect(events[0]).toMatchObject({ type: 'step', step: 5 });
    expect(events.at(-1)).toMatchObject({ type: 'finished', step: 18 });
  });
});

describe('masks of another run', () => {
  it('are applied; those for another ratio or network are refused', async () => {
    const pad = smallRecipe(data, 'partial');
    await train(pad);
    const masks = join(parent, 'masks.safetensors');
    const bytes = readFileSync(run.partition);
    writeFileSync(masks, bytes);
    const recipe = (partition: Partial<Recipe['partition']>): PictureRecipe => ({
      ...pad,
      partition: { ...pad.partition!, masks, ...partition },
    });
    const again = new RunFolder(join(parent, 'again'));
    const events = await train(recipe({ epoch: 0 }), { out: again.path });
    expect(events.filter(({ type }) => type === 'partitionRound')).toEqual([]);
    expect(events.find(isMetric)).toMatchObject({ type: 'partition', epoch: 0 });
    expect(readFileSync(again.partition)).toEqual(bytes);

    const other = join(parent, 'other');
    expect(await failure(train(recipe({ ratio: 0.5 }), { out: other }))).toBe(
      `partition.masks: ${masks} was made with ratio 0.3, partition.ratio is 0.5`,
    );
    const wider = recipe({});
    expect(await failure(train({ ...wider, model: { ...wider.model, width: 8 } }, { out: other }))).toMatch(
      /^partition\.masks: this partition is for another network: mask shape/,
    );
    writeFileSync(masks, bytes.subarray(0, bytes.length - 9));
    const noPartition =
      'not a partition: it is damaged, or no safetensors file; ' +
      'give a file of masks, such as partition.safetensors of a run';
    expect(await failure(train(wider, { out: other }))).toBe(`partition.masks: ${masks}: ${noPartition}`);
    writeFileSync(masks, 'GIF89a, of another kind');
    expect(await failure(train(wider, { out: other }))).toBe(`partition.masks: ${masks}: ${noPartition}`);
    expect(await failure(train(recipe({ masks: parent }), { out: other }))).toBe(
      `partition.masks: ${parent} is no partitioned run: it has no partition.safetensors; give a file of masks or ` +
        'a folder with one, as training with a partition section writes it, or `padnet convert --layer partial ' +
        '--ratio`',
    );
    expect(existsSync(other)).toBe(false);
  });

  it('are found for a run that is fully dynamic, and for no static one', async () => {
    await train(smallRecipe(data, 'dynamic'));
    const before = readFileSync(run.modelWeights);
    const settings = smallRecipe(data, 'partial').partition!;
    const rounds: number[] = [];
    const result = await partitionRun(run.path, settings, { onRound: ({ round }) => rounds.push(round) });
    expect(rounds).toEqual([1, 2]);
    expect(result.partition.settings).toMatchObject({ ratio: 0.3, batches: 2 });
    const finished = metrics(run.metrics).at(-1)!;
    expect(result.before.score).toBe(finished.testScore);
    expect(decodePartition(encodePartition(result.partition), 'x').masks.size).toBe(11);
    expect(readFileSync(run.modelWeights)).toEqual(before);
    const other = new RunFolder(join(parent, 'static'));
    await train(smallRecipe(data, 'static', { epochs: 1 }), { out: other.path });
    const refused = partitionRun(other.path, settings);
    await expect(refused).rejects.toThrow(InputError);
    expect(await failure(refused)).toContain('is static already, so there is nothing to partition; `padnet convert');
  });
});

describe('a partition of a network that is partial already', () => {
  it('leaves static what is so, and finds fewer entries', async () => {
    await train(smallRecipe(data, 'partial'));
    const first = decodePartition(readFileSync(run.partition), 'x');
    const settings = { ...smallRecipe(data, 'partial').partition!, ratio: 0.2 };
    const { partition, before, after } = await partitionRun(run.path, settings);
    expect(before.score).toBe(metrics(run.metrics).at(-1)!.testScore);
    expect(overallDynamicRatio(partition.masks.values())).toBeCloseTo(0.2, 2);
    for (const [path, mask] of partition.masks) expect(mask.overlap(first.masks.get(path)!)).toBe(mask.count);
    expect(after.score).toBeGreaterThan(0.5);
  });

  it('is refused where it asks for more than there are, or by scores that do not see which are static', async () => {
    await train(smallRecipe(data, 'partial'));
    const settings = smallRecipe(data, 'partial').partition!;
    expect(await failure(partitionRun(run.path, { ...settings, ratio: 0.4 }))).toMatch(
      /is partial with κ = 0\.300, and static entries stay so: expected a ratio of at most that, got 0\.4$/,
    );
    expect(await failure(partitionRun(run.path, { ...settings, ratio: 0.2, saliency: 'magnitude' }))).toMatch(
      /is partial: only maskGradient, variance and spread leave its static entries static, got the score magnitude$/,
    );
  });
});
