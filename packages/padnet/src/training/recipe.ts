/**
 * A recipe: everything that decides a training run, parsed once and typed from there. Reading YAML, `--set` and naming the
 * nearest known key is `loadRecipe.ts`. Units: epochs, pictures and fractions.
 */
import { z } from 'zod';
import { modelSchema } from '../models/index.js';
import { granularities, partitionScopes, saliencies, schedules, type SaliencyName } from '../partition/index.js';

export const dataSchema = z.strictObject({
  /** `fashionMnist` (checksums verified) or `idx`: a folder of IDX pictures of one's own. */
  name: z.enum(['fashionMnist', 'idx']).default('fashionMnist'),
  /** Folder. Default for fashionMnist: that of Debian's `dataset-fashion-mnist`. */
  path: z.string().optional(),
  /** Only the first so many training pictures. */
  trainLimit: z.int().min(1).optional(),
  /** Only the first so many test pictures. */
  testLimit: z.int().min(1).optional(),
  batchSize: z.int().min(1).default(128),
  /** Zeros on each side before cropping back to the picture's size; 0: no crop. */
  randomCrop: z.int().min(0).default(0),
  randomFlip: z.boolean().default(false),
  /** Worker threads that prepare batches; 0: the training thread does. */
  numWorkers: z.int().min(0).max(64).default(1),
});

const optimizers = ['sgd', 'adamw'] as const;
const learningRateSchedules = ['cosine', 'step', 'constant'] as const;

export const trainingSchema = z.strictObject({
  epochs: z.int().min(1),
  seed: z.int().min(0).default(1),
  optimizer: z.enum(optimizers).default('sgd'),
  learningRate: z.number().positive().default(0.1),
  /** Of sgd. */
  momentum: z.number().min(0).max(1).default(0.9),
  /** Of sgd. */
  nesterov: z.boolean().default(true),
  weightDecay: z.number().min(0).default(5e-4),
  schedule: z.enum(learningRateSchedules).default('cosine'),
  /** Epochs (fractions allowed) over which the learning rate rises from 0. */
  warmupEpochs: z.number().min(0).default(0),
  /** Of `step`: epochs after which the learning rate is multiplied by `gamma`. */
  milestones: z.array(z.number().min(0)).default([]),
  /** Of `step`. */
  gamma: z.number().positive().default(0.1),
  labelSmoothing: z.number().min(0).max(1).default(0),
  /** α of Beta(α, α); 0: no mix-up. */
  mixup: z.number().min(0).default(0),
  /** Largest gradient norm; absent: no clipping. */
  clipGradNorm: z.number().positive().optional(),
  /** Batches whose gradients are averaged into one step. */
  accumulation: z.int().min(1).default(1),
  /** Temperature of kernel attention: linear, per step, from `start` to `end` over the first `epochs`. */
  temperature: z
    .strictObject({
      start: z.number().positive().default(30),
      end: z.number().positive().default(1),
      epochs: z.number().min(0).default(10),
    })
    .prefault({}),
  /**
   * The bank's learning rate is multiplied, and its weight decay divided, by this: K gives the mixed kernel the step of a
   * static layer (method.md §6). `numKernels` stands for K.
   */
  bankFactor: z.union([z.literal('numKernels'), z.number().positive()]).default('numKernels'),
  /** Steps between checkpoints; one is also written at the end of every epoch. */
  checkpointSteps: z.int().min(1).default(500),
});

const saliencyNames = Object.keys(saliencies) as [SaliencyName, ...SaliencyName[]];

export const partitionSchema = z.strictObject({
  /** κ: the fraction of entries that stay dynamic. */
  ratio: z.number().min(0).max(1),
  rounds: z.int().min(1).default(3),
  schedule: z.enum(schedules).default('exponential'),
  scope: z.enum(partitionScopes).default('global'),
  granularity: z.enum(granularities).default('entry'),
  saliency: z.enum(saliencyNames).default('maskGradient'),
  /** Batches of the partition set, taken from the training set. */
  batches: z.int().min(1).default(10),
  /** Partition after so many epochs; 0: before training. */
  epoch: z.int().min(0).default(1),
  /** A partition file whose masks are applied instead of searching; its ratio must be `ratio`. */
  masks: z.string().optional(),
  /** Fold the bank's mean into the static weight first, so that the switch is continuous (method.md §6). */
  fold: z.boolean().default(true),
});

export const recipeSchema = z
  .strictObject({
    model: modelSchema,
    data: dataSchema.prefault({}),
    training: trainingSchema,
    /** Given exactly where `model.layer` is `pad`. */
    partition: partitionSchema.optional(),
  })
  .superRefine(({ model, training, partition }, context) => {
    if (model.layer === 'pad' && !partition) {
      context.addIssue({
        code: 'custom',
        path: ['partition'],
        message: 'model.layer is pad, so partition.ratio is needed',
      });
    }
    if (model.layer !== 'pad' && partition) {
      const message = `only a network with model.layer: pad can be partitioned, it is ${model.layer}`;
      context.addIssue({ code: 'custom', path: ['partition'], message });
    }
    const { milestones } = training;
    const isOrdered = milestones.every((milestone, index) => index === 0 || milestone > milestones[index - 1]!);
    if (!isOrdered && milestones.every((milestone) => milestone >= 0)) {
      const message = `expected epochs in ascending order, got [${milestones.join(', ')}]`;
      context.addIssue({ code: 'custom', path: ['training', 'milestones'], message });
    }
    if (partition && partition.epoch >= training.epochs) {
      const message = `expected less than training.epochs (${training.epochs}), so that the masks are trained with, got ${partition.epoch}`;
      context.addIssue({ code: 'custom', path: ['partition', 'epoch'], message });
    }
  });

export type Recipe = z.infer<typeof recipeSchema>;
export type DataOptions = Recipe['data'];
export type TrainingOptions = Recipe['training'];
export type PartitionOptions = NonNullable<Recipe['partition']>;
