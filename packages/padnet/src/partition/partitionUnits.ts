/**
 * The units of the partial layers that are searched, at a granularity. A unit's saliency is the sum of its entries',
 * taken before the absolute value (method.md §3).
 */
import type { nn, Tensor } from '@padnet/torch';
import { InputError } from '../errors.js';
import { FeedForward } from '../layers/index.js';
import { Mask, numEntries } from '../partial/index.js';
import { BLOCK_SIZE, type Granularity, type UnitSum } from './granularity.js';
import { searchLayers } from './partition.js';
import { blocks, columns, runs, type UnitLayout } from './unitLayout.js';

/** Units that share one threshold in scope `local`: those of one layer, or of the two layers that neurons span. */
export interface UnitGroup {
  /** The part that each unit has of each layer. */
  readonly parts: readonly UnitPart[];
  /** Entries of a unit, all parts together; by unit where they differ. */
  readonly unitSize: number | Int32Array;
}

export interface UnitPart {
  readonly path: string;
  readonly layout: UnitLayout;
}

/** @throws InputError naming a layer that the granularity does not fit */
export function partitionUnits(network: nn.Module, granularity: Granularity): UnitGroup[] {
  if (granularity === 'neuron') return neurons(network);
  return Array.from(searchLayers(network), ([path, { shape }]) => {
    const layout = layoutOf(shape, granularity);
    if (!layout) throw misfit(granularity, path, shape);
    return { parts: [{ path, layout }], unitSize: layout.unitSize };
  });
}

/** Signed scores of the entries by layer → the sum of each unit [units], of absolute values where asked for. */
export function sumUnits(
  { parts }: UnitGroup,
  entryScores: ReadonlyMap<string, Tensor>,
  unitSum: UnitSum = 'signed',
): Tensor {
  return parts
    .map(({ path, layout }) => {
      const scores = entryScores.get(path)!;
      return layout.sum(unitSum === 'absolute' ? scores.abs() : scores);
    })
    .reduce((sum, part) => sum.add(part));
}

/** @param selected bool [units]: true stays dynamic */
export function unitMasks({ parts }: UnitGroup, selected: Tensor): [path: string, mask: Mask][] {
  return parts.map(({ path, layout }) => [path, Mask.fromTensor(layout.spread(selected))]);
}

function layoutOf(shape: readonly number[], granularity: Exclude<Granularity, 'neuron'>): UnitLayout | null {
  const isLinear = shape.length === 2;
  switch (granularity) {
    case 'entry':
      return runs(shape, 1);
    case 'kernel':
      return isLinear ? null : runs(shape, numEntries(shape.slice(2)));
    case 'filter':
      return runs(shape, numEntries(shape.slice(1)));
    case 'block':
      return isLinear ? blocks(shape, BLOCK_SIZE) : null;
  }
}

function neurons(network: nn.Module): UnitGroup[] {
  const layers = searchLayers(network);
  const groups: UnitGroup[] = [];
  for (const [path, module] of network.namedModules()) {
    if (!(module instanceof FeedForward)) continue;
    const parts = (['intermediate', 'output'] as const).flatMap((name) => {
      const layerPath = path === '' ? name : `${path}.${name}`;
      const shape = layers.get(layerPath)?.shape;
      if (!shape) return [];
      layers.delete(layerPath);
      const layout = name === 'intermediate' ? runs(shape, numEntries(shape.slice(1))) : columns(shape);
      return [{ path: layerPath, layout }];
    });
    if (parts.length > 0) groups.push({ parts, unitSize: parts.reduce((sum, { layout }) => sum + layout.unitSize, 0) });
  }
  for (const [path, { shape }] of layers) throw misfit('neuron', path, shape);
  return groups;
}

function misfit(granularity: Granularity, path: string, shape: readonly number[]): InputError {
  const isLinear = shape.length === 2;
  const kind = isLinear ? 'linear layer' : 'convolution';
  const others = isLinear ? ['entry', 'filter', 'neuron', 'block'] : ['entry', 'kernel', 'filter'];
  const known = others.filter((name) => name !== granularity).join(', ');
  return new InputError(
    `granularity ${granularity} does not fit the ${kind} ${path} [${shape.join(', ')}]; what fits: ${known}`,
  );
}
