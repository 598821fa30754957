/** Networks that start from the weights of a static one: what a recipe's `model.pretrained` asks for. */
import type { nn } from '@padnet/torch';
import { InputError } from '../errors.js';
import { convertModel, createModel, type ModelOptions, type ModelShape } from './createModel.js';
import type { CodeOptions } from '../ownCode/index.js';
import { classifierOf, loadStaticWeights, type StaticWeights } from './pictureWeights.js';

/**
 * The network of `options`, with the output of the static network of `weights`: bank entries are copies, scale factors 1.
 * Where the numbers of classes differ, the classifier is fresh, from the default generator.
 *
 * @param source of the weights, for errors
 * @throws InputError where the weights do not fit, naming the tensors
 */
export function createPretrained(
  options: ModelOptions,
  shape: ModelShape,
  { state, shape: of }: StaticWeights,
  source: string,
  code: CodeOptions = {},
): nn.Layer {
  if (of.inChannels !== shape.inChannels) {
    throw new InputError(
      `${source}: the weights are for pictures of ${of.inChannels} channels, those of the data have ${shape.inChannels}`,
    );
  }
  const network = createModel({ ...options, layer: 'static' }, shape);
  const kept = new Map(state);
  if (of.numClasses !== shape.numClasses) {
    const classifier = `${classifierOf(options.name)}.`;
    for (const [name, value] of network.stateDict()) if (name.startsWith(classifier)) kept.set(name, value);
  }
  loadStaticWeights(network, kept, source);
  return convertModel(network, options, code);
}
