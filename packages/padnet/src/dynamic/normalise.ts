import type { nn, Tensor } from '@padnet/torch';
import { rowsOfAll, sharedBatch } from '@padnet/torch/distributed';

/**
 * Batch norm of `input`, plus `residual`, that works at batch 1 on maps of one pixel: a single value a channel has no
 * variance, so it is normalised by the running statistics in training too. Values are those that the batch norm sees:
 * under a shared batch with `syncBatchNorm` of all ranks.
 */
export function normalise(bn: nn.BatchNorm2d, input: Tensor, residual: Tensor | null = null): Tensor {
  const { training } = bn;
  const shared = training ? sharedBatch() : null;
  const own = input.numel / input.shape[1]!;
  const values = shared?.syncBatchNorm ? rowsOfAll(shared.group, own).total : own;
  bn.train(training && values > 1);
  try {
    return bn.forward(input, residual);
  } finally {
    bn.train(training);
  }
}
