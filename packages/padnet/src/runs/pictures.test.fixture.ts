/** Pictures, networks and runs that are small enough to train in a second, for the tests of this folder. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { manualSeed, scope, type nn } from '@padnet/torch';
import sharp from 'sharp';
import { encodeIdx, imageDataset, type ImageSplits, type StoredImages } from '../data/index.js';
import { createModel, modelSchema } from '../models/index.js';
import type { TrainingEvent } from './events.js';
import { PictureTask, type PictureTaskOptions } from '../training/tasks/pictureTask.js';
import { pictureRecipeSchema, type PictureRecipe } from '../recipe/recipe.js';
import type { TrainerOptions } from '../training/trainer.js';

const side = 8;

/** 8 × 8, of four classes that differ in which quarter is bright. */
export function pictures(length: number, seed = 1): StoredImages {
  const labels = Uint8Array.from({ length }, (_, index) => index % 4);
  const images = Uint8Array.from({ length: length * side * side }, (_, position) => {
    const example = Math.floor(position / (side * side));
    const [row, column] = [Math.floor(position / side) % side, position % side];
    const quarter = 2 * Math.floor(row / 4) + Math.floor(column / 4);
    const noise = (Math.imul(position + 7919 * seed, 2654435761) >>> 24) / 2;
    return noise + (quarter === labels[example] ? 100 : 30);
  });
  return imageDataset({
    name: 'quarters',
    images,
    labels,
    channels: 1,
    height: side,
    width: side,
    classNames: ['a', 'b', 'c', 'd'],
  });
}

export const splits: ImageSplits<StoredImages> = {
  train: pictures(72),
  validation: pictures(40, 3),
  test: pictures(40, 2),
};

/** The same pictures as IDX files. */
export function writePictures(folder: string, { train, test }: ImageSplits<StoredImages> = splits): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, { images, labels, length }] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const write = (kind: string, shape: readonly number[], data: Uint8Array): void => {
      writeFileSync(join(folder, `${name}-${kind}-ubyte`), encodeIdx({ shape, data }));
    };
    write('images-idx3', [length, side, side], images);
    write('labels-idx1', [length], Uint8Array.from(labels));
  }
}

/** Picture files of noise: 12 to train on, 4 to test on, of two classes. */
export async function writePictureFolder(folder: string): Promise<void> {
  await writeClassFolders(join(folder, 'train'), 6);
  await writeClassFolders(join(folder, 'val'), 2);
}

/** Picture files of noise in `dark` and `light`, so many of each: a data set that is not divided. */
export async function writeClassFolders(folder: string, count: number): Promise<void> {
  for (const [name, mean] of [
    ['dark', 60],
    ['light', 190],
  ] as const) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let index = 0; index < count; index++) {
      const noise = { type: 'gaussian', mean, sigma: 40 } as const;
      const picture = sharp({ create: { width: 40 + 4 * index, height: 32, channels: 3, background: '#000', noise } });
      writeFileSync(join(folder, name, `${index}.png`), await picture.png().toBuffer());
    }
  }
}

export type Kind = PictureRecipe['model']['layer'];

export function smallNetwork(
  layer: Kind = 'static',
  model: Partial<PictureRecipe['model']> = {},
  shape = { inChannels: 1, numClasses: 4 },
): nn.Layer {
  manualSeed(3);
  const options = modelSchema.parse({ name: 'resnet10', layer, stem: 'small', width: 4, numKernels: 2, ...model });
  return createModel(options, shape);
}

/** Nine steps in an epoch of 72 pictures; two epochs; a partition after the first where the network is `partial`. */
export function trainerOptions(
  network: nn.Layer,
  layer: Kind,
  changes: {
    readonly data?: PictureTaskOptions['data'];
    readonly training?: Partial<TrainerOptions['training']> &
      Pick<PictureTaskOptions, 'labelSmoothing' | 'mixup' | 'cutmix' | 'autocast'>;
    readonly partition?: Partial<TrainerOptions['partition']>;
  } = {},
): TrainerOptions {
  const { labelSmoothing = 0, mixup = 0, cutmix = 0, autocast = 'none', ...training } = changes.training ?? {};
  const data = { batchSize: 8, numWorkers: 0, ...changes.data };
  return {
    task: new PictureTask({ network, splits, data, labelSmoothing, mixup, cutmix, autocast }),
    training: { epochs: 2, learningRate: 0.05, ...training },
    ...(layer === 'partial' && { partition: { ratio: 0.3, rounds: 2, batches: 2, ...changes.partition } }),
  };
}

/** The same as a recipe for pictures in a folder. */
export function smallRecipe(
  path: string,
  layer: Kind,
  training: Partial<PictureRecipe['training']> = {},
): PictureRecipe {
  return pictureRecipeSchema.parse({
    model: { name: 'resnet10', layer, stem: 'small', width: 4, numKernels: 2 },
    data: { name: 'idx', path, batchSize: 8, numWorkers: 0 },
    training: { epochs: 2, learningRate: 0.05, ...training },
    ...(layer === 'partial' && { partition: { ratio: 0.3, rounds: 2, batches: 2 } }),
  });
}

/** The JSON of a checkpoint as versions wrote it that kept neither fingerprint nor history. */
export function inFirstFormat(json: string, change: (state: object) => object = (state) => state): string {
  const old = JSON.parse(json) as Record<string, unknown>;
  for (const key of ['fingerprint', 'history', 'checksum']) Reflect.deleteProperty(old, key);
  return JSON.stringify(change({ ...old, format: 'padnet-checkpoint-1' }));
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
}

const timings = [
  'seconds',
  'samplesPerSecond',
  'stepSeconds',
  'waitSeconds',
  'trainingSeconds',
  'peakMemoryBytes',
] as const;

/** An event without what differs from one run to the next. */
export function withoutTimings(event: TrainingEvent): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(event).filter(([key]) => !timings.includes(key as (typeof timings)[number])),
  );
}

/** The lines of a `metrics.jsonl`, without timings. */
export function metrics(file: string): Record<string, unknown>[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.map((line) => withoutTimings(JSON.parse(line) as TrainingEvent));
}

/** Checksums of all parameters and buffers, by name: equal exactly where the bits are. */
export function checksums(network: nn.Module): Record<string, string> {
  return scope(() =>
    Object.fromEntries(
      Array.from(network.stateDict(), ([name, value]) => {
        const { buffer } = value.toTypedArray();
        return [name, createHash('sha256').update(new Uint8Array(buffer)).digest('hex').slice(0, 16)];
      }),
    ),
  );
}
