/** Networks that start from the weights of another: what a recipe's `model.pretrained` asks for. */
import type { nn } from '@padnet/torch';
import { convertToPartial } from '../convert/index.js';
import { InputError } from '../errors.js';
import { copyKnown } from './copyKnown.js';
import { convertModel, createModel, type ModelOptions, type ModelShape } from './createModel.js';
import type { CodeOptions } from '../ownCode/index.js';
import { classifierOf, loadWeights, type StaticWeights } from './pictureWeights.js';

/** The weights of a network whose layers are static or dynamic, none of them partial. */
export interface DynamicWeights extends StaticWeights {
  readonly isDynamic: true;
}

/**
 * The network of `options`, with the output of the network of `weights`. Of a static one bank entries are copies, scale
 * factors 1; a dynamic one gives its banks and routers, and where `options` ask for a partial network the mean of each
 * bank as static weight. Where the numbers of classes differ, the classifier is fresh, from the default generator.
 *
 * @param weights static ones where `options` ask for a static network
 * @param source of the weights, for errors
 * @throws InputError where the weights do not fit, naming the tensors
 */
export function createPretrained(
  options: ModelOptions,
  shape: ModelShape,
  weights: StaticWeights | DynamicWeights,
  source: string,
  code: CodeOptions = {},
): nn.Layer {
  const { state, shape: of } = weights;
  assertSameChannels(of.inChannels, shape.inChannels, source);
  const network = createModel({ ...options, layer: 'static' }, shape);
  const kept = new Map(state);
  if (of.numClasses !== shape.numClasses) {
    const classifier = `${classifierOf(options.name)}.`;
    for (const [name, value] of network.stateDict()) if (name.startsWith(classifier)) kept.set(name, value);
  }
  if (!('isDynamic' in weights)) {
    loadWeights(network, kept, source);
    return convertModel(network, options, code);
  }
  // Layers that are static in the weights become dynamic by copies; those that are dynamic get their own.
  const known = new Set(copyKnown(network, kept));
  convertModel(network, { ...options, layer: 'dynamic' }, code);
  const rest = new Map([...network.stateDict(), ...[...kept].filter(([name]) => !known.has(name))]);
  loadWeights(network, rest, source);
  return options.layer === 'partial' ? convertToPartial(network, { scaleMode: options.scaleMode }) : network;
}

/** @param source of the weights. @throws InputError where they are for other pictures than the data */
export function assertSameChannels(ofWeights: number, ofData: number, source: string): void {
  if (ofWeights !== ofData)
    throw new InputError(
      `${source}: the weights are for pictures of ${ofWeights} channels, those of the data have ${ofData}`,
    );
}
