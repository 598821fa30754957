import { ones, tensor, zeros } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { maskStructure } from './maskStructure.js';

describe('maskStructure', () => {
  it('finds whole rows and columns', () => {
    expect(maskStructure(ones([2, 3], { dtype: 'bool' })).kind).toBe('full');
    expect(maskStructure(zeros([2, 3], { dtype: 'bool' })).kind).toBe('empty');
    expect(maskStructure(tensor([[true, false], [true, true]])).kind).toBe('entries'); // prettier-ignore
    const rows = maskStructure(tensor([[true, true], [false, false], [true, true]])); // prettier-ignore
    if (rows.kind !== 'rows') throw new Error(rows.kind);
    expect([rows.dynamic.toArray(), rows.static.toArray()]).toEqual([[0, 2], [1]]);
    const columns = maskStructure(tensor([[true, false, false], [true, false, false]])); // prettier-ignore
    if (columns.kind !== 'columns') throw new Error(columns.kind);
    expect([columns.dynamic.toArray(), columns.static.toArray()]).toEqual([[0], [1, 2]]);
  });
});
