/** Layers with given numbers, and what they and their gradients come to: as `probe` of `references.py`. */
import { expect } from 'vitest';
import { grad, noGrad } from '../autograd.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { expectClose } from '../testing/index.js';
import type { Module } from './module.js';
import { ramp } from './ramp.fixture.js';

export interface Probe {
  readonly keys: readonly string[];
  readonly shapes: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  readonly gradients: readonly (readonly number[])[];
}

/** In float64, parameter i is 0.3 · ramp + 0.1 · i. */
export function withGivenNumbers<M extends Module>(layer: M): M {
  layer.to('float64');
  scope(() => {
    noGrad(() => {
      for (const [index, parameter] of layer.parameters().entries()) {
        parameter.copy_(
          ramp(...parameter.shape)
            .mul(0.3)
            .add(0.1 * index),
        );
      }
    });
  });
  return layer;
}

/**
 * Expects outputs, the names in the state dict, and the gradients of Σ output · cos(ramp) by `inputs` and the
 * parameters to be PyTorch's.
 *
 * @param call gives the outputs, null where there is none
 */
export function expectProbe<M extends Module>(
  layer: M,
  inputs: readonly Tensor[],
  call: (layer: M, ...inputs: Tensor[]) => readonly (Tensor | null)[],
  { keys, shapes, outputs, gradients }: Probe,
): void {
  withGivenNumbers(layer);
  const leaves = inputs.map((input) => input.detach().clone());
  for (const leaf of leaves) leaf.requiresGrad = true;
  const found = call(layer, ...leaves).filter((output) => output !== null);
  expect([...layer.stateDict().keys()]).toEqual(keys);
  expect(found.map(({ shape }) => shape)).toEqual(shapes);
  for (const [i, output] of found.entries())
    expectClose(output.reshape([-1]), outputs[i]!, { atol: 1e-12, rtol: 1e-10 });
  const loss = found.map((output) => output.mul(ramp(...output.shape).cos()).sum()).reduce((a, b) => a.add(b));
  const computed = grad(loss, [...leaves, ...layer.parameters()], { allowUnused: true }).filter(
    (each) => each !== null,
  );
  expect(computed.length).toBe(gradients.length);
  for (const [i, each] of computed.entries())
    expectClose(each.reshape([-1]), gradients[i]!, { atol: 1e-12, rtol: 1e-9 });
}
