import { ones, scope, tensor, zeros, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { Bank, StaticSource } from '../dynamic/index.js';
import { Mask, SearchSource } from '../partial/index.js';
import { filterStructure, structureOf } from './filterStructure.js';

const shape = [4, 1, 1, 3];

/** @param rows of 4 filters of 3 entries */
function maskOf(...rows: number[][]): Mask {
  return Mask.fromTensor(tensor(rows).reshape(shape));
}

const byFilter = maskOf([1, 1, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1]);
const byEntry = maskOf([1, 1, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]);

describe('filterStructure', () => {
  it('finds the filters that are static or dynamic as a whole', () => {
    const { dynamicEntries, staticFilters, filters } = filterStructure(byFilter);
    expect([dynamicEntries, staticFilters]).toEqual([6, 2]);
    expect([filters!.dynamic.toArray(), filters!.static.toArray()]).toEqual([
      [0, 3],
      [1, 2],
    ]);
    expect(filters!.dynamic.dtype).toBe('int64');
  });

  it('has no sets of filters where one is mixed, or all are alike', () => {
    expect(filterStructure(byEntry)).toEqual({ dynamicEntries: 7, staticFilters: 1, filters: null });
    expect(filterStructure(Mask.full(shape))).toEqual({ dynamicEntries: 12, staticFilters: 0, filters: null });
    expect(filterStructure(Mask.empty(shape))).toEqual({ dynamicEntries: 0, staticFilters: 4, filters: null });
  });

  it('is known of sources without a mask of their own', () => {
    scope(() => {
      const [bank, staticWeight]: [Tensor, Tensor] = [ones([2, ...shape]), zeros(shape)];
      expect(structureOf(new StaticSource(staticWeight))).toEqual({
        dynamicEntries: 0,
        staticFilters: 4,
        filters: null,
      });
      const whole = { dynamicEntries: 12, staticFilters: 0, filters: null };
      expect(structureOf(new Bank(bank))).toEqual(whole);
      expect(structureOf(new SearchSource({ bank, staticWeight }))).toEqual(whole);
    });
  });
});
