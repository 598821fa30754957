/**
 * Which filters of a convolution are static, or dynamic, as a whole: what need not be mixed, or is a bank of its own.
 */
import { fromTypedArray, scope, type Device, type Tensor } from '@padnet/torch';
import { type Mask, numEntries, type ParameterSource } from '../partial/index.js';

export interface FilterStructure {
  /** d: entries that are mixed. */
  readonly dynamicEntries: number;
  /** Filters without any of them. */
  readonly staticFilters: number;
  /** Where every filter is one or the other as a whole and there are both: their indices, int64, each ascending. */
  readonly filters: { readonly dynamic: Tensor; readonly static: Tensor } | null;
}

/** @param mask of a weight [outChannels, …]; indices are on `device` */
export function filterStructure(mask: Mask, device: Device = 'cpu'): FilterStructure {
  const [outChannels = 0] = mask.shape;
  const filterSize = mask.size / Math.max(1, outChannels);
  const dynamic: bigint[] = [];
  const whollyStatic: bigint[] = [];
  for (let filter = 0; filter < outChannels; filter++) {
    let count = 0;
    for (let entry = 0; entry < filterSize; entry++) if (mask.has(filter * filterSize + entry)) count++;
    if (count === 0) whollyStatic.push(BigInt(filter));
    if (count === filterSize) dynamic.push(BigInt(filter));
  }
  const isWhole = dynamic.length + whollyStatic.length === outChannels && dynamic.length > 0 && whollyStatic.length > 0;
  const tensorOf = (filters: bigint[]): Tensor => scope(() => fromTypedArray(BigInt64Array.from(filters)).to(device));
  return {
    dynamicEntries: mask.count,
    staticFilters: whollyStatic.length,
    filters: isWhole ? { dynamic: tensorOf(dynamic), static: tensorOf(whollyStatic) } : null,
  };
}

export function structureOf(source: ParameterSource): FilterStructure {
  if (source.kind === 'partial') return filterStructure(source.mask, source.maskBits.device);
  const size = numEntries(source.shape);
  // A source that is still searched is mixed whole.
  if (source.kind === 'static') return { dynamicEntries: 0, staticFilters: source.shape[0]!, filters: null };
  return { dynamicEntries: size, staticFilters: 0, filters: null };
}
