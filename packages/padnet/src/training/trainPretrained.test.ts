/** Runs that start from pretrained weights. */
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nn } from '@padnet/torch';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { searchLayers } from '../partition/index.js';
import type { FinishedEvent, TestResult, TrainingEvent } from '../runs/events.js';
import {
  collect,
  metrics,
  smallNetwork,
  smallRecipe,
  writePictures,
  type Kind,
} from '../runs/pictures.test.fixture.js';
import { prepareTask } from './prepare.js';
import { readRun } from '../runs/readRun.js';
import { pictureRecipeSchema, type PictureRecipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import { loadModel, savePictureModel } from '../runs/savedModel.js';
import { trainRecipe } from './trainRecipe.js';

let folder: string;
/** The folder of a static run. */
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
  it.each(['static', 'dynamic', 'partial'] as const)('%s: starts where the static run ended', async (layer) => {
    const { task } = await prepareTask(recipe(layer));
    const { score, loss } = await task.evaluate();
    expect(score).toBe(finished.testScore);
    expect(loss).toBeCloseTo(finished.testLoss, 5);
  });

  it('takes a file of weights as well, and says no word of it in the model that is saved', async () => {
    const prepared = await prepareTask(recipe('dynamic', { pretrained: first.modelWeights }));
    expect((await prepared.task.evaluate()).loss).toBeCloseTo(finished.testLoss, 5);
    prepared.save(join(folder, 'saved/model.json'));
    expect(readFileSync(join(folder, 'saved/model.json'), 'utf8')).not.toContain('pretrained');
  });

  it('is not read again when a run is resumed from a checkpoint, and the run ends as if never stopped', async () => {
    const made = recipe('partial');
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
      trainRecipe(recipe('dynamic', { pretrained: join(folder, 'seven') }), { out: run.path }),
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
    await refuse({ pretrained: join(folder, 'none.pth') }, /none\.pth: expected weights, but there is no such file$/);
    await refuse(
      { pretrained: join(folder, 'pictures') },
      /^model\.pretrained: .*pictures has no network; expected a file/,
    );
    await refuse({ width: 8 }, /^model\.pretrained: .*first has model\.width: 4, here it is 8; give the same$/);
    await refuse({ name: 'resnet18' }, /^model\.pretrained: .*first is a resnet10, model\.name is resnet18$/);
  });
});

describe('model.pretrained of a network that is not static', () => {
  /** The folders of runs that were trained to be dynamic, partial, and partial by CondConv. */
  const runs = new Map<string, RunFolder>();
  beforeAll(async () => {
    for (const [name, layer, convolution] of [
      ['dynamic', 'dynamic', 'dyconv'],
      ['partial', 'partial', 'dyconv'],
      ['condconv', 'partial', 'condconv'],
    ] as const) {
      const whole = smallRecipe(join(folder, 'pictures'), layer);
      const trained = pictureRecipeSchema.parse({ ...whole, model: { ...whole.model, convolution } });
      const made = new RunFolder(join(folder, name));
      await collect(trainRecipe(trained, { out: made.path }));
      runs.set(name, made);
    }
  });
  const score = (name: string): TestResult => readRun(runs.get(name)!.path).events.at(-1) as FinishedEvent;
  const from = (name: string, layer: Kind, model: Partial<PictureRecipe['model']> = {}): PictureRecipe =>
    recipe(layer, { pretrained: runs.get(name)!.path, ...model });

  it.each([
    ['dynamic', 'dynamic'],
    ['dynamic', 'partial'],
    ['partial', 'dynamic'],
    ['partial', 'partial'],
  ] as const)('%s run, %s recipe: starts where the run ended, with its routers', async (name, layer) => {
    const { task } = await prepareTask(from(name, layer));
    const { score: reached, loss } = await task.evaluate();
    expect(reached).toBe(score(name).testScore);
    expect(loss).toBeCloseTo(score(name).testLoss, 4);
    const saved = loadModel(runs.get(name)!.model).network.stateDict();
    const router = 'layer1.0.conv1.router.fc1.weight';
    expect(task.network.stateDict().get(router)!.toArray()).toEqual(saved.get(router)!.toArray());
    expect(searchLayers(task.network).size).toBe(layer === 'partial' ? 11 : 0);
  });

  it('trains on, bit for bit however it is interrupted', async () => {
    const made = from('partial', 'partial');
    const whole = new RunFolder(join(folder, 'on'));
    await collect(trainRecipe(made, { out: whole.path }));
    const controller = new AbortController();
    for await (const event of trainRecipe(made, { out: run.path, signal: controller.signal }))
      if (event.type === 'step' && event.step === 12) controller.abort();
    await collect(trainRecipe(made, { out: run.path, resume: true }));
    expect(readFileSync(run.modelWeights)).toEqual(readFileSync(whole.modelWeights));
  });

  it('keeps its masks where partition.masks names them, from the first step on', async () => {
    const made = from('partial', 'partial');
    const partition = { ...made.partition!, masks: runs.get('partial')!.path, epoch: 0 };
    const events = await collect(trainRecipe({ ...made, partition }, { out: run.path }));
    expect(events.findIndex(({ type }) => type === 'partition')).toBeLessThan(
      events.findIndex(({ type }) => type === 'step'),
    );
    expect(readFileSync(run.partition)).toEqual(readFileSync(runs.get('partial')!.partition));
  });

  it('makes a static recipe start from its mean, and says so', async () => {
    for (const name of ['dynamic', 'partial', 'condconv']) {
      const folded: unknown[] = [];
      const options = { onRemark: (each: unknown) => folded.push(each) };
      const { task } = await prepareTask(from(name, 'static'), options);
      const layer = name === 'dynamic' ? 'dynamic' : 'partial';
      expect(folded).toEqual([{ type: 'pretrainedFolded', pretrained: runs.get(name)!.path, layer }]);
      expect([...task.network.stateDict().keys()]).toEqual([...smallNetwork().stateDict().keys()]);
      // Routers that were trained for a minute hardly look at their input.
      const { loss } = await task.evaluate();
      expect(Math.abs(loss - score(name).testLoss)).toBeLessThan(0.1);
    }
    const events = await collect(trainRecipe(from('dynamic', 'static'), { out: run.path }));
    expect(events[0]).toEqual({ type: 'pretrainedFolded', pretrained: runs.get('dynamic')!.path, layer: 'dynamic' });
    expect(readFileSync(run.metrics, 'utf8')).not.toContain('pretrainedFolded');
  });

  it('has a fresh classifier for other classes', async () => {
    const model = loadModel(runs.get('partial')!.model);
    if (model.modality !== 'image') throw new Error('not of pictures');
    model.network.replaceModule('fc', new nn.Linear({ inFeatures: 32, outFeatures: 7 }));
    const seven = join(folder, 'seven-pad');
    savePictureModel(join(seven, 'model.json'), model.network, { ...model.description, numClasses: 7 });
    const told: unknown[] = [];
    const { task } = await prepareTask(from('partial', 'dynamic', { pretrained: seven }), {
      onRemark: (each) => told.push(each),
    });
    expect(told).toEqual([{ type: 'newClassifier', pretrained: seven, pretrainedClasses: 7, classes: 4 }]);
    expect(task.network.stateDict().get('fc.weight')!.shape).toEqual([4, 32]);
    await prepareTask(from('partial', 'static', { pretrained: seven }));
  });

  it('says in one line what does not go together, and what to do', async () => {
    const refuse = async (made: PictureRecipe, message: RegExp): Promise<void> => {
      const error = await prepareTask(made).then(
        () => null,
        (reason: unknown) => reason as Error,
      );
      expect(error?.message).toMatch(message);
      expect(error?.message).not.toContain('\n');
    };
    await refuse(
      from('dynamic', 'partial', { numKernels: 3 }),
      /^model\.pretrained: .*dynamic has model\.numKernels: 2, here it is 3; give the same$/,
    );
    await refuse(
      from('dynamic', 'dynamic', { convolution: 'odconv' }),
      /^model\.pretrained: .*dynamic has model\.convolution: dyconv, here it is odconv; give the same$/,
    );
    await refuse(
      from('condconv', 'partial', { convolution: 'condconv' }),
      /condconv: layer1\.0\.conv1 has static entries that .*: `padnet convert .* --layer static --out <folder>`$/,
    );
    await refuse(from('dynamic', 'partial', { width: 8 }), /dynamic has model\.width: 4, here it is 8; give the same$/);
  });
});
