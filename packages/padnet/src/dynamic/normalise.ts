import type { nn, Tensor } from '@padnet/torch';

/**
 * Batch norm of `input`, plus `residual`, that works at batch 1 on maps of one pixel: a single value a channel has no
 * variance, so it is normalised by the running statistics in training too.
 */
export function normalise(bn: nn.BatchNorm2d, input: Tensor, residual: Tensor | null = null): Tensor {
  const { training } = bn;
  bn.train(training && input.numel > input.shape[1]!);
  try {
    return bn.forward(input, residual);
  } finally {
    bn.train(training);
  }
}
