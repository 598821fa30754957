/** Made-up runs with round numbers, for the tests of this folder. */
import type { StepEvent, TestResult, TrainingEvent } from '../runs/events.js';
import { pictureRecipeSchema, textRecipeSchema, type PictureRecipe, type TextRecipe } from '../recipe/recipe.js';
import type { GlueTaskName } from '../data/index.js';
import type { TextConfig } from '../models/index.js';
import type { RouterCoefficients } from './coefficients.js';
import type { ExpertLoad } from './expertLoad.js';
import type { NetworkCounts } from './networkCounts.js';
import { runSummary, type RunSummary, type RunSummaryOptions } from './runSummary.js';

export function recipe(
  layer: PictureRecipe['model']['layer'],
  changes: Partial<PictureRecipe['training']> = {},
): PictureRecipe {
  const partition = layer === 'partial' ? { partition: { ratio: 0.3 } } : {};
  return pictureRecipeSchema.parse({
    model: { name: 'resnet10', layer },
    training: { epochs: 2, ...changes },
    ...partition,
  });
}

export function step(index: number, seconds: number, samples = 100): StepEvent {
  const common = { type: 'step', epoch: 1, totalSteps: 20, loss: 2, learningRate: 0.1 } as const;
  return { ...common, step: index, temperature: null, routing: null, samples, seconds };
}

function accuracy(value: number, testLoss: number): TestResult {
  return { metric: 'accuracy', testScore: value, testMetrics: { accuracy: value }, testLoss };
}

export function epoch(index: number, score: number, trainLoss = 1.5, testLoss = 0.5): TrainingEvent {
  const common = { type: 'epoch', epochs: 2, samplesPerSecond: 1000, stepSeconds: 0.1, waitSeconds: 0 } as const;
  return { ...common, ...accuracy(score, testLoss), epoch: index, step: 10 * index, trainLoss };
}

export function finished(score: number, peakMemoryBytes: number, trainingSeconds: number): TrainingEvent {
  return { type: 'finished', epoch: 2, step: 20, ...accuracy(score, 0.25), peakMemoryBytes, trainingSeconds };
}

export const partitionDone: TrainingEvent = {
  type: 'partition',
  epoch: 1,
  step: 10,
  dynamicRatio: 0.3,
  dynamicRatioByLayer: { 'layer1.0.conv1': 0.7, 'layer4.0.conv2': 0.2 },
  seconds: 1,
};

export function counts(parameters: number, macs: number, layers: NetworkCounts['layers'] = []): NetworkCounts {
  const sum = (key: 'entries' | 'dynamicEntries'): number => layers.reduce((total, layer) => total + layer[key], 0);
  const [entries, dynamicEntries] = [sum('entries'), sum('dynamicEntries')];
  const isPartial = dynamicEntries < entries;
  return {
    stored: { parameters, maskBits: isPartial ? entries : 0, entries, dynamicEntries },
    macs,
    sample: '1 picture',
    layers,
  };
}

/** Two layers of two kernels, two classes, one picture of 2 × 2. */
export const coefficients: RouterCoefficients = {
  classNames: ['cat', 'dog'],
  classes: [0, 1],
  perClass: 8,
  layers: [
    {
      path: 'layer1.0.conv1',
      means: [
        [0.25, 0.75],
        [0.625, 0.375],
      ],
      attentions: [],
    },
  ],
  paths: ['layer1.0.conv1', 'layer4.0.conv2'],
  inputs: [
    {
      label: 0,
      predicted: 1,
      confidence: 0.875,
      png: 'iVBORw0KGgo=',
      width: 2,
      height: 2,
      coefficients: [
        [0.1, 0.9],
        [0.5, 0.5],
      ],
    },
  ],
};

const environment = { machine: 'Test CPU', threads: 2, commit: '0123456789abcdef' };

function run(options: Omit<RunSummaryOptions, 'environment' | 'testSamples'>): RunSummary {
  return runSummary({ ...options, environment, testSamples: 10_000 });
}

/** Static, dynamic and partial: 1, 4 and 2 million numbers, 0.90, 0.91 and 0.92 accurate. */
export function threeRuns(): [RunSummary, RunSummary, RunSummary] {
  const layers = (dynamic: readonly [number, number]): NetworkCounts['layers'] => [
    { path: 'layer1.0.conv1', entries: 1000, dynamicEntries: dynamic[0], filterShares: [dynamic[0] / 1000] },
    { path: 'layer4.0.conv2', entries: 4000, dynamicEntries: dynamic[1], filterShares: [dynamic[1] / 2000, 0] },
  ];
  return [
    run({
      name: 'plain',
      recipe: recipe('static'),
      events: [step(1, 0.1), epoch(1, 0.8), epoch(2, 0.9), finished(0.9, 1e9, 60)],
      counts: counts(1_000_000, 50_000_000),
    }),
    run({
      name: 'mixed',
      recipe: recipe('dynamic'),
      events: [step(1, 0.2), epoch(1, 0.81), epoch(2, 0.91), finished(0.91, 2e9, 120)],
      counts: counts(4_000_000, 60_000_000, layers([1000, 4000])),
      coefficients,
    }),
    run({
      name: 'partial',
      recipe: recipe('partial'),
      events: [step(1, 0.25), epoch(1, 0.82), partitionDone, step(11, 0.15), epoch(2, 0.92), finished(0.92, 1.5e9, 90)],
      counts: counts(2_000_000, 60_000_000, layers([700, 800])),
      coefficients,
    }),
  ];
}

export function textRecipe(
  layer: TextRecipe['model']['layer'],
  { task = 'rte', model = {} }: { task?: GlueTaskName; model?: Partial<TextRecipe['model']> } = {},
): TextRecipe {
  return textRecipeSchema.parse({
    modality: 'text',
    model: { pretrained: '/models/mini/model', layer, numExperts: 2, k: 1, ...model },
    data: { task },
    training: { epochs: 2 },
    ...(layer === 'partial' && { partition: { ratio: 0.5 } }),
  });
}

/** BERT of 6 layers, 384 wide. */
const config = { family: 'bert', numHiddenLayers: 6, hiddenSize: 384, maxPositionEmbeddings: 512 } as TextConfig;

/** Two mixtures of two experts. */
export const experts: ExpertLoad = {
  sentences: 20,
  tokens: 400,
  layers: [
    {
      path: 'encoder.layers.5.feed_forward.intermediate',
      level: 'token',
      shares: [0.5, 0.5],
      variation: 1,
      loadEntropy: 1,
      gateEntropy: 0,
    },
    {
      path: 'encoder.layers.5.feed_forward.output',
      level: 'token',
      shares: [0.9, 0.1],
      variation: 0.47,
      loadEntropy: 0.469,
      gateEntropy: 0,
    },
  ],
  typical: [
    {
      path: 'encoder.layers.5.feed_forward.intermediate',
      experts: [[{ token: 'cat', count: 7, lift: 2 }], [{ token: '##s', count: 6, lift: 1.5 }]],
    },
    { path: 'encoder.layers.5.feed_forward.output', experts: [[], [{ token: '<b>', count: 5, lift: 9.5 }]] },
  ],
};

const textPaths = experts.layers.map(({ path }) => path);

interface TextRun {
  readonly layer: TextRecipe['model']['layer'];
  readonly task: GlueTaskName;
  readonly result: Pick<TestResult, 'metric' | 'testScore' | 'testMetrics'>;
  readonly parameters: number;
  /** How many entries are dynamic of the 1,000 of each weight. */
  readonly dynamicEntries?: number;
}

export function textRun({ layer, task, result, parameters, dynamicEntries = 1000 }: TextRun): RunSummary {
  const routing = layer === 'static' ? null : { auxiliaryLoss: 0, gateEntropy: 0.75, loadEntropy: 0.5 };
  const scored = { ...result, testLoss: 0.5 };
  const paths = layer === 'static' ? [] : textPaths;
  return runSummary({
    name: `${task}-${layer}`,
    recipe: textRecipe(layer, { task }),
    events: [
      { ...step(1, 0.1, 32), routing },
      { ...(epoch(1, 0) as Extract<TrainingEvent, { type: 'epoch' }>), ...scored },
      { ...(finished(0, 1e9, 60) as Extract<TrainingEvent, { type: 'finished' }>), ...scored },
    ],
    counts: {
      ...counts(
        parameters,
        1e9,
        paths.map((path) => ({ path, entries: 1000, dynamicEntries, filterShares: [dynamicEntries / 1000] })),
      ),
      sample: '128 tokens',
    },
    config,
    environment,
    testSamples: 277,
    experts: layer === 'static' ? null : experts,
  });
}

const matthews = (value: number): TextRun['result'] => ({
  metric: 'matthews',
  testScore: value,
  testMetrics: { matthews: value },
});

/** Static, MoE and partial on CoLA: Matthews −0.02, 0.25 and 0.5, with 20, 40 and 30 million numbers. */
export function threeTextRuns(): [RunSummary, RunSummary, RunSummary] {
  return [
    textRun({ layer: 'static', task: 'cola', result: matthews(-0.02), parameters: 20e6 }),
    textRun({ layer: 'dynamic', task: 'cola', result: matthews(0.25), parameters: 40e6 }),
    textRun({ layer: 'partial', task: 'cola', result: matthews(0.5), parameters: 30e6, dynamicEntries: 500 }),
  ];
}
