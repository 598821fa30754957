/**
 * Routers that decide alike for every input, and why where it can be told. Such a router is dead: its layer computes
 * what a static one would, and stores a bank for it.
 */
import { fromTypedArray, nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import type { ImageDataset, ImageTransform } from '../data/index.js';
import { attend, CondRouter, type Attention, type Router } from '../dynamic/index.js';
import { DecomposedConv2d, isDynamicConvolution, type DynamicConvolutionLayer } from '../layers/index.js';
import { columnMeans, inputShape, pictures, spread, toRows } from './coefficients.js';

export const deadReasons = ['notFinite', 'oneKernel', 'inactive', 'saturated', 'alike'] as const;
export type DeadReason = (typeof deadReasons)[number];

export interface RouterState {
  /** Of the layer. */
  readonly path: string;
  /**
   * The largest over its attentions of √(mean over inputs |a − ā|²) / |ā|, where a is the attention as a vector and ā
   * its mean over inputs; null where that is no number.
   */
  readonly variation: number | null;
  /** Why every input gets the same; null where inputs do not. */
  readonly dead: DeadReason | null;
  /** Experts of a mixture that no token had a gate for, from 0. */
  readonly unusedExperts: readonly number[];
}

export const routerStateSchema = z.strictObject({
  path: z.string(),
  variation: z.number().nullable(),
  dead: z.enum(deadReasons).nullable(),
  unusedExperts: z.array(z.number()).readonly(),
}) satisfies z.ZodType<RouterState>;

/**
 * A router that varies less is dead. The mixture of independent kernels then differs between inputs by less than a
 * thousandth of its size, a quarter of what bfloat16 keeps of a number; routers that learn vary by percents, also at a
 * temperature of 30, and those without an active unit by nothing at all.
 */
export const deadVariation = 1e-3;

/** The share from which on one coefficient has it all. */
const saturation = 0.99;

export interface RouterStateOptions {
  /** As the network was tested. */
  readonly transform?: ImageTransform;
  /** Pictures at even distances in the data. @default 128 */
  readonly numPictures?: number;
}

const batchSize = 32;

/** Of every dynamic convolution that has run, in the order of the network; which runs in evaluation mode. */
export async function routerStates(
  network: nn.Layer,
  dataset: ImageDataset,
  { transform = {}, numPictures = 128 }: RouterStateOptions = {},
): Promise<RouterState[]> {
  const tallies = new Map<nn.Module, RouterTally>();
  for (const [path, module] of network.namedModules())
    if (isDynamicConvolution(module) && usesRouter(module)) tallies.set(module, new RouterTally(path, module));
  if (tallies.size === 0) return [];
  using _mode = nn.evaluationMode(network);
  const chosen = spread([...Array(dataset.length).keys()], numPictures);
  for (let start = 0; start < chosen.length; start += batchSize) {
    const indices = chosen.slice(start, start + batchSize);
    const images = await pictures(dataset, transform, indices);
    const watch = (_path: string, module: nn.Module, input: Tensor): void => tallies.get(module)?.add(input);
    const run = (): Tensor => network.forward(fromTypedArray(images, inputShape(dataset, indices)));
    scope(() => {
      noGrad(() => nn.watchForward(network, watch, run));
    });
  }
  return [...tallies.values()].filter(({ hasRun }) => hasRun).map((tally) => tally.state());
}

/** Of a layer of DCD the router scales the output, whatever Φ is. */
function usesRouter(layer: DynamicConvolutionLayer): boolean {
  return layer instanceof DecomposedConv2d || layer.source.dynamicRatio > 0;
}

type Kind = keyof Attention;
const kinds: readonly Kind[] = ['coefficients', 'spatial', 'channel', 'filter'];

class RouterTally {
  /** [inputs][values] by kind. */
  readonly #rows = new Map<Kind, number[][]>();
  /** Whether a hidden unit has been active; null of a router without. */
  #isActive: boolean | null = null;

  constructor(
    readonly path: string,
    readonly layer: DynamicConvolutionLayer,
  ) {}

  get hasRun(): boolean {
    return this.#rows.size > 0;
  }

  add(input: Tensor): void {
    const router: Router = this.layer.router;
    const attention = attend(router, input);
    for (const kind of kinds) {
      const values = attention[kind];
      if (values) this.#rows.set(kind, [...(this.#rows.get(kind) ?? []), ...toRows(values)]);
    }
    const hidden = router.hiddenUnits?.(input);
    if (hidden) this.#isActive = (this.#isActive ?? false) || Boolean(hidden.gt(0).any().item());
  }

  state(): RouterState {
    const variation = Math.max(...Array.from(this.#rows.values(), variationOf));
    const isFinite = Number.isFinite(variation) && this.hasFiniteWeights();
    return {
      path: this.path,
      variation: Number.isFinite(variation) ? variation : null,
      dead: isFinite ? this.reason(variation) : 'notFinite',
      unusedExperts: [],
    };
  }

  private hasFiniteWeights(): boolean {
    const weights = this.layer.router.parameters();
    return scope(() => weights.every((weight) => ops.isfinite(weight).all().item()));
  }

  private reason(variation: number): DeadReason | null {
    if (variation >= deadVariation) return null;
    const { router } = this.layer;
    if (router.numKernels === 1 && this.#rows.size === 1) return 'oneKernel';
    if (this.#isActive === false) return 'inactive';
    const means = columnMeans(this.#rows.get('coefficients')!);
    const isAtBound = (mean: number): boolean => mean > saturation || mean < 1 - saturation;
    const isSaturated = router.sumsToOne
      ? router.numKernels > 1 && Math.max(...means) > saturation
      : router instanceof CondRouter && means.every(isAtBound);
    return isSaturated ? 'saturated' : 'alike';
  }
}

/** √(mean |a − ā|²) / |ā| of the rows a. */
function variationOf(rows: readonly (readonly number[])[]): number {
  const means = columnMeans(rows);
  const length = Math.hypot(...means);
  const squares = rows.reduce((sum, row) => sum + row.reduce((s, value, at) => s + (value - means[at]!) ** 2, 0), 0);
  return squares === 0 ? 0 : Math.sqrt(squares / rows.length) / length;
}
