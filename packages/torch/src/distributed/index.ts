/**
 * `@padnet/torch/distributed`: several processes that train together.
 *
 * @module
 */
import '../operatorMethods.js';

export { rankEnvironment, type RankEnvironment } from './environment.js';
export { GradientBuckets } from './gradientBuckets.js';
export { LOST_EXIT_CODE, ProcessGroup, Work, type ProcessGroupOptions, type Reduction } from './processGroup.js';
export {
  rowsOfAll,
  sharedBatch,
  sumOverRanks,
  withOwnRandom,
  withSharedBatch,
  type SharedBatch,
} from './sharedBatch.js';
