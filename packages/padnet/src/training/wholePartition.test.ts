/** Partitions that leave layers, or the whole network, nothing dynamic: trained, resumed, saved and read again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSafetensors, nn, scope } from '@padnet/torch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDynamicLayer } from '../layers/index.js';
import { Mask } from '../partial/index.js';
import { searchLayers } from '../partition/index.js';
import { loadLatestCheckpoint, saveCheckpoint } from '../runs/checkpoint.js';
import type { TrainingEvent } from '../runs/events.js';
import {
  checksums,
  collect,
  inFirstFormat,
  metrics,
  smallNetwork,
  smallRecipe,
  trainerOptions,
  writePictures,
} from '../runs/pictures.test.fixture.js';
import { readRun } from '../runs/readRun.js';
import { pictureRecipeSchema, type PictureRecipe, type Recipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import { loadModel } from '../runs/savedModel.js';
import { smallTextRecipe, writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import { Trainer } from './trainer.js';
import { trainRecipe } from './trainRecipe.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-whole-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function pictureRecipe(
  model: Partial<PictureRecipe['model']>,
  partition: Partial<PictureRecipe['partition']>,
  training: Partial<PictureRecipe['training']> = {},
): PictureRecipe {
  const recipe = smallRecipe(join(folder, 'pictures'), 'partial');
  return pictureRecipeSchema.parse({
    ...recipe,
    data: { ...recipe.data, ...(training.earlyStopping && { validation: { fraction: 0.2 } }) },
    training: { ...recipe.training, ...training },
    model: { ...recipe.model, ...model },
    partition: { ...recipe.partition, ...partition },
  });
}

/** Stops after each of the steps, and goes on. */
async function inParts(recipe: Recipe, stops: readonly number[]): Promise<string> {
  const out = join(folder, 'parts');
  for (const [session, stop] of [...stops, Infinity].entries()) {
    const controller = new AbortController();
    for await (const event of trainRecipe(recipe, { out, resume: session > 0, signal: controller.signal }))
      if (event.type === 'step' && event.step === stop) controller.abort();
  }
  return out;
}

async function whole(recipe: Recipe): Promise<{ readonly out: string; readonly events: TrainingEvent[] }> {
  const out = join(folder, 'whole');
  return { out, events: await collect(trainRecipe(recipe, { out })) };
}

const weights = (run: string): Buffer => readFileSync(new RunFolder(run).modelWeights);
const names = (run: string): string[] =>
  scope(() => [...loadSafetensors(new RunFolder(run).modelWeights).tensors.keys()]);
const hasDynamicLayer = (network: nn.Module): boolean =>
  Array.from(network.namedModules()).some(([, module]) => isDynamicLayer(module));

describe('partition.ratio: 0, of pictures', () => {
  it.each([
    ['dyconv', {}],
    ['condconv', {}],
    ['odconv', {}],
    ['dcd', { learningRate: 0.005 }],
  ] as const)(
    '%s: is a static network from the partition on, bit for bit however it is interrupted',
    async (convolution, training) => {
      writePictures(join(folder, 'pictures'));
      const recipe = pictureRecipe({ convolution }, { ratio: 0 }, training);
      const { out, events } = await whole(recipe);
      const parts = await inParts(recipe, [5, 9, 12]);
      expect(weights(parts).equals(weights(out))).toBe(true);
      expect(metrics(new RunFolder(parts).metrics)).toEqual(metrics(new RunFolder(out).metrics));
      const partition = events.find((event) => event.type === 'partition')!;
      expect(partition.dynamicRatio).toBe(0);
      const last = events.findLast((event) => event.type === 'step')!;
      expect(last.temperature).toBeNull();
      const losses = events.flatMap((event) => (event.type === 'epoch' ? event.trainLoss : []));
      expect(losses[1]).toBeLessThan(losses[0]!);
      // What is kept is a static network to the last name.
      expect(names(out).sort()).toEqual([...smallNetwork().stateDict().keys()].sort());
      const model = loadModel(new RunFolder(out).model);
      expect(model.description.model.layer).toBe('static');
      expect(hasDynamicLayer(model.network)).toBe(false);
      expect(readRun(out).recipe.model.layer).toBe('partial');
    },
  );

  it('with depth-wise convolutions, early stopping and a moving average', async () => {
    writePictures(join(folder, 'pictures'));
    const training = { epochs: 3, ema: 0.9, earlyStopping: { patience: 2 }, learningRate: 0.01 };
    const recipe = pictureRecipe({ name: 'mobilenetV2', width: 0.1 }, { ratio: 0 }, training);
    const { out } = await whole(recipe);
    const parts = await inParts(recipe, [10, 20]);
    expect(weights(parts).equals(weights(out))).toBe(true);
    expect(loadModel(new RunFolder(out).model).description.model).toMatchObject({ layer: 'static', width: 0.1 });
  });

  it('before training, and with masks from a file', async () => {
    writePictures(join(folder, 'pictures'));
    const { out } = await whole(pictureRecipe({}, { ratio: 0, epoch: 0 }));
    expect(loadModel(new RunFolder(out).model).description.model.layer).toBe('static');
    const masks = new RunFolder(out).partition;
    const again = join(folder, 'again');
    const events = await collect(
      trainRecipe(pictureRecipe({ convolution: 'odconv' }, { ratio: 0, masks }), { out: again }),
    );
    expect(events.at(-1)!.type).toBe('finished');
    expect(loadModel(new RunFolder(again).model).description.model.layer).toBe('static');
  });
});

it('a run where some layers have no dynamic entry keeps the others dynamic, bit for bit if interrupted', async () => {
  writePictures(join(folder, 'pictures'));
  const recipe = pictureRecipe({}, { ratio: 0.02, granularity: 'filter' });
  const { out, events } = await whole(recipe);
  const parts = await inParts(recipe, [8, 11]);
  expect(weights(parts).equals(weights(out))).toBe(true);
  const partition = events.find((event) => event.type === 'partition')!;
  const ratios = Object.entries(partition.dynamicRatioByLayer);
  const empty = ratios.filter(([, ratio]) => ratio === 0).map(([path]) => path);
  expect(empty.length).toBeGreaterThan(0);
  expect(empty.length).toBeLessThan(ratios.length);
  const { network, description } = loadModel(new RunFolder(out).model);
  expect(description.model.layer).toBe('partial');
  for (const [path] of ratios) expect(network.getModule(path) instanceof nn.Conv2d).toBe(empty.includes(path));
  expect(names(out).filter((name) => empty.some((path) => name.startsWith(`${path}.router`)))).toEqual([]);
});

describe('partition.ratio: 0, of texts', () => {
  it('is a static encoder that routes nothing, bit for bit however it is interrupted', async () => {
    writeTexts(join(folder, 'glue'));
    writeEncoder(join(folder, 'encoder'));
    const recipe = smallTextRecipe(folder, 'partial', { partition: { ratio: 0 } });
    const { out, events } = await whole(recipe);
    const parts = await inParts(recipe, [2, 5, 9]);
    expect(weights(parts).equals(weights(out))).toBe(true);
    const steps = events.filter((event) => event.type === 'step');
    expect(steps[0]!.routing).not.toBeNull();
    expect(steps.at(-1)!.routing).toBeNull();
    const { network, description } = loadModel(new RunFolder(out).model);
    expect(description.model).toMatchObject({ layer: 'static', pretrained: recipe.model.pretrained });
    expect(hasDynamicLayer(network)).toBe(false);
  });
});

it('a checkpoint of before, which has routers of such layers, is gone on with as it was begun', async () => {
  const emptied = 'layer1.0.conv1';
  /** As partitions left a network until they made such layers static. */
  const older = (): nn.Layer => {
    const network = smallNetwork('partial');
    for (const [path, source] of searchLayers(network)) {
      const mask = path === emptied ? Mask.empty(source.shape) : Mask.full(source.shape);
      network.replaceModule(`${path}.source`, source.toPartial(mask));
    }
    return network;
  };
  const whole = older();
  await collect(new Trainer(trainerOptions(whole, 'static')).run());

  const checkpoints = join(folder, 'checkpoints');
  const controller = new AbortController();
  const begun = new Trainer({ ...trainerOptions(older(), 'static'), checkpoints });
  for await (const event of begun.run(controller)) if (event.type === 'step' && event.step === 12) controller.abort();
  scope(() => {
    const { state, tensors } = loadLatestCheckpoint(checkpoints)!;
    const { fingerprint, history } = state;
    const file = saveCheckpoint(
      checkpoints,
      { ...state, fingerprint: fingerprint!, history: history!, partitioned: true },
      tensors,
    );
    writeFileSync(file, inFirstFormat(readFileSync(file, 'utf8')));
  });
  const network = smallNetwork('partial');
  const trainer = new Trainer({ ...trainerOptions(network, 'partial'), checkpoints });
  trainer.resume();
  await collect(trainer.run());
  expect(isDynamicLayer(network.getModule(emptied))).toBe(true);
  expect(checksums(network)).toEqual(checksums(whole));
});
