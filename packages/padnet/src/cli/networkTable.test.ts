/**
 * Every kind of network that there is on disk × every command that takes one: it works, or one line says what to do
 * instead. The table of docs/convert.md.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { serialiseRecipe } from '../recipe/loadRecipe.js';
import { collect, smallRecipe, writePictures } from '../runs/pictures.test.fixture.js';
import { prepareTask } from '../training/prepare.js';
import { layerKinds, type LayerKind } from '../models/index.js';
import { pictureRecipeSchema, textRecipeSchema, type Recipe } from '../recipe/recipe.js';
import { RunFolder } from '../runs/runFolder.js';
import { smallTextRecipe, writeEncoder, writeTexts } from '../runs/texts.test.fixture.js';
import { trainRecipe } from '../training/trainRecipe.js';
import { convertNetwork } from './convertNetwork.js';
import { runCommand } from './runCommand.test.fixture.js';

let folder: string;
const at = (name: string): string => join(folder, name);

function pictureRecipe(layer: LayerKind, pretrained?: string): Recipe {
  const recipe = smallRecipe(at('pictures'), layer);
  const model = { ...recipe.model, ...(pretrained !== undefined && { pretrained, bankInitialisation: 'copies' }) };
  const partition = recipe.partition && { ...recipe.partition, epoch: 0.5 };
  return pictureRecipeSchema.parse({ ...recipe, model, partition, training: { ...recipe.training, epochs: 1 } });
}

function textRecipe(layer: LayerKind, pretrained = at('encoder')): Recipe {
  return textRecipeSchema.parse(smallTextRecipe(folder, layer, { model: { pretrained }, training: { epochs: 1 } }));
}

/** Static from the partition on. */
function withoutDynamic(recipe: Recipe): Recipe {
  return { ...recipe, partition: { ...recipe.partition!, ratio: 0 } };
}

/** Stops at a step. */
async function begin(recipe: Recipe, out: string, step: number): Promise<void> {
  const controller = new AbortController();
  for await (const event of trainRecipe(recipe, { out, signal: controller.signal }))
    if (event.type === 'step' && event.step === step) controller.abort();
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-table-'));
  writePictures(at('pictures'));
  writeTexts(at('glue'));
  writeEncoder(at('encoder'));
  for (const layer of layerKinds) await collect(trainRecipe(pictureRecipe(layer), { out: at(`${layer} run`) }));
  for (const layer of layerKinds) await collect(trainRecipe(textRecipe(layer), { out: at(`text ${layer} run`) }));
  await collect(trainRecipe(withoutDynamic(pictureRecipe('partial')), { out: at('κ = 0 run') }));
  await collect(trainRecipe(withoutDynamic(textRecipe('partial')), { out: at('text κ = 0 run') }));
  await begin(pictureRecipe('partial'), at('begun run'), 7); // after its partition
  await begin(textRecipe('dynamic'), at('begun text run'), 1);
  writeFileSync(at('pictures.yaml'), serialiseRecipe(pictureRecipe('static')));
  writeFileSync(at('texts.yaml'), serialiseRecipe(textRecipe('static')));
  const convert = (from: string, to: string, options: Omit<Parameters<typeof convertNetwork>[1], 'out' | 'force'>) =>
    convertNetwork(at(from), { ...options, out: at(to), force: false });
  await convert('dynamic run', 'static network', { layer: 'static' });
  await convert('static run', 'dyconv network', { layer: 'dynamic', kernels: 2, noise: 0.1 });
  await convert('static run', 'pad network', { layer: 'partial', kernels: 2, ratio: 0.3, noise: 0.1 });
  await convert('text static run', 'moe network', { layer: 'dynamic', experts: 3, noise: 0.1 });
  await convert('text static run', 'text pad network', { layer: 'partial', experts: 3, ratio: 0.5, noise: 0.1 });
  await convert('text static run', 'classifier', { layer: 'static' });
  copyFileSync(new RunFolder(at('static run')).modelWeights, at('weights.safetensors'));
  copyFileSync(new RunFolder(at('partial run')).partition, at('masks.safetensors'));
}, 300_000);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const unfinished = /has no trained model yet; `padnet train --resume .*` finishes the run/;
const weightsFile = /is a file of weights; `padnet convert .* --layer static --out <folder>` makes a network of it/;
const masksFile = /is a file of masks, not a network; `padnet mask show .*` shows them, a recipe with partition\.masks/;
const encoder = /is an encoder as Hugging Face saves it.*; a recipe with model\.pretrained: .* trains from it/;
const noData = /has no data of its own|is a network without data of its own/;
const noMasks = /is no partitioned run: .*; give a file of masks or a folder with one|not a partition/;
const isStatic =
  /is static already, so there is nothing to partition; `padnet convert .* --layer dynamic --out <folder>` makes/;
const noMean =
  /a mixture has no static form: .*; (a recipe with model\.pretrained: |model\.layer: partial with partition\.ratio: 0)/;
const already = /is (static|dynamic) already/;
const partialAlready =
  /is partial already; `padnet partition .* --ratio <number>` finds fewer .* model\.pretrained and partition\.masks/;

/** Whether it works; else what is said. */
type Cell = true | RegExp;
interface Row {
  readonly isText?: true;
  readonly train: Readonly<Record<LayerKind, Cell>>;
  readonly partition: Cell;
  /** With a recipe for its kind of data. */
  readonly partitionOn: Cell;
  readonly eval: Cell;
  readonly evalOn: Cell;
  /** The same with routing switched off. */
  readonly evalMean: Cell;
  readonly inspect: Cell;
  readonly compare: Cell;
  readonly mask: Cell;
  readonly convert: Readonly<Record<LayerKind, Cell>>;
}

function all(cell: Cell): Record<LayerKind, Cell> {
  return { static: cell, dynamic: cell, partial: cell };
}

const every = all(true);
const works = {
  partition: true,
  partitionOn: true,
  eval: true,
  evalOn: true,
  evalMean: true,
  inspect: true,
  compare: true,
} as const;
const withoutRun = { ...works, partition: noData, eval: noData } as const;
const nothing = (cell: Cell) => ({
  partition: cell,
  partitionOn: cell,
  eval: cell,
  evalOn: cell,
  evalMean: cell,
  compare: cell,
});
const routesNothing = /--coefficients mean switches routing off; .*: the network has no dynamic layer$/m;

const table: Readonly<Record<string, Row>> = {
  'static run': {
    ...works,
    train: every,
    partition: isStatic,
    partitionOn: isStatic,
    evalMean: routesNothing,
    mask: noMasks,
    convert: { static: already, dynamic: true, partial: true },
  },
  'κ = 0 run': {
    ...works,
    train: every,
    partition: isStatic,
    partitionOn: isStatic,
    evalMean: routesNothing,
    mask: true,
    convert: { static: already, dynamic: true, partial: true },
  },
  'dynamic run': {
    ...works,
    train: every,
    mask: noMasks,
    convert: { static: true, dynamic: already, partial: true },
  },
  'partial run': {
    ...works,
    train: every,
    mask: true,
    convert: { static: true, dynamic: true, partial: partialAlready },
  },
  'begun run': {
    ...nothing(unfinished),
    compare: true,
    train: all(unfinished),
    inspect: true,
    mask: true,
    convert: all(unfinished),
  },
  'static network': {
    ...withoutRun,
    train: every,
    partition: noData,
    partitionOn: isStatic,
    evalMean: routesNothing,
    mask: noMasks,
    convert: { static: already, dynamic: true, partial: true },
  },
  'dyconv network': {
    ...withoutRun,
    train: every,
    mask: noMasks,
    convert: { static: noData, dynamic: already, partial: true },
  },
  'pad network': {
    ...withoutRun,
    train: every,
    mask: true,
    convert: { static: noData, dynamic: true, partial: partialAlready },
  },
  'weights.safetensors': {
    ...nothing(weightsFile),
    train: every,
    inspect: true,
    mask: noMasks,
    convert: every,
  },
  'text static run': {
    isText: true,
    ...works,
    train: every,
    partition: isStatic,
    partitionOn: isStatic,
    evalMean: routesNothing,
    mask: noMasks,
    convert: every,
  },
  'text κ = 0 run': {
    isText: true,
    ...works,
    train: every,
    partition: isStatic,
    partitionOn: isStatic,
    evalMean: routesNothing,
    mask: true,
    convert: every,
  },
  'text dynamic run': {
    isText: true,
    ...works,
    train: { ...every, static: noMean },
    mask: noMasks,
    convert: { static: noMean, dynamic: already, partial: true },
  },
  'text partial run': {
    isText: true,
    ...works,
    train: { ...every, static: noMean },
    mask: true,
    convert: { static: noMean, dynamic: true, partial: partialAlready },
  },
  'begun text run': {
    isText: true,
    ...nothing(unfinished),
    compare: true,
    train: all(unfinished),
    inspect: true,
    mask: noMasks,
    convert: all(unfinished),
  },
  'moe network': {
    isText: true,
    ...withoutRun,
    train: { ...every, static: noMean },
    mask: noMasks,
    convert: { static: noMean, dynamic: already, partial: true },
  },
  'text pad network': {
    isText: true,
    ...withoutRun,
    train: { ...every, static: noMean },
    mask: true,
    convert: { static: noMean, dynamic: true, partial: partialAlready },
  },
  classifier: {
    isText: true,
    ...withoutRun,
    train: every,
    partition: encoder,
    partitionOn: encoder,
    evalMean: routesNothing,
    mask: noMasks,
    convert: every,
  },
  encoder: {
    isText: true,
    ...withoutRun,
    train: every,
    partition: encoder,
    partitionOn: encoder,
    evalMean: routesNothing,
    mask: noMasks,
    convert: every,
  },
  'masks.safetensors': {
    ...nothing(masksFile),
    train: all(/conv1\.weight is missing/),
    inspect: true,
    mask: true,
    convert: all(masksFile),
  },
};

async function expectCell(cell: Cell, ...parameters: string[]): Promise<void> {
  const { code, stdout, stderr } = await runCommand(parameters);
  const label = `padnet ${parameters.join(' ')}`;
  if (cell === true) {
    expect({ code, stderr }, label).toEqual({ code: 0, stderr: '' });
    expect(stdout.length, label).toBeGreaterThan(0);
  } else {
    expect([1, 2], label).toContain(code);
    expect(stderr, label).toMatch(cell);
    expect(stderr.trimEnd(), label).not.toContain('\n');
  }
}

let count = 0;
const out = (): string => at(`out-${count++}`);

describe.each(Object.entries(table))('%s', (name, row) => {
  const { isText = false } = row;
  const data = (): string => at(isText ? 'texts.yaml' : 'pictures.yaml');

  it.each(Object.entries(row.train))('is what a %s recipe starts from', async (layer, cell) => {
    const recipe = isText ? textRecipe(layer as LayerKind, at(name)) : pictureRecipe(layer as LayerKind, at(name));
    if (cell === true) {
      const { task } = await prepareTask(recipe);
      expect((await task.evaluate()).loss).toBeLessThan(10);
      return;
    }
    const error: unknown = await prepareTask(recipe).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(cell);
    expect((error as Error).message).not.toContain('\n');
  });

  it('is partitioned', async () => {
    const options = ['--ratio', '0.2', '--batches', '1', '--rounds', '1', '--out'];
    await expectCell(row.partition, 'partition', at(name), ...options, out());
    await expectCell(row.partitionOn, 'partition', at(name), ...options, out(), '--recipe', data());
  });

  it('is evaluated', async () => {
    await expectCell(row.eval, 'eval', at(name));
    await expectCell(row.evalOn, 'eval', at(name), '--recipe', data());
    await expectCell(row.evalMean, 'eval', at(name), '--recipe', data(), '--coefficients', 'mean');
  });

  it('is shown and compared', async () => {
    await expectCell(row.inspect, 'inspect', at(name));
    const other = name === 'static run' ? 'dynamic run' : 'static run';
    await expectCell(row.compare, 'compare', at(name), at(other), '--out', out());
    await expectCell(row.mask, 'mask', 'show', at(name));
  });

  it.each(Object.entries(row.convert))('is converted to %s', async (layer, cell) => {
    const named = name === 'weights.safetensors' ? ['--model', 'resnet10', '--width', '4'] : [];
    await expectCell(cell, 'convert', at(name), '--layer', layer, ...named, '--out', out());
  });
});

describe('a dynamic network without a run', () => {
  it.each(['dyconv network', 'pad network'])('%s: is folded on the data of a recipe', async (name) => {
    const folded = out();
    await expectCell(true, 'convert', at(name), '--layer', 'static', '--recipe', at('pictures.yaml'), '--out', folded);
    await expectCell(true, 'eval', folded, '--recipe', at('pictures.yaml'));
  });

  it('has masks that a recipe trains with', async () => {
    const recipe = pictureRecipe('partial', at('pad network'));
    const partition = { ...recipe.partition!, masks: at('pad network'), epoch: 0 };
    const events = await collect(trainRecipe({ ...recipe, partition }, { out: out() }));
    expect(events.at(-1)!.type).toBe('finished');
  });

  it('is compared by what it stores and executes, and with nothing that it has not', async () => {
    const { stdout } = await runCommand(['compare', at('pad network'), at('static run'), '--out', out()]);
    expect(stdout).toMatch(/^Test accuracy +– /m);
    expect(stdout).toMatch(/^Dynamic ratio κ +30\.\d %/m);
    expect(stdout).toContain('Not a run, so without scores, times and memory: pad network.');
    const { stdout: alone } = await runCommand(['compare', at('pad network'), '--out', out(), '--json']);
    expect(JSON.parse(alone)).toMatchObject({
      runs: [{ recipe: null, score: null, layer: 'partial', finished: false }],
    });
  });
});

describe('routing switched off', () => {
  interface Evaluated {
    readonly accuracy?: number;
    readonly score?: number;
    readonly loss: number;
    readonly coefficients?: string;
  }
  const evaluated = async (...parameters: string[]): Promise<Evaluated> => {
    const { stdout, stderr } = await runCommand(['eval', ...parameters, '--json']);
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Evaluated;
  };

  it('is what folding to a static network gives, and is compared', async () => {
    const folded = out();
    await expectCell(true, 'convert', at('dynamic run'), '--layer', 'static', '--out', folded);
    const mean = await evaluated(at('dynamic run'), '--coefficients', 'mean');
    expect(mean.coefficients).toBe('mean');
    const fixed = await evaluated(folded, '--recipe', at('pictures.yaml'));
    expect(mean.loss).toBeCloseTo(fixed.loss, 6);
    expect(mean.accuracy).toBe(fixed.accuracy);
    const routed = await evaluated(at('dynamic run'));
    expect(routed.coefficients).toBeUndefined();
    expect(routed.loss).not.toBe(mean.loss);
    const { stdout } = await runCommand(['compare', at('dynamic run'), at('static run'), '--out', out()]);
    const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
    expect(stdout).toMatch(new RegExp(`^Without routing +${percent(mean.accuracy!).replace('.', '\\.')} +–`, 'm'));
    expect(stdout).toContain('Without routing every input gets the same weights');
    const json = await runCommand(['compare', at('dynamic run'), at('static run'), '--out', out(), '--json']);
    const { runs } = JSON.parse(json.stdout) as { runs: { meanCoefficients: unknown }[] };
    expect(runs.map(({ meanCoefficients }) => meanCoefficients)).toEqual([
      { score: mean.accuracy, testLoss: expect.closeTo(mean.loss, 6) as number },
      null,
    ]);
    const page = out();
    await runCommand(['compare', at('text dynamic run'), at('text partial run'), '--out', page]);
    expect(readFileSync(page, 'utf8')).toContain('Without routing');
  });

  it('of a mixture of experts is every expert by its mean gate', async () => {
    const mean = await evaluated(at('text dynamic run'), '--coefficients', 'mean');
    const routed = await evaluated(at('text dynamic run'));
    expect(Math.abs(mean.loss - routed.loss)).toBeGreaterThan(1e-9);
    expect(Math.abs(mean.loss - routed.loss)).toBeLessThan(0.05);
  });

  it('is told without a column where nothing is routed', async () => {
    const { stdout } = await runCommand(['compare', at('static run'), at('κ = 0 run'), '--out', out()]);
    expect(stdout).not.toContain('mean coefficients');
  });

  it('needs training data, and no other change of coefficients', async () => {
    const pictures = at('pictures');
    const alone = await runCommand(['eval', at('dyconv network'), '--data', pictures, '--coefficients', 'mean']);
    expect(alone.code).toBe(2);
    expect(alone.stderr).toMatch(
      /takes means over training data, and .* has none of its own; give a recipe with --rec/,
    );
    const options = ['--coefficients', 'mean', '--coefficient-threshold', '0.1'];
    const both = await runCommand(['eval', at('dynamic run'), ...options]);
    expect(both.stderr).toContain('both change what routers decide: give one of them');
    const other = await runCommand(['eval', at('dynamic run'), '--coefficients', 'median']);
    expect(other.stderr).toContain('Known are mean');
  });
});

describe.each(['κ = 0 run', 'text κ = 0 run'])('%s', (name) => {
  it('is compacted, exported, and made one to train from', async () => {
    const [compact, trainable] = [`${out()}.safetensors`, out()];
    await expectCell(true, 'compact', at(name), '--out', compact);
    await expectCell(true, 'convert', compact, '--to', 'training', '--out', trainable);
    await expectCell(true, 'export', at(name), '--out', out());
    const data = at(name.startsWith('text') ? 'texts.yaml' : 'pictures.yaml');
    const losses = [];
    for (const parameters of [[at(name)], [trainable, '--recipe', data]]) {
      const { stdout } = await runCommand(['eval', ...parameters, '--json']);
      losses.push((JSON.parse(stdout) as { loss: number }).loss);
    }
    expect(losses[1]).toBeCloseTo(losses[0]!, 6);
  });
});
