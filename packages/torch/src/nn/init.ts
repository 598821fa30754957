/** Initialisations, in place, from a generator (default: the default one). Names as `torch.nn.init`. */
import { noGrad } from '../autograd.js';
import type { Generator } from '../random.js';
import type { Tensor } from '../tensor.js';

/** Inputs and outputs of one unit: [out, in, …kernel] counts the kernel's positions in both. */
export function fanInAndOut(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [out = 1, input = 1, ...kernel] = shape;
  if (shape.length < 2)
    throw new RangeError(`fan-in and fan-out need at least two dimensions, got [${shape.join(', ')}]`);
  const positions = kernel.reduce((product, size) => product * size, 1);
  return { fanIn: input * positions, fanOut: out * positions };
}

export function uniform_(tensor: Tensor, low: number, high: number, generator?: Generator): Tensor {
  return noGrad(() => tensor.uniform_({ from: low, to: high, generator: generator ?? null }));
}

export function normal_(tensor: Tensor, mean: number, std: number, generator?: Generator): Tensor {
  return noGrad(() => tensor.normal_({ mean, std, generator: generator ?? null }));
}

/** PyTorch's default for linear and convolution weights (kaiming_uniform_ with a = √5): U(±1/√fan-in). */
export function defaultUniform_(tensor: Tensor, fanIn: number, generator?: Generator): Tensor {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  return uniform_(tensor, -bound, bound, generator);
}

/** N(0, √(2 / fan-out)), He et al. 2015 for ReLU networks: what torchvision's ResNet uses. */
export function kaimingNormal_(tensor: Tensor, mode: 'fanIn' | 'fanOut' = 'fanOut', generator?: Generator): Tensor {
  return normal_(tensor, 0, Math.sqrt(2 / fanInAndOut(tensor.shape)[mode]), generator);
}

/** U(±√(6 / (fan-in + fan-out))), Glorot and Bengio 2010: PyTorch's for the projections of attention. */
export function xavierUniform_(tensor: Tensor, generator?: Generator): Tensor {
  const { fanIn, fanOut } = fanInAndOut(tensor.shape);
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return uniform_(tensor, -bound, bound, generator);
}

/** N(0, √(2 / (fan-in + fan-out))), by the same authors. */
export function xavierNormal_(tensor: Tensor, generator?: Generator): Tensor {
  const { fanIn, fanOut } = fanInAndOut(tensor.shape);
  return normal_(tensor, 0, Math.sqrt(2 / (fanIn + fanOut)), generator);
}
