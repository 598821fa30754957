export { activation, type Activation, type ActivationName } from './activation.js';
export * from './classificationHead.js';
export {
  maxTokens,
  numberedLabels,
  type ParseTextConfigOptions,
  parseTextConfig,
  type TextConfig,
  toHuggingFaceConfig,
} from './config.js';
export * from './encoder.js';
export { families, familyNames, type FamilyName } from './family.js';
export * from './hub/resolvePretrained.js';
export * from './loadPretrained.js';
export { SelfAttention } from './selfAttention.js';
export * from './savePretrained.js';
export * from './sequenceClassifier.js';
export * from './textEmbeddings.js';
export { huggingFaceNames } from './weightNames.js';
