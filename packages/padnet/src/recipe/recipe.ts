/**
 * A recipe: everything that decides a training run, parsed once and typed from there. Reading YAML, `--set` and naming
 * the nearest known key is `loadRecipe.ts`. Units: epochs, samples (pictures, sentences) and fractions.
 */
import { z } from 'zod';
import {
  glueTaskNames,
  MAX_CROP_PADDING,
  MAX_MAGNITUDE,
  MAX_PICTURE_SIDE,
  metricNames,
  numberMetrics,
  paddings,
  STANDARD_CROP,
  tableFormatNames,
  textTargets,
  type GlueTaskName,
  type OwnTextsOptions,
  type TextMetric,
  type TextPadding,
  type ValidationOptions,
} from '../data/index.js';
import { layerKindSchema, modelSchema, textModelSchema } from '../models/index.js';
import { codeReferenceSchema } from '../ownCode/index.js';
import {
  granularities,
  partitionScopes,
  saliencies,
  schedules,
  unitSums,
  type SaliencyName,
} from '../partition/index.js';

/** From and to. */
const fractions = z.tuple([z.number().positive(), z.number().positive()]);

/** Training samples that are held out: epochs are scored on them, and the test data are read once, at the end. */
const validationSchema = z
  .strictObject({
    /** The share of each class. */
    fraction: z.number().gt(0).lt(1).default(0.1),
    /** Decides which samples these are, the same for every `training.seed`. */
    seed: z.int().min(0).default(1),
  })
  .optional();

export const pictureDataSchema = z.strictObject({
  /**
   * `fashionMnist` (checksums verified), `cifar10`, `cifar100` (binary version), `idx`: a folder of IDX pictures of
   * one's own, or `imageFolder`: picture files in `train/<class>` and `val/<class>` (or `test/<class>`), or in
   * `<class>` alone.
   */
  name: z.enum(['fashionMnist', 'cifar10', 'cifar100', 'idx', 'imageFolder']).default('fashionMnist'),
  /** Folder of the files. Default for fashionMnist: that of Debian's `dataset-fashion-mnist`. */
  path: z.string().min(1).optional(),
  /** Only the first so many training pictures; of imageFolder a fixed random sample. */
  trainLimit: z.int().min(1).optional(),
  /** Only so many test pictures. */
  testLimit: z.int().min(1).optional(),
  /** Absent: nothing is held out, and epochs have no score. */
  validation: validationSchema,
  /** For imageFolder where class folders lie side by side: the share of each class that is tested on. Default: 0.2. */
  testFraction: z.number().gt(0).lt(1).optional(),
  /** For imageFolder: decides which pictures these are, the same for every `training.seed`. Default: 1. */
  splitSeed: z.int().min(0).optional(),
  /** For imageFolder: side of the square that pictures are resized and cropped to. Default: 224. */
  size: z.int().min(8).max(MAX_PICTURE_SIDE).optional(),
  /** For imageFolder: `imagenet_class_index.json`, which names the classes. */
  classIndex: z.string().min(1).optional(),
  /**
   * For imageFolder: whether a picture that cannot be read or decoded is left out and told, or ends the run. Default:
   * fail.
   */
  onBadPicture: z.enum(['fail', 'skip']).optional(),
  /** For imageFolder, in training: share of the area, and width over height, of the part that is drawn and resized. */
  randomResizedCrop: z
    .strictObject({
      scale: fractions.default([...STANDARD_CROP.scale]),
      ratio: fractions.default([...STANDARD_CROP.ratio]),
    })
    .optional(),
  /**
   * For pictures in memory: three are printed over each other in red, green and blue, and the light over the whole says
   * which is to be named (`domainPictures`). Absent: pictures as they are.
   */
  domains: z
    .strictObject({
      /** Decides light, prints and grain, the same for every `training.seed`. */
      seed: z.int().min(0).default(1),
    })
    .optional(),
  batchSize: z.int().min(1).default(128),
  /** Zeros on each side before cropping back to the picture's size; 0: no crop. */
  randomCrop: z.int().min(0).max(MAX_CROP_PADDING).default(0),
  randomFlip: z.boolean().default(false),
  /**
   * In training: the ranges of brightness, contrast and saturation are factors around 1, that of hue a share of a turn.
   */
  colorJitter: z
    .strictObject({
      brightness: z.number().min(0).default(0),
      contrast: z.number().min(0).default(0),
      saturation: z.number().min(0).default(0),
      hue: z.number().min(0).max(0.5).default(0),
    })
    .optional(),
  /** In training: so many random operations on each picture, of one magnitude. */
  randAugment: z
    .strictObject({
      numOps: z.int().min(1).max(100).default(2),
      magnitude: z.int().min(0).max(MAX_MAGNITUDE).default(9),
    })
    .optional(),
  /** In training: a rectangle becomes the mean colour. Share of the area, and height over width, from and to. */
  randomErasing: z
    .strictObject({
      probability: z.number().min(0).max(1).default(0.5),
      scale: fractions.default([0.02, 0.33]),
      ratio: fractions.default([0.3, 3.3]),
    })
    .optional(),
  /** Worker threads that prepare batches; 0: the training thread does. */
  numWorkers: z.int().min(0).max(64).default(1),
});

/** A label as YAML may have it. */
const className = z.union([z.string().min(1), z.number(), z.boolean()]);

const textDataKeys = z.strictObject({
  /** `glue` (Wang et al. 2018), from its original files, or `text`: CSV, TSV and JSON-lines files of one's own. */
  name: z.enum(['glue', 'text']).default('glue'),
  /** The task, for glue. */
  task: z.enum(glueTaskNames).optional(),
  /** For glue the folder with one folder per task; for text a file, or a folder with train and dev. */
  path: z.string().min(1).optional(),
  /** The keys from here to `splitSeed` are for text. A file; instead of `path`. */
  train: z.string().min(1).optional(),
  /** A file; absent: that of the folder `path`, or else a part of the rows that are trained on. */
  test: z.string().min(1).optional(),
  /** Default: by the names of the files. */
  format: z.enum(tableFormatNames).optional(),
  /** The text between columns. Default: a comma in CSV, a tab in TSV. */
  delimiter: z.string().min(1).optional(),
  /** Whether fields may be in quotes. Default: in CSV, not in TSV. */
  quotes: z.boolean().optional(),
  /** Names of the columns, where files have no header line. */
  columns: z.array(z.string().min(1)).min(2).optional(),
  /** Default: text. */
  textColumn: z.string().min(1).optional(),
  /** The column of the other text, where rows are pairs. */
  secondColumn: z.string().min(1).optional(),
  /** Default: label. */
  labelColumn: z.string().min(1).optional(),
  /** The kind of a label: one of some classes (the default), or a number. */
  target: z.enum(textTargets).optional(),
  /** In the order of the network's outputs; f1 is that of the second. Default: the training labels, sorted. */
  classes: z.array(className).min(2).optional(),
  /** The metric that the network is scored by; of several their mean. Default: accuracy, for numbers pearson. */
  metric: z.union([z.enum(metricNames), z.array(z.enum(metricNames)).min(1)]).optional(),
  /** The share that is tested on, of rows that are split here. Default: 0.2. */
  testFraction: z.number().gt(0).lt(1).optional(),
  /** Default: 1. */
  splitSeed: z.int().min(0).optional(),
  /** A fixed random sample of so many training rows, the same for every seed. */
  trainLimit: z.int().min(1).optional(),
  /** A fixed random sample of so many test rows (of glue those of the development set). */
  testLimit: z.int().min(1).optional(),
  /** Absent: nothing is held out, and epochs have no score. */
  validation: validationSchema,
  batchSize: z.int().min(1).default(32),
  /** Tokens; longer inputs are truncated, from the longer sentence of a pair. */
  maxLength: z.int().min(4).default(128),
  padding: z.enum(paddings).default('longest'),
  /** Batches of sentences of about the same length. */
  groupByLength: z.boolean().default(true),
});
type TextDataKeys = z.infer<typeof textDataKeys>;

/** Keys of files of one's own. */
const ownTextKeys = [
  ...(['train', 'test', 'format', 'delimiter', 'quotes', 'columns', 'textColumn', 'secondColumn'] as const),
  ...(['labelColumn', 'target', 'classes', 'metric', 'testFraction', 'splitSeed'] as const),
] satisfies (keyof TextDataKeys)[];

/** The options that all data of texts have in common. */
export interface CommonTextOptions {
  readonly path?: string | undefined;
  readonly trainLimit?: number | undefined;
  readonly testLimit?: number | undefined;
  readonly validation?: ValidationOptions | undefined;
  readonly batchSize: number;
  readonly maxLength: number;
  readonly padding: TextPadding;
  readonly groupByLength: boolean;
}

export interface GlueDataOptions extends CommonTextOptions {
  readonly name: 'glue';
  readonly task: GlueTaskName;
}

export interface OwnTextDataOptions extends CommonTextOptions, Omit<OwnTextsOptions, 'metrics' | 'split'> {
  readonly name: 'text';
  readonly metric: TextMetric | readonly TextMetric[];
}

export const textDataSchema = textDataKeys
  .superRefine((data, context) => {
    for (const { path, ...issue } of textDataIssues(data)) context.addIssue({ ...issue, path: path.slice(1) });
  })
  .transform((data): GlueDataOptions | OwnTextDataOptions => {
    if (data.name === 'glue') return { ...data, name: 'glue', task: data.task! };
    const { classes, ...others } = data;
    return {
      ...others,
      name: 'text',
      textColumn: data.textColumn ?? 'text',
      labelColumn: data.labelColumn ?? 'label',
      target: data.target ?? 'classes',
      ...(classes && { classes: classes.map(String) }),
      metric: data.metric ?? (data.target === 'number' ? 'pearson' : 'accuracy'),
    };
  });

const optimizers = ['sgd', 'adamw'] as const;
const learningRateSchedules = ['cosine', 'linear', 'step', 'constant'] as const;

/** Where the learning rate's schedule begins: see `learningRateSchedule`. */
export const scheduleStarts = ['afterWarmup', 'firstStep'] as const;
export type ScheduleStart = (typeof scheduleStarts)[number];

/** How several processes train one network together (docs/distributed.md); one alone does not look at it. */
export const distributedSchema = z.strictObject({
  /** Batch norm's statistics are of the whole batch; else of each rank's part, and the running ones their means. */
  syncBatchNorm: z.boolean().default(false),
  /** Each rank has the momentum or moments of some parameters only, and steps those (ZeRO stage 1). */
  shardOptimizer: z.boolean().default(false),
  /** Each rank has some of the experts of a mixture only, and computes those for all (no ema, no earlyStopping). */
  shardExperts: z.boolean().default(false),
  /** Gradients are summed in buckets of so many bytes. */
  bucketBytes: z.int().min(1).default(4_000_000),
  /** Seconds without a sign of life until a rank is taken for lost. */
  lifeTimeout: z.number().min(1).max(3600).default(2.5),
  /** Seconds in which all ranks have to come, and to join each operation. */
  timeout: z.number().min(1).max(86_400).default(1800),
});
export type DistributedOptions = z.infer<typeof distributedSchema>;

/** What an epoch can be scored on. */
const epochScores = ['validation', 'test'] as const;

/** The settings that a `Trainer` needs, whatever the task. */
export const trainingSchema = z.strictObject({
  epochs: z.int().min(1),
  seed: z.int().min(0).default(1),
  optimizer: z.enum(optimizers).default('sgd'),
  learningRate: z.number().positive().default(0.1),
  /** For sgd. */
  momentum: z.number().min(0).max(1).default(0.9),
  /** For sgd. */
  nesterov: z.boolean().default(true),
  weightDecay: z.number().min(0).default(5e-4),
  schedule: z.enum(learningRateSchedules).default('cosine'),
  /** Epochs (fractions allowed) over which the learning rate rises from 0. */
  warmupEpochs: z.number().min(0).default(0),
  /** `firstStep`: as runs have it that were begun before there was this key. */
  scheduleStart: z.enum(scheduleStarts).default('afterWarmup'),
  /** For `step`: epochs after which the learning rate is multiplied by `gamma`. */
  milestones: z.array(z.number().min(0)).default([]),
  /** For `step`. */
  gamma: z.number().positive().default(0.1),
  /** Largest gradient norm; absent: no clipping. */
  clipGradNorm: z.number().positive().optional(),
  /** Batches whose gradients are averaged into one step. */
  accumulation: z.int().min(1).default(1),
  /**
   * Decay of the moving average of the weights, which is what is tested and kept; absent: the weights themselves are.
   */
  ema: z.number().positive().max(0.999999).optional(),
  /** Temperature of kernel attention: linear, per step, from `start` to `end` over the first `epochs`. */
  temperature: z
    .strictObject({
      start: z.number().positive().max(1e9).default(30),
      end: z.number().positive().max(1e9).default(1),
      epochs: z.number().min(0).default(10),
    })
    .prefault({}),
  /**
   * The bank's learning rate is multiplied, and its weight decay divided, by this: `effective` gives the effective
   * kernel of a fresh layer the step of a static one (method.md §6), `numKernels` stands for K.
   */
  bankFactor: z.union([z.enum(['effective', 'numKernels']), z.number().positive()]).default('effective'),
  /** The learning rate of routers is multiplied by this. */
  routerFactor: z.number().positive().default(1),
  /** Steps between checkpoints; one is also written at the end of every epoch. */
  checkpointSteps: z.int().min(1).default(500),
  /**
   * The data that epochs are scored on, and that early stopping chooses by. `test`: as runs have it that were begun
   * before there was this key; what is chosen by the test data, they flatter.
   */
  epochScore: z.enum(epochScores).default('validation'),
  /**
   * Stop after `patience` epochs (of those after the partition) without a better score on the data that epochs are
   * scored on, and keep the best epoch's network; absent: train to the end and keep the last.
   */
  earlyStopping: z.strictObject({ patience: z.int().min(1) }).optional(),
  /** Where several processes train together; absent: as by default. */
  distributed: distributedSchema.optional(),
});

export const pictureTrainingSchema = trainingSchema.extend({
  labelSmoothing: z.number().min(0).max(1).default(0),
  /** α of Beta(α, α); 0: no mix-up. */
  mixup: z.number().min(0).default(0),
  /** α of Beta(α, α); 0: no CutMix. With mix-up, a batch gets one of the two. */
  cutmix: z.number().min(0).default(0),
  /** `bf16`: static convolutions and linear layers of a training step in bfloat16; on CUDA the dynamic ones too. */
  autocast: z.enum(['none', 'bf16']).default('none'),
});

/** AdamW, without weight decay on biases and norms. */
export const textTrainingSchema = trainingSchema
  .pick({
    epochs: true,
    seed: true,
    scheduleStart: true,
    routerFactor: true,
    accumulation: true,
    ema: true,
    checkpointSteps: true,
    epochScore: true,
    earlyStopping: true,
    distributed: true,
  })
  .extend({
    learningRate: z.number().positive().default(5e-5),
    weightDecay: z.number().min(0).default(0.01),
    schedule: z.enum(['linear', 'cosine', 'constant']).default('linear'),
    warmupEpochs: z.number().min(0).default(0.2),
    /** Largest gradient norm. */
    clipGradNorm: z.number().positive().default(1),
    /** The bank's learning rate is multiplied, and its weight decay divided, by this; AdamW's steps need no K. */
    bankFactor: z.number().positive().default(1),
  });

const saliencyNames = Object.keys(saliencies) as [SaliencyName, ...SaliencyName[]];

export const DEFAULT_PARTITION_BATCHES = 10;

export const partitionSchema = z.strictObject({
  /** κ: the fraction of entries that stay dynamic. */
  ratio: z.number().min(0).max(1),
  rounds: z.int().min(1).max(1000).default(3),
  schedule: z.enum(schedules).default('exponential'),
  scope: z.enum(partitionScopes).default('global'),
  granularity: z.enum(granularities).default('entry'),
  /** How the scores of a unit's entries are summed: `signed`, |Σ|, as in the paper, or `absolute`, Σ|·|. */
  unitSum: z.enum(unitSums).default('signed'),
  /** A score by name, or the file of one's own (`loadSaliency`). */
  saliency: z.union([z.enum(saliencyNames), codeReferenceSchema]).default('maskGradient'),
  /** Batches of the partition set, taken from the training set. */
  batches: z.int().min(1).default(DEFAULT_PARTITION_BATCHES),
  /** Partition after so many epochs (fractions allowed); 0: before training. */
  epoch: z.number().min(0).default(1),
  /**
   * A partition file, or the folder of a partitioned network, whose masks are applied instead of searching; its ratio
   * must be `ratio`.
   */
  masks: z.string().min(1).optional(),
  /**
   * Fold the bank's mean into the static weight first, so that the switch is continuous (method.md §3). `byUse`: each
   * kernel by what its router gives it on the partition set, also where coefficients sum to 1.
   */
  fold: z.union([z.boolean(), z.literal('byUse')]).default(true),
});

export const pictureRecipeSchema = z
  .strictObject({
    modality: z.literal('image').default('image'),
    model: modelSchema,
    data: pictureDataSchema.prefault({}),
    training: pictureTrainingSchema,
    /** Given exactly where `model.layer` is `partial`. */
    partition: partitionSchema.optional(),
  })
  .superRefine((recipe, context) => {
    for (const issue of [
      ...modelIssues(recipe.model),
      ...dataIssues(recipe.data),
      ...partitionIssues(recipe),
      ...milestoneIssues(recipe.training.milestones),
      ...validationIssues(recipe),
      ...distributedIssues(recipe.training),
    ])
      context.addIssue({ ...issue });
  });

export const textRecipeSchema = z
  .strictObject({
    modality: z.literal('text'),
    model: textModelSchema,
    data: textDataSchema,
    training: textTrainingSchema,
    /** Given exactly where `model.layer` is `partial`. */
    partition: partitionSchema.optional(),
  })
  .superRefine((recipe, context) => {
    for (const issue of [
      ...expertIssues(recipe.model),
      ...partitionIssues(recipe),
      ...validationIssues(recipe),
      ...distributedIssues(recipe.training),
    ])
      context.addIssue({ ...issue });
  });

/**
 * The description that a program of one's own gives of what it trains: enough to be compared, not to be trained again
 * from.
 */
export const programRecipeSchema = z
  .strictObject({
    modality: z.literal('program'),
    model: z.strictObject({
      /** The name of the network in reports. */
      name: z.string().min(1),
      layer: layerKindSchema,
    }),
    data: z.strictObject({
      /** The name of the data in reports. */
      name: z.string().min(1),
    }),
    training: trainingSchema,
    /** `saliency` is the name of the score. */
    partition: partitionSchema.extend({ saliency: z.string().default('maskGradient') }).optional(),
  })
  .meta({ title: 'what a program trained' });
export type ProgramRecipe = z.infer<typeof programRecipeSchema>;

/** By `modality`, the kind of data that a network takes. */
export const recipeSchemas = { image: pictureRecipeSchema, text: textRecipeSchema } as const;
export const modalities = ['image', 'text'] as const satisfies (keyof typeof recipeSchemas)[];
export type Modality = (typeof modalities)[number];

interface Issue {
  readonly code: 'custom';
  readonly path: string[];
  readonly message: string;
  /** The other one of two keys that do not go together, and the message for those who wrote that one. */
  readonly params?: { readonly other: { readonly path: string[]; readonly message: string } };
}

function partitionIssues(recipe: {
  readonly model: { readonly layer: string };
  readonly training: { readonly epochs: number };
  readonly partition?: PartitionOptions | undefined;
}): Issue[] {
  const { model, training, partition } = recipe;
  const issue = (path: string[], message: string): Issue => ({ code: 'custom', path, message });
  if (model.layer === 'partial' && !partition)
    return [issue(['partition'], 'model.layer is partial, so partition.ratio is needed')];
  if (!partition) return [];
  const issues: Issue[] = [];
  if (model.layer !== 'partial') {
    issues.push(
      issue(['partition'], `only a network with model.layer: partial can be partitioned, it is ${model.layer}`),
    );
  }
  if (partition.epoch >= training.epochs) {
    const { epoch } = partition;
    const below = `less than training.epochs (${training.epochs})`;
    const message = `expected ${below}, so that the masks are trained with, got ${epoch}`;
    const other = {
      path: ['training', 'epochs'],
      message:
        `expected more than ${epoch}, the epoch after which the network is partitioned, got ${training.epochs}; ` +
        'an earlier one is set by partition.epoch',
    };
    issues.push({ ...issue(['partition', 'epoch'], message), params: { other } });
  }
  return issues;
}

function expertIssues({ layer, k, numExperts }: z.infer<typeof textModelSchema>): Issue[] {
  if (layer === 'static' || k <= numExperts) return [];
  const message = `expected at most model.numExperts (${numExperts}), got ${k}`;
  const other = { path: ['model', 'numExperts'], message: `expected at least model.k (${k}), got ${numExperts}` };
  return [{ code: 'custom', path: ['model', 'k'], message, params: { other } }];
}

function modelIssues({
  pretrained,
  layer,
  bankInitialisation,
  initialScale,
  router,
  routerWidth,
  routerStart,
  convolution,
}: z.infer<typeof modelSchema>): Issue[] {
  const issues: Issue[] = [];
  const report = (key: string, message: string): void => {
    issues.push({ code: 'custom', path: ['model', key], message });
  };
  if (pretrained !== undefined && layer !== 'static' && bankInitialisation !== 'copies')
    report(
      'bankInitialisation',
      `expected copies, since model.pretrained is given and the bank starts from it, got ${bankInitialisation}`,
    );
  if (pretrained !== undefined && initialScale !== 1)
    report('initialScale', `is for fresh weights, and model.pretrained is given; take it away, got ${initialScale}`);
  const kind = router === undefined ? convolution : 'a router of your own';
  if (routerWidth !== 'published' && kind !== 'dyconv' && kind !== 'odconv')
    report('routerWidth', `is for the routers of dyconv and odconv, and the layers have ${kind}; take it away`);
  if (routerStart !== 'published' && kind !== 'dyconv')
    report('routerStart', `is for the routers of dyconv, and the layers have ${kind}; take it away`);
  if (router !== undefined && layer === 'static')
    report(
      'router',
      'is for dynamic and partial layers, and model.layer is static; take it away, or say dynamic or partial',
    );
  if (router !== undefined && convolution !== 'dyconv')
    report('convolution', `model.router is given, which decides that; remove one of them, got ${convolution}`);
  return issues;
}

function dataIssues(data: z.infer<typeof pictureDataSchema>): Issue[] {
  const issue = (key: string, message: string): Issue => ({ code: 'custom', path: ['data', key], message });
  const misplaced =
    data.name === 'imageFolder'
      ? []
      : (['testFraction', 'splitSeed', 'size', 'classIndex', 'onBadPicture', 'randomResizedCrop'] as const)
          .filter((key) => data[key] !== undefined)
          .map((key) => issue(key, `is for data.name: imageFolder, it is ${data.name}`));
  const files =
    data.name === 'imageFolder' && data.domains !== undefined
      ? [issue('domains', 'is for pictures in memory (fashionMnist, cifar10, cifar100, idx), data.name is imageFolder')]
      : [];
  const disordered = (['randomResizedCrop', 'randomErasing'] as const)
    .filter((key) => {
      const { scale = [0, 1], ratio = [1, 1] } = data[key] ?? {};
      return scale[0] > scale[1] || scale[1] > 1 || ratio[0] > ratio[1];
    })
    .map((key) => issue(key, 'expected [from, to] in ascending order, scale of 1 at most'));
  return [...misplaced, ...files, ...disordered];
}

/** Problems with keys of text data that would have no effect or contradict others. */
function textDataIssues(data: TextDataKeys): Issue[] {
  const issue = (key: keyof TextDataKeys, message: string): Issue => ({ code: 'custom', path: ['data', key], message });
  const given = (key: keyof TextDataKeys): boolean => data[key] !== undefined;
  if (data.name === 'glue') {
    if (!given('task')) return [issue('task', `missing; expected one of ${glueTaskNames.join(', ')}`)];
    return ownTextKeys.filter(given).map((key) => issue(key, 'is for data.name: text, it is glue'));
  }
  const issues: Issue[] = [];
  if (given('task')) issues.push(issue('task', 'is for data.name: glue, it is text'));
  if (given('path') && given('train'))
    issues.push(issue('train', 'data.path says what is trained on already; give one of the two'));
  if (data.delimiter !== undefined && (Array.from(data.delimiter).length !== 1 || /["\r\n]/.test(data.delimiter)))
    issues.push(issue('delimiter', `expected one character other than a quote, got ${JSON.stringify(data.delimiter)}`));
  if (data.format === 'jsonl') {
    for (const key of (['delimiter', 'quotes', 'columns'] as const).filter(given))
      issues.push(issue(key, 'is for tables with columns, and data.format is jsonl'));
  }
  if (data.test !== undefined) {
    for (const key of (['testFraction', 'splitSeed'] as const).filter(given))
      issues.push(issue(key, 'nothing is split, since data.test is tested on; remove the key'));
  }
  const { target = 'classes', metric = [], classes = [] } = data;
  const misfit = [metric].flat().find((name) => numberMetrics.has(name) !== (target === 'number'));
  if (misfit !== undefined)
    issues.push(
      issue('metric', `${misfit} is of ${target === 'number' ? 'classes' : 'numbers'}, and data.target is ${target}`),
    );
  if (target === 'number' && given('classes'))
    issues.push(issue('classes', 'is for classes, and data.target is number'));
  const lists = { classes: classes.map(String), metric: [metric].flat(), columns: data.columns ?? [] };
  for (const key of ['classes', 'metric', 'columns'] as const) {
    const twice = lists[key].find((name, index, all) => all.indexOf(name) < index);
    if (twice !== undefined) issues.push(issue(key, `${twice} is there twice`));
  }
  const { textColumn = 'text', secondColumn, labelColumn = 'label', columns } = data;
  const named = { textColumn, secondColumn, labelColumn };
  const keys = (['textColumn', 'secondColumn', 'labelColumn'] as const).filter((key) => named[key] !== undefined);
  for (const key of keys) {
    const name = named[key]!;
    if (columns?.includes(name) === false)
      issues.push(issue('columns', `expected ${name} among them, which data.${key} is`));
    const other = keys.find((each) => each !== key && named[each] === name);
    if (other && given(key)) issues.push(issue(key, `${name} is data.${other}, too; expected another column`));
  }
  return issues;
}

function milestoneIssues(milestones: readonly number[]): Issue[] {
  const isOrdered = milestones.every((milestone, index) => index === 0 || milestone > milestones[index - 1]!);
  if (isOrdered || milestones.some((milestone) => milestone < 0)) return [];
  const message = `expected epochs in ascending order, got [${milestones.join(', ')}]`;
  return [{ code: 'custom', path: ['training', 'milestones'], message }];
}

/** @param recipe whose epochs are to be scored */
function validationIssues({
  data,
  training: { earlyStopping, epochScore },
}: {
  readonly data: { readonly validation?: unknown };
  readonly training: Pick<TrainingOptions, 'earlyStopping' | 'epochScore'>;
}): Issue[] {
  if (earlyStopping === undefined || epochScore === 'test' || data.validation !== undefined) return [];
  return [{ code: 'custom', path: ['training', 'earlyStopping'], message: validationNeeded }];
}

/** Why early stopping needs data that are held out. */
export const validationNeeded =
  'the best epoch is chosen by data that are held out: expected data.validation.fraction, such as 0.1';

function distributedIssues({ distributed, ema, earlyStopping }: Partial<TrainingOptions>): Issue[] {
  if (distributed?.shardExperts !== true) return [];
  const others = { 'training.ema': ema, 'training.earlyStopping': earlyStopping };
  const keys = Object.entries(others).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (distributed.shardOptimizer) keys.push('training.distributed.shardOptimizer');
  const message = `expected false together with ${keys.join(' and ')}: they need all experts on every rank`;
  return keys.length === 0 ? [] : [{ code: 'custom', path: ['training', 'distributed', 'shardExperts'], message }];
}

export type PictureRecipe = z.infer<typeof pictureRecipeSchema>;
export type TextRecipe = z.infer<typeof textRecipeSchema>;
/** The recipe of a task of GLUE. */
export type GlueRecipe = TextRecipe & { readonly data: GlueDataOptions };
export type Recipe = PictureRecipe | TextRecipe;
/** A recipe of one modality. */
export type RecipeOf<M extends Modality> = Extract<Recipe, { readonly modality: M }>;
/** The content of a run's `recipe.yaml`: not all runs are trained from recipes. */
export type RunRecipe = Recipe | ProgramRecipe;
export type PictureDataOptions = PictureRecipe['data'];
export type TextDataOptions = TextRecipe['data'];
export type TrainingOptions = z.infer<typeof trainingSchema>;
export type PartitionOptions = z.infer<typeof partitionSchema>;
