/** How each dynamic layer of a network would be computed, and what each way should cost. */
import type { nn } from '@padnet/torch';
import {
  loadMachineRates,
  thisMachine,
  type ConvolutionPlan,
  type Direction,
  type InstructionSet,
  type ExpertPlan,
} from '../compute/index.js';
import { DecomposedConv2d, DynamicConv, isDynamicLayer, type DynamicLayer } from '../layers/index.js';
import { forwardShapes, kernelText } from './inspectNetwork.js';
import type { SamplePass } from './samplePass.js';

export interface PlanRow {
  readonly path: string;
  /** With the batch. */
  readonly inputShape: readonly number[];
  /** Such as `3×3 /2`; null for a mixture of experts. */
  readonly kernel: string | null;
  /** K: kernels, or experts. */
  readonly numKernels: number;
  /** κ */
  readonly dynamicRatio: number;
  /** Filters without dynamic entries, of all; null for a mixture of experts. */
  readonly staticFilters: readonly [count: number, filters: number] | null;
  readonly plan: ConvolutionPlan | ExpertPlan;
  /** Whether the layer's `plan` says so. */
  readonly isOverridden: boolean;
  /** Predicted for every plan that the layer could take; null for a mixture of experts, which has no model. */
  readonly seconds: Readonly<Partial<Record<ConvolutionPlan, number>>> | null;
}

export interface PlanInspection {
  readonly batch: number;
  readonly direction: Direction;
  /** The sample of the shapes, without the batch: `1 picture`. */
  readonly sample: string;
  readonly rates: {
    readonly instructions: InstructionSet;
    /** null for the defaults. */
    readonly file: string | null;
    /** Why a file was not read. */
    readonly problem: string | null;
  };
  /**
   * Dynamic layers that a forward pass reaches, in the order of the network; not those of DCD, which are computed in
   * one way.
   */
  readonly rows: readonly PlanRow[];
}

export interface InspectPlansOptions {
  readonly batch: number;
  readonly direction: Direction;
}

/** @param pass see `picturePass` and `textPass` */
export function inspectPlans(
  network: nn.Module,
  pass: SamplePass,
  { batch, direction }: InspectPlansOptions,
): PlanInspection {
  const { file, problem } = loadMachineRates();
  const rows: PlanRow[] = [];
  for (const [path, [inputShape]] of forwardShapes(network, pass)) {
    const layer = network.getModule(path);
    if (isDynamicLayer(layer) && !(layer instanceof DecomposedConv2d))
      rows.push(planRow(path, layer, [batch, ...inputShape], direction));
  }
  return { batch, direction, sample: pass.sample, rates: { ...thisMachine(), file, problem }, rows };
}

function planRow(
  path: string,
  layer: Exclude<DynamicLayer, DecomposedConv2d>,
  inputShape: readonly number[],
  direction: Direction,
): PlanRow {
  const { source } = layer;
  const { device, dtype } = source.parameters()[0]!;
  const common = { path, inputShape, dynamicRatio: source.dynamicRatio, isOverridden: layer.plan !== null };
  if (!(layer instanceof DynamicConv)) {
    const plan = layer.planFor({ device, dtype });
    return { ...common, kernel: null, numKernels: layer.router.numExperts, staticFilters: null, plan, seconds: null };
  }
  const input = { shape: inputShape, device, dtype, direction };
  const { costs, work } = layer.planCosts(input);
  return {
    ...common,
    kernel: kernelText(layer.geometry),
    numKernels: layer.router.numKernels,
    staticFilters: [work.staticFilters, layer.geometry.outChannels],
    plan: layer.planFor(input),
    seconds: Object.fromEntries(costs.map(({ plan, seconds }) => [plan, seconds])),
  };
}
