/** Numbers that are not finite, traced to where they came from. */
import { defaultGenerator, enableGrad, nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { NonFiniteError } from '../errors.js';
import type { TrainingEvent } from '../runs/events.js';

/** Training can't go on: the message names step and layer. The last checkpoint is untouched. */
export class NonFiniteLossError extends Error {
  override readonly name = 'NonFiniteLossError';
  readonly step: number;

  /** @param what is not finite */
  constructor(step: number, where: string, what = 'the loss') {
    super(
      `${what} is not finite at step ${step}: ${where}. The last checkpoint is kept; ` +
        'try a lower training.learningRate, training.warmupEpochs or training.clipGradNorm',
    );
    this.step = step;
  }
}

/** An error that names the first value that was not finite while `forward` ran the network. */
export function nonFiniteError(network: nn.Module, what: string, forward: () => unknown): NonFiniteError {
  return new NonFiniteError(what, findNonFinite(network, forward) ?? noLayer);
}

export const noLayer = 'every layer of the network is finite, the loss itself is not';

/**
 * The first parameter or layer output that is not finite while `forward` runs the network, in words; null: there is
 * none.
 */
export function findNonFinite(network: nn.Module, forward: () => unknown): string | null {
  // With gradients, so that no batch norm is fused (`fuseBatchNorms`) and every layer has its output.
  return scope(() =>
    enableGrad(() => {
      for (const [name, parameter] of network.namedParameters()) {
        if (!isFinite(parameter)) return `parameter ${name} has entries that are not finite`;
      }
      const found: string[] = [];
      let first = true;
      nn.watchForward(
        network,
        (path, module, input, output) => {
          if (first && !isFinite(input)) found.push('the input has values that are not finite');
          first = false;
          if (found.length === 0 && !isFinite(output)) {
            const layer = `${path === '' ? '(the network itself)' : path} (${module.constructor.name})`;
            found.push(`layer ${layer} is the first whose output is not finite`);
          }
        },
        forward,
      );
      return found[0] ?? null;
    }),
  );
}

/**
 * A step can spoil the weights although its own loss was finite: such weights never replace a good checkpoint.
 *
 * @throws NonFiniteLossError naming the tensor
 */
export function assertFinite(tensors: ReadonlyMap<string, Tensor>, step: number): void {
  scope(() => {
    noGrad(() => {
      const floating = [...tensors].filter(([, tensor]) => tensor.dtype.includes('float') && tensor.numel > 0);
      const norms = ops._foreachNorm(
        floating.map(([, tensor]) => tensor),
        { ord: Infinity },
      );
      norms.forEach((norm, index) => {
        if (!Number.isFinite(norm.item()))
          throw new NonFiniteLossError(step, `${floating[index]![0]} has entries that are not finite after it`);
      });
    });
  });
}

/**
 * Weights can be finite and still be so large that no loss is: this tries them by `forward`, in evaluation mode. Leaves
 * mode and random state as they were.
 *
 * @throws NonFiniteLossError naming the layer
 */
export function assertFiniteOutput(network: nn.Module, forward: () => Tensor, step: number): void {
  using _mode = nn.evaluationMode(network);
  scope(() => {
    const random = defaultGenerator.getState();
    try {
      if (noGrad(() => isFinite(forward()))) return;
      throw new NonFiniteLossError(
        step,
        `after it, ${findNonFinite(network, forward) ?? 'the outputs are not finite'}`,
      );
    } finally {
      defaultGenerator.setState(random);
    }
  });
}

/**
 * JSON has no such numbers: they would be `null`.
 *
 * @throws NonFiniteLossError naming the number
 */
export function assertFiniteEvent(event: TrainingEvent, step: number): void {
  const found = findNumber('', event);
  if (found) throw new NonFiniteLossError(step, `it is ${found.value}`, `${found.path} of the event ${event.type}`);
}

/** The first number of an event that is not finite. */
function findNumber(path: string, value: unknown): { path: string; value: number } | null {
  if (typeof value === 'number') return Number.isFinite(value) ? null : { path, value };
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    const found = findNumber(path === '' ? key : `${path}.${key}`, inner);
    if (found) return found;
  }
  return null;
}

/** The first parameter whose gradient is not finite, in words. */
export function describeGradients(network: nn.Module): string {
  return scope(() => {
    for (const [name, { grad }] of network.namedParameters())
      if (grad && !isFinite(grad)) return `the gradient of ${name} has entries that are not finite`;
    return 'each gradient is finite, but together they are too large';
  });
}

function isFinite(tensor: Tensor): boolean {
  return tensor.isfinite().all().item() === 1;
}
