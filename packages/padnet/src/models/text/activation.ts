/** Activations by the names that Hugging Face's `hidden_act` uses. */
import { ops, type Tensor } from '@padnet/torch';

export type Activation = (input: Tensor) => Tensor;

const gelu: Activation = (input) => ops.gelu(input);
const geluTanh: Activation = (input) => ops.gelu(input, { approximate: 'tanh' });
const silu: Activation = (input) => ops.silu(input);

const activations = {
  gelu,
  gelu_python: gelu,
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_python_tanh: geluTanh,
  gelu_accurate: geluTanh,
  relu: (input) => ops.relu(input),
  silu,
  swish: silu,
  tanh: (input) => ops.tanh(input),
} as const satisfies Record<string, Activation>;

export type ActivationName = keyof typeof activations;
export const activationNames = Object.keys(activations) as ActivationName[];

export function activation(name: ActivationName): Activation {
  return activations[name];
}
