/** The addon's own operators (`native/operators`); names, and how they are called, as in `ops.generated.ts`. */
import { operator } from './operator.js';
import type { Tensor } from './tensor.js';

/** The operations that follow a batch norm at no cost of their own. */
export type Activation = 'none' | 'relu' | 'relu6';

/**
 * activation(γ (input − μ) / √(σ² + eps) + β + residual): input and residual [batch, channels, height, width], all
 * others [channels], of one dtype, float32 or float64. Double backward is recorded as libtorch's operators.
 */
export const batchNormActivation = operator<
  (
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: Tensor | null,
    runningMean: Tensor | null,
    runningVar: Tensor | null,
    useBatch: boolean,
    momentum: number,
    eps: number,
    activation: Activation,
  ) => Tensor
>('padnet_torch::batch_norm_activation', {
  '': [
    'input',
    'weight',
    'bias',
    'residual',
    'running_mean',
    'running_var',
    'use_batch',
    'momentum',
    'eps',
    'activation',
  ],
});

/** A step of SGD of all parameters in one pass (the formula: `optim/sgd.ts`); no buffers stand for no momentum. */
export const sgd_ = operator<
  (
    parameters: readonly Tensor[],
    gradients: readonly Tensor[],
    momentumBuffers: readonly Tensor[],
    learningRate: number,
    momentum: number,
    dampening: number,
    weightDecay: number,
    nesterov: boolean,
  ) => void
>('padnet_torch::sgd_', {
  '': [
    'parameters',
    'gradients',
    'momentum_buffers',
    'learning_rate',
    'momentum',
    'dampening',
    'weight_decay',
    'nesterov',
  ],
});

/** A step of AdamW of all parameters in one pass (the formula: `optim/adamw.ts`); `steps` count from 1. */
export const adamw_ = operator<
  (
    parameters: readonly Tensor[],
    gradients: readonly Tensor[],
    averages: readonly Tensor[],
    squares: readonly Tensor[],
    steps: readonly number[],
    learningRate: number,
    beta1: number,
    beta2: number,
    eps: number,
    weightDecay: number,
  ) => void
>('padnet_torch::adamw_', {
  '': [
    'parameters',
    'gradients',
    'averages',
    'squares',
    'steps',
    'learning_rate',
    'beta1',
    'beta2',
    'eps',
    'weight_decay',
  ],
});
