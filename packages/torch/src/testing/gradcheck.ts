/**
 * Gradients against central finite differences, in float64. With fixed random weights v, the scalar L = Σ v ·
 * fn(inputs) is differentiated once by autograd and once as (L(x + ε) − L(x − ε)) / 2ε for each element x of each
 * input.
 */
import { backward, noGrad } from '../autograd.js';
import { randn, zeros } from '../creation.js';
import { Generator } from '../random.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { positionOf } from './position.js';

export interface GradcheckOptions {
  /** ε. @default 1e-6 */
  readonly eps?: number;
  /** @default 1e-6 */
  readonly atol?: number;
  /** Relative to the numeric gradient. @default 1e-5 */
  readonly rtol?: number;
}

export interface GradcheckResult {
  /** The number of elements compared. */
  readonly checked: number;
  /** The largest |analytic − numeric|. */
  readonly largestError: number;
}

/**
 * Checks ∂fn/∂input for every element of every input. Inputs may be parameters that `fn` uses by itself:
 * `gradcheck((x) => layer.forward(x), [x, ...layer.parameters()])`. Their `grad` is null before and after.
 *
 * @param fn deterministic; gives a float64 tensor of any shape, or several
 * @param inputs contiguous float64 leaves that require gradients, on the CPU
 * @throws naming the worst element, where one is off by more than atol + rtol · |numeric|; where an input is not as
 *   said; where two calls of `fn` differ
 */
export function gradcheck(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  { eps = 1e-6, atol = 1e-6, rtol = 1e-5 }: GradcheckOptions = {},
): GradcheckResult {
  inputs.forEach((input, number) => {
    checkInput(input, number);
  });
  return scope(() => {
    const outputs = () => [fn(...inputs)].flat();
    const weights = fixedWeights(outputs());
    const loss = () =>
      outputs().reduce((sum, output, i) => sum.add(output.mul(weights[i]!).sum()), zeros([], { dtype: 'float64' }));
    const value = () => scope(() => noGrad(() => loss().item()));
    if (!Object.is(value(), value()))
      throw new Error('gradcheck: two calls of the function differ; seed what is random');
    const analytic = analyticGradients(loss, inputs);

    let checked = 0;
    let largestError = 0;
    let worst: { excess: number; message: string } | undefined;
    for (const [number, input] of inputs.entries()) {
      const elements = input.data as Float64Array;
      const { shape } = input;
      for (const [index, original] of elements.entries()) {
        elements[index] = original + eps;
        const above = value();
        elements[index] = original - eps;
        const below = value();
        elements[index] = original;
        const numeric = (above - below) / (2 * eps);
        const exact = analytic[number]![index]!;
        const error = Math.abs(exact - numeric);
        const excess = Number.isNaN(error) ? Infinity : error - (atol + rtol * Math.abs(numeric));
        checked += 1;
        largestError = Math.max(largestError, error);
        if (excess > (worst?.excess ?? 0)) {
          const where = `input ${number} at [${positionOf(index, shape).join(', ')}]`;
          worst = { excess, message: `${where}: autograd gives ${exact}, finite differences ${numeric}` };
        }
      }
    }
    if (worst) throw new Error(`gradcheck: the gradient is wrong by up to ${largestError}, worst for ${worst.message}`);
    return { checked, largestError };
  });
}

function checkInput(input: Tensor, number: number): void {
  const fault = !input.requiresGrad
    ? 'does not require a gradient'
    : !input.isLeaf
      ? 'is not a leaf'
      : input.dtype !== 'float64'
        ? `is of ${input.dtype}, expected float64`
        : input.device !== 'cpu' || !input.isContiguous
          ? 'is not a contiguous tensor on the CPU'
          : undefined;
  if (fault !== undefined) throw new TypeError(`gradcheck: input ${number} ${fault}`);
}

function fixedWeights(outputs: readonly Tensor[]): Tensor[] {
  const generator = new Generator(1);
  return outputs.map((output, number) => {
    if (output.dtype !== 'float64') {
      throw new TypeError(`gradcheck: output ${number} is of ${output.dtype}, expected float64`);
    }
    return randn(output.shape, { dtype: 'float64', generator });
  });
}

/** By autograd; zeros for an input that the loss does not depend on. */
function analyticGradients(loss: () => Tensor, inputs: readonly Tensor[]): number[][] {
  for (const input of inputs) input.grad = null;
  backward(loss());
  return inputs.map((input) => {
    const gradient = input.grad?.toArray() ?? new Array<number>(input.numel).fill(0);
    input.grad = null;
    return gradient;
  });
}
