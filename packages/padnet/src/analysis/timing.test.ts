import { liveTensors, ones } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { interleaved, medianSeconds, secondsOf } from './timing.js';

describe('secondsOf', () => {
  it('frees what the call makes', () => {
    const before = liveTensors();
    expect(secondsOf(() => ones([3]))).toBeGreaterThan(0);
    expect(liveTensors()).toBe(before);
  });
});

describe('medianSeconds', () => {
  it('calls more often than it counts', () => {
    let calls = 0;
    expect(medianSeconds(() => calls++, 3, 2)).toBeGreaterThanOrEqual(0);
    expect(calls).toBe(5);
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
