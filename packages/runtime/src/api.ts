/** What users of Node and of browsers import, `load` excepted. */
export type { ClassProbability, LayerCoefficients, LayerExperts, PictureAnswer, TextAnswer } from './answers.js';
export { PictureClassifier, TextClassifier, type Picture } from './classifiers.js';
export type { CallOptions, Facts, PictureOptions, Text, TextOptions } from './engine/engine.js';
export type { LoadProgress } from './engine/modelFiles.js';
export type { Device } from './engine/session.js';
export { InputError } from './errors.js';
export type { LoadOptions } from './loadOptions.js';
export type { RawPicture } from './picture/rawPicture.js';
