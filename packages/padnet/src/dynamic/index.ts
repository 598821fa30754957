export * from './bank.js';
export * from './kernelAttention.js';
export * from './parameterSource.js';
export * from './router.js';
export * from './staticSource.js';
export * from './noisyTopK.js';
