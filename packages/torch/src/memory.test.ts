import { afterEach, describe, expect, it } from 'vitest';
import { empty, memoryUsage, scope, setMemoryLimit, zeros } from './index.js';

afterEach(() => {
  setMemoryLimit(null);
});

describe('memoryUsage', () => {
  it('counts what tensors hold, and the most that they held', () => {
    const before = memoryUsage({ resetPeak: true }).allocated;
    scope(() => {
      zeros([1000, 1000]);
      expect(memoryUsage().allocated - before).toBeGreaterThanOrEqual(4e6);
      expect(memoryUsage().allocated - before).toBeLessThan(4.1e6);
    });
    expect(memoryUsage().allocated).toBe(before);
    expect(memoryUsage().peak - before).toBeGreaterThanOrEqual(4e6);
    memoryUsage({ resetPeak: true });
    expect(memoryUsage().peak).toBe(before);
  });
});

describe('allocations', () => {
  it('are refused beyond the limit, and work again after', () => {
    setMemoryLimit(memoryUsage().allocated + 1e6);
    expect(() => zeros([1000, 1000])).toThrow(
      /aten::zeros: out of memory: 4000000 bytes asked for, \d+ left of the limit of/,
    );
    scope(() => zeros([10]));
    setMemoryLimit(null);
    scope(() => zeros([1000, 1000]));
    expect(() => {
      setMemoryLimit(-5);
    }).toThrow('at least 0 bytes');
  });

  it('are refused beyond what the machine has', () => {
    expect(() => empty([2 ** 45])).toThrow('out of memory: 140737488355328 bytes asked for');
    expect(() => empty([2 ** 52, 2 ** 10])).toThrow();
  });

  it('are counted together, though memory that is not yet written to costs the system nothing', () => {
    const before = memoryUsage().allocated;
    expect(() => {
      scope(() => {
        for (let i = 0; i < 100_000; i++) empty([2 ** 28]); // 1 GiB each
      });
    }).toThrow('out of memory');
    expect(memoryUsage().allocated).toBe(before);
  });
});

it('a view has no more elements than the machine has bytes', () => {
  expect(() => zeros([1]).expand([2 ** 50])).toThrow('more than this machine has bytes');
});
