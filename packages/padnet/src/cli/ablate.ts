/** `padnet ablate`: trains a recipe with other values of its keys, and writes what that changes. */
import { basename, extname, join } from 'node:path';
import { ablationRuns, type AblationPlan, parseAblation, planAblation } from '../experiments/index.js';
import { ablationFiles, ablationReport } from '../report/index.js';
import { allowCodeOption, type Command, jsonOption, type OptionsOf, setOption, withExamples } from './options.js';
import { readRecipe, readTrainingRecipe, readYaml } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { goesOnHelp, trainMatrix } from './trainMatrix.js';
import { UsageError } from './usage.js';

const define = (command: Command) =>
  withExamples(
    command,
    'ablate recipes/fashion-mnist/ablation.yaml',
    'ablate recipes/fashion-mnist/ablation.yaml --set training.epochs=2 --out runs/short',
  )
    .addHelpText(
      'after',
      `${goesOnHelp}\nSweeps, values and seeds can be added later; recipes that are the same share a run.`,
    )
    .argument('<ablation>', 'YAML file: recipe, seeds, references, sweeps')
    .addOption(setOption('another value for a key of every recipe, such as training.epochs=5'))
    .option('--out <folder>', "where runs and tables go (default: runs/<the ablation's name>)")
    .option('--force', 'start runs anew that are there with another recipe, which are then deleted')
    .addOption(allowCodeOption())
    .addOption(jsonOption('print the tables as JSON'));

export function register(command: Command, terminal: Terminal): void {
  define(command).action((file, options) => ablate(file, options, terminal));
}

async function ablate(file: string, options: OptionsOf<typeof define>, terminal: Terminal): Promise<void> {
  const { set = [], force = false, json = false, allowCode } = options;
  const ablation = parseAblation(readYaml(file, 'an ablation'), file);
  const used = new Set<string>();
  const plan = planAblation(ablation, (recipe, overrides) => {
    const { partition } = readRecipe(recipe, [], terminal);
    // A static reference has no partition to change.
    const own = set.filter((each) => partition !== undefined || !each.startsWith('partition.'));
    for (const each of own) used.add(each);
    return readTrainingRecipe(recipe, [...own, ...overrides], { allowCode, terminal });
  });
  const unused = set.find((each) => !used.has(each));
  if (unused !== undefined) throw new UsageError(`--set ${unused}: no recipe of ${file} has a partition`);
  const runs = ablationRuns(plan);
  await trainMatrix(
    {
      runs,
      out: options.out ?? join('runs', basename(file, extname(file))),
      files: ablationFiles,
      report: (results, origin) => ablationReport(file, { ...results, plan }, origin),
      title: sizeText(plan, runs),
      force,
      inputs: [file, ablation.recipe, ...ablation.references.map((each) => each.file)],
      allowCode,
      json,
    },
    terminal,
  );
}

/** Such as `8 recipes × 3 seeds: 24 runs`. */
function sizeText({ variants, seeds }: AblationPlan, runs: readonly unknown[]): string {
  const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
  return `${counted(variants.length, 'recipe')} × ${counted(seeds.length, 'seed')}: ${counted(runs.length, 'run')}`;
}
