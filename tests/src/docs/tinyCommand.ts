/**
 * A command of the documentation, made small: the same command with the same options, on fewer and smaller samples.
 * What readers are told to type has to work, not to take hours here.
 */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';

export function tinyCommand(parameters: readonly string[]): string[] {
  const [command, ...rest] = parameters;
  switch (command) {
    case 'train':
      return [command, ...tinyTrain(rest)];
    case 'launch': {
      const train = parameters.indexOf('--') + 1;
      return [...parameters.slice(0, train), ...tinyCommand(parameters.slice(train))];
    }
    case 'ablate':
      return [command, ...tinyAblate(rest)];
    case 'glue':
      return [command, ...withShortLists(rest, { '--seeds': 1, '--tasks': 1 }), ...textSets(true)];
    case 'convert':
      return [command, ...rest, ...force(rest, (out) => existsSync(out))];
    case 'export':
      return [command, ...rest, '--force'];
    case 'partition':
      return [command, ...rest, ...tinyOptions(rest, { '--batches': '2', '--rounds': '2' }), '--force'];
    default:
      return [...parameters];
  }
}

function tinyTrain(parameters: readonly string[]): string[] {
  const file = parameters.find((each) => /\.ya?ml$/.test(each));
  if (file === undefined) return [...parameters];
  const goesOn = parameters.includes('--resume');
  const defaultOut = join('runs', basename(file, extname(file)));
  const anew = goesOn ? [] : force(parameters, (out) => existsSync(join(out, 'recipe.yaml')), defaultOut);
  return [...withShortLists(parameters, { '--seeds': 2 }), ...recipeSets(file, parameters), ...anew];
}

/** Two sweeps of two values, one seed: in a file of the same name, since that names the folder of its runs. */
function tinyAblate(parameters: readonly string[]): string[] {
  const file = parameters.find((each) => /\.ya?ml$/.test(each));
  if (file === undefined) return [...parameters];
  const ablation = parse(readFileSync(file, 'utf8')) as Record<string, unknown> & {
    readonly recipe: string;
    readonly references?: readonly string[];
    readonly sweeps: Record<string, unknown[]>[];
  };
  const sweeps = ablation.sweeps
    .slice(0, 2)
    .map((sweep) => Object.fromEntries(Object.entries(sweep).map(([key, values]) => [key, values.slice(0, 2)])));
  const beside = (path: string): string => resolve(dirname(file), path);
  const recipe = beside(ablation.recipe);
  const tiny = join(mkdtempSync(join(tmpdir(), 'padnet-ablation-')), basename(file));
  const references = (ablation.references ?? []).map(beside);
  writeFileSync(tiny, stringify({ recipe, references, seeds: [1], sweeps }));
  const own = withShortLists(parameters, { '--tune': 2 }).map((each) => (each === file ? tiny : each));
  return [...own, ...recipeSets(recipe, parameters)];
}

/** Values for keys of a recipe, after those of the command. */
function recipeSets(file: string, parameters: readonly string[]): string[] {
  const recipe = parse(readFileSync(file, 'utf8')) as {
    readonly modality?: string;
    readonly model?: { readonly name?: string };
    readonly data?: { readonly name?: string };
    readonly partition?: object;
  };
  const given = new Map(
    parameters.flatMap((each, index) => {
      const [key, value] = parameters[index - 1] === '--set' ? each.split(/=(.*)/s) : [];
      return key === undefined ? [] : [[key, value] as const];
    }),
  );
  const isPartial = recipe.partition !== undefined && !given.has('partition');
  if (recipe.modality === 'text') return textSets(isPartial);
  const name = given.get('model.name') ?? recipe.model?.name;
  const data = given.get('data.name') ?? recipe.data?.name;
  return sets({
    // Files of weights are of the published width; networks that pages name are tiny themselves.
    ...(!/\.(pth|safetensors)$/.test(given.get('model.pretrained') ?? '') && {
      'model.width': name === 'mobilenetV2' ? 0.25 : 8,
    }),
    'data.trainLimit': 32,
    'data.testLimit': 16,
    'data.batchSize': 16,
    'data.numWorkers': 0,
    ...(data === 'imageFolder' && { 'data.size': 32 }),
    'training.epochs': 2,
    'training.warmupEpochs': 0,
    'training.accumulation': 1,
    ...(isPartial && { 'partition.epoch': 1, 'partition.rounds': 2, 'partition.batches': 2 }),
  });
}

function textSets(isPartial: boolean): string[] {
  return sets({
    'data.trainLimit': 16,
    'data.testLimit': 8,
    'data.batchSize': 8,
    'training.epochs': 1,
    ...(isPartial && { 'partition.epoch': 0.5, 'partition.rounds': 1, 'partition.batches': 1 }),
  });
}

function sets(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
}

/** The same of `npm run bench`. */
export function tinyBench([kind = '', ...parameters]: readonly string[]): string[] {
  const small: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    step: { '--size': '32', '--batch': '2', '--width': '8', '--steps': '1', '--repeats': '1' },
    inference: { '--size': '32', '--batch': '1', '--width': '8', '--steps': '1', '--repeats': '1' },
    imp: { '--size': '32', '--batch': '2', '--width': '8', '--steps': '1', '--repeats': '1', '--batches': '2' },
    loader: { '--images': '32', '--batch': '8', '--repeats': '1' },
    moe: { '--tokens': '16', '--in': '16', '--out': '32', '--repeats': '1' },
    layer: { '--size': '8', '--batch': '2', '--repeats': '1' },
    ops: { '--repeats': '1' },
  };
  // MobileNetV2's width is a multiplier.
  const isMobileNet = parameters.includes('mobilenetV2');
  const options = Object.entries(small[kind] ?? {}).map(([key, value]) => [
    key,
    isMobileNet && key === '--width' ? '0.25' : value,
  ]);
  return [kind, ...parameters, ...options.flat(), ...(kind === 'step' || kind === 'inference' ? ['--no-python'] : [])];
}

function tinyOptions(parameters: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([key, value]) => (parameters.includes(key) ? [] : [key, value]));
}

/** `a,b,c` after an option, cut. */
function withShortLists(parameters: readonly string[], lengths: Readonly<Record<string, number>>): string[] {
  return parameters.map((each, index) => {
    const length = lengths[parameters[index - 1] ?? ''];
    return length === undefined ? each : each.split(',').slice(0, length).join(',');
  });
}

/** Pages write to one folder again and again. */
function force(parameters: readonly string[], isTaken: (out: string) => boolean, defaultOut = ''): string[] {
  const out = parameters.includes('--out') ? parameters[parameters.indexOf('--out') + 1]! : defaultOut;
  return isTaken(out) && !parameters.includes('--force') ? ['--force'] : [];
}
