/** Inputs of the layers' tests: the same values that `references.py` makes. */
import { arange } from '../creation.js';
import type { Tensor } from '../tensor.js';

/** sin(0), sin(1), … in float64. */
export function ramp(...shape: number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return arange(0, count, { dtype: 'float64' }).sin().reshape(shape);
}

/** The same, as a leaf that requires a gradient. */
export function rampLeaf(...shape: number[]): Tensor {
  const leaf = ramp(...shape);
  leaf.requiresGrad = true;
  return leaf;
}
