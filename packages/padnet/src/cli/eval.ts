/** `padnet eval`: the score of a run's network on the test data. */
import { dirname } from 'node:path';
import { InputError } from '../errors.js';
import type { Recipe } from '../recipe/index.js';
import { loadAnswering, networkPlace, RunFolder, type SavedModel, splitOfRun } from '../runs/index.js';
import { modelToMeanCoefficients } from '../training/index.js';
import { formatPercent, formatSeconds } from '../report/format.js';
import { samplesOf } from '../report/sampleWords.js';
import { formatScore, metricsText } from '../report/scoreText.js';
import { listing } from '../report/table.js';
import { commandsOf } from './modalities.js';
import type { EvalQuestion, Scored } from './modality.js';
import {
  allowCodeOption,
  answeringNetwork,
  type Command,
  fraction,
  jsonOption,
  oneOf,
  type OptionsOf,
  setDataOption,
  wholeNumber,
  withExamples,
} from './options.js';
import { remarksOn } from './remarks.js';
import { readDataRecipe, recipeFor } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { refuseOptions, refuseUsage, UsageError } from './usage.js';

const define = (command: Command) =>
  withExamples(
    command,
    'eval runs/pad30',
    'eval runs/pad30 --data new-pictures',
    'eval runs/pad30 --coefficients mean',
    'eval networks/folded --recipe runs/pad30/recipe.yaml',
    'eval runs/rte-pad50 --submission submissions',
  )
    .argument('<run>', `${answeringNetwork}; of what is no run, with --data or --recipe`)
    .option('--data <path>', 'pictures in folders of classes, or a file of texts; without classes, they are predicted')
    .option('--recipe <file>', 'the recipe whose data it is evaluated on (default: that of the run)')
    .addOption(setDataOption())
    .option('--batch-size <number>', 'pictures at once (default: 256, fewer of large ones)', wholeNumber(1))
    .option('--coefficients <which>', 'mean: routing switched off, all inputs by mean coefficients', oneOf(['mean']))
    .option('--coefficient-threshold <number>', 'below it coefficients of convolutions count as 0', fraction)
    .option('--submission <folder>', 'of a run on texts: write its predictions for the test file, to hand in')
    .addOption(allowCodeOption())
    .addOption(jsonOption());

export function register(command: Command, terminal: Terminal): void {
  define(command).action((run, options) => evaluateRun(run, options, terminal));
}

async function evaluateRun(run: string, options: OptionsOf<typeof define>, terminal: Terminal): Promise<void> {
  const {
    data,
    set = [],
    batchSize,
    coefficients,
    coefficientThreshold,
    submission,
    allowCode,
    json = false,
  } = options;
  const isOnData = data !== undefined;
  refuseUsage({
    [`--data and --recipe both say what ${run} is evaluated on: give one of them`]:
      isOnData && options.recipe !== undefined,
    [`--data and --set both say what ${run} is evaluated on: give one of them`]: isOnData && set.length > 0,
    '--coefficients mean and --coefficient-threshold both change what routers decide: give one of them':
      coefficients !== undefined && coefficientThreshold !== undefined,
  });
  if (!isOnData && options.recipe === undefined && ['converted', 'encoder'].includes(networkPlace(run))) {
    throw new InputError(
      `${run} is a network without data of its own; give pictures or texts with --data <path>, or the recipe whose ` +
        'data it is evaluated on with --recipe <file>',
    );
  }
  const model = loadAnswering(run, { allowCode });
  refuseUsage({
    "--submission is of the test file beside a run's own texts; `padnet predict --csv` answers other files":
      isOnData && submission !== undefined,
  });
  const commands = commandsOf(model.modality);
  const file = options.recipe ?? new RunFolder(run).recipe;
  const recipe = isOnData ? null : recipeFor(model.modality, readDataRecipe(file, set), run);
  refuseOptions(options, commands.evalRefused, (option, purpose) => {
    return `${option} is for ${purpose}; ${run} is on ${samplesOf([model])}`;
  });
  if (coefficients === 'mean')
    await switchRoutingOff(run, model, recipe ?? ownRecipe(run, model), dirname(file), terminal);
  const question = { run, coefficients, model, batchSize, coefficientThreshold, submission, json, terminal };
  const scored = recipe
    ? await commands.evaluate(question, recipe, dirname(file))
    : await commands.evaluateOn(question, data!);
  if (scored) show(question, scored);
}

/** The recipe of a run that is evaluated on other data. */
function ownRecipe(run: string, model: SavedModel): Recipe {
  if (networkPlace(run) === 'run') return recipeFor(model.modality, readDataRecipe(new RunFolder(run).recipe, []), run);
  throw new UsageError(
    `--coefficients mean takes means over training data, and ${run} has none of its own; give a recipe with --recipe`,
  );
}

/** @param folder of the recipe, whose run may have divided its samples */
async function switchRoutingOff(
  run: string,
  model: SavedModel,
  recipe: Recipe,
  folder: string,
  terminal: Terminal,
): Promise<void> {
  const { onText } = remarksOn(terminal);
  const division = splitOfRun(new RunFolder(folder), onText);
  try {
    await modelToMeanCoefficients(recipe, model, { ...division, signal: terminal.closed });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`--coefficients mean switches routing off; ${run}: ${error.message}`, { cause: error });
  }
}

function show({ run, coefficients, model, json, terminal }: EvalQuestion, scored: Scored): void {
  const { sampleKey } = commandsOf(model.modality);
  const { evaluation, seconds, length, counted, files } = scored;
  const { metric, score, metrics, loss } = evaluation;
  const classes = classAccuracies(scored);
  const result = {
    run,
    ...(coefficients && { coefficients }),
    ...scored.json,
    loss,
    [sampleKey]: length,
    [`${sampleKey}PerSecond`]: length / seconds,
    seconds,
    classes: classes?.map(({ name, samples, accuracy }) => ({ name, [sampleKey]: samples, accuracy })) ?? null,
    ...(files && { submission: files }),
  };
  terminal.result(json, result, () => {
    const mean = metric.includes('/') ? `, mean ${formatScore(metric, score)}` : '';
    return [
      `test ${metricsText(metrics)}${mean}, loss ${loss.toFixed(4)}${coefficients ? ', with mean coefficients' : ''}`,
      `${counted} in ${formatSeconds(seconds)}, ${Math.round(length / seconds)} a second`,
      ...(classes ? ['', classTable(classes, samplesOf([model]))] : []),
      ...(files && files.length > 0 ? ['', `to hand in: ${files.join(', ')}`] : []),
    ];
  });
}

interface ClassAccuracy {
  readonly name: string;
  readonly samples: number;
  /** null where there are none. */
  readonly accuracy: number | null;
}

/** How many samples of each class were recognised; those that were left out have the prediction NaN. */
function classAccuracies({ classes, evaluation: { predictions } }: Scored): ClassAccuracy[] | null {
  if (!classes) return null;
  return classes.names.map((name, label) => {
    const members = Array.from(predictions).filter(
      (prediction, index) => classes.labels[index] === label && !Number.isNaN(prediction),
    );
    const correct = members.filter((prediction) => prediction === label).length;
    return { name, samples: members.length, accuracy: members.length === 0 ? null : correct / members.length };
  });
}

function classTable(rows: readonly ClassAccuracy[], samples: string): string {
  return listing(rows, [
    { heading: 'class', isName: true, cell: ({ name }) => name },
    { heading: samples, cell: (row) => String(row.samples) },
    { heading: 'accuracy', cell: ({ accuracy }) => formatPercent(accuracy) },
  ]);
}
