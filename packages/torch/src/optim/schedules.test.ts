import { describe, expect, it } from 'vitest';
import { optim } from '../index.js';
import { warmupReferences } from './warmupReferences.generated.js';

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
    expect([0, 1, 2, 3, 4, 5].map(withWarmup(constant(), 4))).toEqual([0, 0.25, 0.5, 0.75, 1, 1]);
    expect([0, 1, 2, 3, 6, 7].map(withWarmup(linear({ steps: 4 }), 2))).toEqual([0, 0.5, 1, 0.75, 0, 0]);
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

it('a warm-up gives the rates of PyTorch and of Hugging Face, with all of the rate at its end', () => {
  const warmup = 7;
  const left = 50 - warmup;
  const schedules = {
    huggingFaceLinear: linear({ steps: left }),
    huggingFaceCosine: cosine({ steps: left }),
    huggingFaceConstant: constant(),
    pytorchLinear: linear({ steps: left }),
    pytorchCosine: cosine({ steps: left }),
    pytorchSteps: stepDecay({ milestones: [13, 33] }),
  };
  for (const [name, schedule] of Object.entries(schedules)) {
    const expected = warmupReferences[name as keyof typeof schedules];
    const rates = expected.map((_, step) => withWarmup(schedule, warmup)(step));
    // PyTorch's warm-up starts at 1e-12, as 0 is refused, and it multiplies from step to step.
    for (const [step, rate] of rates.entries()) expect(rate, `${name}, step ${step}`).toBeCloseTo(expected[step]!, 11);
    expect(Math.max(...rates)).toBe(1);
  }
});
