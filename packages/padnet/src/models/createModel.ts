/** Networks by name, as recipes and saved models name them. */
import type { nn } from '@padnet/torch';
import { z } from 'zod';
import { bankInitialisations, convertToDynamic, convertToPartial } from '../convert/index.js';
import { scaleModes } from '../partial/index.js';
import { MobileNetV2 } from './mobilenetV2.js';
import { ResNet, resnetNames, stems } from './resnet.js';

export const modelNames = [...resnetNames, 'mobilenetV2'] as const;

/** What the convolutions are: static, fully dynamic (DY-Conv) or partially dynamic (PAD-Net). */
export const layerKinds = ['static', 'dyconv', 'pad'] as const;
export type LayerKind = (typeof layerKinds)[number];

/** Everything that makes a network but its weights. */
export const modelSchema = z.strictObject({
  name: z.enum(modelNames),
  layer: z.enum(layerKinds).default('static'),
  stem: z.enum(stems).default('imagenet'),
  /** ResNet: channels of the first stage (64 as published). MobileNetV2: the multiplier (1). */
  width: z.number().positive().optional(),
  /** K of dynamic and partial layers. */
  numKernels: z.int().min(1).max(64).default(4),
  bankInitialisation: z.enum(bankInitialisations).default('independent'),
  /** Noise on bank entries that are copies, in standard deviations of the kernel. */
  noise: z.number().min(0).default(0),
  scaleMode: z.enum(scaleModes).default('both'),
});
export type ModelOptions = z.infer<typeof modelSchema>;

/** What the data decide. */
export interface ModelShape {
  readonly inChannels: number;
  readonly numClasses: number;
}

/** A network with fresh weights, from the default generator. */
export function createModel(options: ModelOptions, shape: ModelShape): nn.Layer {
  const network = createStatic(options, shape);
  switch (options.layer) {
    case 'static':
      return network;
    case 'dyconv':
      return convertToDynamic(network, options);
    case 'pad':
      return convertToPartial(network, options);
  }
}

function createStatic({ name, stem, width }: ModelOptions, shape: ModelShape): nn.Layer {
  if (name === 'mobilenetV2') return new MobileNetV2({ ...shape, stem, widthMultiplier: width ?? 1 });
  return new ResNet({ ...shape, name, stem, width: width ?? 64 });
}
