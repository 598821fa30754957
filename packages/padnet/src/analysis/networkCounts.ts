/** The numbers of a network besides its training: stored numbers, multiplications, dynamic ratio by layer. */
import type { nn } from '@padnet/torch';
import { z } from 'zod';
import { countMacs, countStored, isDynamicLayer, partitionedShape } from '../layers/index.js';
import { isMasked, type Mask, numEntries } from '../partial/index.js';
import type { SamplePass } from './samplePass.js';

export const layerRatioSchema = z.strictObject({
  /** Such as `layer1.0.conv1`. */
  path: z.string(),
  /** Entries of one bank entry: n. */
  entries: z.number(),
  /** Those that depend on the input: κn. */
  dynamicEntries: z.number(),
  /** The fraction of each filter's (output channel's, output neuron's) entries that depend on the input. */
  filterShares: z.array(z.number()).readonly(),
});

export const networkCountsSchema = z.strictObject({
  stored: z.strictObject({
    parameters: z.number(),
    maskBits: z.number(),
    entries: z.number(),
    dynamicEntries: z.number(),
  }),
  /** Multiply-accumulates of a forward pass. */
  macs: z.number(),
  /** The sample of the pass: `1 picture`, `128 tokens`. */
  sample: z.string(),
  /** In the order of the network. */
  layers: z.array(layerRatioSchema).readonly(),
});

/** One dynamic or partial layer, or one that a partition has made static. */
export type LayerRatio = Readonly<z.infer<typeof layerRatioSchema>>;
export type NetworkCounts = Readonly<z.infer<typeof networkCountsSchema>>;

/** @param pass see `picturePass` and `textPass` */
export function countNetwork(network: nn.Module, pass: SamplePass): NetworkCounts {
  return {
    stored: countStored(network),
    macs: countMacs(network, () => pass.run()).reduce((sum, { macs }) => sum + macs, 0),
    sample: pass.sample,
    layers: layerRatios(network),
  };
}

export function layerRatios(network: nn.Module): LayerRatio[] {
  const layers: LayerRatio[] = [];
  for (const [path, module] of network.namedModules()) {
    const shape = partitionedShape(module);
    if (shape) layers.push({ path, entries: numEntries(shape), dynamicEntries: 0, filterShares: zeros(shape) });
    if (!isDynamicLayer(module)) continue;
    const { source } = module;
    const entries = numEntries(source.shape);
    const mask = isMasked(source) ? source.mask : null;
    const whole = source.kind === 'dynamic' ? 1 : 0;
    layers.push({
      path,
      entries,
      dynamicEntries: mask?.count ?? whole * entries,
      filterShares: mask ? sharesByFilter(mask) : Array<number>(source.shape[0] ?? 0).fill(whole),
    });
  }
  return layers;
}

function zeros([filters = 0]: readonly number[]): number[] {
  return Array<number>(filters).fill(0);
}

/** The fraction of entries of each slice of the first dimension. */
function sharesByFilter(mask: Mask): number[] {
  const [filters = 0] = mask.shape;
  const filterSize = mask.size / filters;
  return Array.from({ length: filters }, (_, filter) => {
    let count = 0;
    for (let entry = 0; entry < filterSize; entry++) if (mask.has(filter * filterSize + entry)) count++;
    return count / filterSize;
  });
}
