import { nn, type Tensor } from '@padnet/torch';
import { afterEach, expect, it, vi } from 'vitest';
import { convertToDynamic } from '../convert/index.js';
import type { Router } from '../dynamic/index.js';
import { changesText } from './changes.js';
import { changesSince, fingerprintOf, type Fingerprint } from './fingerprint.js';
import { smallRecipe } from './pictures.test.fixture.js';
import { smallTextRecipe } from './texts.test.fixture.js';
import type { PictureRecipe } from '../recipe/recipe.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

const of = (recipe: object, parts: Fingerprint['parts'] = { threads: '2' }): Fingerprint =>
  JSON.parse(JSON.stringify({ settings: recipe, parts })) as Fingerprint;
const recipe = smallRecipe('pictures', 'partial');

it('finds what has changed, by the names of the recipe', () => {
  const { training, partition, model } = recipe;
  const now = {
    ...recipe,
    model: { ...model, width: 8 },
    training: { ...training, learningRate: 0.1, clipGradNorm: 1 },
    partition: { ...partition!, ratio: 0.5 },
  };
  const changes = changesSince(of(recipe), of(now, { threads: '1', masks: 'ab' }));
  expect(changes).toEqual([
    { what: 'model.width', before: '4', now: '8' },
    { what: 'training.learningRate', before: '0.05', now: '0.1' },
    { what: 'partition.ratio', before: '0.3', now: '0.5' },
    { what: 'training.clipGradNorm', before: null, now: '1' },
    { what: 'threads', before: '2', now: '1' },
    { what: 'masks', before: null, now: 'ab' },
  ]);
  expect(changesText(changes)).toBe(
    'model.width was 4, is 8; training.learningRate was 0.05, is 0.1; partition.ratio was 0.3, is 0.5; ' +
      'training.clipGradNorm was not there, is 1; and 2 more',
  );
});

it('finds nothing in what decides no bit: where data lie, who reads them, when is saved', () => {
  const { data, training, model, partition } = recipe;
  const now = {
    ...recipe,
    data: { ...data, path: 'elsewhere', numWorkers: 3 },
    model: { ...model, pretrained: 'x' },
    training: { ...training, checkpointSteps: 7 },
    partition: { ...partition!, masks: 'y' },
  };
  expect(changesSince(of(recipe), of(now))).toEqual([]);
});

it('takes early stopping of before epochScore for one that chose by the test data', () => {
  const before = { training: { epochs: 3, earlyStopping: { patience: 2 } } };
  const now = (epochScore: string) => of({ training: { ...before.training, epochScore } });
  expect(changesSince(of(before), now('test'))).toEqual([]);
  expect(changesSince(of(before), now('validation'))).toEqual([
    { what: 'training.epochScore', before: 'test', now: 'validation' },
  ]);
  expect(
    changesSince(of({ training: { epochs: 3 } }), of({ training: { epochs: 3, epochScore: 'validation' } })),
  ).toEqual([]);
});

it('takes a setting that an older version did not know for its default', () => {
  const training: Partial<PictureRecipe['training']> = { ...recipe.training };
  delete training.momentum;
  expect(recipe.training.momentum).toBe(0.9);
  expect(changesSince(of({ ...recipe, training }), of(recipe))).toEqual([]);
  const other = { ...recipe, training: { ...recipe.training, momentum: 0.5 } };
  expect(changesSince(of({ ...recipe, training }), of(other))).toEqual([
    { what: 'training.momentum', before: '0.9', now: '0.5' },
  ]);
  // A trainer without a recipe.
  expect(changesSince(of({ training: { epochs: 2 } }), of({ training: { epochs: 2, gamma: 0.1 } }))).toEqual([]);
});

it('takes a start of before there was model.initialScale for what it was', () => {
  const older = (of: PictureRecipe): object => {
    const model: Partial<PictureRecipe['model']> = { ...of.model };
    delete model.initialScale;
    return { ...of, model };
  };
  const former = { ...recipe, model: { ...recipe.model, initialScale: 'perKernel' } };
  expect(changesSince(of(older(recipe)), of(former))).toEqual([]);
  expect(changesSince(of(older(recipe)), of(recipe))).toEqual([
    { what: 'model.initialScale', before: 'perKernel', now: '1' },
  ]);
  // A static kernel starts as it did.
  const fixed = smallRecipe('pictures', 'static');
  expect(changesSince(of(older(fixed)), of(fixed))).toEqual([]);
});

it.each([
  ['pad', recipe],
  ['dyconv', smallRecipe('pictures', 'dynamic')],
  ['moe', smallTextRecipe('texts', 'dynamic')],
  ['pad', smallTextRecipe('texts', 'partial')],
])('takes the kind of layers that an older version called %s for what it is', (name, now) => {
  const before = { ...now, model: { ...now.model, layer: name } };
  expect(changesSince(of(before), of(now))).toEqual([]);
  const program = { modality: 'program', data: { name: 'x' }, training: { epochs: 2 } };
  const { layer } = now.model;
  const settings = (kind: string): object => ({ ...program, model: { name: 'x', layer: kind } });
  expect(changesSince(of(settings(name)), of(settings(layer)))).toEqual([]);
  expect(changesSince(of(settings(name)), of(settings('static')))).toEqual([
    { what: 'model.layer', before: layer, now: 'static' },
  ]);
});

it.each(['ONEDNN_MAX_CPU_ISA', 'DNNL_MAX_CPU_ISA'])('has the instruction set that %s gives oneDNN', (name) => {
  const run = { network: new nn.Sequential(), parts: undefined, masks: null };
  const before = fingerprintOf({}, run);
  vi.stubEnv(name, 'avx2');
  expect(changesSince(before, fingerprintOf({}, run))).toEqual([
    { what: 'oneDNN instruction set', before: null, now: 'AVX2' },
  ]);
});

it('has what was measured of routers that do not say it: their banks learn by it', () => {
  class Constant extends nn.Module implements Router {
    readonly sumsToOne = false;
    readonly numKernels = 2;
    constructor(readonly coefficient: number) {
      super();
    }
    forward = (input: Tensor): Tensor => input.newOnes([input.shape[0]!, 2]).mul(this.coefficient);
    countMacs = (): number => 0;
  }
  const made = (coefficient: number): Fingerprint => {
    const network = new nn.Sequential(new nn.Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1 }));
    convertToDynamic(network, { numKernels: 2, keepStatic: [], router: () => new Constant(coefficient) });
    return fingerprintOf({}, { network, parts: undefined, masks: null });
  };
  expect(changesSince(made(0.5), made(0.5))).toEqual([]);
  expect(changesSince(made(0.5), made(0.7)).map(({ what }) => what)).toEqual(['gains of routers']);
});
