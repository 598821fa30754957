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
import {
  CondRouter,
  DcdRouter,
  KernelAttention,
  kernelAttentionWidth,
  OdAttention,
  odAttentionWidth,
  routerStarts,
} from '../dynamic/index.js';
import { codeReferenceSchema, type CodeOptions } from '../ownCode/index.js';
import { scaleModes } from '../partial/index.js';
import { assertNetworkFits, createStatic } from './createStatic.js';
import { initialScaleSchema, scaleKernels } from './initialScale.js';
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
  /**
   * Hidden width of the routers of dyconv and odconv: as published, at least so many, or at least `quarter`: a quarter
   * of the input channels and 1.
   */
  routerWidth: z.union([z.enum(['published', 'quarter']), z.int().min(1).max(4096)]).default('published'),
  /** Signs of the weights of the hidden layer of the routers of dyconv, see `KernelAttentionOptions.start`. */
  routerStart: z.enum(routerStarts).default('published'),
  stem: z.enum(stems).default('imagenet'),
  /** ResNet: channels of the first stage (64 as published). MobileNetV2: the multiplier (1). */
  width: z.number().positive().optional(),
  /** K of dynamic and partial layers, but for dcd. */
  numKernels: z.int().min(1).max(64).default(4),
  /** Default: `copies` of pretrained weights, else `independent`. */
  bankInitialisation: z.enum(bankInitialisations).optional(),
  /** Of fresh weights. */
  initialScale: initialScaleSchema.default(1),
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

/** Whether kernels of a bank are drawn, independently of each other. */
export function hasFreshBank({
  layer,
  bankInitialisation,
}: Pick<ModelOptions, 'layer' | 'bankInitialisation'>): boolean {
  return layer !== 'static' && bankInitialisation === 'independent';
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
  const network = createStatic(options, shape);
  scaleKernels(network, options.initialScale);
  return convertModel(network, options, code);
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
export function convertOptions(options: ConvolutionOptions, code: CodeOptions = {}): ConvertOptions {
  const { convolution, router, numKernels, bankInitialisation, initialScale, noise } = options;
  const factory = router === undefined ? routersOf(options)[convolution] : loadRouter(router, code).router;
  const bankSpread = initialScale === 'perKernel' ? 'perKernel' : 'effective';
  return { router: factory, numKernels, bankInitialisation, bankSpread, noise };
}

export type ConvolutionOptions = Pick<
  ModelOptions,
  | 'convolution'
  | 'router'
  | 'routerWidth'
  | 'routerStart'
  | 'numKernels'
  | 'bankInitialisation'
  | 'initialScale'
  | 'noise'
>;

function routersOf({
  routerWidth,
  routerStart: start,
}: ConvolutionOptions): Readonly<Record<DynamicConvolution, RouterFactory>> {
  const width = (inChannels: number, published: number): number => {
    if (routerWidth === 'published') return published;
    return Math.max(published, routerWidth === 'quarter' ? Math.floor(inChannels / 4) + 1 : routerWidth);
  };
  return {
    dyconv: ({ inChannels }, numKernels) => {
      const hiddenChannels = width(inChannels, kernelAttentionWidth(inChannels));
      return new KernelAttention({ inChannels, numKernels, hiddenChannels, start });
    },
    condconv: ({ inChannels }, numKernels) => new CondRouter({ inChannels, numKernels }),
    odconv: (geometry, numKernels) => {
      const { inChannels } = geometry;
      const hiddenChannels = width(inChannels, odAttentionWidth(inChannels));
      return new OdAttention({ geometry, numKernels, hiddenChannels });
    },
    dcd: (geometry) => new DcdRouter({ geometry }),
  };
}
