/** Whether scores, which may be those of the user's own code, are a number for each entry. */
import { inspect } from 'node:util';
import { ops, scope, Tensor } from '@padnet/torch';
import { InputError, NonFiniteError } from '../../errors.js';
import type { LayerScores } from '../selectDynamic.js';
import type { ScoringContext } from './scoring.js';

/**
 * @param what gives them, for messages
 * @throws InputError naming the layer where they are not one tensor for each that is searched; NonFiniteError where one
 *   is not finite
 */
export function checkScores(
  scores: unknown,
  sources: ScoringContext['sources'],
  what: string,
): asserts scores is Map<string, Tensor> {
  const expected = 'a Map with a tensor for each searched layer';
  if (!(scores instanceof Map)) throw new InputError(`${what} must return ${expected}, got ${typeof scores}`);
  for (const [path, { shape }] of sources) {
    const given: unknown = scores.get(path);
    if (!(given instanceof Tensor)) throw new InputError(`${what} gives no tensor for the layer ${path}`);
    const [got, wanted] = [shapeOf(given), shape].map((sizes) => sizes && `[${sizes.join(', ')}]`);
    if (got === null)
      throw new InputError(`${what} gives a tensor for the layer ${path} that was freed meanwhile; call keep() on it`);
    if (got !== wanted)
      throw new InputError(`${what} gives ${got!} for the layer ${path}, expected the shape of its weight ${wanted!}`);
    if (!scope(() => ops.isfinite(given).all().item())) throw new NonFiniteError(what, `that of ${path} is not`);
  }
  for (const path of scores.keys() as Iterable<unknown>)
    if (!sources.has(path as string))
      throw new InputError(
        `${what} gives scores for ${inspect(path)}, which is not a searched layer; expected those of ` +
          [...sources.keys()].join(', '),
      );
}

/**
 * The same of scores of units.
 *
 * @param layers those that they were made of
 * @throws as `checkScores`
 */
export function checkUnitScores(
  scores: unknown,
  layers: readonly LayerScores[],
  what: string,
): asserts scores is readonly Tensor[] {
  const fits =
    Array.isArray(scores) &&
    scores.length === layers.length &&
    layers.every((layer, index) => {
      const given: unknown = scores[index];
      return given instanceof Tensor && shapeOf(given)?.join() === layer.scores.shape.join();
    });
  if (!fits)
    throw new InputError(
      `${what}: ofUnits must return an array with a tensor of the units' shape for each that it got`,
    );
  for (const [index, given] of (scores as readonly Tensor[]).entries())
    if (!scope(() => ops.isfinite(given).all().item()))
      throw new NonFiniteError(`${what}: ofUnits`, `what it gives at ${index} is not`);
}

/** Null where it was freed. */
function shapeOf(tensor: Tensor): readonly number[] | null {
  try {
    return tensor.shape;
  } catch {
    return null;
  }
}
