/**
 * A partition: the masks of a network's partial layers, with the scores and settings that gave them. An artefact of its
 * own: one safetensors file with `masks.<layer>` (bits, uint8), `scores.<layer>` (unit scores of the last round) and
 * the rest as JSON in the metadata; it can be compared, and applied to another run of the same network.
 */
import { decodeSafetensors, encodeSafetensors, fromTypedArray, scope, type nn, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import { InputError, reasonOf } from '../errors.js';
import { parseJson } from '../jsonFile.js';
import type { FileKind } from '../outputFile.js';
import { isMasked, Mask, type MaskedSource, SearchSource, sourceOf } from '../partial/index.js';
import { granularities, unitSums, type UnitSum } from './granularity.js';
import { schedules } from './schedule.js';
import { partitionScopes } from './selectDynamic.js';

const settingsSchema = z.strictObject({
  ratio: z.number().min(0).max(1),
  rounds: z.int().min(1),
  schedule: z.enum(schedules),
  scope: z.enum(partitionScopes),
  granularity: z.enum(granularities),
  /** Absent: `signed`. */
  unitSum: z.enum(unitSums).exactOptional(),
  saliency: z.string(),
  batches: z.int().min(0),
  seed: z.int(),
});

/** The settings that a partition was made with. */
export type PartitionSettings = z.infer<typeof settingsSchema>;

/** The settings of a partition among others, with what has a default left out where it is that. */
export function partitionSettings(
  settings: Omit<PartitionSettings, 'unitSum'> & { readonly unitSum: UnitSum },
): PartitionSettings {
  const { ratio, rounds, schedule, scope: over, granularity, unitSum, saliency, batches, seed } = settings;
  const sum = unitSum === 'signed' ? {} : { unitSum };
  return { ratio, rounds, schedule, scope: over, granularity, ...sum, saliency, batches, seed };
}

const roundSchema = z.strictObject({
  round: z.int(),
  keepRatio: z.number(),
  /** Fraction of all entries that stayed dynamic. */
  dynamicRatio: z.number(),
});
export type PartitionRound = z.infer<typeof roundSchema>;

const metadataSchema = z.strictObject({
  format: z.literal('padnet-partition-1'),
  settings: settingsSchema,
  rounds: z.array(roundSchema),
  shapes: z.record(z.string(), z.array(z.int().min(0))),
});

export interface Partition {
  readonly settings: PartitionSettings;
  readonly rounds: readonly PartitionRound[];
  /** By layer path. */
  readonly masks: ReadonlyMap<string, Mask>;
  /**
   * Unit scores of the last round, by layer path; units that span two layers stand under the first. None where κ is 0.
   */
  readonly scores: ReadonlyMap<string, Float32Array>;
}

/** The partial layers of a network by path, such as `layer1.0.conv1` or `encoder.layer.0.intermediate`. */
export function partialLayers(network: nn.Module): Map<string, MaskedSource> {
  const layers = new Map<string, MaskedSource>();
  for (const [path, module] of network.namedModules()) {
    const source = sourceOf(module);
    if (isMasked(source)) layers.set(path.replace(/\.?source$/, ''), source);
  }
  return layers;
}

/** Those of them that have no mask for good yet. */
export function searchLayers(network: nn.Module): Map<string, SearchSource> {
  return new Map(
    Array.from(partialLayers(network)).filter((entry): entry is [string, SearchSource] => entry[1].kind === 'searched'),
  );
}

/** Fraction of all entries that are dynamic. */
export function overallDynamicRatio(masks: Iterable<Mask>): number {
  let count = 0;
  let size = 0;
  for (const mask of masks) {
    count += mask.count;
    size += mask.size;
  }
  return size === 0 ? 0 : count / size;
}

export const partitionFile: FileKind = {
  name: 'file of masks',
  isOne: (beginning) => beginning.includes('{"__metadata__":{"partition":"'),
};

/** The file's bytes; the same partition gives the same bytes. */
export function encodePartition({ settings, rounds, masks, scores }: Partition): Uint8Array {
  return scope(() => {
    const tensors = new Map<string, Tensor>();
    const shapes: Record<string, readonly number[]> = {};
    for (const [path, mask] of masks) {
      tensors.set(`masks.${path}`, fromTypedArray(mask.bits));
      shapes[path] = mask.shape;
    }
    for (const [path, values] of scores) tensors.set(`scores.${path}`, fromTypedArray(values));
    const metadata = { format: 'padnet-partition-1', settings, rounds, shapes };
    return encodeSafetensors(tensors, { partition: JSON.stringify(metadata) });
  });
}

/**
 * @param file named in errors
 * @throws InputError where the bytes are not a partition
 */
export function decodePartition(bytes: Uint8Array, file: string): Partition {
  return scope(() => {
    const { tensors, metadata } = decode(bytes, file);
    const { partition } = metadata;
    if (partition === undefined) throw new InputError(`${file}: not a partition: its metadata has no 'partition'`);
    const { settings, rounds, shapes } = parseJson(partition, `${file}: not a partition`, metadataSchema, {
      expected: 'what a partition was made with',
      wayOut: 'restore it from a copy, or partition again',
    });
    const masks = new Map<string, Mask>();
    const scores = new Map<string, Float32Array>();
    for (const [path, shape] of Object.entries(shapes)) {
      const bits = tensors.get(`masks.${path}`);
      if (bits?.dtype !== 'uint8') throw new InputError(`${file}: tensor masks.${path} is missing or not uint8`);
      try {
        masks.set(path, Mask.fromBits(shape, bits.toTypedArray() as Uint8Array));
      } catch (error) {
        throw new InputError(`${file}: masks.${path}: ${reasonOf(error)}`, { cause: error });
      }
      const values = tensors.get(`scores.${path}`);
      if (values?.dtype === 'float32') scores.set(path, values.toTypedArray() as Float32Array);
    }
    return { settings, rounds, masks, scores };
  });
}

function decode(bytes: Uint8Array, file: string): ReturnType<typeof decodeSafetensors> {
  try {
    return decodeSafetensors(bytes, file);
  } catch (cause) {
    throw new InputError(
      `${file}: not a partition: it is damaged, or no safetensors file; give a file of masks, such as ` +
        'partition.safetensors of a run',
      { cause },
    );
  }
}

/** How one layer's masks of two partitions relate. */
export interface MaskDifference {
  readonly path: string;
  readonly size: number;
  readonly dynamicRatioA: number;
  readonly dynamicRatioB: number;
  /** Entries dynamic in both, over entries dynamic in either; 1 where no entry is dynamic in either. */
  readonly jaccard: number;
}

/** Layer by layer. @throws InputError where the partitions are of different networks */
export function comparePartitions(a: Partition, b: Partition): MaskDifference[] {
  const missing = [...a.masks.keys(), ...b.masks.keys()].find((path) => !a.masks.has(path) || !b.masks.has(path));
  if (missing !== undefined)
    throw new InputError(`only one of the partitions has a layer ${missing}: they are of different networks`);
  return Array.from(a.masks, ([path, mask]) => {
    const other = b.masks.get(path)!;
    const both = mask.overlap(other);
    const either = mask.count + other.count - both;
    return {
      path,
      size: mask.size,
      dynamicRatioA: mask.dynamicRatio,
      dynamicRatioB: other.dynamicRatio,
      jaccard: either === 0 ? 1 : both / either,
    };
  });
}
