/**
 * Partially dynamic networks (PAD-Net, He et al., ACL 2023, arXiv 2211.05528).
 *
 * @module
 */
export * from './analysis/index.js';
export * from './compute/index.js';
export * from './convert/index.js';
export * from './data/index.js';
export * from './dynamic/index.js';
export { InputError, NonFiniteError } from './errors.js';
export * from './experiments/index.js';
export * from './layers/index.js';
export * from './models/index.js';
export * from './ownCode/index.js';
export * from './partial/index.js';
export * from './partition/index.js';
export * from './recipe/index.js';
export * from './report/index.js';
export * from './runs/index.js';
export * from './training/index.js';
