/** `padnet glue`: trains what is missing of GLUE's table, and writes the table. */
import { fileURLToPath } from 'node:url';
import { type RunSummary, summariseRun } from '../analysis/index.js';
import { glueTaskNames } from '../data/text/glueTasks.js';
import { glueMatrix, glueNetworks, type GlueResults, glueRuns, majorityScore } from '../experiments/index.js';
import type { Recipe, RecipeOverride } from '../recipe/index.js';
import { glueDetailNetworks, glueFiles, glueReport, glueShortNames, type GlueTaskRuns } from '../report/index.js';
import {
  allowCodeOption,
  type Command,
  jsonOption,
  listOf,
  listOfNumbers,
  type OptionsOf,
  setOption,
  withExamples,
} from './options.js';
import { readTrainingRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { goesOnHelp, trainMatrix } from './trainMatrix.js';
import { UsageError } from './usage.js';

/** The recipes that are installed with the program. */
const ownRecipes = fileURLToPath(new URL('../../recipes/glue', import.meta.url));

const define = (command: Command) =>
  withExamples(
    command,
    'glue --data glue --tasks rte,mrpc --networks static,moe,pad --seeds 1,2,3',
    'glue --data glue --tasks rte --networks scratch,static --set training.epochs=5 --out runs/rte',
  )
    .addHelpText(
      'after',
      `${goesOnHelp}\nSeveral processes may fill one folder, best with tasks of their own; the same command with ` +
        'all tasks then writes the\nwhole table.',
    )
    .option('--tasks <names>', `of ${glueTaskNames.join(', ')} (default: all)`, listOf(glueTaskNames))
    .option('--networks <names>', `of ${glueNetworks.join(', ')} (default: static,moe,pad)`, listOf(glueNetworks))
    .option('--seeds <numbers>', 'such as 1,2,3 (default: 1)', listOfNumbers(0))
    .option('--recipes <folder>', 'with <task>-pad50.yaml for each task (default: those of this package)')
    .option('--pretrained <model>', 'short for --set model.pretrained=<model>: a folder, or a name on the hub')
    .option('--data <folder>', 'GLUE, with a folder for each task; short for --set data.path=<folder>')
    .addOption(setOption('another value for a key of every recipe, such as training.epochs=5'))
    .option('--out <folder>', 'where runs and table go', 'runs/glue')
    .addOption(allowCodeOption())
    .addOption(jsonOption('print the table as JSON'));

type GlueOptions = OptionsOf<typeof define>;

export function register(command: Command, terminal: Terminal): void {
  define(command).action((options) => glue(options, terminal));
}

/** Keys that every run has a value of its own for, and the option that says which. */
const cellKeys: Readonly<Record<string, string>> = { 'model.layer': '--networks', 'training.seed': '--seeds' };

function checkSets(sets: readonly string[]): void {
  for (const set of sets) {
    const option = cellKeys[set.split('=')[0]!.trim()];
    if (option !== undefined) throw new UsageError(`--set ${set}: ${option} decides that for each run`);
  }
}

async function glue(options: GlueOptions, terminal: Terminal): Promise<void> {
  const { tasks = glueTaskNames, networks = ['static', 'moe', 'pad'], seeds = [1], recipes = ownRecipes } = options;
  const { out, json = false, set = [], allowCode } = options;
  checkSets(set);
  const matrix = glueMatrix({ tasks, networks, seeds });
  const runs = glueRuns(matrix, recipes, (file, overrides) => cellRecipe(file, overrides, options, terminal));
  const byTask = new Map(runs.map(({ recipe }) => [recipe.data.task, recipe]));
  const majority = [...byTask.values()].map(majorityScore);
  const summaries = new Map<string, RunSummary>();
  await trainMatrix(
    {
      runs,
      out,
      files: glueFiles,
      report: async (results, origin) =>
        glueReport({ ...results, matrix, majority }, await closeLook(results, summaries), origin),
      allowCode,
      json,
    },
    terminal,
  );
}

function cellRecipe(
  file: string,
  overrides: readonly RecipeOverride[],
  { set = [], pretrained, data, allowCode }: GlueOptions,
  terminal: Terminal,
): Recipe {
  const short = (key: string, option: string, value: string | undefined): RecipeOverride[] =>
    value === undefined ? [] : [{ key, value: JSON.stringify(value), label: `${option} ${value}` }];
  const shorts = [...short('model.pretrained', '--pretrained', pretrained), ...short('data.path', '--data', data)];
  const recipe = readTrainingRecipe(file, [...shorts, ...set, ...overrides], { allowCode, terminal });
  if (recipe.data.name === 'glue' && recipe.data.path === undefined)
    throw new UsageError(`--data: give the folder of GLUE, with a folder for each task; ${file} names none`);
  return recipe;
}

/**
 * The runs that the page looks at closely: of each task those of the first seed that a network with experts has
 * finished.
 *
 * @param summaries by folder, of runs that have been looked at before
 */
async function closeLook(
  { runs }: Pick<GlueResults, 'runs'>,
  summaries: Map<string, RunSummary>,
): Promise<GlueTaskRuns[]> {
  const details: GlueTaskRuns[] = [];
  for (const task of glueTaskNames) {
    const seed = Math.min(...runs.filter((run) => run.task === task && run.dynamicRatio > 0).map((run) => run.seed));
    const own = runs.filter((run) => run.task === task && run.seed === seed);
    const shown = glueDetailNetworks.flatMap((network) => own.filter((run) => run.network === network));
    for (const { run, network } of shown)
      if (!summaries.has(run)) summaries.set(run, await summariseRun(run, { name: glueShortNames[network] }));
    if (shown.length > 0) details.push({ task, seed, runs: shown.map(({ run }) => summaries.get(run)!) });
  }
  return details;
}
