import { describe, expect, it } from 'vitest';
import type { StepEvent } from '../runs/events.js';
import { routerHistory } from './routerHistory.js';
import { step } from './runs.test.fixture.js';

function routed(index: number, epoch: number, gateEntropy: number, loadEntropy = 1): StepEvent {
  return { ...step(index, 0.1), epoch, routing: { auxiliaryLoss: 0, gateEntropy, loadEntropy } };
}

describe('routerHistory', () => {
  it('gives steps in epochs, the later of what a resumed run tells twice', () => {
    const events = [routed(1, 1, 1), routed(2, 1, 0.1), routed(2, 1, 0.75), routed(3, 2, 0.5, 0.25)];
    expect(routerHistory(events)).toEqual([
      { epoch: 0.5, gateEntropy: 1, loadEntropy: 1 },
      { epoch: 1, gateEntropy: 0.75, loadEntropy: 1 },
      { epoch: 1.5, gateEntropy: 0.5, loadEntropy: 0.25 },
    ]);
  });

  it('means stretches of long runs', () => {
    const events = Array.from({ length: 150 }, (_, index) => routed(index + 1, 1, index % 3 === 0 ? 0.9 : 0.3));
    const points = routerHistory(events);
    expect(points).toHaveLength(50);
    for (const { gateEntropy } of points) expect(gateEntropy).toBeCloseTo(0.5, 12);
    expect(points.at(-1)!.epoch).toBe(1);
  });

  it('is empty where nothing routes', () => {
    expect(routerHistory([step(1, 0.1)])).toEqual([]);
    expect(routerHistory([])).toEqual([]);
  });
});
