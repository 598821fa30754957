/**
 * `padnet eval` of a network for pictures: accuracy, loss, accuracy by class; or predictions, where no classes are
 * known.
 */
import { existsSync } from 'node:fs';
import { type ImageDataset, loadPictureTestSet, type OnBadPicture, onceEach } from '../data/index.js';
import { fuseBatchNorms, setCoefficientThreshold } from '../layers/index.js';
import type { PictureRecipe } from '../recipe/index.js';
import { hasModel, type PictureModel, readRun, RunFolder, splitOfRun } from '../runs/index.js';
import { evaluate, loadPictures, pictureInput } from '../training/index.js';
import { InputError } from '../errors.js';
import { isFolder } from '../readRegularFile.js';
import type { EvalQuestion, Scored } from './modality.js';
import { answerAboutPictures, picturesAt } from './predictPictures.js';
import { remarksOn } from './remarks.js';
import { refuseUsage, UsageError } from './usage.js';

type PictureQuestion = EvalQuestion<PictureModel>;

/** On the test data of a recipe. @param folder of the recipe, whose run may have divided its pictures */
export async function evaluatePictures(
  question: PictureQuestion,
  { data }: PictureRecipe,
  folder: string,
): Promise<Scored> {
  const { onBadPicture: told, onText } = remarksOn(question.terminal);
  const onBadPicture = data.onBadPicture === 'skip' ? onceEach(told) : undefined;
  const { test } = await loadPictures(data, { onBadPicture, ...splitOfRun(new RunFolder(folder), onText) });
  return await evaluateOn(test, question, data.numWorkers, onBadPicture);
}

/** On new pictures: in folders of the network's classes, or else predicted. A bad one makes the exit code 1. */
export async function evaluatePicturesAt(question: PictureQuestion, data: string): Promise<Scored | null> {
  const { run, model, batchSize, coefficientThreshold, json, terminal } = question;
  let failed = 0;
  const onBadPicture = onceEach((picture) => {
    failed++;
    remarksOn(terminal).onBadPicture(picture);
  });
  // A single file is predicted; of what is not there, the reader of folders says so.
  const isFile = existsSync(data) && !isFolder(data);
  const test = isFile ? null : await labelledPictures(data, question, onBadPicture);
  if (!test) {
    const predicted = `${data} has no folders of classes, so its pictures are predicted`;
    refuseUsage({
      [`${predicted}, without --batch-size`]: batchSize !== undefined,
      [`${predicted}, without --coefficient-threshold`]: coefficientThreshold !== undefined,
    });
    const format = json ? 'json' : 'table';
    await answerAboutPictures({ run, model, detailed: false, format, terminal }, picturesAt([data]), false);
    return null;
  }
  const found = test.length + failed;
  const scored = await evaluateOn(test, question, 1, onBadPicture);
  if (failed > 0) {
    terminal.warn(`${failed} of ${found} pictures could not be evaluated`);
    terminal.exitCode = 1;
  }
  return scored;
}

/** null where there are no folders of classes. */
async function labelledPictures(
  path: string,
  { run, model: { description } }: PictureQuestion,
  onBadPicture: OnBadPicture,
): Promise<ImageDataset | null> {
  const data = hasModel(run) ? null : readRun(run).recipe.data;
  return await loadPictureTestSet(path, {
    classNames: description.classNames,
    shape: pictureInput(description).shape,
    classIndex: data?.name === 'imageFolder' ? data.classIndex : undefined,
    onBadPicture,
  });
}

/** @param onBadPicture absent: a bad picture is an error */
async function evaluateOn(
  test: ImageDataset,
  { run, model, batchSize, coefficientThreshold, terminal }: PictureQuestion,
  numWorkers: number,
  onBadPicture: OnBadPicture | undefined,
): Promise<Scored> {
  if (coefficientThreshold !== undefined && setCoefficientThreshold(model.network, coefficientThreshold) === 0)
    throw new UsageError(`--coefficient-threshold is for convolutions that mix kernels; ${run} has none`);
  const { inChannels, numClasses, normalise } = model.description;
  if (test.channels !== inChannels || test.numClasses !== numClasses) {
    throw new InputError(
      `${run} is for pictures of ${inChannels} channels and ${numClasses} classes; ${test.name} has ` +
        `${test.channels} and ${test.numClasses}`,
    );
  }
  fuseBatchNorms(model.network);
  const start = performance.now();
  const evaluation = await evaluate(model.network, test, {
    ...(batchSize !== undefined && { batchSize }),
    normalise,
    ...(test.kind === 'folder' && { numWorkers }),
    onBadPicture,
    signal: terminal.closed,
  });
  const seconds = (performance.now() - start) / 1000;
  const { predictions, score: accuracy } = evaluation;
  const length = predictions.filter((each) => !Number.isNaN(each)).length;
  const classes = { names: test.classNames, labels: test.labels };
  return { evaluation, seconds, length, counted: `${length} pictures`, classes, json: { accuracy } };
}
