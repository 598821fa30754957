/** Scores of how much each entry needs to be dynamic (method.md §3), one a file. */
import { grasp } from './grasp.js';
import { magnitude } from './magnitude.js';
import { random } from './random.js';
import { maskGradient, type Saliency } from './saliency.js';
import { snip } from './snip.js';
import { synFlow } from './synFlow.js';
import { variance } from './variance.js';

/** The scores that a recipe can name. */
export const saliencies = {
  maskGradient,
  snip,
  grasp,
  synFlow,
  variance,
  magnitude,
  random,
} as const satisfies Record<string, Saliency>;
export type SaliencyName = keyof typeof saliencies;
