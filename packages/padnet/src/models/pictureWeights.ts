/**
 * Static networks for pictures from files of weights under torchvision's names: `.safetensors`, or what `torch.save`
 * wrote.
 */
import { decodeTorchArchive, loadSafetensors, scope, zeros, type nn, type Tensor } from '@padnet/torch';
import { InputError, reasonOf } from '../errors.js';
import { readRegularFile } from '../readRegularFile.js';
import { createModel, modelSchema, type ModelOptions, type ModelShape } from './createModel.js';
import { prefixBefore, unwrapNames } from './wrappedNames.js';
import type { Stem } from './resnet.js';

export interface PictureWeights {
  readonly network: nn.Layer;
  /** The options that make a network like it. */
  readonly model: ModelOptions;
  /** As the first convolution and the classifier have it. */
  readonly shape: ModelShape;
}

/** The weights of a static network, or with names of our own, of a dynamic one. */
export interface StaticWeights {
  /** The tensors by torchvision's names. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** As the first convolution and the classifier have it. */
  readonly shape: ModelShape;
}

/** Path of the linear layer that gives the logits. */
export function classifierOf(name: ModelOptions['name']): string {
  return name === 'mobilenetV2' ? 'classifier.1' : 'fc';
}

/**
 * The weights in `file`, in the caller's scope.
 *
 * @throws InputError where it is missing, damaged, or has not the first convolution and the classifier of the network
 *   `name`
 */
export function readPictureWeights(file: string, name: ModelOptions['name']): StaticWeights {
  const first = name === 'mobilenetV2' ? 'features.0.0.weight' : 'conv1.weight';
  const classifier = `${classifierOf(name)}.weight`;
  const tensors = readTensors(file);
  const prefixOf = (tensor: string, all: ReadonlyMap<string, Tensor>): string | null => {
    const prefix = prefixBefore(first, tensor);
    return prefix !== null && all.has(prefix + classifier) ? prefix : null;
  };
  const state = unwrapNames(tensors, prefixOf, file);
  const [, inChannels] = state.get(first)?.shape ?? [];
  const [numClasses] = state.get(classifier)?.shape ?? [];
  if (!inChannels || !numClasses) {
    const missing = inChannels ? classifier : first;
    const found =
      [...tensors.keys()].find((tensor) => prefixBefore(missing, tensor) !== null) ?? [...tensors.keys()][0];
    throw new InputError(
      `${file}: no weights of ${name}, ${missing} is missing${found === undefined ? '' : ` (${found} is there)`}; ` +
        'give the network that they are of',
    );
  }
  return { state, shape: { inChannels, numClasses } };
}

/**
 * Loads weights into a network.
 *
 * @param source of the weights, for errors
 * @throws InputError naming the tensors that are missing, unexpected or of another shape
 */
export function loadWeights(network: nn.Layer, weights: StaticWeights['state'], source: string): void {
  const state = new Map(weights);
  // Counters of batches, which files of before PyTorch 0.4.1 lack, do not matter once training is over.
  for (const name of network.stateDict().keys()) {
    if (name.endsWith('num_batches_tracked') && !state.has(name)) state.set(name, zeros([], { dtype: 'int64' }));
  }
  try {
    network.loadStateDict(state);
  } catch (error) {
    const { message } = error as Error;
    throw new InputError(`${source}: ${message}; give the network and width that the weights are of`, { cause: error });
  }
}

/**
 * The network of `options`, which is static, with the weights in `file`. Numbers of input channels and classes are the
 * file's.
 *
 * @throws InputError as `readPictureWeights` and `loadWeights`
 */
export function loadPictureWeights(
  file: string,
  options: Pick<ModelOptions, 'name'> & { width?: number },
): PictureWeights {
  return scope(() => {
    const { state, shape } = readPictureWeights(file, options.name);
    const model = modelSchema.parse({ ...options, stem: stemOf(options.name, state) });
    const network = createModel(model, shape);
    loadWeights(network, state, file);
    return { network, shape, model };
  });
}

/** A ResNet's first kernel tells; MobileNetV2's stems differ in strides alone, and files are of the published one. */
function stemOf(name: ModelOptions['name'], state: ReadonlyMap<string, Tensor>): Stem {
  return name !== 'mobilenetV2' && state.get('conv1.weight')?.shape[2] === 3 ? 'small' : 'imagenet';
}

function readTensors(file: string): ReadonlyMap<string, Tensor> {
  try {
    if (file.endsWith('.safetensors')) return loadSafetensors(file).tensors;
    return decodeTorchArchive(readRegularFile(file, { expected: 'weights' }), file);
  } catch (error) {
    const reason = reasonOf(error);
    throw new InputError(reason.startsWith(file) ? reason : `${file}: ${reason}`, { cause: error });
  }
}
