/**
 * Every network for pictures that can be named, and what it stores and executes in each form, counted on the network
 * itself.
 */
import { arange, scope, type nn } from '@padnet/torch';
import { convertToDynamic } from '../convert/index.js';
import { countMacs, countStored, isDynamicLayer } from '../layers/index.js';
import { Mask, numEntries, PartialSource } from '../partial/index.js';
import { createModel, modelSchema, type ModelOptions } from './createModel.js';
import type { LayerKind } from './layerKind.js';
import { resnetNames } from './resnet.js';

export interface RegisteredNetwork {
  readonly name: ModelOptions['name'];
  /** ResNet: channels of the first stage; MobileNetV2: the multiplier. */
  readonly width: number;
}

/** At the widths that were published. */
export const registeredNetworks: readonly RegisteredNetwork[] = [
  ...resnetNames.map((name) => ({ name, width: 64 })),
  ...[0.5, 0.75, 1].map((width) => ({ name: 'mobilenetV2' as const, width })),
];

export interface FormCounts {
  /** Trained numbers that are stored. */
  readonly parameters: number;
  /** Bits of the masks. */
  readonly maskBits: number;
  /** Multiply-accumulates of one picture of 3×224×224. */
  readonly macs: number;
}

/** K and κ of what `countForms` counts. */
export const registryForms = { numKernels: 4, ratio: 0.3 } as const;

/** For ImageNet: 3 channels, 224², 1000 classes; dynamic by DY-Conv, partial with κ of each layer's entries dynamic. */
export function countForms({ name, width }: RegisteredNetwork): Readonly<Record<LayerKind, FormCounts>> {
  return scope(() => {
    const network = createModel(modelSchema.parse({ name, width }), { inChannels: 3, numClasses: 1000 });
    const layers = countMacs(network, [1, 3, 224, 224]);
    // Every form has the shapes of the static one: one forward pass is enough.
    const count = (): FormCounts => {
      const { parameters, maskBits } = countStored(network);
      const macs = layers.reduce((sum, { path, inputShape, macs: ofStatic }) => {
        const layer = network.getModule(path);
        return sum + (isDynamicLayer(layer) ? layer.countMacs(inputShape) : ofStatic);
      }, 0);
      return { parameters, maskBits, macs };
    };
    const ofStatic = count();
    convertToDynamic(network, { numKernels: registryForms.numKernels });
    const ofDynamic = count();
    makePartial(network);
    return { static: ofStatic, dynamic: ofDynamic, partial: count() };
  });
}

/** The first entries of each layer stay dynamic: how many they are counts here, not which. */
function makePartial(network: nn.Module): void {
  const { numKernels, ratio } = registryForms;
  for (const [path, layer] of [...network.namedModules()]) {
    if (!isDynamicLayer(layer)) continue;
    const { shape } = layer.source;
    const entries = numEntries(shape);
    const isDynamic = arange(0, entries).lt(Math.round(ratio * entries));
    const mask = Mask.fromTensor(isDynamic.reshape(shape));
    network.replaceModule(`${path}.source`, PartialSource.empty({ numKernels, mask }));
  }
}
