/** The fastest plan of a layer for each input shape: worked out once, by the machine's rates. */
import { isGradEnabled, type nn, type Tensor } from '@padnet/torch';
import { isFusable } from './nativeOperators.js';
import { numEntries, VersionCache, type ParameterSource } from '../partial/index.js';
import {
  dynamicFiltersPlan,
  planCosts,
  type ConvolutionPlan,
  type MixingPlan,
  type PlanChoices,
  type PlanCost,
} from './convolutionPlan.js';
import type { ConvolutionWork } from './costModel.js';
import type { Columns } from './columns.js';
import { structureOf, type FilterStructure } from './filterStructure.js';
import { outputSize } from './outputSize.js';
import type { Direction, PlanRates } from './planRates.js';
import { planRatesInUse } from './planRatesInUse.js';

/** The facts about an input that a plan depends on; a tensor has them. */
export interface InputDescription extends Pick<Tensor, 'device' | 'dtype'> {
  /** [batch, inChannels, …size] */
  readonly shape: readonly number[];
  /** @default training where gradients are recorded */
  readonly direction?: Direction;
}

/** A convolution that is to be computed. */
export interface ConvolutionDescription {
  readonly geometry: nn.ConvGeometry;
  readonly source: ParameterSource;
  /** K */
  readonly numKernels: number;
  /** Whether the positions of a mixed kernel are weighed for each sample. @default false */
  readonly hasSpatialAttention?: boolean;
}

export interface PlanChoice {
  readonly work: ConvolutionWork;
  /** The fastest first. */
  readonly costs: readonly PlanCost[];
  /** The plan of the dynamic filters alone, in a structured plan. */
  readonly dynamicFilters: MixingPlan;
  readonly filters: Columns | null;
}

export class PlanChooser {
  readonly #structure = new VersionCache<FilterStructure>();
  /** By input, for a structure and rates. */
  #choices = new Map<string, PlanChoice>();
  #madeFor: readonly [FilterStructure, PlanRates] | null = null;

  choose(convolution: ConvolutionDescription, input: InputDescription): PlanChoice {
    const { device, dtype, shape, direction = isGradEnabled() ? 'training' : 'inference' } = input;
    const { source } = convolution;
    const madeOf = source.kind === 'partial' ? [source.maskBits] : [];
    const structure = this.#structure.get(madeOf, () => structureOf(source), source.kind);
    const planRates = planRatesInUse();
    if (this.#madeFor?.[0] !== structure || this.#madeFor[1] !== planRates) {
      this.#madeFor = [structure, planRates];
      this.#choices = new Map();
    }
    const key = `${device} ${dtype} ${direction} ${shape.join(' ')}`;
    const known = this.#choices.get(key);
    if (known) return known;
    const choices = planChoices(convolution, structure, input);
    const rates = planRates[direction];
    const choice: PlanChoice = {
      work: choices.work,
      costs: planCosts(choices, rates),
      dynamicFilters: dynamicFiltersPlan(choices, rates),
      filters: structure.filters,
    };
    this.#choices.set(key, choice);
    return choice;
  }
}

/** @throws RangeError where the plan needs what the layer has not */
export function checkPlan(plan: ConvolutionPlan, { costs }: PlanChoice): void {
  if (plan === 'structured' && !costs.some((cost) => cost.plan === plan)) {
    throw new RangeError(
      'plan structured needs filters that are static or dynamic as a whole, some of each, and one group; choose ' +
        'another plan',
    );
  }
  if (plan === 'static' && !costs.some((cost) => cost.plan === plan))
    throw new RangeError('plan static needs a weight without dynamic entries; choose another plan');
}

function planChoices(
  { geometry, source, numKernels, hasSpatialAttention = false }: ConvolutionDescription,
  { dynamicEntries, staticFilters, filters }: FilterStructure,
  { device, dtype, shape }: InputDescription,
): PlanChoices {
  const [batch = 0, , ...size] = shape;
  const isPlanar = geometry.kernelSize.length === 2;
  return {
    work: {
      geometry,
      batch,
      inPositions: numEntries(size),
      positions: numEntries(outputSize(geometry, shape)),
      numKernels,
      dynamicEntries,
      staticFilters,
      isCompact: source.kind === 'partial',
    },
    hasSpatialAttention,
    isFusable: isPlanar && isFusable({ device, dtype }),
    isStatic: source.kind === 'static',
    // Its parts are put together by a gradient of our own, which runs on the CPU alone.
    isStructured: isPlanar && filters !== null && device === 'cpu',
  };
}
