/** `padnet eval`: the score of a run's network on the test data. */
import type { Command } from 'commander';
import { InputError } from '../errors.js';
import { formatPercent, formatSeconds } from '../report/format.js';
import type { PictureModel, PictureRecipe } from '../training/index.js';
import { classAccuracies, classTable } from './classTable.js';
import { evaluateTexts } from './evalTexts.js';
import { allowCodeOption, collected, fraction, wholeNumber, withExamples } from './options.js';
import { readDataRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

interface EvalOptions {
  readonly recipe?: string;
  readonly set?: readonly string[];
  readonly batchSize?: number;
  readonly coefficientThreshold?: number;
  readonly submission?: string;
  readonly allowCode?: boolean;
  readonly json?: boolean;
}

export function registerEval(program: Command, terminal: Terminal): void {
  const command = program
    .command('eval')
    .description("Evaluate a run's network on its test data, or on others.")
    .argument(
      '<run>',
      'folder of a finished run; or with --recipe, of a network that `padnet convert` wrote, or of a classifier as Hugging Face saves it',
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
    .option('--submission <folder>', "of a GLUE run: write its predictions for the task's test file, to hand in")
    .addOption(allowCodeOption())
    .option('--json', 'print the result as JSON')
    .action((run: string, options: EvalOptions) => evaluateRun(run, options, terminal));
  withExamples(
    command,
    'eval runs/pad30',
    'eval runs/pad30 --set data.testLimit=1000',
    'eval runs/pad30 --batch-size 1 --coefficient-threshold 0.05',
    'eval networks/folded --recipe runs/pad30/recipe.yaml',
    'eval runs/rte-pad50 --submission submissions',
  );
}

async function evaluateRun(run: string, options: EvalOptions, terminal: Terminal): Promise<void> {
  const { set = [], batchSize, coefficientThreshold, submission, allowCode, json = false } = options;
  const { loadAnyModel, loadEncoder, networkPlace, RunFolder } = await import('../training/index.js');
  const place = networkPlace(run);
  if (options.recipe === undefined && (place === 'converted' || place === 'encoder')) {
    throw new InputError(
      `${run} is a network without data of its own; give the recipe whose data it is evaluated on with --recipe <file>`,
    );
  }
  const model = place === 'encoder' ? loadEncoder(run) : loadAnyModel(run, { allowCode });
  const recipe = await readDataRecipe(options.recipe ?? new RunFolder(run).recipe, set);
  if (model.modality === 'image' && recipe.modality === 'image') {
    if (submission !== undefined) throw new UsageError(`--submission is for runs on GLUE; ${run} is on pictures`);
    await evaluatePictures({ run, recipe, model, batchSize, coefficientThreshold, json }, terminal);
  } else if (model.modality === 'text' && recipe.modality === 'text') {
    if (batchSize !== undefined) throw new UsageError(`--batch-size is for runs on pictures; ${run} is on sentences`);
    if (coefficientThreshold !== undefined)
      throw new UsageError(`--coefficient-threshold is for dynamic convolutions; ${run} is on sentences`);
    await evaluateTexts({ run, recipe, model, submission: submission ?? null, json }, terminal);
  } else {
    throw new UsageError(`${run} has a network for ${model.modality}, the recipe is for ${recipe.modality}`);
  }
}

interface PictureEvaluation {
  readonly run: string;
  readonly recipe: PictureRecipe;
  readonly model: PictureModel;
  readonly batchSize: number | undefined;
  readonly coefficientThreshold: number | undefined;
  readonly json: boolean;
}

async function evaluatePictures(options: PictureEvaluation, terminal: Terminal): Promise<void> {
  const { run, recipe, model, batchSize, coefficientThreshold, json } = options;
  const { evaluate, loadPictures } = await import('../training/index.js');
  const { foldBatchNorms, setCoefficientThreshold } = await import('../layers/index.js');
  const { onceEach } = await import('../data/index.js');
  if (coefficientThreshold !== undefined && setCoefficientThreshold(model.network, coefficientThreshold) === 0)
    throw new UsageError(`--coefficient-threshold is for convolutions that mix kernels; ${run} has none`);
  const onBadPicture = onceEach(({ file, reason }) => {
    terminal.remark(`padnet: left out: ${file}: ${reason}`);
  });
  const { test } = await loadPictures(recipe.data, onBadPicture);
  const { inChannels, numClasses } = model.description;
  if (test.channels !== inChannels || test.numClasses !== numClasses) {
    throw new InputError(
      `${run} is for pictures of ${inChannels} channels and ${numClasses} classes; ${test.name} has ${test.channels} and ` +
        `${test.numClasses}`,
    );
  }
  foldBatchNorms(model.network);
  const start = performance.now();
  const { normalise } = model.description;
  const {
    score: accuracy,
    loss,
    predictions,
  } = await evaluate(model.network, test, {
    ...(batchSize !== undefined && { batchSize }),
    normalise,
    ...(test.kind === 'folder' && { numWorkers: recipe.data.numWorkers }),
    onBadPicture: recipe.data.onBadPicture === 'skip' ? onBadPicture : undefined,
    signal: terminal.closed,
  });
  const seconds = (performance.now() - start) / 1000;
  const length = predictions.filter((each) => !Number.isNaN(each)).length;
  const classes = classAccuracies(test.classNames, test.labels, predictions);
  if (json) {
    terminal.printJson({
      run,
      accuracy,
      loss,
      images: length,
      imagesPerSecond: length / seconds,
      seconds,
      classes: classes.map(({ name, samples, accuracy: each }) => ({ name, images: samples, accuracy: each })),
    });
    return;
  }
  terminal.print(
    [
      `test accuracy ${formatPercent(accuracy, 2)}, loss ${loss.toFixed(4)}`,
      `${length} pictures in ${formatSeconds(seconds)}, ${Math.round(length / seconds)} a second`,
      '',
      classTable(classes, 'pictures'),
    ].join('\n'),
  );
}
