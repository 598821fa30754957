/** κ = 0: one weight for every input. */
import { nn, type Tensor } from '@padnet/torch';
import type { EffectiveParameter, Source } from './parameterSource.js';

export class StaticSource extends nn.Module implements Source {
  readonly kind = 'static';
  readonly dynamicRatio = 0;
  readonly numKernels = null;
  readonly staticWeight: nn.Parameter;

  /** @param weight […shape]; its memory is shared */
  constructor(weight: Tensor) {
    super();
    this.staticWeight = new nn.Parameter(weight);
  }

  get shape(): readonly number[] {
    return this.staticWeight.shape;
  }

  effective(): EffectiveParameter {
    return { bank: null, scale: null, constant: this.staticWeight };
  }

  compact(): null {
    return null;
  }
}
