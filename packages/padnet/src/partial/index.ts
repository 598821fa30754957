export * from './mask.js';
export * from './numEntries.js';
export * from './parameterSource.js';
export * from './partialParameter.js';
export {
  PartialSource,
  type EmptyPartialSourceOptions,
  type Entries,
  type PartialSourceOptions,
} from './partialSource.js';
export * from './scaleFactors.js';
export * from './searchSource.js';
export * from './versionCache.js';
