/** `padnet ablate`: trains a recipe with other values of its keys, and writes what that changes. */
import { basename, extname, join } from 'node:path';
import {
  ABLATION_TRIES,
  type Ablation,
  type AblationCell,
  type AblationPlan,
  type AblationResults,
  ablationRuns,
  ablationTable,
  ablationTries,
  chosenRecipes,
  type MatrixRun,
  parseAblation,
  parseTuning,
  planAblation,
  tunedNetworks,
} from '../experiments/index.js';
import { isPartitioned, type Recipe } from '../recipe/index.js';
import { ablationFiles, ablationReport, counted, powerText } from '../report/index.js';
import {
  allowCodeOption,
  collected,
  type Command,
  jsonOption,
  listOfNumbers,
  type OptionsOf,
  setOption,
  withExamples,
} from './options.js';
import { readTrainingRecipe, readYaml } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { goesOnHelp, trainMatrix } from './trainMatrix.js';
import { UsageError } from './usage.js';

const define = (command: Command) =>
  withExamples(
    command,
    'ablate recipes/fashion-mnist/ablation.yaml',
    'ablate recipes/fashion-mnist/ablation.yaml --set training.epochs=2 --out runs/short',
    'ablate recipes/fashion-mnist/ablation.yaml --set data.validation.fraction=0.1 ' +
      '--tune training.learningRate=0.02,0.05,0.1',
  )
    .addHelpText(
      'after',
      `${goesOnHelp}\nSweeps, values and seeds can be added later; recipes that are the same share a run.`,
    )
    .argument('<ablation>', 'YAML file: recipe, seeds, difference, references, arms, sweeps, tune, tuneSeeds')
    .addOption(setOption('another value for a key of every recipe, such as training.epochs=5'))
    .option(
      '--tune <key=values>',
      'values that every recipe tries and chooses from by its validation score; of several keys a grid',
      collected,
    )
    .option('--tune-seeds <list>', 'seeds that they are tried with (default: the first of seeds)', listOfNumbers(0))
    .option('--out <folder>', "where runs and tables go (default: runs/<the ablation's name>)")
    .option('--force', 'start runs anew that are there with another recipe, which are then deleted')
    .addOption(allowCodeOption())
    .addOption(jsonOption('print the tables as JSON'));

export function register(command: Command, terminal: Terminal): void {
  define(command).action((file, options) => ablate(file, options, terminal));
}

async function ablate(file: string, options: OptionsOf<typeof define>, terminal: Terminal): Promise<void> {
  const { set = [], force = false, json = false, allowCode } = options;
  const ablation = withTuning(parseAblation(readYaml(file, 'an ablation'), file), options);
  const used = new Set<string>();
  const others = set.filter((each) => !each.trimStart().startsWith('partition.'));
  const plan = planAblation(ablation, (recipe, overrides) => {
    // A static reference has no partition to change.
    const own = isPartitioned(readYaml(recipe, 'a recipe'), recipe, [...others, ...overrides]) ? set : others;
    for (const each of own) used.add(each);
    return readTrainingRecipe(recipe, [...own, ...overrides], { allowCode, terminal });
  });
  const unused = set.find((each) => !used.has(each));
  if (unused !== undefined) throw new UsageError(`--set ${unused}: no recipe of ${file} has a partition`);
  const { tuning, seeds } = plan;
  const told = new Set<string>();
  await trainMatrix<AblationCell, Recipe>(
    {
      runs: tuning ? ablationTries(plan) : ablationRuns(plan),
      ...(tuning && { next: (results) => chosenRuns({ ...results, plan }, told, terminal) }),
      out: options.out ?? join('runs', basename(file, extname(file))),
      within: [ABLATION_TRIES],
      files: ablationFiles,
      report: (results, origin) => ablationReport(file, { ...results, plan }, origin),
      title: (results) => [...sizeTexts(plan), ...powerText(ablationTable({ ...results, plan }).power, seeds.length)],
      force,
      inputs: [file, ablation.recipe, ...[...ablation.references, ...ablation.arms].map((each) => each.file)],
      allowCode,
      json,
    },
    terminal,
  );
}

/** The command line says it for the keys that it names. */
function withTuning(ablation: Ablation, { tune = [], tuneSeeds }: OptionsOf<typeof define>): Ablation {
  const keys = new Map(
    [...ablation.tune, ...tune.map((each) => parseTuning(each, '--tune'))].map((each) => [each.key, each]),
  );
  if (tuneSeeds && keys.size === 0)
    throw new UsageError('--tune-seeds: nothing is tuned; give --tune key=values, or tune in the file');
  return { ...ablation, tune: [...keys.values()], tuneSeeds: tuneSeeds ?? ablation.tuneSeeds };
}

/**
 * The runs of what networks have chosen.
 *
 * @param told networks that have been warned of
 */
function chosenRuns(results: AblationResults, told: Set<string>, terminal: Terminal): MatrixRun<AblationCell>[] {
  const networks = tunedNetworks(results) ?? [];
  for (const { variant } of networks.filter((each) => each.state === 'failed' && !told.has(each.variant))) {
    told.add(variant);
    terminal.warn(`${variant} failed: all values that it was tried with diverged`);
    terminal.exitCode = 1;
  }
  return ablationRuns(results.plan, chosenRecipes(results.plan, networks));
}

/** Such as `8 recipes × 3 seeds: 24 runs`. */
function sizeTexts(plan: AblationPlan): string[] {
  const { variants, seeds, tuning } = plan;
  const runs = variants.length * seeds.length;
  const size = `${counted(variants.length, 'recipe')} × ${counted(seeds.length, 'seed')}: ${counted(runs, 'run')}`;
  if (tuning === null) return [size];
  const tries = ablationTries(plan).length;
  return [`${size}, after ${counted(tries, 'try', 'tries')} of ${tuning.keys.join(' × ')} on validation data`];
}
