/** Optimizers, clipping and learning-rate schedules. */
export * from './adam.js';
export * from './clip.js';
export { Optimizer, type Group, type OptimizerState, type ParameterGroup, type Trained } from './optimizer.js';
export type { NamedParameters, Parameters } from './parameters.js';
export * from './schedules.js';
export * from './sgd.js';
