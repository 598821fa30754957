/** Networks that become partial after the fact, and are trained on from where the masks left them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodePartition, overallDynamicRatio } from '../partition/index.js';
import {
  partitionSchema,
  pictureRecipeSchema,
  textRecipeSchema,
  type PartitionOptions,
  type Recipe,
} from '../recipe/recipe.js';
import { collect, smallRecipe, writePictures } from '../runs/pictures.test.fixture.js';
import { smallTextRecipe, writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import { partitionRun, type PartitionRunResult } from './partitionRun.js';
import { trainRecipe } from './trainRecipe.js';

let folder: string;
const at = (name: string): string => join(folder, name);
// Kernels, experts and routers that differ as much as those that have been trained for long.
const pictures = (): Recipe =>
  smallRecipe(at('pictures'), 'dynamic', { temperature: { start: 0.03, end: 0.03, epochs: 0 } });
const texts = (): Recipe =>
  smallTextRecipe(folder, 'dynamic', { model: { noise: 30 }, training: { learningRate: 0.05 } });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-after-'));
  writePictures(at('pictures'));
  writeTexts(at('glue'));
  writeEncoder(at('encoder'), { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 });
  await collect(trainRecipe(pictures(), { out: at('dyconv') }));
  await collect(trainRecipe(texts(), { out: at('moe') }));
}, 60_000);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const options = (given: Partial<PartitionOptions>): PartitionOptions =>
  partitionSchema.parse({ ratio: 0.2, rounds: 1, batches: 2, saliency: 'spread', fold: 'byUse', ...given });

async function partitioned(run: string, given: Partial<PartitionOptions>): Promise<PartitionRunResult> {
  return await partitionRun(at(run), options(given));
}

it.each(['dyconv', 'moe'])(
  '%s: loses less where most stays dynamic than where nothing does, and nothing with all',
  async (run) => {
    const losses: number[] = [];
    for (const ratio of [0, 0.2, 0.6, 1]) {
      const { partition, before, after } = await partitioned(run, { ratio });
      expect(overallDynamicRatio(partition.masks.values())).toBeCloseTo(ratio, 2);
      losses.push(Math.abs(after.loss - before.loss));
    }
    expect(losses[3]).toBeLessThan(1e-6);
    expect(losses[0]).toBeGreaterThan(1e-4);
    expect(losses[2]).toBeLessThan(losses[0]!);
  },
);

it('trains on from where the masks left it', async () => {
  const given = { saliency: 'maskGradient', epoch: 0 } as const;
  const { partition, before, after } = await partitioned('moe', given);
  const masks = at('moe-20.safetensors');
  writeFileSync(masks, encodePartition(partition));
  const { model, training, ...rest } = texts();
  const recipe = textRecipeSchema.parse({
    ...rest,
    model: { ...model, layer: 'partial', pretrained: at('moe') },
    training: { ...training, epochs: 1, learningRate: 1e-12 },
    partition: { ...options(given), masks },
  });
  const events = await collect(trainRecipe(recipe, { out: at('moe-20') }));
  const finished = events.at(-1)!;
  if (finished.type !== 'finished') throw new Error(`ended with ${finished.type}`);
  expect(finished.testLoss).toBeCloseTo(after.loss, 6);
  expect(Math.abs(after.loss - before.loss)).toBeGreaterThan(2e-5);
});

it('trains a network for pictures on, too', async () => {
  const { partition } = await partitioned('dyconv', {});
  const masks = at('dyconv-20.safetensors');
  writeFileSync(masks, encodePartition(partition));
  const { model, training, ...rest } = pictures();
  const recipe = pictureRecipeSchema.parse({
    ...rest,
    model: { ...model, layer: 'partial', pretrained: at('dyconv'), bankInitialisation: 'copies' },
    training: { ...training, epochs: 1, temperature: { start: 1 } },
    partition: { ...options({ epoch: 0 }), masks },
  });
  const events = await collect(trainRecipe(recipe, { out: at('dyconv-20') }));
  expect(events.at(-1)!.type).toBe('finished');
  expect(events.find(({ type }) => type === 'partition')).toMatchObject({
    dynamicRatio: overallDynamicRatio(partition.masks.values()),
  });
});
