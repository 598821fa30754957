/** Some samples of the test data: for a graph to be tried on, and to be shown beside a network. */
import { join } from 'node:path';
import {
  allImages,
  type ImageDataset,
  prepareTransform,
  type TextDataset,
  tokenise,
  TextLoader,
} from '../data/index.js';
import { pictureFile } from '../data/pictureFiles.js';
import type { PictureModel, TextModel } from '../runs/index.js';
import type { GraphInputs } from './modelFolder.js';

/** A sample that people look at. */
export type ShownSample =
  | { readonly kind: 'picture'; readonly png: Uint8Array; readonly label: string | null }
  | { readonly kind: 'text'; readonly text: string; readonly second: string | null; readonly label: string | null };

/** Of every class the first few samples, in the order of classes; at most `count`. */
function perClass(labels: ArrayLike<number>, count: number): number[] {
  const ofClass = new Map<number, number[]>();
  for (let index = 0; index < labels.length; index++) {
    const known = ofClass.get(labels[index]!);
    if (known) known.push(index);
    else ofClass.set(labels[index]!, [index]);
  }
  const classes = [...ofClass].sort(([a], [b]) => a - b).map(([, indices]) => indices);
  const rounds = Math.ceil(count / Math.max(1, classes.length));
  return Array.from({ length: rounds }, (_, round) => classes.flatMap((indices) => indices[round] ?? []))
    .flat()
    .slice(0, count);
}

/** @throws InputError naming pictures that cannot be decoded */
export async function pictureInputs(
  dataset: ImageDataset,
  { description: { normalise } }: PictureModel,
  count: number,
): Promise<GraphInputs> {
  const indices = Uint32Array.from(perClass(dataset.labels, count));
  const { channels, height, width } = dataset;
  const numbers = await allImages(dataset, indices, prepareTransform({ normalise }, dataset), { seed: 0, epoch: 0 });
  return { pixels: { numbers, shape: [indices.length, channels, height, width] } };
}

/** The longest side of a picture file that is shown, in pixels. */
const longestSide = 640;

/** As PNG: pictures in memory as they are, those of files upright and not larger than a screen needs. */
export async function shownPictures(dataset: ImageDataset, count: number): Promise<ShownSample[]> {
  const { default: sharp } = await import('sharp');
  const { classNames, labels } = dataset;
  return await Promise.all(
    perClass(labels, count).map(async (index) => {
      const fits = { width: longestSide, height: longestSide, fit: 'inside', withoutEnlargement: true } as const;
      const picture =
        dataset.kind === 'folder'
          ? sharp(join(dataset.files.root, pictureFile(dataset.files, index).path))
              .autoOrient()
              .resize(fits)
          : sharp(interleaved(dataset, index), {
              raw: { width: dataset.width, height: dataset.height, channels: dataset.channels === 1 ? 1 : 3 },
            });
      return { kind: 'picture', png: await picture.png().toBuffer(), label: classNames[labels[index]!]! } as const;
    }),
  );
}

/** Planes [channels, height, width] → [height, width, channels]. */
function interleaved(dataset: ImageDataset & { readonly kind: 'stored' }, index: number): Uint8Array {
  const { channels, height, width, images } = dataset;
  const size = height * width;
  const from = index * channels * size;
  return Uint8Array.from({ length: channels * size }, (_, at) => {
    return images[from + (at % channels) * size + Math.floor(at / channels)]!;
  });
}

export async function textInputs(
  dataset: TextDataset,
  { tokenizer, description: { maxLength } }: TextModel,
  count: number,
): Promise<GraphInputs> {
  const tokenised = tokenise(dataset, tokenizer, { maxLength });
  await using loader = new TextLoader({ dataset: tokenised, batchSize: Math.min(count, dataset.length) });
  for await (const { inputIds, attentionMask, tokenTypeIds, size, length } of loader.epoch(0)) {
    const shape = [size, length];
    return {
      input_ids: { numbers: inputIds, shape },
      attention_mask: { numbers: attentionMask, shape },
      token_type_ids: { numbers: tokenTypeIds, shape },
    };
  }
  return {};
}

export function shownTexts({ first, second, labels, classNames }: TextDataset, count: number): ShownSample[] {
  const indices = labels && classNames ? perClass(labels, count) : Array.from({ length: count }, (_, index) => index);
  return indices
    .filter((index) => index < first.length)
    .map((index) => ({
      kind: 'text',
      text: first[index]!,
      second: second?.[index] ?? null,
      label: labels && classNames ? classNames[labels[index]!]! : null,
    }));
}
