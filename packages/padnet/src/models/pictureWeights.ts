/** Static networks for pictures from files of weights under torchvision's names: `.safetensors`, or what `torch.save` wrote. */
import { readFileSync } from 'node:fs';
import { decodeTorchArchive, loadSafetensors, scope, zeros, type nn, type Tensor } from '@padnet/torch';
import { InputError } from '../errors.js';
import { createModel, modelSchema, type ModelOptions, type ModelShape } from './createModel.js';

export interface PictureWeights {
  readonly network: nn.Layer;
  /** As the first convolution and the classifier have it. */
  readonly shape: ModelShape;
}

/** What checkpoints put around a state dict, and `DataParallel` before each name. */
const wrapping = /^(?:(?:state_dict|model_state_dict|model)\.)?(?:module\.)?$/;

/**
 * The network of `options`, which is static, with the weights in `file`. Numbers of input channels and classes are the file's.
 *
 * @throws InputError where the file is missing or damaged, or names the tensors that are missing, unexpected or of another shape
 */
export function loadPictureWeights(
  file: string,
  options: Pick<ModelOptions, 'name'> & { width?: number },
): PictureWeights {
  return scope(() => {
    const [first, classifier] =
      options.name === 'mobilenetV2' ? ['features.0.0.weight', 'classifier.1.weight'] : ['conv1.weight', 'fc.weight'];
    const state = unwrap(readTensors(file), first);
    const [, inChannels] = state.get(first)?.shape ?? [];
    const [numClasses] = state.get(classifier)?.shape ?? [];
    if (!inChannels || !numClasses) {
      const missing = inChannels ? classifier : first;
      throw new InputError(
        `${file}: no weights of ${options.name}, ${missing} is missing; give the network that they are of`,
      );
    }
    const shape = { inChannels, numClasses };
    const network = createModel(modelSchema.parse(options), shape);
    // Counters of batches, which files of before PyTorch 0.4.1 lack, do not matter once training is over.
    for (const name of network.stateDict().keys()) {
      if (name.endsWith('num_batches_tracked') && !state.has(name)) state.set(name, zeros([], { dtype: 'int64' }));
    }
    try {
      network.loadStateDict(state);
    } catch (error) {
      const { message } = error as Error;
      throw new InputError(`${file}: ${message}; give the network and width that the weights are of`, { cause: error });
    }
    return { network, shape };
  });
}

function readTensors(file: string): ReadonlyMap<string, Tensor> {
  try {
    return file.endsWith('.safetensors') ? loadSafetensors(file).tensors : decodeTorchArchive(readFileSync(file), file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const text = code === 'ENOENT' ? 'there is no such file' : message;
    throw new InputError(text.startsWith(file) ? text : `${file}: ${text}`, { cause: error });
  }
}

/** The state dict around the tensor `first`, by its own names. */
function unwrap(tensors: ReadonlyMap<string, Tensor>, first: string): Map<string, Tensor> {
  const prefixes = [...tensors.keys()]
    .filter((name) => name.endsWith(first))
    .map((name) => name.slice(0, -first.length));
  const prefix = prefixes.find((each) => wrapping.test(each)) ?? '';
  const inside = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(inside.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}
