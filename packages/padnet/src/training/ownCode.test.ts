/** Runs with a router and a score of one's own: what they write down, how they go on, and what they refuse. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAblation } from '../experiments/ablation.js';
import { planAblation } from '../experiments/ablationPlan.js';
import { parseRecipe } from '../recipe/loadRecipe.js';
import { pinCode } from '../recipe/pinCode.js';
import { collect, metrics, smallRecipe, writePictures } from '../runs/pictures.test.fixture.js';
import { loadRunModel, readRun } from '../runs/readRun.js';
import type { PictureRecipe, Recipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import { trainInProcess } from './trainInProcess.js';
import { trainRecipe, type TrainRecipeOptions } from './trainRecipe.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-own-'));
  writePictures(folder);
  writeFileSync(join(folder, 'router.ts'), router);
  writeFileSync(join(folder, 'saliency.ts'), saliency);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const router = `
  import { nn, type Tensor } from '@padnet/torch';
  import type { Router, RouterFactory } from 'padnet';
  class Own extends nn.Module implements Router {
    readonly sumsToOne = false;
    readonly fc: nn.Linear;
    constructor(inChannels: number, readonly numKernels: number) {
      super();
      this.fc = new nn.Linear({ inFeatures: inChannels, outFeatures: numKernels });
    }
    forward(input: Tensor): Tensor { return this.fc.forward(input.mean([2, 3])).sigmoid(); }
    countMacs([batch = 1]: readonly number[]): number { return batch * this.fc.weight.numel; }
  }
  const make: RouterFactory = ({ inChannels }, numKernels) => new Own(inChannels, numKernels);
  export default make;
`;
const saliency = `
  import type { Saliency } from 'padnet';
  export default {
    name: 'range',
    score: async ({ sources }) => new Map(Array.from(sources, ([path, { bank }]) => [path, bank.std([0]).keep()])),
  } satisfies Saliency;
`;

const run = (name: string): RunFolder => new RunFolder(join(folder, name));

function recipe(training: Partial<PictureRecipe['training']> = {}): PictureRecipe {
  const { model, partition, ...rest } = smallRecipe(folder, 'partial', training);
  return {
    ...rest,
    model: { ...model, router: join(folder, 'router.ts') },
    partition: { ...partition!, saliency: join(folder, 'saliency.ts') },
  };
}

const train = (
  of: Recipe,
  out: string,
  options: Partial<TrainRecipeOptions> = {},
): Promise<readonly { readonly type: string }[]> =>
  collect(trainRecipe(of, { out: run(out).path, allowCode: true, ...options }));

describe('a run with code of one’s own', () => {
  it('writes down what it ran: path and checksum, in the recipe and with the network', async () => {
    await train(recipe({ epochs: 2 }), 'a');
    const { recipe: stored } = readRun(run('a').path);
    const pinned = /^\/.*\/(router|saliency)\.ts#sha256=[0-9a-f]{16}$/;
    expect((stored as PictureRecipe).model.router).toMatch(pinned);
    expect(stored.partition?.saliency).toMatch(pinned);
    const model = loadRunModel(run('a').path, { allowCode: true });
    expect(model.description.model).toMatchObject({ router: (stored as PictureRecipe).model.router });
    const kinds = Array.from(model.network.namedModules(), ([, module]) => module.constructor.name);
    expect(kinds.filter((name) => name === 'Own')).toHaveLength(11);
  });

  it('is the same in a process of its own, and where it was interrupted', async () => {
    await train(recipe(), 'here');
    const options = { allowCode: true } as const;
    await collect(trainInProcess(recipe(), { out: run('process').path, ...options }));
    const controller = new AbortController();
    for await (const event of trainRecipe(recipe(), { out: run('again').path, signal: controller.signal, ...options }))
      if (event.type === 'step' && event.step === 4) controller.abort();
    // Its own recipe has absolute paths: the working folder does not matter.
    const { recipe: stored } = readRun(run('again').path);
    await train(stored, 'again', { resume: true });
    for (const name of ['process', 'again']) {
      expect(metrics(run(name).metrics), name).toEqual(metrics(run('here').metrics));
      expect(readFileSync(run(name).modelWeights).equals(readFileSync(run('here').modelWeights)), name).toBe(true);
    }
  });

  it('does not run unless that is allowed', async () => {
    await expect(train(recipe(), 'a', { allowCode: false })).rejects.toThrow(
      'saliency.ts is code, which runs with all',
    );
    expect(run('a').exists).toBe(false);
    await train(recipe(), 'b');
    expect(() => loadRunModel(run('b').path)).toThrow(
      'router.ts is code, which runs with all your rights; --allow-code',
    );
    await expect(collect(trainInProcess(recipe(), { out: run('c').path }))).rejects.toThrow('--allow-code');
  });

  it('is not gone on with, nor used, where the code has changed', async () => {
    const controller = new AbortController();
    for await (const event of trainRecipe(recipe(), { out: run('a').path, signal: controller.signal, allowCode: true }))
      if (event.type === 'step' && event.step === 4) controller.abort();
    const { recipe: stored } = readRun(run('a').path);
    writeFileSync(join(folder, 'router.ts'), router.replace('.sigmoid()', '.sigmoid().mul(0.5)'));
    await expect(train(stored, 'a', { resume: true })).rejects.toThrow(
      /^model\.router: .*router\.ts, or .* is not what the run was started with .*; put it back as it was, or/,
    );
    writeFileSync(join(folder, 'router.ts'), router);
    writeFileSync(join(folder, 'saliency.ts'), `${saliency}\n// another thought`);
    await expect(train(stored, 'a', { resume: true })).rejects.toThrow('partition.saliency: ');
    writeFileSync(join(folder, 'saliency.ts'), saliency);
    expect((await train(stored, 'a', { resume: true })).at(-1)).toMatchObject({ type: 'finished' });
    renameSync(join(folder, 'router.ts'), join(folder, 'gone.ts'));
    expect(() => loadRunModel(run('a').path, { allowCode: true })).toThrow('router.ts: there is no such file');
  });
});

describe('paths of code in a recipe', () => {
  const text = `
model: { name: resnet10, layer: partial, router: ./code/mine.ts }
training: { epochs: 2 }
partition: { ratio: 0.3, saliency: ../score.mjs }
`;

  it('start from its folder, those of overrides from the working folder or theirs', () => {
    const { model, partition } = parseRecipe(text, '/project/recipes/x.yaml') as PictureRecipe;
    expect([model.router, partition!.saliency]).toEqual(['/project/recipes/code/mine.ts', '/project/score.mjs']);
    const changed = parseRecipe(text, '/project/recipes/x.yaml', [
      'model.router=./other.ts',
      { key: 'partition', value: '{ ratio: 0.5, saliency: ./b.ts }', label: 'sweep', folder: '/sweeps' },
    ]) as PictureRecipe;
    expect([changed.model.router, changed.partition!.saliency]).toEqual([
      join(process.cwd(), 'other.ts'),
      '/sweeps/b.ts',
    ]);
    const named = parseRecipe(text, '/project/recipes/x.yaml', ['partition.saliency=snip']);
    expect(named.partition!.saliency).toBe('snip');
  });

  it.each([
    [
      'model.router=mine',
      '--set model.router=mine: model.router: expected the path of a file with code of your own, ' +
        'such as ./mine.ts (.ts, .mts, .cts, .js, .mjs or .cjs), got "mine"',
    ],
    [
      'model.layer=static',
      '/project/x.yaml:2: model.router: is for dynamic and partial layers, and model.layer is static; take it ' +
        'away, or say dynamic or partial',
    ],
    [
      'model.convolution=odconv',
      '--set model.convolution=odconv: model.convolution: model.router is given, which decides that; ' +
        'remove one of them, got odconv',
    ],
    [
      'partition.saliency=maskGradiant',
      '--set partition.saliency=maskGradiant: partition.saliency: expected one of maskGradient, snip, grasp, ' +
        'synFlow, gain, newtonGain, variance, spread, magnitude, random, randomByLayer, shuffled or the path of a ' +
        'file with code of your own, such as ./mine.ts (.ts, .mts, .cts, .js, .mjs or .cjs), got "maskGradiant"; ' +
        'did you mean maskGradient?',
    ],
  ])('are refused with %s', (set, expected) => {
    expect(() => parseRecipe(text, '/project/x.yaml', [set])).toThrow(expected);
  });

  it('are factors of an ablation like any other', () => {
    writeFileSync(join(folder, 'other.ts'), router.replace('.sigmoid()', '.sigmoid().mul(0.5)'));
    const ablation = parseAblation(
      'recipe: base.yaml\nsweeps:\n  - model.router: [./router.ts, ./other.ts]\n' +
        '  - partition.saliency: [random, ./saliency.ts]\n',
      join(folder, 'sweep/ablation.yaml'),
    );
    const model = 'model: { name: resnet10, layer: partial, router: ../router.ts }';
    const base = `${model}\ntraining: { epochs: 2 }\npartition: { ratio: 0.3 }\n`;
    const read = (file: string, overrides: Parameters<typeof parseRecipe>[2]): Recipe =>
      pinCode(parseRecipe(base, file, overrides), { allowCode: true });
    // Both lie beside the ablation's folder.
    const moved = { ...ablation, file: join(folder, 'ablation.yaml') };
    const { sweeps, variants } = planAblation(moved, read);
    // The base's own router is not trained twice, and names tell files, not checksums.
    expect(variants.map(({ name }) => name)).toEqual([
      'base',
      'model.router=other.ts',
      'partition.saliency=random',
      'partition.saliency=saliency.ts',
    ]);
    expect(sweeps.map(({ points }) => points.map(({ values }) => values[0]))).toEqual([
      ['./router.ts', './other.ts'],
      ['random', './saliency.ts'],
    ]);
  });
});
