import { describe, expect, it } from 'vitest';
import { interleaved, spread } from './repeats.js';

describe('spread', () => {
  it('is the distance of the quartiles over the median', () => {
    expect(spread([5, 2, 3, 4, 1])).toBe(2 / 3);
    expect(spread([7])).toBe(0);
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
