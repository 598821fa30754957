import { nn, ops, randn, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convertToPartial, convertToPartialMoE, moePositions } from '../convert/index.js';
import { InputError } from '../errors.js';
import { pretrainedStack } from '../layers/feedForwardStack.test.fixture.js';
import { overallDynamicRatio, partialLayers } from './partition.js';
import { partitionUnits, sumUnits, unitMasks } from './partitionUnits.js';
import { partitionScopes, selectDynamic } from './selectDynamic.js';

const linearGranularities = ['entry', 'filter', 'neuron', 'block'] as const;

function entryScores(network: nn.Module): Map<string, Tensor> {
  return new Map(Array.from(partialLayers(network), ([path, { shape }]) => [path, randn(shape, { dtype: 'float64' })]));
}

const convolutions = (): nn.Module =>
  convertToPartial(
    new nn.Sequential(
      new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 1 }),
      new nn.Conv2d({ inChannels: 2, outChannels: 2, kernelSize: 2 }),
    ),
  );

describe('the units of convolutions', () => {
  it('are entries, kernels or filters, summed before the absolute value', () => {
    const scores = new Map([['1', ops.arange(16, {}).sub(7.5).reshape([2, 2, 2, 2])]]); // −7.5 … 7.5
    const unitScoresAt = (granularity: 'entry' | 'kernel' | 'filter'): number[] =>
      partitionUnits(convolutions(), granularity).flatMap((group) => sumUnits(group, scores).abs().toArray());
    expect(unitScoresAt('entry')).toEqual([
      7.5, 6.5, 5.5, 4.5, 3.5, 2.5, 1.5, 0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5,
    ]);
    expect(unitScoresAt('kernel')).toEqual([24, 8, 8, 24]);
    expect(unitScoresAt('filter')).toEqual([32, 32]);
  });

  it('are summed after the absolute value where asked for, so that entries of unlike signs do not cancel', () => {
    const scores = new Map([['1', ops.arange(16, {}).sub(3.5).reshape([2, 2, 2, 2])]]); // −3.5 … 12.5
    const [filters] = partitionUnits(convolutions(), 'filter');
    expect(sumUnits(filters!, scores).abs().toArray()).toEqual([0, 64]);
    expect(sumUnits(filters!, scores, 'signed').abs().toArray()).toEqual([0, 64]);
    expect(sumUnits(filters!, scores, 'absolute').toArray()).toEqual([16, 64]);
  });
});

describe('the units of feed-forward blocks', () => {
  it('at granularity neuron span both weights, or the one that is partial', () => {
    const shape = { depth: 1, hiddenSize: 2, intermediateSize: 3 };
    const scores = new Map([
      ['layers.0.intermediate', tensor([[1, -2], [3, 4], [-5, 1]])], // prettier-ignore
      ['layers.0.output', tensor([[1, -1, 2], [0, -9, 1]])], // prettier-ignore
    ]);
    const found = moePositions.map((position) => {
      const groups = partitionUnits(convertToPartialMoE(pretrainedStack(shape), { position }), 'neuron');
      return groups.map((group) => ({
        paths: group.parts.map(({ path }) => path),
        unitSize: group.unitSize,
        scores: sumUnits(group, scores).abs().toArray(),
        masks: unitMasks(group, tensor([1, 0, 1]).to('bool')).map(([, mask]) => mask.toTensor().toArray()),
      }));
    });
    const rows = [1, 1, 0, 0, 1, 1];
    const columns = [1, 0, 1, 1, 0, 1];
    expect(found).toEqual([
      [{ paths: ['layers.0.intermediate'], unitSize: 2, scores: [1, 7, 4], masks: [rows] }],
      [{ paths: ['layers.0.output'], unitSize: 2, scores: [1, 10, 3], masks: [columns] }],
      [
        {
          paths: ['layers.0.intermediate', 'layers.0.output'],
          unitSize: 4,
          scores: [0, 3, 1],
          masks: [rows, columns],
        },
      ],
    ]);
  });

  it('of a block that has the whole network to itself are found too', () => {
    const block = convertToPartialMoE(pretrainedStack()).layers.items[0]!;
    expect(partitionUnits(block, 'neuron')[0]!.parts.map(({ path }) => path)).toEqual(['intermediate', 'output']);
  });

  it.each(linearGranularities.flatMap((name) => partitionScopes.map((scopeName) => [name, scopeName] as const)))(
    'keep κ within one unit and are dynamic or static as a whole: %s, %s',
    (granularity, partitionScope) => {
      // No size is a multiple of the block's; layers differ in which positions are partial.
      const network = convertToPartialMoE(
        convertToPartialMoE(pretrainedStack({ depth: 2, hiddenSize: 21, intermediateSize: 37 }), {
          numExperts: 2,
          layers: [0],
        }),
        { numExperts: 2, layers: [1], position: 'output' },
      );
      const groups = partitionUnits(network, granularity);
      const sizes = new Map(Array.from(partialLayers(network), ([path, { shape }]) => [path, shape]));
      fc.assert(
        fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (ratio) => {
          scope(() => {
            const scores = entryScores(network);
            const selected = selectDynamic(
              groups.map((group) => ({ scores: sumUnits(group, scores).abs(), unitSize: group.unitSize })),
              ratio,
              partitionScope,
            );
            const byGroup = groups.map((group, index) => unitMasks(group, selected[index]!));
            const masks = byGroup.flat().map(([, mask]) => mask);
            expect(new Map(byGroup.flat().map(([path, mask]) => [path, mask.shape]))).toEqual(sizes);

            const largest = (index: number): number => {
              const { unitSize } = groups[index]!;
              return typeof unitSize === 'number' ? unitSize : Math.max(...unitSize);
            };
            const withinOneUnit = (dynamic: number, entries: number, unit: number): void => {
              expect(dynamic).toBeGreaterThanOrEqual(ratio * entries - 1e-6);
              expect(dynamic).toBeLessThan(ratio * entries + unit + 1e-6);
            };
            if (partitionScope === 'global') {
              const entries = masks.reduce((sum, { size }) => sum + size, 0);
              withinOneUnit(
                overallDynamicRatio(masks) * entries,
                entries,
                Math.max(...groups.map((_, index) => largest(index))),
              );
            } else {
              for (const [index, parts] of byGroup.entries()) {
                const entries = parts.reduce((sum, [, mask]) => sum + mask.size, 0);
                const dynamic = parts.reduce((sum, [, mask]) => sum + mask.count, 0);
                withinOneUnit(dynamic, entries, largest(index));
              }
            }

            // A unit's entries are all like the unit: scores of the mask itself count its dynamic entries.
            for (const [index, group] of groups.entries()) {
              const asScores = new Map(byGroup[index]!.map(([path, mask]) => [path, mask.toTensor().to('float64')]));
              const dynamicEntries = sumUnits(group, asScores).abs();
              const { unitSize } = group;
              const entries = tensor(typeof unitSize === 'number' ? [unitSize] : [...unitSize], { dtype: 'float64' });
              expectClose(dynamicEntries, selected[index]!.to('float64').mul(entries), { atol: 1e-12 });
            }
          });
        }),
        { numRuns: 12 },
      );
    },
  );
});

describe('a granularity that does not fit', () => {
  it.each([
    [
      'neuron',
      convolutions,
      'granularity neuron does not fit the convolution 1 [2, 2, 2, 2]; what fits: entry, kernel, filter',
    ],
    [
      'block',
      convolutions,
      'granularity block does not fit the convolution 1 [2, 2, 2, 2]; what fits: entry, kernel, filter',
    ],
    [
      'kernel',
      (): nn.Module => convertToPartialMoE(pretrainedStack(), { layers: [1] }),
      'granularity kernel does not fit the linear layer layers.1.intermediate [10, 6]; what fits: entry, filter, ' +
        'neuron, block',
    ],
    [
      'neuron',
      (): nn.Module =>
        new nn.Sequential(convertToPartialMoE(pretrainedStack()).getModule('layers.0.output') as unknown as nn.Layer),
      'granularity neuron does not fit the linear layer 0 [6, 10]; what fits: entry, filter, block',
    ],
  ] as const)('%s: one clear error', (granularity, network, message) => {
    expect(() => partitionUnits(network(), granularity)).toThrow(message);
    expect(() => partitionUnits(network(), granularity)).toThrow(InputError);
  });
});
