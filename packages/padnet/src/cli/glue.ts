/** `padnet glue`: trains what is missing of GLUE's table, and writes the table. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { glueTaskNames, type GlueTaskName } from '../data/text/glueTasks.js';
import { InputError } from '../errors.js';
import {
  glueCells,
  glueMatrix,
  glueNetworks,
  glueOverrides,
  glueRecipeName,
  glueRunName,
  type GlueCell,
  type GlueMatrix,
  type GlueNetwork,
} from '../experiments/glueRuns.js';
import type { GlueRecipe, RecipeOverride } from '../recipe/index.js';
import { RunFolder } from '../runs/index.js';
import { commandLine } from './commandLine.js';
import { GlueTableWriter } from './glueTableWriter.js';
import { allowCodeOption, collected, listOf, listOfNumbers, withExamples } from './options.js';
import { readTrainingRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { runObstacle, trainRuns, type PlannedRun } from './trainRuns.js';
import { UsageError } from './usageError.js';

interface GlueOptions {
  readonly tasks: readonly GlueTaskName[];
  readonly networks: readonly GlueNetwork[];
  readonly seeds: readonly number[];
  readonly recipes: string;
  readonly pretrained?: string;
  readonly data?: string;
  readonly set?: readonly string[];
  readonly out: string;
  readonly allowCode?: boolean;
  readonly json?: boolean;
}

/** A run of the table, whether it has been trained or not. */
export interface GluePlan extends PlannedRun {
  readonly cell: GlueCell;
  readonly recipe: GlueRecipe;
}

/** Those that are installed with the program. */
const ownRecipes = fileURLToPath(new URL('../../recipes/glue', import.meta.url));

export function register(command: Command, terminal: Terminal): void {
  command
    .option('--tasks <names>', `of ${glueTaskNames.join(', ')} (default: all)`, listOf(glueTaskNames))
    .option('--networks <names>', `of ${glueNetworks.join(', ')} (default: static,moe,pad)`, listOf(glueNetworks))
    .option('--seeds <numbers>', 'such as 1,2,3 (default: 1)', listOfNumbers(0))
    .option('--recipes <folder>', 'with <task>-pad50.yaml for each task (default: those of this package)')
    .option('--pretrained <model>', 'short for --set model.pretrained=<model>: a folder, or a name on the hub')
    .option('--data <folder>', 'GLUE, with a folder for each task; short for --set data.path=<folder>')
    .option('--set <key=value>', 'another value for a key of every recipe, such as training.epochs=5', collected)
    .option('--out <folder>', 'where runs and table go', 'runs/glue')
    .addOption(allowCodeOption())
    .option('--json', 'print the table as JSON')
    .action((options: Partial<GlueOptions> & Pick<GlueOptions, 'out'>) =>
      glue(
        { tasks: glueTaskNames, networks: ['static', 'moe', 'pad'], seeds: [1], recipes: ownRecipes, ...options },
        terminal,
      ),
    );
  withExamples(
    command,
    'glue --data glue --tasks rte,mrpc --networks static,moe,pad --seeds 1,2,3',
    'glue --data glue --tasks rte --networks scratch,static --set training.epochs=5 --out runs/rte',
  ).addHelpText(
    'after',
    '\nFinished runs are not trained again, and begun ones go on: after Ctrl-C (exit code 130) the same command continues.\n' +
      'Several processes may fill one folder, best with tasks of their own; the same command with all tasks then writes the\n' +
      'whole table.',
  );
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
  const { out, json = false, set = [], allowCode } = options;
  checkSets(set);
  const matrix = glueMatrix(options);
  const plans = planRuns(matrix, options);
  const command = commandLine(terminal.parameters);
  const table = await GlueTableWriter.create({ matrix, plans, out, command, terminal });
  const wholly = await trainRuns(plans, {
    terminal,
    json,
    command,
    allowCode,
    onFinished: () => table.write(),
    onFailed: ({ cell }, message) => {
      table.fail({ ...cell, message });
    },
  });
  if (!wholly) return;
  const { document, text, files } = await table.write();
  if (document.failed.length > 0) terminal.exitCode = 1; // also finished runs that are damaged
  if (json) terminal.printJson(document);
  else terminal.print(`${text}\n\n${files.join('\n')}`);
}

/** @throws before anything is trained, where a recipe is wrong or a run was started with another */
function planRuns(matrix: GlueMatrix, options: GlueOptions): GluePlan[] {
  const plans: GluePlan[] = [];
  for (const cell of glueCells(matrix)) {
    const name = glueRunName(cell);
    const recipe = cellRecipe(cell, options);
    if (recipe.data.path === undefined)
      throw new UsageError(
        `--data: give the folder of GLUE, with a folder for each task; ${recipeFile(cell, options)} names none`,
      );
    const plan = { name, cell, recipe, folder: new RunFolder(join(options.out, name)) };
    const obstacle = runObstacle(plan);
    if (obstacle) throw obstacle;
    plans.push(plan);
  }
  return plans;
}

function recipeFile({ task }: GlueCell, { recipes }: Pick<GlueOptions, 'recipes'>): string {
  return join(recipes, glueRecipeName(task));
}

function cellRecipe(cell: GlueCell, { recipes, set = [], pretrained, data, allowCode }: GlueOptions): GlueRecipe {
  const file = recipeFile(cell, { recipes });
  const short = (key: string, option: string, value: string | undefined): RecipeOverride[] =>
    value === undefined ? [] : [{ key, value: JSON.stringify(value), label: `${option} ${value}` }];
  const overrides = [
    ...short('model.pretrained', '--pretrained', pretrained),
    ...short('data.path', '--data', data),
    ...set,
    ...glueOverrides(cell),
  ];
  const recipe = readTrainingRecipe(file, overrides, { allowCode });
  if (recipe.modality === 'text' && recipe.data.name === 'glue' && recipe.data.task === cell.task)
    return { ...recipe, data: recipe.data };
  throw new InputError(`${file}: expected a recipe with modality: text and data.task: ${cell.task}`);
}
