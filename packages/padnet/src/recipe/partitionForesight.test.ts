/**
 * Compares what is foreseen with what happens: every recipe that is refused fails at its partition, and no other does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { liveTensors, manualSeed } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { createModel, dynamicConvolutions, type ModelOptions, type TextModelOptions } from '../models/index.js';
import { saliencies, saliencyOf, type SaliencyName } from '../partition/index.js';
import { parseRecipe, parseRunRecipe, serialiseRecipe } from './loadRecipe.js';
import { foreseenFailure } from './partitionForesight.js';
import { collect, smallNetwork, smallRecipe, splits, trainerOptions } from '../runs/pictures.test.fixture.js';
import { PictureTask } from '../training/tasks/pictureTask.js';
import { prepareTask } from '../training/prepare.js';
import {
  pictureRecipeSchema,
  textRecipeSchema,
  type PartitionOptions,
  type PictureRecipe,
  type TextRecipe,
} from './recipe.js';
import { searchPartition } from '../training/searchPartition.js';
import { smallTextRecipe, writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import { Trainer } from '../training/trainer.js';
import { trainRecipe } from '../training/trainRecipe.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-foresight-'));
  writeTexts(join(folder, 'glue'));
  writeEncoder(join(folder, 'encoder'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** But for those of which the same is foreseen as of others. */
const names = (Object.keys(saliencies) as SaliencyName[]).filter(
  (name) => !['newtonGain', 'randomByLayer', 'shuffled'].includes(name),
);

function pictureRecipe(model: Partial<ModelOptions>, partition: Partial<PartitionOptions>): PictureRecipe {
  const recipe = smallRecipe('pictures', 'partial');
  return pictureRecipeSchema.parse({
    ...recipe,
    model: { ...recipe.model, ...model },
    partition: { ...recipe.partition, ratio: 0.5, batches: 1, rounds: 1, ...partition },
  });
}

function textRecipe(model: Partial<TextModelOptions>, partition: Partial<PartitionOptions>): TextRecipe {
  return textRecipeSchema.parse(
    smallTextRecipe(folder, 'partial', { model, partition: { batches: 1, rounds: 1, ...partition } }),
  );
}

const pathOf = (recipe: PictureRecipe | TextRecipe): string | null => foreseenFailure(recipe)?.path.join('.') ?? null;

describe('before training, of pictures', () => {
  const cases = dynamicConvolutions.flatMap((convolution) =>
    (
      [
        ['copies', 0],
        ['copies', 0.5],
        ['independent', 0],
      ] as const
    ).flatMap(([bankInitialisation, noise]) =>
      [true, false].map((fold) => ({ convolution, bankInitialisation, noise, fold })),
    ),
  );

  it.each(cases)('$convolution, $bankInitialisation, noise $noise, fold $fold', async ({ fold, ...model }) => {
    for (const saliency of names) {
      const recipe = pictureRecipe({ ...model, numKernels: 4 }, { saliency, fold, epoch: 0 });
      manualSeed(1);
      const network = createModel(recipe.model, { inChannels: 1, numClasses: 4 });
      const task = new PictureTask({ network, splits, data: { batchSize: 24, numWorkers: 0 } });
      const found = await searchPartition(task, recipe.partition!, {
        seed: 1,
        epoch: 0,
        saliency: saliencies[saliency],
      }).catch((error: unknown) => error);
      const label = `${saliency} ${JSON.stringify({ ...model, fold })}`;
      if (pathOf(recipe) === null) expect(found, label).not.toBeInstanceOf(Error);
      // What would be 0 may be a rounding, as the mean of four copies is: such scores say nothing.
      else if (found instanceof Error) expect(found.message, label).toMatch(/^every score by \w+ is 0/);
    }
  });
});

it('refuses one kernel, where a score needs weights that depend on the input', () => {
  const found = (model: Partial<ModelOptions>, partition: Partial<PartitionOptions> = {}): string | null =>
    pathOf(pictureRecipe({ numKernels: 1, ...model }, partition));
  expect(found({})).toBe('model.numKernels');
  expect(found({}, { saliency: 'variance' })).toBe('model.numKernels');
  expect(found({ numKernels: 2 })).toBeNull();
  // Without folding the bank and the static weight are two, and other scores do not ask for it.
  expect(found({}, { fold: false })).toBeNull();
  for (const saliency of ['snip', 'grasp', 'synFlow', 'magnitude', 'random'] as const)
    expect(found({}, { saliency })).toBeNull();
  // CondConv's one coefficient depends on the input, and so do ODConv's other attentions.
  expect(found({ convolution: 'condconv' })).toBeNull();
  expect(found({ convolution: 'odconv' })).toBeNull();
  expect(found({ convolution: 'odconv' }, { saliency: 'variance' })).toBe('model.numKernels');
  for (const saliency of ['gain', 'newtonGain', 'spread'] as const)
    for (const convolution of ['dyconv', 'condconv', 'odconv'] as const)
      expect(found({ convolution }, { saliency, fold: false })).toBe('model.numKernels');
  expect(found({}, { saliency: 'shuffled' })).toBe('model.numKernels');
  expect(found({}, { saliency: 'randomByLayer' })).toBeNull();
  // Where nothing is chosen by scores.
  expect(found({}, { ratio: 0 })).toBeNull();
  expect(found({}, { ratio: 1 })).toBeNull();
  expect(found({}, { masks: 'masks.safetensors' })).toBeNull();
});

it('knows what becomes of mixtures of experts', () => {
  const found = (model: Partial<TextModelOptions>, partition: Partial<PartitionOptions> = {}): string | null =>
    pathOf(textRecipe(model, partition));
  expect(found({})).toBeNull();
  expect(found({ numExperts: 1, k: 1 })).toBe('model.numExperts');
  expect(found({ numExperts: 1, k: 1 }, { saliency: 'magnitude' })).toBeNull();
  expect(found({}, { saliency: 'synFlow' })).toBe('partition.saliency');
  expect(found({ routing: 'task' }, { saliency: 'variance' })).toBe('partition.saliency');
  expect(found({ routing: 'sentence' }, { saliency: 'variance' })).toBeNull();
  expect(found({}, { epoch: 0 })).toBe('partition.epoch');
  expect(found({ noise: 0.1 }, { epoch: 0 })).toBeNull();
  expect(found({ noise: 0.1, k: 3 }, { epoch: 0 })).toBe('partition.epoch');
  expect(found({ noise: 0.1, k: 3 }, { epoch: 0, fold: false })).toBeNull();
  expect(found({ noise: 0.1 }, { epoch: 0, fold: 'byUse' })).toBe('partition.epoch');
  for (const saliency of ['variance', 'gain', 'newtonGain'] as const) {
    expect(found({ noise: 0.1 }, { epoch: 0, saliency })).toBe('partition.epoch');
    expect(found({ routing: 'task' }, { saliency })).toBe('partition.saliency');
  }
  expect(found({ noise: 0.1 }, { epoch: 0, saliency: 'spread' })).toBeNull();
  expect(found({}, { epoch: 0, saliency: 'spread' })).toBe('partition.epoch');
  expect(found({ numExperts: 1, k: 1 }, { saliency: 'spread' })).toBe('model.numExperts');
  expect(found({ noise: 0.1 }, { epoch: 0, saliency: 'snip' })).toBeNull();
});

it.each<[Partial<TextModelOptions>, Partial<PartitionOptions>]>([
  [{}, { epoch: 0 }],
  [{ noise: 0.1 }, { epoch: 0 }],
  [{ noise: 0.1 }, { epoch: 0, saliency: 'variance' }],
  [
    { noise: 0.1, routing: 'task' },
    { epoch: 0, saliency: 'variance' },
  ],
  [{ noise: 0.1, routing: 'task' }, { epoch: 0 }],
  [{}, { epoch: 0, saliency: 'snip' }],
  [{}, { epoch: 0, saliency: 'spread' }],
  [
    { noise: 0.1, k: 2 },
    { epoch: 0, saliency: 'spread' },
  ],
  [{ noise: 0.1 }, { epoch: 0, saliency: 'gain' }],
  [{ noise: 0.1 }, { epoch: 0, fold: 'byUse' }],
  [
    { noise: 0.1, k: 2 },
    { epoch: 0, saliency: 'newtonGain', fold: 'byUse' },
  ],
  [{ numExperts: 1, k: 1 }, { epoch: 0 }],
])('of texts %j by %j happens what is foreseen', async (model, partition) => {
  // The mean of two that are equal is each of them to the bit.
  const recipe = textRecipe({ numExperts: 2, k: 1, ...model }, partition);
  const { task } = await prepareTask(recipe);
  const saliency = saliencyOf(recipe.partition!.saliency, {});
  const found = await searchPartition(task, recipe.partition!, { seed: 1, epoch: 0, saliency }).catch(
    (error: unknown) => error,
  );
  if (pathOf(recipe) === null) expect(found).not.toBeInstanceOf(Error);
  else expect(found).toMatchObject({ message: expect.stringMatching(/^every score by \w+ is 0/) as string });
});

it('refuses sums of absolute values where the sign decides', () => {
  const recipe = (saliency: SaliencyName): PictureRecipe => pictureRecipe({}, { saliency, unitSum: 'absolute' });
  expect(foreseenFailure(recipe('grasp'))).toEqual({
    path: ['partition', 'unitSum'],
    message: 'expected signed: partition.saliency: grasp says by its sign what becomes static, got absolute',
  });
  expect(foreseenFailure(recipe('snip'))).toBeNull();
});

describe('a recipe whose partition cannot succeed', () => {
  const recipe = (): PictureRecipe => pictureRecipe({ numKernels: 1 }, {});

  it('is refused where it is read, at its line or option; that of a run is not', () => {
    const text = serialiseRecipe(recipe());
    const line = text.split('\n').findIndex((each) => each.includes('numKernels')) + 1;
    const message =
      'model.numKernels: expected at least 2: with one kernel no weight depends on the input, so that every score by ' +
      'partition.saliency: maskGradient is 0';
    expect(() => parseRecipe(text, 'x.yaml')).toThrow(`x.yaml:${line}: ${message}`);
    const good = serialiseRecipe(pictureRecipe({}, {}));
    expect(() => parseRecipe(good, 'x.yaml', ['model.numKernels=1'])).toThrow(`--set model.numKernels=1: ${message}`);
    expect(parseRunRecipe(text, 'x.yaml')).toEqual(recipe());
  });

  it('is refused before anything is loaded or written', async () => {
    const out = join(folder, 'run');
    await expect(collect(trainRecipe(recipe(), { out }))).rejects.toThrow(/^model\.numKernels: expected at least 2/);
  });

  it('is refused as a network in code, before the first step', async () => {
    const options = (saliency: SaliencyName = 'maskGradient') =>
      trainerOptions(smallNetwork('partial', { numKernels: 1 }), 'partial', { partition: { saliency } });
    const trainer = new Trainer(options());
    const before = liveTensors();
    const failure = await collect(trainer.run()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InputError);
    expect((failure as Error).message).toMatch(/^partition\.saliency: every layer has one kernel \(K = 1\)/);
    expect(liveTensors()).toBe(before);
    // One that is given, or needs no more, trains.
    const events = await collect(new Trainer(options('snip')).run());
    expect(events.at(-1)!.type).toBe('finished');
    const own = { ...options(), saliency: saliencies.magnitude };
    expect((await collect(new Trainer(own).run())).at(-1)!.type).toBe('finished');
  });

  it('names the key of a granularity that does not fit, before training', () => {
    expect(
      () => new Trainer(trainerOptions(smallNetwork('partial'), 'partial', { partition: { granularity: 'block' } })),
    ).toThrow(/^partition\.granularity: granularity block does not fit the convolution layer1\.0\.conv1/);
  });
});
