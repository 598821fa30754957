import type { Modality, RecipeOf } from '../recipe/index.js';
import type { ModelOf } from '../runs/index.js';
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
  },
};

/** The modality of a network, as commands need to know it. */
export function commandsOf(modality: Modality): ModalityCommands {
  return commands[modality];
}
