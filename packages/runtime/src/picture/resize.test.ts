import { describe, expect, it } from 'vitest';
import { resize } from './resize.js';

const resizedRow = (values: readonly number[], width: number): number[] => {
  const data = Uint8Array.from(values);
  const picture = { width: data.length, height: 1, channels: 1, kept: 1, rows: () => data };
  return Array.from(resize(picture, { width, height: 1, after: null }));
};

describe('resize', () => {
  it('weighs by a triangle as wide as a pixel of the result', () => {
    // From 4 to 2 the weights are 1, 3, 3, 1 of 8; beyond the edges it goes on.
    expect(resizedRow([0, 80, 160, 240], 2)).toEqual([(3 * 80 + 160) / 8, (80 + 3 * 160 + 4 * 240) / 8]);
  });

  it('averages blocks before that where much is lost', () => {
    // From 8 to 2 blocks of 2 are averaged: as from 4 to 2.
    expect(resizedRow([0, 0, 60, 100, 160, 160, 250, 230], 2)).toEqual([50, 190]);
  });

  it('is the picture where nothing changes, and keeps one colour', () => {
    expect(resizedRow([3, 200, 7], 3)).toEqual([3, 200, 7]);
    for (const width of [1, 2, 5, 13, 40])
      expect(resizedRow(new Array<number>(17).fill(255), width)).toEqual(new Array(width).fill(255));
  });

  it('asks for rows from top to bottom, each once, a strip at a time', () => {
    const asked: [number, number][] = [];
    const data = new Uint8Array(2 * 1000).fill(9);
    const rows = (from: number, to: number): Uint8Array => {
      asked.push([from, to]);
      return data.subarray(2 * from, 2 * to);
    };
    const found = resize({ width: 2, height: 1000, channels: 1, kept: 1, rows }, { width: 2, height: 30, after: null });
    expect(Array.from(found)).toEqual(new Array(60).fill(9));
    expect(asked[0]![0]).toBe(0);
    expect(asked.at(-1)![1]).toBe(1000);
    for (const [index, [from, to]] of asked.entries()) {
      expect(to - from).toBeLessThanOrEqual(64);
      if (index > 0) expect(from).toBe(asked[index - 1]![1]);
    }
  });

  it('cuts out the part that is wanted', () => {
    const data = Uint8Array.from({ length: 36 }, (_, index) => index);
    const rows = (from: number, to: number): Uint8Array => data.subarray(6 * from, 6 * to);
    const after = { left: 2, top: 1, width: 2, height: 3 };
    const found = resize({ width: 6, height: 6, channels: 1, kept: 1, rows }, { width: 6, height: 6, after });
    expect(Array.from(found)).toEqual([8, 9, 14, 15, 20, 21]);
  });
});
