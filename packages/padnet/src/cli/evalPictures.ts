/** `padnet eval` of a network for pictures: accuracy, loss, accuracy by class; or predictions, where nobody knows the classes. */
import { existsSync } from 'node:fs';
import { type ImageDataset, loadPictureTestSet, type OnBadPicture, onceEach } from '../data/index.js';
import { fuseBatchNorms, setCoefficientThreshold } from '../layers/index.js';
import type { PictureRecipe } from '../recipe/index.js';
import { hasModel, type PictureModel, readRun, readSplit, RunFolder } from '../runs/index.js';
import { evaluate, loadPictures, pictureInput } from '../training/index.js';
import { InputError } from '../errors.js';
import { formatPercent, formatSeconds } from '../report/format.js';
import { classAccuracies, classTable } from './classTable.js';
import { isFolder, picturesAt } from './pictureFiles.js';
import { predictPictures } from './predictPictures.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

export interface PictureEvaluation {
  /** The folder of the network. */
  readonly run: string;
  readonly model: PictureModel;
  readonly batchSize: number | undefined;
  readonly coefficientThreshold: number | undefined;
  readonly json: boolean;
}

/** On the test data of a recipe. @param folder of the recipe, whose run may have divided its pictures */
export async function evaluateOnRecipe(
  evaluation: PictureEvaluation,
  { data }: PictureRecipe,
  folder: string,
  terminal: Terminal,
): Promise<void> {
  const told = onceEach(({ file, reason }) => {
    terminal.remark(`padnet: left out: ${file}: ${reason}`);
  });
  const onBadPicture = data.onBadPicture === 'skip' ? told : undefined;
  const split = readSplit(new RunFolder(folder).split);
  const { test } = await loadPictures(data, { onBadPicture, split });
  await evaluateOn(test, evaluation, { numWorkers: data.numWorkers, onBadPicture }, terminal);
}

/** On new pictures: in folders of the network's classes, or else predicted. What can not be used makes the exit code 1. */
export async function evaluateOnFolder(evaluation: PictureEvaluation, data: string, terminal: Terminal): Promise<void> {
  const { run, model, batchSize, coefficientThreshold, json } = evaluation;
  let failed = 0;
  const onBadPicture = onceEach(({ file, reason }) => {
    failed++;
    terminal.remark(`padnet: left out: ${file}: ${reason}`);
  });
  // A single file is predicted; of what is not there, the reader of folders says so.
  const isFile = existsSync(data) && !isFolder(data);
  const test = isFile ? null : await labelledPictures(data, evaluation, onBadPicture);
  if (!test) {
    if (batchSize !== undefined || coefficientThreshold !== undefined) {
      const option = batchSize === undefined ? '--coefficient-threshold' : '--batch-size';
      throw new UsageError(`${data} has no folders of classes, so its pictures are predicted, without ${option}`);
    }
    const format = json ? 'json' : 'table';
    const pictures = picturesAt([data]);
    await predictPictures({ run, model, pictures, single: false, coefficients: false, format }, terminal);
    return;
  }
  const found = test.length + failed;
  await evaluateOn(test, evaluation, { numWorkers: 1, onBadPicture }, terminal);
  if (failed === 0) return;
  terminal.remark(`padnet: ${failed} of ${found} pictures could not be evaluated`);
  terminal.exitCode = 1;
}

/** null where there are no folders of classes. */
async function labelledPictures(
  path: string,
  { run, model: { description } }: PictureEvaluation,
  onBadPicture: OnBadPicture,
): Promise<ImageDataset | null> {
  const recipe = hasModel(run) ? null : readRun(run).recipe;
  const classIndex = recipe?.modality === 'image' ? recipe.data.classIndex : undefined;
  const { classNames } = description;
  return await loadPictureTestSet(path, {
    classNames,
    shape: pictureInput(description).shape,
    classIndex,
    onBadPicture,
  });
}

interface Reading {
  readonly numWorkers: number;
  /** Absent: a bad picture is an error. */
  readonly onBadPicture: OnBadPicture | undefined;
}

async function evaluateOn(
  test: ImageDataset,
  { run, model, batchSize, coefficientThreshold, json }: PictureEvaluation,
  { numWorkers, onBadPicture }: Reading,
  terminal: Terminal,
): Promise<void> {
  if (coefficientThreshold !== undefined && setCoefficientThreshold(model.network, coefficientThreshold) === 0)
    throw new UsageError(`--coefficient-threshold is for convolutions that mix kernels; ${run} has none`);
  const { inChannels, numClasses } = model.description;
  if (test.channels !== inChannels || test.numClasses !== numClasses) {
    throw new InputError(
      `${run} is for pictures of ${inChannels} channels and ${numClasses} classes; ${test.name} has ${test.channels} and ` +
        `${test.numClasses}`,
    );
  }
  fuseBatchNorms(model.network);
  const start = performance.now();
  const { normalise } = model.description;
  const {
    score: accuracy,
    loss,
    predictions,
  } = await evaluate(model.network, test, {
    ...(batchSize !== undefined && { batchSize }),
    normalise,
    ...(test.kind === 'folder' && { numWorkers }),
    onBadPicture,
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
