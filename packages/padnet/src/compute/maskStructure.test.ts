import { liveTensors, ones, randn, scope, tensor, zeros, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { Mask, PartialSource } from '../partial/index.js';
import { MaskStructureCache, maskStructure } from './maskStructure.js';

describe('maskStructure', () => {
  it('finds whole rows and columns', () => {
    expect(maskStructure(ones([2, 3], { dtype: 'bool' })).kind).toBe('full');
    expect(maskStructure(zeros([2, 3], { dtype: 'bool' })).kind).toBe('empty');
    expect(maskStructure(tensor([[true, false], [true, true]])).kind).toBe('entries'); // prettier-ignore
    const rows = maskStructure(tensor([[true, true], [false, false], [true, true]])); // prettier-ignore
    if (rows.kind !== 'rows') throw new Error(rows.kind);
    expect([rows.dynamic.toArray(), rows.fixed.toArray()]).toEqual([[0, 2], [1]]);
    const columns = maskStructure(tensor([[true, false, false], [true, false, false]])); // prettier-ignore
    if (columns.kind !== 'columns') throw new Error(columns.kind);
    expect([columns.dynamic.toArray(), columns.fixed.toArray()]).toEqual([[0], [1, 2]]);
  });

  it('is computed again when the mask changes, and only then', () => {
    scope(() => {
      const partial = (mask: Tensor): PartialSource =>
        new PartialSource({ bank: randn([2, 2, 2]), staticWeight: randn([2, 2]), mask: Mask.fromTensor(mask) });
      const cache = new MaskStructureCache();
      const source = partial(tensor([[1, 1], [0, 0]])); // prettier-ignore
      const rows = scope(() => cache.of(source));
      expect(rows.kind).toBe('rows');
      expect(cache.of(source)).toBe(rows);
      const other = partial(tensor([[1, 0], [0, 1]])); // prettier-ignore
      source.loadStateDict(other.stateDict());
      const before = liveTensors();
      expect(scope(() => cache.of(source).kind)).toBe('entries');
      expect(liveTensors()).toBeLessThanOrEqual(before - 2); // its rows
    });
  });

  it('is that of another source with as many changes', () => {
    scope(() => {
      const partial = (mask: Mask): PartialSource =>
        new PartialSource({ bank: randn([2, 2, 2]), staticWeight: randn([2, 2]), mask });
      const cache = new MaskStructureCache();
      expect(cache.of(partial(Mask.fromTensor(tensor([[1, 1], [0, 0]])))).kind).toBe('rows'); // prettier-ignore
      expect(cache.of(partial(Mask.fromTensor(tensor([[1, 0], [1, 0]])))).kind).toBe('columns'); // prettier-ignore
    });
  });
});
