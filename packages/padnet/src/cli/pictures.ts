import type { PictureRecipe } from '../recipe/index.js';
import type { PictureModel } from '../runs/index.js';
import { pictureConverter } from './convertPictures.js';
import { evaluatePictures, evaluatePicturesAt } from './evalPictures.js';
import type { ModalityCommands } from './modalityCommands.js';
import { predictPictures } from './predictPictures.js';

export const pictureCommands: ModalityCommands<PictureRecipe, PictureModel> = {
  sampleKey: 'images',
  sampleWord: 'pictures',
  evalRefused: { submission: 'runs on texts' },
  evaluate: evaluatePictures,
  evaluateOn: evaluatePicturesAt,
  predictRefused: { experts: 'texts' },
  detail: 'coefficients',
  predict: predictPictures,
  convert: pictureConverter,
};
