/**
 * Makes the convolutions of any network dynamic or partially dynamic, in place. The first convolution stays static, as in the
 * paper. With copies and no noise the output is unchanged: λ_d = 1 at φ = 0 (method.md §2), and coefficients that do not sum to
 * 1, or attentions beside them, start neutral, with the copies divided by what they come to.
 */
import { nn, noGrad, scope, type Tensor } from '@padnet/torch';
import { Bank, KernelAttention, type Router } from '../dynamic/index.js';
import { DynamicConv, dynamicConv } from '../layers/index.js';
import { SearchSource, type ScaleMode } from '../partial/index.js';
import { initialBank, initialBias, type InitialBankOptions } from './initialBank.js';

export interface ConvertOptions extends InitialBankOptions {
  /** K. @default 4 */
  readonly numKernels?: number;
  /** The router of each layer. @default kernel attention (DY-Conv) */
  readonly router?: (geometry: nn.ConvGeometry, numKernels: number) => Router;
  /** Paths of convolutions that stay static. @default the first one */
  readonly keepStatic?: readonly string[];
}

export interface ConvertToPartialOptions extends ConvertOptions {
  /** @default 'both' */
  readonly scaleMode?: ScaleMode;
}

/**
 * Every static convolution becomes a dynamic one.
 *
 * @throws RangeError where a path in `keepStatic` is no convolution, or there is nothing to convert
 */
export function convertToDynamic<N extends nn.Module>(network: N, options: ConvertOptions = {}): N {
  return convertEach(network, options, (conv) => {
    if (conv instanceof DynamicConv) return conv;
    const { router, bank, biasBank } = initialLayer(conv, options);
    return dynamicConv({ geometry: conv.geometry, router, source: new Bank(bank), biasBank });
  });
}

/**
 * Every static or dynamic convolution becomes a partial one that a partition can be searched for, with every entry dynamic
 * until one is applied. The static tensor starts as the static kernel, or as the mean of the bank.
 *
 * @throws as `convertToDynamic`
 */
export function convertToPartial<N extends nn.Module>(network: N, options: ConvertToPartialOptions = {}): N {
  const { scaleMode = 'both' } = options;
  return convertEach(network, options, (conv) => {
    if (conv instanceof nn.Conv) {
      const { router, bank, staticWeight, biasBank } = initialLayer(conv, options);
      const source = new SearchSource({ bank, staticWeight, scaleMode });
      return dynamicConv({ geometry: conv.geometry, router, source, biasBank });
    }
    const { geometry, router, biasBank, source } = conv;
    if (!(source instanceof Bank)) return conv;
    const partial = new SearchSource({
      bank: source.bank,
      staticWeight: noGrad(() => source.bank.mean([0])),
      scaleMode,
    });
    return dynamicConv({ geometry, router, source: partial, biasBank });
  });
}

function convertEach<N extends nn.Module>(
  network: N,
  { keepStatic }: ConvertOptions,
  convert: (conv: nn.Conv | DynamicConv) => DynamicConv,
): N {
  const convolutions = [...network.namedModules()].filter(
    (entry): entry is [string, nn.Conv | DynamicConv] => entry[1] instanceof nn.Conv || entry[1] instanceof DynamicConv,
  );
  const kept = new Set(keepStatic ?? convolutions.slice(0, 1).map(([path]) => path));
  for (const path of kept) {
    if (!convolutions.some(([known]) => known === path))
      throw new RangeError(`keepStatic: no convolution '${path}' in the network`);
  }
  const chosen = convolutions.filter(([path]) => !kept.has(path));
  if (chosen.length === 0)
    throw new RangeError('the network has no convolution to convert besides those that stay static');
  // Of one layer at a time, so that what its weights are made from is not held for all.
  for (const [path, conv] of chosen)
    scope(() => {
      network.replaceModule(path, convert(conv));
    });
  return network;
}

interface InitialLayer {
  readonly router: Router;
  /** Θ [K, …shape] */
  readonly bank: Tensor;
  /** Θ_s […shape] */
  readonly staticWeight: Tensor;
  /** [K, outChannels] */
  readonly biasBank: Tensor | null;
}

/** Equal to a static convolution where its bank starts from copies; else as published. */
function initialLayer({ geometry, weight, bias }: nn.Conv, options: ConvertOptions): InitialLayer {
  const { numKernels = 4, bankInitialisation = 'copies' } = options;
  if (!(Number.isInteger(numKernels) && numKernels >= 1)) {
    throw new RangeError(`numKernels must be a whole number of at least 1, got ${numKernels}`);
  }
  const router: Router =
    options.router?.(geometry, numKernels) ?? new KernelAttention({ inChannels: geometry.inChannels, numKernels });
  const gains = bankInitialisation === 'copies' ? router.neutralise?.() : undefined;
  const { coefficients, spatial, output } = gains ?? { coefficients: 1, spatial: 1, output: 1 };
  const staticWeight = weight.detach().div(output);
  return {
    router,
    bank: initialBank(staticWeight.div(coefficients * spatial), numKernels, options),
    staticWeight,
    biasBank: initialBias(bias?.detach().div(coefficients) ?? null, numKernels),
  };
}
