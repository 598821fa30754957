import { scope, tensor } from '@padnet/torch';
import { expect, it } from 'vitest';
import type { RoutingDecision } from '../layers/index.js';
import { evenness, routerStatistics } from './routerStatistics.js';

it('is 1 where shares are equal and 0 where one takes all', () => {
  scope(() => {
    const shares = tensor([
      [0.25, 0.25, 0.25, 0.25],
      [1, 0, 0, 0],
      [0.5, 0.5, 0, 0],
    ]);
    const [even, single, half] = evenness(shares).toArray();
    expect(even).toBeCloseTo(1, 6);
    expect(single).toBeCloseTo(0, 6);
    expect(half).toBeCloseTo(0.5, 6);
    expect(evenness(tensor([[1]])).item()).toBeCloseTo(0, 6);
  });
});

it('means the layers, and adds up their auxiliary losses', () => {
  scope(() => {
    // Two rows, three experts, the best two: one undecided row and one decided one.
    const decision = {
      gates: tensor([
        [0.5, 0.5, 0],
        [0, 0, 1],
      ]),
      weights: tensor([
        [0.5, 0.5],
        [1, 0],
      ]),
      auxiliaryLoss: tensor(0.25),
    } as unknown as RoutingDecision;
    const { auxiliaryLoss, gateEntropy, loadEntropy } = routerStatistics([decision, decision])!;
    expect(auxiliaryLoss).toBeCloseTo(0.5, 6);
    expect(gateEntropy).toBeCloseTo(0.5, 6);
    const shares = [0.25, 0.25, 0.5];
    expect(loadEntropy).toBeCloseTo(-shares.reduce((sum, p) => sum + p * Math.log(p), 0) / Math.log(3), 6);
    expect(routerStatistics([])).toBeNull();
  });
});
