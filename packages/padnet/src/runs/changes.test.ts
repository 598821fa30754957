/** Runs that are resumed although something has changed: refused, or where it is allowed told and recorded. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getNumThreads, setNumThreads } from '@padnet/torch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listCheckpoints } from './checkpoint.js';
import type { TrainingEvent } from './events.js';
import {
  collect,
  inFirstFormat,
  metrics,
  pictures,
  smallRecipe,
  splits,
  writePictures,
} from './pictures.test.fixture.js';
import { readEvents, readRun } from './readRun.js';
import type { PictureRecipe } from '../recipe/recipe.js';
import { RunFolder } from './runFolder.js';
import { trainRecipe } from '../training/trainRecipe.js';

let parent: string;
let data: string;
let run: RunFolder;
let recipe: PictureRecipe;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'padnet-changes-'));
  data = join(parent, 'pictures');
  writePictures(data);
  run = new RunFolder(join(parent, 'run'));
  recipe = smallRecipe(data, 'static', { checkpointSteps: 4 });
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

async function trainUntil(step: number, { resume = false } = {}): Promise<void> {
  const controller = new AbortController();
  for await (const event of trainRecipe(recipe, { out: run.path, resume, signal: controller.signal }))
    if (event.type === 'step' && event.step === step) controller.abort();
}

const resume = (options: { allowChanges?: boolean; recipe?: PictureRecipe } = {}): Promise<TrainingEvent[]> =>
  collect(trainRecipe(options.recipe ?? recipe, { out: run.path, resume: true, ...options }));

/** Every file of the run, to see that a refusal has changed nothing. */
const contents = (): string =>
  [run.recipe, run.metrics, run.environment, run.start, ...listCheckpoints(run.checkpoints)]
    .map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : file))
    .join('\n');

async function refusal(options: { recipe?: PictureRecipe } = {}): Promise<string> {
  const before = contents();
  const error = await resume(options).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  expect(contents()).toBe(before);
  return (error as Error).message;
}

const faster = (): PictureRecipe => ({ ...recipe, training: { ...recipe.training, learningRate: 0.1 } });

describe('after a checkpoint', () => {
  beforeEach(() => trainUntil(5));

  const changes: [string, () => PictureRecipe | undefined, RegExp][] = [
    ['a learning rate', faster, /: training\.learningRate was 0\.05, is 0\.1; put that back, or go on /],
    [
      'pictures that are other ones',
      () => {
        writePictures(data, { train: pictures(72, 5), test: splits.test });
        return undefined;
      },
      /: training data was 72 pictures, [0-9a-f]{16}, is 72 pictures, [0-9a-f]{16}; normalisation was .*; put/,
    ],
    [
      'fewer pictures to test on',
      () => ({ ...recipe, data: { ...recipe.data, testLimit: 20 } }),
      /: data\.testLimit was not there, is 20; test data was 40 pictures, .*, is 20 pictures, .*; put that back/,
    ],
  ];
  it.each(changes)('%s: refused, or recorded', async (_, change, expected) => {
    const changed = change() ?? recipe;
    expect(await refusal({ recipe: changed })).toMatch(expected);
    const events = await resume({ recipe: changed, allowChanges: true });
    expect(events[0]).toMatchObject({ type: 'changed', epoch: 1, step: 5 });
    expect(events[1]).toMatchObject({ type: 'step', step: 6 });
    const told = readEvents(run.metrics);
    expect(told.filter(({ type }) => type === 'changed')).toEqual([events[0]]);
    expect(told.flatMap((event) => (event.type === 'step' ? event.step : []))).toEqual(
      Array.from({ length: 18 }, (_each, index) => index + 1),
    );
    expect(readRun(run.path).recipe).toEqual(changed);
  });

  it('another number of threads', async () => {
    const threads = getNumThreads();
    setNumThreads(threads + 1);
    try {
      expect(await refusal()).toContain(`: threads was ${threads}, is ${threads + 1}; put that back`);
    } finally {
      setNumThreads(threads);
    }
    expect((await resume()).at(-1)).toMatchObject({ type: 'finished' });
  });

  it('is asked for again until there is a checkpoint that knows of it', async () => {
    const controller = new AbortController();
    controller.abort();
    const options = { out: run.path, resume: true, allowChanges: true, signal: controller.signal };
    const events = await collect(trainRecipe(faster(), options));
    expect(events.map(({ type }) => type)).toEqual(['changed', 'checkpoint', 'interrupted']);
    // From now on this is the recipe, and the one before would be the change.
    expect(await refusal()).toContain(': training.learningRate was 0.1, is 0.05; ');
    expect((await resume({ recipe: faster() })).at(-1)).toMatchObject({ type: 'finished' });
  });

  it('data that have moved are the same data', async () => {
    const moved = join(parent, 'elsewhere');
    cpSync(data, moved, { recursive: true });
    rmSync(data, { recursive: true });
    const events = await resume({ recipe: { ...recipe, data: { ...recipe.data, path: moved } } });
    expect(events.some(({ type }) => type === 'changed')).toBe(false);
    expect(events.at(-1)).toMatchObject({ type: 'finished' });
  });

  it('a checkpoint of an older version: resumed with a remark, to the same end', async () => {
    const whole = new RunFolder(join(parent, 'whole'));
    await collect(trainRecipe(recipe, { out: whole.path }));
    await trainUntil(12, { resume: true });
    for (const name of listCheckpoints(run.checkpoints)) {
      const file = join(run.checkpoints, `${name}.json`);
      writeFileSync(file, inFirstFormat(readFileSync(file, 'utf8')));
    }
    rmSync(run.start);
    const other = { ...recipe, data: { ...recipe.data, trainLimit: 64 } };
    expect(await refusal({ recipe: other })).toMatch(
      /: damaged, or of another recipe or other data: after 1 epochs and 3 batches it is at step 12, .* has 8 steps$/,
    );
    const events = await resume();
    expect(events[0]).toMatchObject({ type: 'unchecked' });
    expect(metrics(run.metrics)).toEqual(metrics(whole.metrics));
    expect(readFileSync(run.modelWeights)).toEqual(readFileSync(whole.modelWeights));
  });

  it('events that are lost: the run goes on with what is left, and says so', async () => {
    const lines = readFileSync(run.metrics, 'utf8').split('\n');
    writeFileSync(run.metrics, lines.with(1, 'null').join('\n'));
    expect(await refusal()).toMatch(
      /metrics\.jsonl:2: damaged: expected one JSON event per line; the checkpoint is whole: /,
    );
    const whole = new RunFolder(join(parent, 'whole'));
    await collect(trainRecipe(recipe, { out: whole.path }));
    const events = await resume({ allowChanges: true });
    expect(events[0]).toMatchObject({
      type: 'changed',
      changes: [{ what: 'metrics.jsonl', before: '5 events', now: '4 that can be read' }],
    });
    // Only the record has a gap.
    expect(readFileSync(run.modelWeights)).toEqual(readFileSync(whole.modelWeights));
    const steps = readEvents(run.metrics).flatMap((event) => (event.type === 'step' ? event.step : []));
    expect(steps).toEqual(Array.from({ length: 18 }, (_, index) => index + 1).filter((step) => step !== 2));
  });

  it.each(['deleted', 'doubled'])('events that are %s do not come twice', async (how) => {
    const text = readFileSync(run.metrics, 'utf8');
    if (how === 'deleted') rmSync(run.metrics);
    else writeFileSync(run.metrics, text + text);
    if (how === 'deleted') {
      expect(await refusal()).toContain('metrics.jsonl has 0 of the 5 events that the checkpoint knows of; ');
      await resume({ allowChanges: true });
    } else await resume(); // what comes after the checkpoint is dropped as ever
    const steps = readEvents(run.metrics).flatMap((event) => (event.type === 'step' ? event.step : []));
    expect(new Set(steps).size).toBe(steps.length);
    expect(steps.at(-1)).toBe(18);
  });
});

it('other initial weights where it was killed before the first checkpoint', async () => {
  const pretrained = join(parent, 'pretrained');
  const start = smallRecipe(data, 'static', { epochs: 1 });
  await collect(trainRecipe(start, { out: pretrained }));
  const tuned = { ...start, model: { ...start.model, pretrained }, training: { ...start.training, epochs: 2 } };
  for await (const event of trainRecipe(tuned, { out: run.path })) if (event.type === 'step') break;
  rmSync(run.checkpoints, { recursive: true, force: true });
  expect(await refusalOf(tuned)).toBe(''); // without a start.json, as of an older version, nothing is known

  for await (const event of trainRecipe(tuned, { out: run.path, force: true })) if (event.type === 'step') break;
  expect(listCheckpoints(run.checkpoints)).toEqual([]);
  await collect(trainRecipe({ ...start, training: { ...start.training, seed: 2 } }, { out: pretrained, force: true }));
  expect(await refusalOf(tuned)).toMatch(/start\.json: .*: initial weights was [0-9a-f]{16}, is [0-9a-f]{16}; /);
  const events = await resume({ recipe: tuned, allowChanges: true });
  expect(events[0]).toMatchObject({ type: 'step', step: 1 }); // all of it is of these weights: nothing to record
});

async function refusalOf(of: PictureRecipe): Promise<string> {
  return resume({ recipe: of }).then(
    () => '',
    (error: unknown) => (error as Error).message,
  );
}

describe('a run that has finished', () => {
  beforeEach(() => collect(trainRecipe(recipe, { out: run.path })));
  const longer = (): PictureRecipe => ({ ...recipe, training: { ...recipe.training, epochs: 3 } });

  it('does not pass over a recipe that was changed, and trains on where that is allowed', async () => {
    expect(await refusal({ recipe: longer() })).toContain(': training.epochs was 2, is 3; put that back, or go on ');
    const events = await resume({ recipe: longer(), allowChanges: true });
    expect(events[0]).toMatchObject({ type: 'changed', step: 18 });
    expect(events.at(-1)).toMatchObject({ type: 'finished', step: 27 });
    expect(readEvents(run.metrics).filter(({ type }) => type === 'finished')).toHaveLength(1);
    expect(await resume({ recipe: longer() })).toEqual(events.slice(-1));
  });

  it('is not trained again because its events are lost', async () => {
    rmSync(run.metrics);
    expect(await refusal()).toContain('metrics.jsonl has 0 of the 20 events that the checkpoint knows of; ');
    rmSync(run.checkpoints, { recursive: true });
    expect(await refusal()).toBe(
      `${run.path} has a trained network, but no checkpoint to go on from, and ${run.metrics} does not say that the ` +
        `run finished; put that file back, or delete ${run.path} and train again`,
    );
  });
});

describe('what is read', () => {
  it('is not what is to be deleted', async () => {
    const pad = smallRecipe(data, 'partial', { epochs: 2 });
    await collect(trainRecipe(pad, { out: run.path }));
    const before = contents();
    const masked = { ...pad, partition: { ...pad.partition!, masks: run.partition } };
    await expect(collect(trainRecipe(masked, { out: run.path, force: true }))).rejects.toThrow(
      `partition.masks: ${run.partition} belongs to the run in ${run.path}, which is to start from the beginning; ` +
        'copy it elsewhere',
    );
    const tuned = { ...recipe, model: { ...recipe.model, pretrained: run.path } };
    await expect(collect(trainRecipe(tuned, { out: run.path, force: true }))).rejects.toThrow('model.pretrained: ');
    expect(contents()).toBe(before);
  });
});

it('two in one process, and in its threads: one trains, the other is told who has the run', async () => {
  const events = trainRecipe(recipe, { out: run.path });
  await events.next();
  for (const options of [{ resume: true }, {}, { force: true }]) {
    await expect(collect(trainRecipe(recipe, { out: run.path, ...options }))).rejects.toThrow(
      options.resume || options.force ? `${run.path} is held by process ${process.pid} ` : 'already has a run',
    );
  }
  const rest = await collect(events);
  expect(rest.at(-1)).toMatchObject({ type: 'finished' });
  expect(existsSync(join(run.path, '.padnet.lock'))).toBe(false);
});
