/**
 * How a dynamic convolution is computed. All plans give the same numbers; which is fastest depends on shapes and
 * machine.
 */
import {
  dynamicFiltersWork,
  staticWork,
  fusedWork,
  perKernelWork,
  perSampleWork,
  planSeconds,
  staticFiltersWork,
  sumOfWork,
  type ConvolutionWork,
  type Rates,
  type Work,
} from './costModel.js';

/**
 * - `fused`: our own kernels (`native/convolution/`), float32 and float64 on the CPU: each sample's kernel is mixed
 *   tile by tile in cache. Filters that are static as a whole are neither mixed nor read K times.
 * - `perSample`, `perKernel`: compositions of libtorch's operators, see `mixedConv.ts`; they can be differentiated
 *   twice.
 * - `structured`: filters that are static as a whole by one convolution, the dynamic ones by the fastest of the plans
 *   above.
 * - `static`: one convolution, where nothing depends on the sample.
 */
export const convolutionPlans = ['fused', 'perSample', 'perKernel', 'structured', 'static'] as const;
export type ConvolutionPlan = (typeof convolutionPlans)[number];
/** The plans that mix a whole bank. */
export type MixingPlan = 'fused' | 'perSample' | 'perKernel';

export interface PlanCost<P extends ConvolutionPlan = ConvolutionPlan> {
  readonly plan: P;
  readonly seconds: number;
}

/** The facts that decide which plans there are. */
export interface PlanChoices {
  readonly work: ConvolutionWork;
  /** Whether the positions of a mixed kernel are weighed for each sample: it has to be there as a whole then. */
  readonly hasSpatialAttention: boolean;
  /** Whether our own kernels take the tensors. */
  readonly isFusable: boolean;
  /** Whether there is no bank. */
  readonly isStatic: boolean;
  /** Whether every filter is static or dynamic as a whole, and there are both. */
  readonly isStructured: boolean;
}

/** The plans that there are, the fastest first. */
export function planCosts(choices: PlanChoices, rates: Rates): readonly PlanCost[] {
  const { work, isStatic, isStructured, hasSpatialAttention } = choices;
  if (hasSpatialAttention && !isStatic) return fastestFirst(['perSample'], work, 'perSample', rates);
  const plans: ConvolutionPlan[] = isStatic ? [] : mixingPlans(choices);
  if (work.dynamicEntries === 0) plans.push('static');
  if (isStructured && work.geometry.groups === 1) plans.push('structured');
  return fastestFirst(plans, work, dynamicFiltersPlan(choices, rates), rates);
}

/** How a structured plan computes its dynamic filters. */
export function dynamicFiltersPlan(choices: PlanChoices, rates: Rates): MixingPlan {
  const plans = mixingPlans(choices);
  return fastestFirst(plans, dynamicFiltersWork(choices.work), plans[0]!, rates)[0]!.plan;
}

/** @param dynamicFilters how a structured plan computes them */
export function planWork(plan: ConvolutionPlan, work: ConvolutionWork, dynamicFilters: MixingPlan): Work {
  switch (plan) {
    case 'fused':
      return fusedWork(work);
    case 'perSample':
      return perSampleWork(work);
    case 'perKernel':
      return perKernelWork(work);
    case 'static':
      return staticWork(work);
    case 'structured':
      return sumOfWork(staticFiltersWork(work), planWork(dynamicFilters, dynamicFiltersWork(work), dynamicFilters));
    default:
      return plan satisfies never;
  }
}

function mixingPlans({ work, isFusable }: PlanChoices): MixingPlan[] {
  const plans: MixingPlan[] = isFusable ? ['fused', 'perSample'] : ['perSample'];
  const { groups, inChannels } = work.geometry;
  // Depth-wise it would be no depth-wise convolution any more.
  return groups === 1 || groups < inChannels ? [...plans, 'perKernel'] : plans;
}

function fastestFirst<P extends ConvolutionPlan>(
  plans: readonly P[],
  work: ConvolutionWork,
  dynamicFilters: MixingPlan,
  rates: Rates,
): readonly PlanCost<P>[] {
  return plans
    .map((plan) => ({ plan, seconds: planSeconds(planWork(plan, work, dynamicFilters), rates) }))
    .sort((a, b) => a.seconds - b.seconds);
}
