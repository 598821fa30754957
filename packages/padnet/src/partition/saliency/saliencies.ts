/** Scores of how much each entry needs to be dynamic (method.md §3), one a file. */
import { gain } from './gain.js';
import { grasp } from './grasp.js';
import { magnitude } from './magnitude.js';
import { newtonGain } from './newtonGain.js';
import { random } from './random.js';
import { randomByLayer } from './randomByLayer.js';
import { maskGradient, type Saliency } from './saliency.js';
import { shuffled } from './shuffled.js';
import { snip } from './snip.js';
import { spread } from './spread.js';
import { synFlow } from './synFlow.js';
import { variance } from './variance.js';

/** The scores that a recipe can name. */
export const saliencies = {
  maskGradient,
  snip,
  grasp,
  synFlow,
  gain,
  newtonGain,
  variance,
  spread,
  magnitude,
  random,
  randomByLayer,
  shuffled,
} as const satisfies Record<string, Saliency>;
export type SaliencyName = keyof typeof saliencies;
