/** `padnet eval`: the score of a run's network on the test data. */
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../errors.js';
import { loadAnswering, networkPlace, RunFolder } from '../runs/index.js';
import { formatSeconds } from '../report/format.js';
import { formatScore, metricName } from '../report/scoreText.js';
import { classTable } from './classTable.js';
import { commandsOf } from './modalities.js';
import { type EvalQuestion, refuseOptions, type Scored } from './modalityCommands.js';
import { allowCodeOption, collected, fraction, wholeNumber, withExamples } from './options.js';
import { readDataRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

interface EvalOptions {
  readonly data?: string;
  readonly recipe?: string;
  readonly set?: readonly string[];
  readonly batchSize?: number;
  readonly coefficientThreshold?: number;
  readonly submission?: string;
  readonly allowCode?: boolean;
  readonly json?: boolean;
}

export function register(command: Command, terminal: Terminal): void {
  command
    .argument(
      '<run>',
      'folder of a finished run; or with --data or --recipe, of a network that `padnet convert` wrote, or of a classifier as Hugging Face ' +
        'saves it',
    )
    .option(
      '--data <path>',
      'pictures in folders of its classes, or a file of texts (CSV, TSV, JSON lines), that it is evaluated on; without classes they are ' +
        'predicted',
    )
    .option('--recipe <file>', 'the recipe whose data it is evaluated on (default: that of the run)')
    .option(
      '--set <key=value>',
      "another value for one of the recipe's data keys, such as data.path=<folder>",
      collected,
    )
    .option('--batch-size <number>', 'pictures at once (default: 256, fewer of large ones)', wholeNumber(1))
    .option(
      '--coefficient-threshold <number>',
      'round smaller coefficients of dynamic convolutions to 0, so that less is read (default: none)',
      fraction,
    )
    .option('--submission <folder>', 'of a run on texts: write its predictions for the test file, to hand in')
    .addOption(allowCodeOption())
    .option('--json', 'print the result as JSON')
    .action((run: string, options: EvalOptions) => evaluateRun(run, options, terminal));
  withExamples(
    command,
    'eval runs/pad30',
    'eval runs/pad30 --set data.testLimit=1000',
    'eval runs/pad30 --data new-pictures',
    'eval runs/pad30 --batch-size 1 --coefficient-threshold 0.05',
    'eval networks/folded --recipe runs/pad30/recipe.yaml',
    'eval runs/rte-pad50 --submission submissions',
    'eval runs/reviews-pad50 --data other-reviews.csv',
  );
}

async function evaluateRun(run: string, options: EvalOptions, terminal: Terminal): Promise<void> {
  const { data, set = [], submission, allowCode, json = false } = options;
  if (data !== undefined && (options.recipe !== undefined || set.length > 0)) {
    const other = options.recipe === undefined ? '--set' : '--recipe';
    throw new UsageError(`--data and ${other} both say what ${run} is evaluated on: give one of them`);
  }
  const place = networkPlace(run);
  if (data === undefined && options.recipe === undefined && (place === 'converted' || place === 'encoder')) {
    throw new InputError(
      `${run} is a network without data of its own; give pictures or texts with --data <path>, or the recipe whose data it is ` +
        'evaluated on with --recipe <file>',
    );
  }
  const model = loadAnswering(run, { allowCode });
  if (data !== undefined && submission !== undefined)
    throw new UsageError(
      "--submission is of the test file beside a run's own texts; `padnet predict --csv` answers other files",
    );
  const commands = commandsOf(model.modality);
  const { batchSize, coefficientThreshold } = options;
  const question = { run, model, batchSize, coefficientThreshold, submission, json, terminal };
  const refuse = (): void => {
    const message = (option: string, purpose: string) =>
      `${option} is for ${purpose}; ${run} is on ${commands.sampleWord}`;
    refuseOptions(options, commands.evalRefused, message);
  };
  if (data !== undefined) {
    refuse();
    const scored = await commands.evaluateOn(question, data);
    if (scored) show(question, scored);
    return;
  }
  const file = options.recipe ?? new RunFolder(run).recipe;
  const recipe = readDataRecipe(file, set);
  if (recipe.modality !== model.modality)
    throw new UsageError(`${run} has a network for ${model.modality}, the recipe is for ${recipe.modality}`);
  refuse();
  show(question, await commands.evaluate(question, recipe, dirname(file)));
}

function show({ run, model, json, terminal }: EvalQuestion, scored: Scored): void {
  const { sampleKey, sampleWord } = commandsOf(model.modality);
  const { evaluation, seconds, length, counted, classes, files } = scored;
  const { metric, score, metrics, loss } = evaluation;
  if (json) {
    terminal.printJson({
      run,
      ...scored.json,
      loss,
      [sampleKey]: length,
      [`${sampleKey}PerSecond`]: length / seconds,
      seconds,
      classes: classes?.map(({ name, samples, accuracy }) => ({ name, [sampleKey]: samples, accuracy })) ?? null,
      ...(files && { submission: files }),
    });
    return;
  }
  const values = Object.entries(metrics).map(([name, value]) => `${metricName(name)} ${formatScore(name, value)}`);
  const mean = metric.includes('/') ? `, mean ${formatScore(metric, score)}` : '';
  terminal.print(
    [
      `test ${values.join(', ')}${mean}, loss ${loss.toFixed(4)}`,
      `${counted} in ${formatSeconds(seconds)}, ${Math.round(length / seconds)} a second`,
      ...(classes ? ['', classTable(classes, sampleWord)] : []),
      ...(files && files.length > 0 ? ['', `to hand in: ${files.join(', ')}`] : []),
    ].join('\n'),
  );
}
