/**
 * A router of one's own, that of CondConv (Yang et al. 2019): α = sigmoid(fc(pool(x))). The coefficients do not sum to
 * 1. A recipe names the file as `model.router`; a program imports it (`ownCode.ts`).
 */
import { nn, type Tensor } from '@padnet/torch';
import type { Router, RouterFactory } from 'padnet';

class SigmoidRouter extends nn.Module implements Router {
  readonly sumsToOne = false;
  readonly fc: nn.Linear;

  constructor(
    readonly inChannels: number,
    readonly numKernels: number,
  ) {
    super();
    this.fc = new nn.Linear({ inFeatures: inChannels, outFeatures: numKernels });
  }

  /** [batch, channels, height, width] → [batch, K] */
  forward(input: Tensor): Tensor {
    return this.fc.forward(input.mean([2, 3])).sigmoid();
  }

  countMacs([batch = 1]: readonly number[]): number {
    return batch * this.fc.weight.numel;
  }
}

const router: RouterFactory = ({ inChannels }, numKernels) => new SigmoidRouter(inChannels, numKernels);
export default router;
