import type { Modality, RecipeOf } from '../recipe/index.js';
import { pictureInputs, shownPictures, shownTexts, textInputs } from '../export/testSamples.js';
import { type ModelOf, RunFolder, splitOfRun } from '../runs/index.js';
import { loadPictures, loadTexts } from '../training/index.js';
import { pictureConverter } from './convertPictures.js';
import { textConverter } from './convertTexts.js';
import { evaluatePictures, evaluatePicturesAt } from './evalPictures.js';
import { evaluateTextFile, evaluateTexts } from './evalTexts.js';
import type { ModalityCommands } from './modality.js';
import { predictPictures } from './predictPictures.js';
import { predictTexts } from './predictTexts.js';

const commands: { readonly [M in Modality]: ModalityCommands<RecipeOf<M>, ModelOf<M>> } = {
  image: {
    sampleKey: 'images',
    evalRefused: { submission: 'runs on texts' },
    evaluate: evaluatePictures,
    evaluateOn: evaluatePicturesAt,
    predictRefused: { experts: 'texts' },
    detail: 'coefficients',
    predict: predictPictures,
    convert: pictureConverter,
    testSamples: async ({ data }, model, run, { tried, shown }) => {
      const { test } = await loadPictures(data, splitOfRun(new RunFolder(run)));
      return { inputs: [await pictureInputs(test, model, tried)], shown: await shownPictures(test, shown) };
    },
  },
  text: {
    sampleKey: 'sentences',
    evalRefused: { batchSize: 'runs on pictures', coefficientThreshold: 'dynamic convolutions' },
    evaluate: evaluateTexts,
    evaluateOn: evaluateTextFile,
    predictRefused: { top: 'pictures', coefficients: 'pictures' },
    detail: 'experts',
    predict: predictTexts,
    convert: textConverter,
    testSamples: async ({ data }, model, run, { tried, shown }) => {
      const { test } = loadTexts(data, splitOfRun(new RunFolder(run)));
      return { inputs: [await textInputs(test, model, tried)], shown: shownTexts(test, shown) };
    },
  },
};

/** The modality of a network, as commands need to know it. */
export function commandsOf(modality: Modality): ModalityCommands {
  return commands[modality];
}
