/** `padnet glue`: trains what is missing of GLUE's table, and writes the table. */
import { rmSync } from 'node:fs';
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
} from '../training/glueRuns.js';
import type { RecipeOverride, RunFolder, TextRecipe } from '../training/index.js';
import { commandLine } from './commandLine.js';
import { GlueTableWriter } from './glueTableWriter.js';
import { Interruption, isAbort } from './interruption.js';
import { collected, listOf, listOfNumbers, withExamples } from './options.js';
import { checkSameRecipe, readRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { trainingView, type TrainingView } from './trainingView.js';
import { fetchPretrained, trainRun } from './trainRun.js';
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
  readonly json?: boolean;
}

/** A run of the table, whether it has been trained or not. */
export interface GluePlan {
  readonly cell: GlueCell;
  readonly recipe: TextRecipe;
  readonly folder: RunFolder;
}

/** Those that are installed with the program. */
const ownRecipes = fileURLToPath(new URL('../../recipes/glue', import.meta.url));

export function registerGlue(program: Command, terminal: Terminal): void {
  const command = program
    .command('glue')
    .description("Fill GLUE's table: train every task with every network and seed, or go on where that stopped.")
    .option('--tasks <names>', `of ${glueTaskNames.join(', ')} (default: all)`, listOf(glueTaskNames))
    .option('--networks <names>', `of ${glueNetworks.join(', ')} (default: static,moe,pad)`, listOf(glueNetworks))
    .option('--seeds <numbers>', 'such as 1,2,3 (default: 1)', listOfNumbers(0))
    .option('--recipes <folder>', 'with <task>-pad50.yaml for each task (default: those of this package)')
    .option('--pretrained <model>', 'short for --set model.pretrained=<model>: a folder, or a name on the hub')
    .option('--data <folder>', 'short for --set data.path=<folder>: GLUE, with a folder for each task')
    .option('--set <key=value>', 'another value for a key of every recipe, such as training.epochs=5', collected)
    .option('--out <folder>', 'where runs and table go', 'runs/glue')
    .option('--json', 'print the table as JSON')
    .action((options: Partial<GlueOptions> & Pick<GlueOptions, 'out'>) =>
      glue(
        { tasks: glueTaskNames, networks: ['static', 'moe', 'pad'], seeds: [1], recipes: ownRecipes, ...options },
        terminal,
      ),
    );
  withExamples(
    command,
    'glue --tasks rte,mrpc --networks static,moe,pad --seeds 1,2,3',
    'glue --tasks rte --networks scratch,static --set training.epochs=5 --out runs/rte',
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
  const { out, json = false, set = [] } = options;
  checkSets(set);
  const matrix = glueMatrix(options);
  const plans = await planRuns(matrix, options);
  const { lockRun, runState } = await import('../training/index.js');
  const command = commandLine();
  const table = await GlueTableWriter.create({ matrix, plans, out, command, terminal });
  using interruption = new Interruption(terminal);
  const signal = AbortSignal.any([interruption.signal, terminal.closed]);
  const waiting = plans.filter(({ folder }) => runState(folder) !== 'finished');
  try {
    for (const name of new Set(waiting.map(({ recipe }) => recipe.model.pretrained)))
      await fetchPretrained(name, signal, terminal);
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
    terminal.exitCode = interruption.exitCode;
    return;
  }
  const view: TrainingView = json ? remarks(terminal) : trainingView(terminal, { json: false });
  for (const [index, { cell, recipe, folder }] of plans.entries()) {
    const name = glueRunName(cell);
    using lock = lockRun(folder);
    if (!lock) {
      terminal.remark(`${name} is left to the process that trains it`);
      continue;
    }
    // Read only now: another process may have trained it.
    const state = runState(folder);
    if (state === 'finished') {
      removeCheckpoints(folder);
      continue;
    }
    const title = `[${index + 1}/${plans.length}] ${state === 'started' ? 'resuming' : 'training'} ${name}`;
    try {
      const plan = { recipe, out: folder.path, resume: state === 'started' };
      const end = await trainRun(plan, { signal, terminal, view, title, separate: true });
      if (end.type === 'interrupted') {
        terminal.remark(`stopped at step ${end.step} of ${name}, saved; the same command goes on: ${command}`);
        terminal.exitCode = interruption.exitCode;
        return;
      }
    } catch (error) {
      if (isAbort(error, signal)) {
        terminal.exitCode = interruption.exitCode;
        return;
      }
      const { message } = error as Error;
      terminal.remark(`padnet: ${name} failed: ${message}`);
      terminal.exitCode = 1;
      if (signal.aborted) return;
      table.fail({ ...cell, message });
      continue;
    }
    removeCheckpoints(folder);
    await table.write();
  }
  const { document, text, files } = await table.write();
  if (json) terminal.printJson(document);
  else terminal.print(`${text}\n\n${files.join('\n')}`);
}

/** @throws before anything is trained, where a recipe is wrong or a run was started with another */
async function planRuns(matrix: GlueMatrix, options: GlueOptions): Promise<GluePlan[]> {
  const { RunFolder, runState } = await import('../training/index.js');
  const plans: GluePlan[] = [];
  for (const cell of glueCells(matrix)) {
    const recipe = await cellRecipe(cell, options);
    const folder = new RunFolder(join(options.out, glueRunName(cell)));
    if (runState(folder) === 'missing') folder.checkNew(false);
    else await checkSameRecipe(recipe, folder.path);
    plans.push({ cell, recipe, folder });
  }
  return plans;
}

async function cellRecipe(cell: GlueCell, { recipes, set = [], pretrained, data }: GlueOptions): Promise<TextRecipe> {
  const file = join(recipes, glueRecipeName(cell.task));
  const short = (key: string, option: string, value: string | undefined): RecipeOverride[] =>
    value === undefined ? [] : [{ key, value: JSON.stringify(value), label: `${option} ${value}` }];
  const recipe = await readRecipe(file, [
    ...short('model.pretrained', '--pretrained', pretrained),
    ...short('data.path', '--data', data),
    ...set,
    ...glueOverrides(cell),
  ]);
  if (recipe.modality === 'text' && recipe.data.task === cell.task) return recipe;
  throw new InputError(`${file}: expected a recipe with modality: text and data.task: ${cell.task}`);
}

/** Nobody resumes a finished run, and they are three times as large as its network. */
function removeCheckpoints(folder: RunFolder): void {
  rmSync(folder.checkpoints, { recursive: true, force: true });
}

/** With --json stdout is for the table. */
function remarks(terminal: Terminal): TrainingView {
  return {
    start: (text) => {
      terminal.remark(text);
    },
    show: () => undefined,
    end: () => undefined,
  };
}
