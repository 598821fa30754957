import { describe, expect, it } from 'vitest';
import { optim } from '../index.js';

const { constant, cosine, linear, stepDecay, withWarmup } = optim;

describe('schedules at points computed by hand', () => {
  it('constant', () => {
    expect([0, 7, 1e9].map(constant())).toEqual([1, 1, 1]);
  });

  it('stepDecay', () => {
    const schedule = stepDecay({ milestones: [2, 4], gamma: 0.5 });
    expect([0, 1, 1.9, 2, 3, 4, 100].map(schedule)).toEqual([1, 1, 1, 0.5, 0.5, 0.25, 0.25]);
    expect(stepDecay({ milestones: [3] })(3)).toBe(0.1);
    expect(stepDecay({ milestones: [] })(3)).toBe(1);
  });

  it('cosine', () => {
    const schedule = cosine({ steps: 6, final: 0.2 });
    for (const [step, expected] of [
      [0, 1],
      [2, 0.2 + 0.8 * 0.75], // cos 60° = 1/2
      [3, 0.6],
      [4, 0.2 + 0.8 * 0.25],
      [6, 0.2],
      [60, 0.2],
    ] as const) {
      expect(schedule(step)).toBeCloseTo(expected, 14);
    }
    expect(cosine({ steps: 6 })(6)).toBe(0);
  });

  it('linear', () => {
    expect([0, 1, 2, 4, 5].map(linear({ steps: 4 }))).toEqual([1, 0.75, 0.5, 0, 0]);
    expect([0, 2, 4, 5].map(linear({ steps: 4, final: 0.5 }))).toEqual([1, 0.75, 0.5, 0.5]);
  });

  it('withWarmup', () => {
    expect([0, 1, 2, 3, 4, 5].map(withWarmup(constant(), 4))).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
    expect([0, 1, 2, 4].map(withWarmup(linear({ steps: 4 }), 2))).toEqual([0.5, 0.75, 0.5, 0]);
    expect(withWarmup(stepDecay({ milestones: [3] }), 2)(3)).toBe(0.1);
    expect(withWarmup(constant(), 0)(0)).toBe(1);
  });

  it('refuses what is no schedule', () => {
    expect(() => stepDecay({ milestones: [4, 2] })).toThrow('milestones must ascend, got [4, 2]');
    expect(() => stepDecay({ milestones: [-1] })).toThrow('milestones must be a finite number of at least 0, got -1');
    expect(() => cosine({ steps: 0 })).toThrow('steps must be more than 0, got 0');
    expect(() => linear({ steps: 1, final: NaN })).toThrow('final must be');
    expect(() => withWarmup(constant(), -1)).toThrow('warmupSteps must be');
  });
});
