import type { TextRecipe } from '../recipe/index.js';
import type { TextModel } from '../runs/index.js';
import { textConverter } from './convertTexts.js';
import { evaluateTextFile, evaluateTexts } from './evalTexts.js';
import type { ModalityCommands } from './modalityCommands.js';
import { predictTexts } from './predictTexts.js';

export const textCommands: ModalityCommands<TextRecipe, TextModel> = {
  sampleKey: 'sentences',
  sampleWord: 'sentences',
  evalRefused: { batchSize: 'runs on pictures', coefficientThreshold: 'dynamic convolutions' },
  evaluate: evaluateTexts,
  evaluateOn: evaluateTextFile,
  predictRefused: { top: 'pictures', coefficients: 'pictures' },
  detail: 'experts',
  predict: predictTexts,
  convert: textConverter,
};
