/** Made-up runs with round numbers, for the tests of this folder. */
import type { StepEvent, TestResult, TrainingEvent } from '../training/events.js';
import { pictureRecipeSchema, type PictureRecipe } from '../training/recipe.js';
import type { RouterCoefficients } from './coefficients.js';
import type { NetworkCounts } from './networkCounts.js';
import { runSummary, type RunSummary, type RunSummaryOptions } from './runSummary.js';

export function recipe(
  layer: PictureRecipe['model']['layer'],
  changes: Partial<PictureRecipe['training']> = {},
): PictureRecipe {
  const partition = layer === 'pad' ? { partition: { ratio: 0.3 } } : {};
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
  return { stored: { parameters, maskBits: isPartial ? entries : 0, entries, dynamicEntries }, macs, layers };
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
    { path: 'layer1.0.conv1', entries: 1000, dynamicEntries: dynamic[0] },
    { path: 'layer4.0.conv2', entries: 4000, dynamicEntries: dynamic[1] },
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
      recipe: recipe('dyconv'),
      events: [step(1, 0.2), epoch(1, 0.81), epoch(2, 0.91), finished(0.91, 2e9, 120)],
      counts: counts(4_000_000, 60_000_000, layers([1000, 4000])),
      coefficients,
    }),
    run({
      name: 'partial',
      recipe: recipe('pad'),
      events: [step(1, 0.25), epoch(1, 0.82), partitionDone, step(11, 0.15), epoch(2, 0.92), finished(0.92, 1.5e9, 90)],
      counts: counts(2_000_000, 60_000_000, layers([700, 800])),
      coefficients,
    }),
  ];
}
