/** Networks by name, as recipes and saved models name them. */
import type { nn } from '@padnet/torch';
import { z } from 'zod';
import {
  bankInitialisations,
  convertToDynamic,
  convertToPartial,
  type ConvertOptions,
  type RouterFactory,
} from '../convert/index.js';
import { CondRouter, DcdRouter, KernelAttention, OdAttention } from '../dynamic/index.js';
import { codeReferenceSchema, type CodeOptions } from '../ownCode/index.js';
import { scaleModes } from '../partial/index.js';
import { assertNetworkFits, createStatic } from './createStatic.js';
import { layerKindSchema } from './layerKind.js';
import { loadRouter } from './ownRouter.js';
import { resnetNames, stems } from './resnet.js';

export const modelNames = [...resnetNames, 'mobilenetV2'] as const;

/** Whose dynamic convolution it is: what makes coefficients, and other attentions, of an input (method.md §1). */
export const dynamicConvolutions = ['dyconv', 'condconv', 'odconv', 'dcd'] as const;
export type DynamicConvolution = (typeof dynamicConvolutions)[number];

const modelKeys = z.strictObject({
  name: z.enum(modelNames),
  layer: layerKindSchema.default('static'),
  /** The kind of dynamic and partial layers. */
  convolution: z.enum(dynamicConvolutions).default('dyconv'),
  /**
   * File with a router of one's own for dynamic and partial layers (`loadRouter`), instead of that of `convolution`.
   */
  router: codeReferenceSchema.optional(),
  stem: z.enum(stems).default('imagenet'),
  /** ResNet: channels of the first stage (64 as published). MobileNetV2: the multiplier (1). */
  width: z.number().positive().optional(),
  /** K of dynamic and partial layers, but for dcd. */
  numKernels: z.int().min(1).max(64).default(4),
  /** Default: `copies` of pretrained weights, else `independent`. */
  bankInitialisation: z.enum(bankInitialisations).optional(),
  /** Noise on bank entries that are copies, in standard deviations of the kernel. */
  noise: z.number().min(0).max(1e9).default(0),
  scaleMode: z.enum(scaleModes).default('both'),
  /** File of static weights, or folder of a static network, that training starts from; absent: fresh weights. */
  pretrained: z.string().min(1).optional(),
});

/** The options that make a network; its weights are loaded, or those that training starts from. */
export const modelSchema = modelKeys.superRefine(checkWidth).transform((model) => ({
  ...model,
  bankInitialisation: model.bankInitialisation ?? (model.pretrained === undefined ? 'independent' : 'copies'),
}));
export type ModelOptions = z.infer<typeof modelSchema>;

/** A multiplier may be any number, channels are counted. */
function checkWidth({ name, width }: z.output<typeof modelKeys>, context: z.RefinementCtx): void {
  if (name === 'mobilenetV2' || width === undefined || Number.isInteger(width)) return;
  const message = `expected a whole number for ${name}, the channels of its first stage, got ${width}`;
  context.addIssue({ code: 'custom', path: ['width'], message });
}

/** The part of a network's shape that the data decide. */
export interface ModelShape {
  readonly inChannels: number;
  readonly numClasses: number;
}

/**
 * A network with fresh weights, from the default generator, whatever `pretrained` says.
 *
 * @throws InputError where its weights cannot fit into memory; as `loadRouter`, where the router is one's own
 */
export function createModel(options: ModelOptions, shape: ModelShape, code: CodeOptions = {}): nn.Layer {
  assertNetworkFits(options, shape, 1);
  return convertModel(createStatic(options, shape), options, code);
}

/** A static network as the options say, in place. @throws as `createModel` */
export function convertModel(network: nn.Layer, options: ModelOptions, code: CodeOptions = {}): nn.Layer {
  switch (options.layer) {
    case 'static':
      return network;
    case 'dynamic':
      return convertToDynamic(network, convertOptions(options, code));
    case 'partial':
      return convertToPartial(network, { ...convertOptions(options, code), scaleMode: options.scaleMode });
  }
}

/** How a static network becomes what the options say. @throws as `createModel` */
export function convertOptions(
  { convolution, router, numKernels, bankInitialisation, noise }: ConvolutionOptions,
  code: CodeOptions = {},
): ConvertOptions {
  const factory = router === undefined ? routers[convolution] : loadRouter(router, code).router;
  return { router: factory, numKernels, bankInitialisation, noise };
}

export type ConvolutionOptions = Pick<
  ModelOptions,
  'convolution' | 'router' | 'numKernels' | 'bankInitialisation' | 'noise'
>;

const routers: Readonly<Record<DynamicConvolution, RouterFactory>> = {
  dyconv: ({ inChannels }, numKernels) => new KernelAttention({ inChannels, numKernels }),
  condconv: ({ inChannels }, numKernels) => new CondRouter({ inChannels, numKernels }),
  odconv: (geometry, numKernels) => new OdAttention({ geometry, numKernels }),
  dcd: (geometry) => new DcdRouter({ geometry }),
};
