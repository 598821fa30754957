import { describe, expect, it } from 'vitest';

import { interleaved, median, quantile, spread } from './statistics.js';

describe('median, quantile, spread', () => {
  it('does not mind the order', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([10, 0], 0.25)).toBe(2.5);
    expect(spread([1, 2, 3, 4, 5])).toBe(2 / 3);
    expect(spread([7])).toBe(0);
    expect(median([])).toBeNaN();
  });
});

describe('interleaved', () => {
  it('runs the tasks in turns', () => {
    const order: string[] = [];
    const task = (name: string) => () => order.push(name);
    expect(interleaved({ a: task('a'), b: task('b') }, 2)).toEqual({ a: [1, 3], b: [2, 4] });
    expect(order).toEqual(['a', 'b', 'a', 'b']);
  });
});
