import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { savePretrained } from '../models/index.js';
import type { TrainingEvent } from '../runs/events.js';
import { collect, metrics } from '../runs/pictures.test.fixture.js';
import { prepareTask, savedTask } from './prepare.js';
import { loadRunModel, readRun } from '../runs/readRun.js';
import { textRecipeSchema, type TextRecipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import { copyTokenizer, loadModel } from '../runs/savedModel.js';
import { readSplit } from '../runs/splitFile.js';
import { smallTextRecipe, writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import { trainRecipe } from './trainRecipe.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-own-texts-'));
  writeTexts(join(folder, 'glue'));
  writeEncoder(join(folder, 'encoder'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const animals = ['cat', 'dog', 'mat'];

/** The animal is the class. */
function writeClasses(name: string, count = 45): string {
  const rows = Array.from({ length: count }, (_, row) => {
    const animal = animals[row % 3]!;
    const word = ['red', 'blue', 'ran'][Math.floor(row / 3) % 3]!;
    return `"the ${animal}, ${word} ${'on '.repeat(1 + (row % 4))}",is ${animal}`;
  });
  const file = join(folder, name);
  writeFileSync(file, `${['text,label', ...rows].join('\n')}\n`);
  return file;
}

interface Changes {
  readonly layer?: TextRecipe['model']['layer'];
  readonly data?: object;
  readonly training?: object;
}

function ownRecipe(path: string, { layer = 'static', data = {}, training = {} }: Changes = {}): TextRecipe {
  return textRecipeSchema.parse({
    modality: 'text',
    model: { pretrained: join(folder, 'encoder'), layer, numExperts: 3, k: 2 },
    data: { name: 'text', path, batchSize: 8, ...data },
    training: { epochs: 2, learningRate: 2e-3, ...training },
    ...(layer === 'partial' && { partition: { ratio: 0.5, rounds: 2, batches: 2, epoch: 0.5 } }),
  });
}

const finished = (events: readonly TrainingEvent[]) => events.find((event) => event.type === 'finished')!;

describe('a run on texts of one’s own', () => {
  it.each(['static', 'dynamic', 'partial'] as const)('of a %s network of three classes', async (layer) => {
    const recipe = ownRecipe(writeClasses('three.csv'), { layer, data: { metric: ['macroF1', 'accuracy'] } });
    const out = join(folder, `run-${layer}`);
    const events = await collect(trainRecipe(recipe, { out }));
    const { metric, testScore, testMetrics } = finished(events);
    expect(metric).toBe('macroF1/accuracy');
    expect(testScore).toBeCloseTo((testMetrics.macroF1! + testMetrics.accuracy!) / 2, 12);

    const run = readRun(out);
    expect(run.recipe).toEqual(recipe);
    expect([run.split!.train.length, run.split!.test.length]).toEqual([36, 9]);
    const model = loadRunModel(out);
    const definition = {
      columns: { first: 'text', second: null, label: 'label' },
      labels: ['is cat', 'is dog', 'is mat'],
      classNames: ['is cat', 'is dog', 'is mat'],
      range: null,
      metrics: ['macroF1', 'accuracy'],
    };
    expect(model).toMatchObject({
      description: { definition },
      network: { config: { labels: ['is cat', 'is dog', 'is mat'] } },
    });
    expect(JSON.parse(readFileSync(new RunFolder(out).model, 'utf8'))).toMatchObject({
      definition,
      config: { id2label: { 0: 'is cat', 1: 'is dog', 2: 'is mat' } },
    });
    const evaluation = await (await savedTask(recipe, model, { split: run.split })).evaluate();
    expect([evaluation.score, evaluation.metrics]).toEqual([testScore, testMetrics]);
  });

  it('goes on with the rows that it began with, whatever was added to the file', async () => {
    const file = writeClasses('growing.csv');
    const recipe = ownRecipe(file);
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    await collect(trainRecipe(recipe, { out: whole }));
    for (let session = 0; session < 30 && !existsSync(new RunFolder(parts).model); session++) {
      const controller = new AbortController();
      for await (const event of trainRecipe(recipe, { out: parts, resume: session > 0, signal: controller.signal }))
        if (event.type === 'step') controller.abort();
      appendFileSync(file, `the dog ran on ${'on '.repeat(session)},is dog\n`);
    }
    expect(metrics(new RunFolder(parts).metrics)).toEqual(metrics(new RunFolder(whole).metrics));
    expect(readFileSync(new RunFolder(parts).modelWeights)).toEqual(readFileSync(new RunFolder(whole).modelWeights));
    expect(readFileSync(new RunFolder(parts).split)).toEqual(readFileSync(new RunFolder(whole).split));

    const { split } = readRun(whole);
    const model = loadRunModel(whole);
    const { score } = await (await savedTask(recipe, model, { split })).evaluate();
    expect(score).toBe(finished(readRun(whole).events).testScore);
    writeFileSync(new RunFolder(whole).split, '{}');
    expect(() => readRun(whole)).toThrow(/split\.json: format: missing; expected padnet-split-1; /);
  });

  it('has its split again where that was deleted, and says so of a link that leads to itself', async () => {
    const recipe = ownRecipe(writeClasses('lost.csv'));
    const run = new RunFolder(join(folder, 'lost'));
    const controller = new AbortController();
    for await (const event of trainRecipe(recipe, { out: run.path, signal: controller.signal }))
      if (event.type === 'step') controller.abort();
    const split = readFileSync(run.split);
    rmSync(run.split);
    await collect(trainRecipe(recipe, { out: run.path, resume: true }));
    expect(readFileSync(run.split)).toEqual(split);
    rmSync(run.split);
    symlinkSync('split.json', run.split);
    expect(() => readRun(run.path)).toThrow(/split\.json: expected the split of a run, but .*link/);
  });

  it('predicts numbers', async () => {
    const rows = Array.from({ length: 40 }, (_, row) => `the cat ${'ran '.repeat(row % 8)}\t${(row % 8) * 10}`);
    const file = join(folder, 'numbers.tsv');
    writeFileSync(file, ['text\tscore', ...rows, ''].join('\n'));
    const data = { target: 'number', labelColumn: 'score', metric: ['pearson', 'spearman'] };
    const out = join(folder, 'numbers');
    const events = await collect(trainRecipe(ownRecipe(file, { data }), { out }));
    const { metric, testMetrics } = finished(events);
    expect(metric).toBe('pearson/spearman');
    expect(Object.keys(testMetrics)).toEqual(['pearson', 'spearman']);
    expect(loadRunModel(out).description).toMatchObject({
      definition: { classNames: null, labels: null, range: null },
    });
  });

  it('leaves nothing behind where a row is wrong', async () => {
    const file = writeClasses('wrong.csv');
    appendFileSync(file, 'the cat,\n');
    const out = join(folder, 'none');
    const run = collect(trainRecipe(ownRecipe(file), { out }));
    await expect(run).rejects.toThrow(
      `${file}: line 47: label is "", expected is cat or is dog or is mat; correct the line`,
    );
    expect(existsSync(out)).toBe(false);
  });

  it('is not evaluated on data about something else', async () => {
    const out = join(folder, 'about');
    await collect(trainRecipe(ownRecipe(writeClasses('about.csv'), { training: { epochs: 1 } }), { out }));
    const other = join(folder, 'other.csv');
    writeFileSync(other, `text,label\n${'the cat,yes\nthe dog,no\nthe mat,perhaps\n'.repeat(4)}`);
    await expect(savedTask(ownRecipe(other), loadRunModel(out))).rejects.toThrow(InputError);
    await expect(savedTask(ownRecipe(other), loadRunModel(out))).rejects.toThrow(
      'other.csv, train part is about no, perhaps, yes, but the network was trained for is cat, is dog, is mat',
    );
  });
});

describe('GLUE is one definition of texts', () => {
  it('with the same bits as its files read by column', async () => {
    const glue = smallTextRecipe(folder, 'partial');
    const own = textRecipeSchema.parse({
      ...glue,
      data: {
        name: 'text',
        path: join(folder, 'glue', 'RTE'),
        textColumn: 'sentence1',
        secondColumn: 'sentence2',
        classes: ['entailment', 'not_entailment'],
        batchSize: 8,
      },
    });
    const [a, b] = [join(folder, 'as-glue'), join(folder, 'as-texts')];
    await collect(trainRecipe(glue, { out: a }));
    await collect(trainRecipe(own, { out: b }));
    expect(metrics(new RunFolder(b).metrics)).toEqual(metrics(new RunFolder(a).metrics));
    expect(readFileSync(new RunFolder(b).modelWeights)).toEqual(readFileSync(new RunFolder(a).modelWeights));
    expect(readSplit(new RunFolder(b).split)).toBeUndefined();

    // Each is evaluated on the other's data.
    const score = finished(readRun(a).events).testScore;
    for (const [recipe, run] of [
      [own, a],
      [glue, b],
    ] as const)
      expect((await (await savedTask(recipe, loadRunModel(run))).evaluate()).score).toBe(score);
  });

  it('and written as it was, so that networks of before and after are read', async () => {
    const out = join(folder, 'plain');
    await collect(trainRecipe(smallTextRecipe(folder, 'static', { training: { epochs: 1 } }), { out }));
    const file = new RunFolder(out).model;
    const stored = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    expect(stored).toMatchObject({ task: 'rte' });
    expect(stored).not.toHaveProperty('definition');
    const { description } = loadModel(file);
    expect(description).toMatchObject({
      task: 'rte',
      definition: { columns: { first: 'sentence1', second: 'sentence2', label: 'label' }, metrics: ['accuracy'] },
    });
  });
});

it('a head of the same classes in another order goes on with them', async () => {
  const out = join(folder, 'head');
  await collect(trainRecipe(ownRecipe(writeClasses('head.csv')), { out }));
  const bias = async (classes: readonly string[]): Promise<number[]> => {
    const recipe = ownRecipe(join(folder, 'head.csv'), { data: { classes } });
    const pretrained = join(folder, 'hf');
    const trained = loadRunModel(out);
    if (trained.modality !== 'text') throw new Error('expected a network for texts');
    savePretrained(pretrained, trained.network);
    copyTokenizer(join(folder, 'encoder'), pretrained);
    const { task } = await prepareTask({ ...recipe, model: { ...recipe.model, pretrained } });
    return task.network.stateDict().get('head.output.bias')!.toArray();
  };
  const [cat, dog, mat] = await bias(['is cat', 'is dog', 'is mat']);
  expect(new Set([cat, dog, mat]).size).toBe(3);
  expect(await bias(['is mat', 'is cat', 'is dog'])).toEqual([mat, cat, dog]);
});
