/**
 * Makes the convolutions of any network dynamic or partially dynamic, in place. The first convolution stays static, as
 * in the paper. With copies and no noise the output is unchanged: λ_d = 1 at φ = 0 (method.md §2), and coefficients
 * that do not sum to 1, or attentions beside them, start neutral, with the copies divided by what they come to. A
 * router of DCD makes the layer one of DCD around the static convolution.
 */
import { nn, noGrad, scope, zeros, type Tensor } from '@padnet/torch';
import { Bank, DcdRouter, type InitialGains, KernelAttention, latentChannels, type Router } from '../dynamic/index.js';
import { DecomposedConv2d, dynamicConv, isDynamicConvolution, type DynamicConvolutionLayer } from '../layers/index.js';
import { SearchSource, type ScaleMode, type ParameterSource } from '../partial/index.js';
import { initialBank, initialBias, type InitialBankOptions } from './initialBank.js';
import { initialDivisors, startsByGains } from './initialDivisors.js';
import { measuredGains } from './measuredGains.js';
import { wholeBank } from './wholeBank.js';

/** Makes the router of a layer. */
export type RouterFactory = (geometry: nn.ConvGeometry, numKernels: number) => Router;

export interface ConvertOptions extends InitialBankOptions {
  /** K. @default 4 */
  readonly numKernels?: number;
  /** The router of each layer, which decides whose dynamic convolution it is. @default kernel attention (DY-Conv) */
  readonly router?: RouterFactory;
  /** Paths of convolutions that stay static. @default the first one */
  readonly keepStatic?: readonly string[];
}

export interface ConvertToPartialOptions extends ConvertOptions {
  /** @default 'both' */
  readonly scaleMode?: ScaleMode;
}

/**
 * Every static or partial convolution becomes a dynamic one, a partial one with the same output (see `wholeBank`). An
 * optimizer that was made before has to be made anew: it holds the parameters of layers that the network no longer has.
 *
 * @throws RangeError where a path in `keepStatic` is no convolution, there is nothing to convert, or a partial
 *   convolution cannot be a dynamic one; then nothing was changed
 */
export function convertToDynamic<N extends nn.Module>(network: N, options: ConvertOptions = {}): N {
  return convertEach(network, options, {
    sourceOf: ({ bank }) => new Bank(bank),
    replace: (layer, path) => wholeBank(layer, path),
  });
}

/**
 * Every static or dynamic convolution becomes a partial one that a partition can be searched for, with every entry
 * dynamic until one is applied. The static tensor starts as the static kernel, or as the mean of the bank. An optimizer
 * is made afterwards, as of `convertToDynamic`, and once more after `applyPartition`.
 *
 * @throws as `convertToDynamic`
 */
export function convertToPartial<N extends nn.Module>(network: N, options: ConvertToPartialOptions = {}): N {
  const { scaleMode = 'both' } = options;
  return convertEach(network, options, {
    sourceOf: ({ bank, staticWeight }) => new SearchSource({ bank, staticWeight, scaleMode }),
    replace: ({ source }) =>
      source.kind === 'dynamic'
        ? new SearchSource({ bank: source.bank, staticWeight: noGrad(() => source.bank.mean([0])), scaleMode })
        : null,
  });
}

interface SourceMakers {
  /** The source of a static convolution that becomes one that mixes kernels. */
  readonly sourceOf: (initial: InitialLayer) => ParameterSource;
  /** The new source of a layer that was not static, or has just been made dynamic by DCD; null: its own stays. */
  readonly replace: (layer: DynamicConvolutionLayer, path: string) => ParameterSource | null;
}

function convertEach<N extends nn.Module>(network: N, options: ConvertOptions, { sourceOf, replace }: SourceMakers): N {
  const convolutions = [...network.namedModules()].filter(
    (entry): entry is [string, nn.Conv | DynamicConvolutionLayer] =>
      entry[1] instanceof nn.Conv || isDynamicConvolution(entry[1]),
  );
  const ofStatic = (conv: nn.Conv, path: string): DynamicConvolutionLayer => {
    const router = initialRouter(conv, options);
    if (router instanceof DcdRouter) return decompose(conv, path, router, options);
    const initial = initialLayer(conv, router, options);
    const { biasBank, initialGains } = initial;
    return dynamicConv({
      geometry: conv.geometry,
      router,
      source: sourceOf(initial),
      biasBank,
      ...(initialGains && { initialGains }),
    });
  };
  const kept = new Set(options.keepStatic ?? convolutions.slice(0, 1).map(([path]) => path));
  for (const path of kept) {
    if (!convolutions.some(([known]) => known === path))
      throw new RangeError(`keepStatic: the network has no convolution '${path}'`);
  }
  const chosen = convolutions.filter(([path]) => !kept.has(path));
  if (chosen.length === 0)
    throw new RangeError('the network has no convolution to convert besides those that stay static');
  // Each in a scope, so that what its weights are made from is not held for all; and all before the first change, so
  // that a network that can't be converted stays as it is.
  const converted = chosen.map(([path, conv]) => {
    const layer = conv instanceof nn.Conv ? scope(() => ofStatic(conv, path)) : conv;
    return [path, layer, scope(() => replace(layer, path))] as const;
  });
  for (const [path, layer, source] of converted) {
    network.replaceModule(path, layer);
    if (source) layer.setChild('source', source);
  }
  return network;
}

function initialRouter({ geometry }: nn.Conv, { numKernels = 4, router }: ConvertOptions): Router {
  if (!(Number.isInteger(numKernels) && numKernels >= 1)) {
    throw new RangeError(`numKernels must be a whole number of at least 1, got ${numKernels}`);
  }
  return router?.(geometry, numKernels) ?? new KernelAttention({ inChannels: geometry.inChannels, numKernels });
}

interface InitialLayer {
  /** Θ [K, …shape] */
  readonly bank: Tensor;
  /** Θ_s […shape] */
  readonly staticWeight: Tensor;
  /** [K, outChannels] */
  readonly biasBank: Tensor | null;
  /** Null: not known. */
  readonly initialGains: InitialGains | null;
}

/** Equal to a static convolution where its bank starts from copies, else with a kernel of its spread. */
function initialLayer({ weight, bias, geometry }: nn.Conv, router: Router, options: ConvertOptions): InitialLayer {
  const { numKernels } = router;
  const neutral = options.bankInitialisation === 'independent' ? undefined : router.neutralise?.();
  const initialGains = router.initialGains ?? gainsOf(router, geometry, options);
  const divisors = initialDivisors(options, neutral, initialGains);
  const staticWeight = weight.detach().div(divisors.output);
  return {
    bank: initialBank(staticWeight.div(divisors.bank), numKernels, options),
    staticWeight,
    biasBank: initialBias(bias?.detach().div(divisors.bias) ?? null, numKernels),
    initialGains,
  };
}

/** Null where a router takes no input of our choice, and its layer does not start by what it would show. */
function gainsOf(router: Router, geometry: nn.ConvGeometry, options: ConvertOptions): InitialGains | null {
  try {
    return measuredGains(router, geometry);
  } catch (error) {
    if (startsByGains(options)) throw error;
    return null;
  }
}

/**
 * DCD around a static convolution. P starts at 0, so that the kernel is the static one with its channels scaled, and
 * where nothing is to change, the scale at 1. Training moves both from the first step, P by the gradient that z +
 * BN(Φ(x) · z) gives it, and all that lies before them from the second. Noise is the share of P's usual start, which it
 * has with `perKernel`.
 */
function decompose(
  conv: nn.Conv,
  path: string,
  router: DcdRouter,
  { bankInitialisation = 'copies', bankSpread = 'effective', noise = 0 }: ConvertOptions,
): DecomposedConv2d {
  if (!(conv instanceof nn.Conv2d))
    throw new RangeError(`DCD is for two dimensions; '${path}' is a ${conv.constructor.name}: name it in keepStatic`);
  const { geometry, weight, bias } = conv;
  const latent = latentChannels(geometry);
  const { numKernels } = router;
  // As the linear layer starts that it is.
  const bank = nn.init.defaultUniform_(zeros([numKernels, latent, latent, 1, 1]), numKernels);
  const layer = new DecomposedConv2d({
    geometry,
    router,
    source: new Bank(bank),
    weight: weight.detach(),
    bias: bias?.detach() ?? null,
  });
  const isFresh = bankInitialisation === 'independent';
  if (!isFresh) router.neutralise();
  if (!isFresh || bankSpread === 'effective') noGrad(() => layer.p.mul_(noise));
  return layer;
}
