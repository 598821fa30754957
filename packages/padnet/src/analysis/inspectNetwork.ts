/** A network layer by layer: shapes, kernels, dynamic ratios, stored numbers and multiplications, with their totals. */
import { nn, noGrad, scope } from '@padnet/torch';
import { z } from 'zod';
import { isMasked } from '../partial/index.js';
import { countMacs, countStored, DecomposedConv2d, DynamicConv, isDynamicLayer, MoELinear } from '../layers/index.js';
import { KernelAttention } from '../dynamic/index.js';
import { layerRatios, type LayerRatio } from './networkCounts.js';
import { routerStateSchema, type RouterState } from './routerStates.js';
import type { SamplePass } from './samplePass.js';

const shape = z.array(z.number()).readonly().nullable();

export const inspectRowSchema = z.strictObject({
  path: z.string(),
  /**
   * `Conv2d`, `Linear`, `BatchNorm2d`, …; of a dynamic layer with its source, such as `MoELinear partial`, and its
   * router where that is not DY-Conv's, such as `DynamicConv2d partial OdAttention`.
   */
  kind: z.string(),
  /** For one sample, without the batch; null for a layer that a forward pass does not reach. */
  inputShape: shape,
  outputShape: shape,
  /** Such as `3×3 /2`, `5×5 /1 groups 32`, `3×3 /1 L 16` of DCD; null where there is none. */
  kernel: z.string().nullable(),
  /** Such as `2 of 8` that are computed for a token; null where there are none. */
  experts: z.string().nullable(),
  /** Such as `12 of 64` with entries that depend on the input; null where the layer is not partial. */
  filters: z.string().nullable(),
  /** κ; null where the layer is not dynamic. */
  dynamicRatio: z.number().nullable(),
  /** What the router does on data; null where the layer has none, or nothing was measured. */
  router: routerStateSchema.omit({ path: true }).nullable().default(null),
  /** Trained numbers, router and bias included. */
  parameters: z.number(),
  /** Multiply-accumulates for one sample. */
  macs: z.number(),
});

export const inspectionSchema = z.strictObject({
  /** Every layer with numbers of its own, in the order of the network. */
  rows: z.array(inspectRowSchema).readonly(),
  parameters: z.number(),
  maskBits: z.number(),
  macs: z.number(),
  /** The sample of shapes and multiplications: `1 picture`, `128 tokens`. */
  sample: z.string(),
  /** κ of all dynamic layers together; null where there is none. */
  dynamicRatio: z.number().nullable(),
});

export type InspectRow = Readonly<z.infer<typeof inspectRowSchema>>;
export type Inspection = Readonly<z.infer<typeof inspectionSchema>>;

/**
 * @param pass see `picturePass` and `textPass`
 * @param routers see `routerStates`
 */
export function inspectNetwork(network: nn.Module, pass: SamplePass, routers: readonly RouterState[] = []): Inspection {
  const states = new Map(routers.map(({ path, ...state }) => [path, state]));
  const macs = new Map<string, number>();
  for (const cost of countMacs(network, () => pass.run())) macs.set(cost.path, (macs.get(cost.path) ?? 0) + cost.macs);
  const shapes = forwardShapes(network, pass);
  const ratios = new Map(layerRatios(network).map((ratio) => [ratio.path, ratio]));
  const rows = [...storedByLayer(network)].map(([path, parameters]): InspectRow => {
    const module = network.getModule(path);
    const [inputShape = null, outputShape = null] = shapes.get(path) ?? [];
    const dynamic = isDynamicLayer(module) ? module.source : null;
    return {
      path,
      kind: kindOf(module),
      inputShape,
      outputShape,
      kernel: kernelOf(module),
      experts: module instanceof MoELinear ? `${module.router.k} of ${module.router.numExperts}` : null,
      filters: isMasked(dynamic) ? dynamicFilters(ratios.get(path)!) : null,
      // 0 of a layer that a partition has made static.
      dynamicRatio: dynamic?.dynamicRatio ?? (ratios.has(path) ? 0 : null),
      router: states.get(path) ?? null,
      parameters,
      macs: macs.get(path) ?? 0,
    };
  });
  const { parameters, maskBits, entries, dynamicEntries } = countStored(network);
  return {
    rows,
    parameters,
    maskBits,
    macs: [...macs.values()].reduce((sum, value) => sum + value, 0),
    sample: pass.sample,
    dynamicRatio: entries === 0 ? null : dynamicEntries / entries,
  };
}

/** Layer path → trained numbers; router, source and bias of a dynamic layer belong to it. */
function storedByLayer(network: nn.Module): Map<string, number> {
  const dynamicPaths = Array.from(network.namedModules())
    .filter(([, module]) => isDynamicLayer(module))
    .map(([path]) => path);
  const stored = new Map<string, number>();
  for (const [name, { numel }] of network.namedParameters()) {
    const owner = dynamicPaths.find((path) => path === '' || name.startsWith(`${path}.`));
    const path = owner ?? name.slice(0, Math.max(0, name.lastIndexOf('.')));
    stored.set(path, (stored.get(path) ?? 0) + numel);
  }
  return stored;
}

/** Layer path → shapes of its input and output in its first call, without the batch. */
export function forwardShapes(network: nn.Module, pass: SamplePass): Map<string, [number[], number[]]> {
  const shapes = new Map<string, [number[], number[]]>();
  using _mode = nn.evaluationMode(network);
  scope(() => {
    noGrad(() => {
      nn.watchForward(
        network,
        (path, _module, input, output) => {
          if (!shapes.has(path)) shapes.set(path, [input.shape.slice(1), output.shape.slice(1)]);
        },
        () => pass.run(),
      );
    });
  });
  return shapes;
}

function kindOf(module: nn.Module): string {
  const { name } = module.constructor;
  if (!isDynamicLayer(module)) return name;
  const isPlain = !(module instanceof DynamicConv) || module.router instanceof KernelAttention;
  const kind = isMasked(module.source) ? 'partial' : module.source.kind;
  return `${name} ${kind}${isPlain ? '' : ` ${module.router.constructor.name}`}`;
}

function dynamicFilters({ filterShares }: LayerRatio): string {
  return `${filterShares.filter((share) => share > 0).length} of ${filterShares.length}`;
}

function kernelOf(module: nn.Module): string | null {
  if (module instanceof DecomposedConv2d) return `${kernelText(module.geometry)} L ${module.latentGeometry.inChannels}`;
  return module instanceof DynamicConv || module instanceof nn.Conv ? kernelText(module.geometry) : null;
}

export function kernelText({ kernelSize, stride, dilation, groups }: nn.ConvGeometry): string {
  const text = (sizes: readonly number[]): string => (new Set(sizes).size === 1 ? String(sizes[0]) : sizes.join('×'));
  const parts = [`${kernelSize.join('×')} /${text(stride)}`];
  if (Math.max(...dilation) > 1) parts.push(`dilation ${text(dilation)}`);
  if (groups > 1) parts.push(`groups ${groups}`);
  return parts.join(' ');
}
