/** Runs on class folders alone: what is tested on is written down, and used again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { collect, metrics, writeClassFolders } from '../runs/pictures.test.fixture.js';
import { savedTask } from './prepare.js';
import { loadRunModel, readRun } from '../runs/readRun.js';
import { pictureRecipeSchema, type PictureRecipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import { readSplit } from '../runs/splitFile.js';
import { trainRecipe } from './trainRecipe.js';

let parent: string;
let data: string;
let run: RunFolder;
beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), 'padnet-split-'));
  data = join(parent, 'shades');
  await writeClassFolders(data, 8);
  run = new RunFolder(join(parent, 'run'));
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

function recipe(keys: Partial<PictureRecipe['data']> = {}): PictureRecipe {
  return pictureRecipeSchema.parse({
    model: { name: 'resnet10', stem: 'small', width: 4 },
    data: { name: 'imageFolder', path: data, size: 8, batchSize: 4, numWorkers: 0, ...keys },
    training: { epochs: 2, learningRate: 0.05, checkpointSteps: 2 },
  });
}

/** @param until step after which it is stopped */
async function train(options: { readonly resume?: boolean; readonly until?: number } = {}): Promise<void> {
  const { resume = false, until } = options;
  const controller = new AbortController();
  for await (const event of trainRecipe(recipe(), { out: run.path, resume, signal: controller.signal }))
    if (event.type === 'step' && event.step === until) controller.abort();
}

async function addPicture(): Promise<void> {
  const picture = sharp({ create: { width: 20, height: 20, channels: 3, background: '#808080' } });
  writeFileSync(join(data, 'dark', '0 new.png'), await picture.png().toBuffer());
}

describe('split.json', () => {
  it('says which pictures are trained on and which are tested on', async () => {
    await train();
    const { train: trained, test, ...settings } = readSplit(run.split)!;
    expect(settings).toEqual({ testFraction: 0.2, seed: 1 });
    expect([trained.length, test.length]).toEqual([12, 4]);
    expect(test.map((name) => name.split('/')[0])).toEqual(['dark', 'dark', 'light', 'light']);
    expect([...trained, ...test].sort()).toEqual(
      ['dark', 'light'].flatMap((name) => Array.from({ length: 8 }, (_, index) => `${name}/${index}.png`)),
    );
    expect(readRun(run.path).split).toEqual({ ...settings, train: trained, test });
  });

  it('is what a run is resumed on, whatever has been added meanwhile: bit for bit the same', async () => {
    await train();
    const whole = [metrics(run.metrics), readFileSync(run.modelWeights)];
    rmSync(run.path, { recursive: true });
    await train({ until: 3 });
    await addPicture();
    await train({ resume: true });
    expect([metrics(run.metrics), readFileSync(run.modelWeights)]).toEqual(whole);
  });

  it('is what a run is evaluated on', async () => {
    await train();
    await addPicture();
    const { split } = readRun(run.path);
    const model = loadRunModel(run.path);
    const task = await savedTask(recipe(), model, { split });
    expect((await task.evaluate()).predictions).toHaveLength(4);
  });

  it('is removed with the run that it is of', async () => {
    await train();
    const before = readFileSync(run.split, 'utf8');
    const again = recipe({ splitSeed: 5 });
    await collect(trainRecipe(again, { out: run.path, force: true }));
    expect(readFileSync(run.split, 'utf8')).not.toBe(before);
    expect(readSplit(run.split)!.seed).toBe(5);
  });

  it('is not gone against in silence', async () => {
    await train();
    const { split } = readRun(run.path);
    const load = (keys: Partial<PictureRecipe['data']>): Promise<unknown> =>
      savedTask(recipe(keys), loadRunModel(run.path), { split });
    await expect(load({ testFraction: 0.5 })).rejects.toThrow(
      `data.testFraction: the run divided ${data} by 0.2 when it began, as its split.json says, not by 0.5; ` +
        'leave the key as it was',
    );
    await expect(load({ splitSeed: 2 })).rejects.toThrow('data.splitSeed: the run divided');
    writeFileSync(run.split, '{"format": "padnet-split-1", "train": []}');
    expect(() => readRun(run.path)).toThrow(InputError);
    expect(() => readRun(run.path)).toThrow(
      `${run.split}: testFraction: missing; expected a number; seed: missing; expected a whole number; ` +
        'test: missing; expected a list, each text; restore it from a copy, or train again',
    );
    const mixed = { format: 'padnet-split-1', testFraction: 0.2, seed: 1, train: ['a', 'b'], test: ['c', 'b'] };
    writeFileSync(run.split, JSON.stringify(mixed));
    expect(() => readRun(run.path)).toThrow(
      `${run.split}: train[1]: b is in test too; expected each sample in one of the two; ` +
        'restore it from a copy, or train again',
    );
    writeFileSync(run.split, '{');
    expect(() => readRun(run.path)).toThrow(
      `${run.split}: expected the split of a run, but it is not JSON; restore it from a copy, or train again`,
    );
  });
});

it('tells once which classes have no training picture', async () => {
  const events = await collect(trainRecipe(recipe({ trainLimit: 1, size: 16 }), { out: run.path }));
  expect(events.filter(({ type }) => type === 'emptyClasses')).toEqual([
    { type: 'emptyClasses', name: 'shades/train', classes: [expect.stringMatching(/^(dark|light)$/)], numClasses: 2 },
  ]);
  expect(readFileSync(run.metrics, 'utf8')).not.toContain('emptyClasses');
});
