/** Layers, networks and losses, under the names of `torch.nn`. */
export * from './activations.js';
export * from './batchNorm.js';
export type { Pair, Single, Triple } from './checks.js';
export * from './containers.js';
export * from './convolutions.js';
export * from './dropout.js';
export * from './embedding.js';
export * from './evaluationMode.js';
export * from './forwardHooks.js';
export * as init from './init.js';
export * from './layerNorm.js';
export * from './linear.js';
export * from './losses.js';
export * from './module.js';
export * from './parameter.js';
export * from './pooling.js';
export * from './shaping.js';
