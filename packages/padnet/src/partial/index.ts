export * from './compact.js';
export * from './mask.js';
export * from './partialSource.js';
export * from './scaleFactors.js';
