/** A loss that is not finite, traced to where it came from. */
import { nn, noGrad, scope, type Tensor } from '@padnet/torch';

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

/** The first parameter or layer output that is not finite in a forward pass of `images`. */
export function findNonFinite(network: nn.Layer, images: Tensor): string {
  return scope(() =>
    noGrad(() => {
      for (const [name, parameter] of network.namedParameters()) {
        if (!isFinite(parameter)) return `parameter ${name} has entries that are not finite`;
      }
      if (!isFinite(images)) return 'the pictures have values that are not finite';
      let found: string | null = null;
      nn.watchForward(
        network,
        (path, module, _input, output) => {
          if (found === null && !isFinite(output)) {
            found = `layer ${path === '' ? '(the network itself)' : path} (${module.constructor.name}) is the first whose output is not finite`;
          }
        },
        () => network.forward(images),
      );
      return found ?? 'every layer of the network is finite, the loss itself is not';
    }),
  );
}

function isFinite(tensor: Tensor): boolean {
  return tensor.isfinite().all().item() as unknown as boolean;
}
