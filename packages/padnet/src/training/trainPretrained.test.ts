/** Runs that start from pretrained weights. */
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nn } from '@padnet/torch';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FinishedEvent, TrainingEvent } from './events.js';
import { collect, metrics, smallRecipe, writePictures } from './pictures.test.fixture.js';
import { prepareTask } from './prepare.js';
import { pictureRecipeSchema, type PictureRecipe } from './recipe.js';
import { RunFolder } from './runFolder.js';
import { loadModel, savePictureModel } from './savedModel.js';
import { trainRecipe } from './trainRecipe.js';

let folder: string;
/** Of a static run. */
let first: RunFolder;
let finished: FinishedEvent;
let run: RunFolder;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-pretrained-'));
  writePictures(join(folder, 'pictures'));
  first = new RunFolder(join(folder, 'first'));
  const events = await collect(trainRecipe(smallRecipe(join(folder, 'pictures'), 'static'), { out: first.path }));
  finished = events.at(-1) as FinishedEvent;
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});
let count = 0;
beforeEach(() => {
  run = new RunFolder(join(folder, `run-${count++}`));
});

function recipe(layer: PictureRecipe['model']['layer'], model: Partial<PictureRecipe['model']> = {}): PictureRecipe {
  const whole = smallRecipe(join(folder, 'pictures'), layer);
  const pretrained = { pretrained: first.path, bankInitialisation: undefined };
  return pictureRecipeSchema.parse({ ...whole, model: { ...whole.model, ...pretrained, ...model } });
}

describe('model.pretrained', () => {
  it.each(['static', 'dyconv', 'pad'] as const)('%s: starts where the static run ended', async (layer) => {
    const { task } = await prepareTask(recipe(layer));
    const { score, loss } = await task.evaluate();
    expect(score).toBe(finished.testScore);
    expect(loss).toBeCloseTo(finished.testLoss, 5);
  });

  it('takes a file of weights as well, and says no word of it in the model that is saved', async () => {
    const prepared = await prepareTask(recipe('dyconv', { pretrained: first.modelWeights }));
    expect((await prepared.task.evaluate()).loss).toBeCloseTo(finished.testLoss, 5);
    prepared.save(join(folder, 'saved/model.json'));
    expect(readFileSync(join(folder, 'saved/model.json'), 'utf8')).not.toContain('pretrained');
  });

  it('is not read again when a run is resumed from a checkpoint, and the run ends as if never stopped', async () => {
    const made = recipe('pad');
    const whole = new RunFolder(join(folder, 'whole'));
    await collect(trainRecipe(made, { out: whole.path }));
    const controller = new AbortController();
    for await (const event of trainRecipe(made, { out: run.path, signal: controller.signal }))
      if (event.type === 'step' && event.step === 5) controller.abort();
    const moved = `${first.path}-moved`;
    renameSync(first.path, moved);
    try {
      await collect(trainRecipe(made, { out: run.path, resume: true }));
    } finally {
      renameSync(moved, first.path);
    }
    expect(readFileSync(run.modelWeights)).toEqual(readFileSync(whole.modelWeights));
    expect(metrics(run.metrics)).toEqual(metrics(whole.metrics));
  });

  it('tells of a classifier that does not fit the classes of the data, before the first step', async () => {
    const model = loadModel(first.model);
    if (model.modality !== 'image') throw new Error('not of pictures');
    const { network, description } = model;
    network.replaceModule('fc', new nn.Linear({ inFeatures: 32, outFeatures: 7 }));
    const file = join(folder, 'seven/model.json');
    savePictureModel(file, network, { ...description, numClasses: 7 });
    const events: TrainingEvent[] = await collect(
      trainRecipe(recipe('dyconv', { pretrained: join(folder, 'seven') }), { out: run.path }),
    );
    expect(events[0]).toEqual({
      type: 'newClassifier',
      pretrained: join(folder, 'seven'),
      pretrainedClasses: 7,
      classes: 4,
    });
    expect(events.filter(({ type }) => type === 'newClassifier')).toHaveLength(1);
    expect(readFileSync(run.metrics, 'utf8')).not.toContain('newClassifier');
  });

  it('says in one line what is wrong with it', async () => {
    const refuse = async (model: Partial<PictureRecipe['model']>, message: RegExp): Promise<void> => {
      const error = await prepareTask(recipe('static', model)).then(
        () => null,
        (reason: unknown) => reason as Error,
      );
      expect(error?.message).toMatch(message);
      expect(error?.message).not.toContain('\n');
    };
    await refuse({ pretrained: join(folder, 'none.pth') }, /none\.pth: there is no such file$/);
    await refuse(
      { pretrained: join(folder, 'pictures') },
      /^model\.pretrained: .*pictures has no network; expected a file/,
    );
    await refuse({ width: 8 }, /conv1\.weight has shape \[4, 1, 3, 3\], expected \[8, 1, 3, 3\]/);
    await refuse({ name: 'resnet18' }, /^model\.pretrained: .*first is a resnet10, model\.name is resnet18$/);
    await collect(trainRecipe(smallRecipe(join(folder, 'pictures'), 'dyconv', { epochs: 1 }), { out: run.path }));
    await refuse(
      { pretrained: run.path },
      /dyconv, a static network is needed; `padnet convert .* --layer static --out <folder>` makes one of it$/,
    );
    await refuse({ pretrained: join(run.path, 'model') }, /needed; .* folds a network only as the folder of its run/);
  });
});
