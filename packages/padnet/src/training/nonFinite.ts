/** A loss that is not finite, traced to where it came from. */
import { defaultGenerator, nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';

/** Training can't go on: the message names step and layer. The last checkpoint is untouched. */
export class NonFiniteLossError extends Error {
  override readonly name = 'NonFiniteLossError';
  readonly step: number;

  constructor(step: number, where: string) {
    super(
      `the loss is not finite at step ${step}: ${where}. The last checkpoint is kept; ` +
        'try a lower training.learningRate, training.warmupEpochs or training.clipGradNorm',
    );
    this.step = step;
  }
}

/** The first parameter or layer output that is not finite while `forward` runs the network, in words; null: there is none. */
export function findNonFinite(network: nn.Module, forward: () => unknown): string | null {
  return scope(() =>
    noGrad(() => {
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
 * Weights can be finite and still be so large that no loss is: this tries them by `forward`, in evaluation mode. Leaves mode
 * and random state as they were.
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

function isFinite(tensor: Tensor): boolean {
  return tensor.isfinite().all().item() === 1;
}
