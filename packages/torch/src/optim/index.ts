/** Optimizers, clipping and learning-rate schedules. */
export * from './adamw.js';
export * from './clip.js';
export {
  Optimizer,
  type Group,
  type NamedParameters,
  type OptimizerState,
  type ParameterGroup,
  type Trained,
} from './optimizer.js';
export * from './schedules.js';
export * from './sgd.js';
