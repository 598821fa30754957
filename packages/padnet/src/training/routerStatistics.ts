/** How evenly, and how decidedly, the mixtures of experts of a network route a batch. */
import { noGrad, ops, scope, tensor, type Tensor } from '@padnet/torch';
import { sharedBatch } from '@padnet/torch/distributed';
import type { RoutingDecision } from '../layers/index.js';
import type { RouterStatistics } from '../runs/events.js';

/**
 * Under a shared batch of all ranks, by one collective operation.
 *
 * @returns means over the layers; null where none routes
 */
export function routerStatistics(routing: readonly RoutingDecision[]): RouterStatistics | null {
  if (routing.length === 0) return null;
  return scope(() =>
    noGrad(() => {
      const layers = sumsOfAll(routing).filter(({ rows }) => rows > 0);
      if (layers.length === 0) return null;
      const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / layers.length;
      return {
        auxiliaryLoss: routing.reduce((sum, { auxiliaryLoss }) => sum + auxiliaryLoss.item(), 0),
        gateEntropy: mean(layers.map(({ rows, evennesses }) => evennesses / rows)),
        loadEntropy: mean(layers.map(({ rows, gates }) => evenness(gates.div(rows).unsqueeze(0)).item())),
      };
    }),
  );
}

interface LayerSums {
  readonly rows: number;
  readonly evennesses: number;
  /** [E] */
  readonly gates: Tensor;
}

/** Sums over the rows of each layer; a task's row, which all ranks have, counts as often as there are ranks. */
function sumsOfAll(routing: readonly RoutingDecision[]): LayerSums[] {
  const own = routing.map(({ gates, weights }) =>
    ops.cat([tensor([gates.shape[0]!]), evenness(weights).sum().reshape([1]), gates.sum([0])].map(inFloat64)),
  );
  const all = ops.cat(own);
  sharedBatch()?.group.allReduce(all).wait();
  return all.split(own.map(({ numel }) => numel)).map((sums) => ({
    rows: sums.select(0, 0).item(),
    evennesses: sums.select(0, 1).item(),
    gates: sums.narrow(0, 2, sums.numel - 2),
  }));
}

function inFloat64(values: Tensor): Tensor {
  return values.to('cpu').to('float64');
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
