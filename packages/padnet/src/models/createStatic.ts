/** Static networks by name, and how large they are before they are made. */
import { defaultGenerator, scope, type nn } from '@padnet/torch';
import { assertMemory } from '../memory.js';
import { numEntries } from '../partial/index.js';
import type { ModelOptions, ModelShape } from './createModel.js';
import { MobileNetV2 } from './mobilenetV2.js';
import { ResNet } from './resnet.js';

/** With fresh weights, from the default generator. */
export function createStatic({ name, stem, width = publishedWidth(name) }: StaticOptions, shape: ModelShape): nn.Layer {
  if (name === 'mobilenetV2') return new MobileNetV2({ ...shape, stem, widthMultiplier: width });
  return new ResNet({ ...shape, name, stem, width });
}

type StaticOptions = Pick<ModelOptions, 'name' | 'stem' | 'width'>;

/** As published: channels of a ResNet's first stage, MobileNetV2's multiplier. */
export function publishedWidth(name: ModelOptions['name']): number {
  return name === 'mobilenetV2' ? 1 : 64;
}

/** Below that many times the weights of a published network nothing is counted: it fits wherever libtorch does. */
const unquestioned = 8;

/**
 * Refuses a network whose weights cannot fit into memory.
 *
 * @param copies how often its weights are held: with gradients and the optimizer's state more than once
 * @throws InputError naming the key that makes it large
 */
export function assertNetworkFits(options: ModelOptions, shape: ModelShape, copies: number): void {
  const { name, layer, convolution, numKernels, width } = options;
  const published = publishedWidth(name);
  const byWidth = ((width ?? published) / published) ** 2;
  const byKernels = layer === 'static' || convolution === 'dcd' ? 1 : numKernels + (layer === 'partial' ? 1 : 0);
  if (byWidth * byKernels * copies <= unquestioned) return;
  const numbers = byKernels * countStatic(options, shape);
  const key =
    byWidth >= byKernels
      ? `model.width: ${name} of width ${width ?? published}`
      : `model.numKernels: ${name} with ${numKernels} kernels`;
  const held = copies === 1 ? 'which take' : 'which take with their gradients and the state of the optimizer';
  assertMemory(
    4 * copies * numbers,
    `${key} has about ${numbers.toPrecision(2)} numbers, ${held}`,
    'choose a smaller one',
  );
}

/** Numbers of the static network, about: those of a narrow one, which grow with the square of the width. */
function countStatic({ name, stem, width = publishedWidth(name) }: StaticOptions, shape: ModelShape): number {
  // A narrower MobileNetV2 is no measure: channels are multiples of 8.
  const narrow = Math.min(width, name === 'mobilenetV2' ? 1 : 16);
  const counted = scope(() => {
    const random = defaultGenerator.getState(); // the wide network is to start as if nothing had been counted
    const network = createStatic({ name, stem, width: narrow }, { ...shape, numClasses: 1 });
    defaultGenerator.setState(random);
    return Array.from(network.parameters(), (parameter) => numEntries(parameter.shape)).reduce((a, b) => a + b, 0);
  });
  return counted * (width / narrow) ** 2;
}
