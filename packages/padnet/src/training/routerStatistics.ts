/** How evenly, and how decidedly, the mixtures of experts of a network route a batch. */
import { noGrad, ops, scope, type Tensor } from '@padnet/torch';
import type { RoutingDecision } from '../layers/index.js';
import type { RouterStatistics } from '../runs/events.js';

/** @returns means over the layers; null where none routes */
export function routerStatistics(routing: readonly RoutingDecision[]): RouterStatistics | null {
  const decisions = routing.filter(({ gates }) => gates.shape[0]! > 0);
  if (decisions.length === 0) return null;
  return scope(() =>
    noGrad(() => {
      const mean = (value: (decision: RoutingDecision) => Tensor): number =>
        ops.stack(decisions.map(value)).mean().item();
      return {
        auxiliaryLoss: mean(({ auxiliaryLoss }) => auxiliaryLoss) * decisions.length,
        gateEntropy: mean(({ weights }) => evenness(weights).mean()),
        loadEntropy: mean(({ gates }) => evenness(gates.mean([0], { keepdim: true })).mean()),
      };
    }),
  );
}

/**
 * Entropy of each row over its largest possible value: shares [rows, n] that sum to 1 → [rows]; 0 of a single share.
 */
export function evenness(shares: Tensor): Tensor {
  const [, count = 1] = shares.shape;
  const entropy = ops.xlogy(shares, shares).sum([1]).neg();
  return count > 1 ? entropy.div(Math.log(count)) : entropy;
}

/** The mean of several batches; null where there are none. */
export function meanStatistics(all: readonly RouterStatistics[]): RouterStatistics | null {
  if (all.length === 0) return null;
  const mean = (key: keyof RouterStatistics): number => all.reduce((sum, each) => sum + each[key], 0) / all.length;
  return {
    auxiliaryLoss: mean('auxiliaryLoss'),
    gateEntropy: mean('gateEntropy'),
    loadEntropy: mean('loadEntropy'),
  };
}
