import { describe, expect, it } from 'vitest';
import { pictureRecipeSchema } from './recipe.js';

const base = { model: { name: 'resnet10' }, training: { epochs: 3 } };
const pad = { ...base, model: { name: 'resnet10', layer: 'partial' }, partition: { ratio: 0.3 } };

function problems(recipe: unknown): [path: string, message: string][] {
  const { error } = pictureRecipeSchema.safeParse(recipe);
  return (error?.issues ?? []).map(({ path, message }) => [path.join('.'), message]);
}

it('fills in every default, which runs rely on', () => {
  expect(pictureRecipeSchema.parse(pad)).toEqual({
    modality: 'image',
    model: {
      name: 'resnet10',
      layer: 'partial',
      stem: 'imagenet',
      numKernels: 4,
      convolution: 'dyconv',
      bankInitialisation: 'independent',
      initialScale: 1,
      routerWidth: 'published',
      routerStart: 'published',
      noise: 0,
      scaleMode: 'both',
    },
    data: { name: 'fashionMnist', batchSize: 128, randomCrop: 0, randomFlip: false, numWorkers: 1 },
    training: {
      epochs: 3,
      seed: 1,
      optimizer: 'sgd',
      learningRate: 0.1,
      momentum: 0.9,
      nesterov: true,
      weightDecay: 5e-4,
      schedule: 'cosine',
      warmupEpochs: 0,
      scheduleStart: 'afterWarmup',
      milestones: [],
      gamma: 0.1,
      labelSmoothing: 0,
      mixup: 0,
      autocast: 'none',
      accumulation: 1,
      temperature: { start: 30, end: 1, epochs: 10 },
      bankFactor: 'effective',
      routerFactor: 1,
      checkpointSteps: 500,
      epochScore: 'validation',
      cutmix: 0,
    },
    partition: {
      ratio: 0.3,
      rounds: 3,
      schedule: 'exponential',
      scope: 'global',
      granularity: 'entry',
      unitSum: 'signed',
      saliency: 'maskGradient',
      batches: 10,
      epoch: 1,
      fold: true,
    },
  });
});

describe('what sections say together', () => {
  it('a bank that starts from pretrained weights starts as copies', () => {
    const model = { ...pad.model, pretrained: 'resnet10.pth' };
    expect(pictureRecipeSchema.parse({ ...pad, model }).model.bankInitialisation).toBe('copies');
    expect(problems({ ...pad, model: { ...model, bankInitialisation: 'independent' } })).toEqual([
      [
        'model.bankInitialisation',
        'expected copies, since model.pretrained is given and the bank starts from it, got independent',
      ],
    ]);
  });

  it('hidden widths and starts are for routers that have a hidden layer', () => {
    const of = (model: object): [string, string][] =>
      problems({ ...base, model: { ...base.model, layer: 'dynamic', ...model } });
    expect(of({ routerWidth: 8, routerStart: 'active' })).toEqual([]);
    expect(of({ routerWidth: 'quarter', convolution: 'odconv' })).toEqual([]);
    expect(of({ routerStart: 'active', convolution: 'odconv' })).toEqual([
      ['model.routerStart', 'is for the routers of dyconv, and the layers have odconv; take it away'],
    ]);
    expect(of({ routerWidth: 8, convolution: 'dcd' })).toEqual([
      ['model.routerWidth', 'is for the routers of dyconv and odconv, and the layers have dcd; take it away'],
    ]);
    expect(of({ routerWidth: 'quarter', router: './own.ts' }).map(([, message]) => message)).toEqual([
      'is for the routers of dyconv and odconv, and the layers have a router of your own; take it away',
    ]);
  });

  it('pretrained weights have the spread that they have', () => {
    const model = { ...base.model, pretrained: 'resnet10.pth' };
    expect(problems({ ...base, model: { ...model, initialScale: 1 } })).toEqual([]);
    expect(problems({ ...base, model: { ...model, initialScale: 0.5 } })).toEqual([
      ['model.initialScale', 'is for fresh weights, and model.pretrained is given; take it away, got 0.5'],
    ]);
  });

  it('needs a partition exactly where the layers are partial', () => {
    expect(problems(pad)).toEqual([]);
    expect(problems({ ...pad, partition: undefined })).toEqual([
      ['partition', 'model.layer is partial, so partition.ratio is needed'],
    ]);
    for (const layer of ['static', 'dynamic']) {
      expect(problems({ ...pad, model: { name: 'resnet10', layer } })).toEqual([
        ['partition', `only a network with model.layer: partial can be partitioned, it is ${layer}`],
      ]);
    }
  });

  it('needs epochs after the partition', () => {
    const at = (epoch: number) => problems({ ...pad, partition: { ratio: 0.3, epoch } });
    expect(at(0)).toEqual([]);
    expect(at(2)).toEqual([]);
    const message = 'expected less than training.epochs (3), so that the masks are trained with, got 3';
    expect(at(3)).toEqual([['partition.epoch', message]]);
  });

  it('needs milestones in order', () => {
    const of = (milestones: number[]) => problems({ ...base, training: { epochs: 3, milestones } });
    expect(of([1, 2.5])).toEqual([]);
    expect(of([2, 1])).toEqual([['training.milestones', 'expected epochs in ascending order, got [2, 1]']]);
    expect(of([1, 1])).toHaveLength(1);
  });
});

describe('ranges', () => {
  it.each([
    ['partition.ratio', { ...pad, partition: { ratio: 1.01 } }],
    ['partition.ratio', { ...pad, partition: { ratio: -0.01 } }],
    ['partition.ratio', { ...pad, partition: { ratio: NaN } }],
    ['partition.rounds', { ...pad, partition: { ratio: 0.3, rounds: 0 } }],
    ['partition.rounds', { ...pad, partition: { ratio: 0.3, rounds: 1.5 } }],
    ['training.epochs', { ...base, training: { epochs: 0 } }],
    ['training.learningRate', { ...base, training: { epochs: 1, learningRate: 0 } }],
    ['training.learningRate', { ...base, training: { epochs: 1, learningRate: Infinity } }],
    ['training.temperature.end', { ...base, training: { epochs: 1, temperature: { end: 0 } } }],
    ['training.labelSmoothing', { ...base, training: { epochs: 1, labelSmoothing: 1.1 } }],
    ['data.batchSize', { ...base, data: { batchSize: 0 } }],
    ['model.numKernels', { ...base, model: { name: 'resnet10', numKernels: 0 } }],
    ['training', { ...base, training: { epochs: 1, epoch: 2 } }],
  ])('%s', (path, recipe) => {
    expect(problems(recipe).map(([where]) => where)).toEqual([path]);
  });

  it('takes both ends of κ', () => {
    for (const ratio of [0, 1]) expect(problems({ ...pad, partition: { ratio } })).toEqual([]);
  });
});
