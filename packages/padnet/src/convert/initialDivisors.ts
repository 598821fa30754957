/** What a layer's weights are divided by to start with the static kernel, or one of its spread (method.md §6). */
import { defaultGenerator, Generator, nn, noGrad, randn, scope, type Tensor } from '@padnet/torch';
import { attend, type InitialGains, type Router } from '../dynamic/index.js';
import type { InitialBankOptions } from './initialBank.js';

export interface InitialDivisors {
  /** Of each kernel of the bank, beside `output`. */
  readonly bank: number;
  readonly bias: number;
  /** Of all kernels, the static one too. */
  readonly output: number;
}

/** Makes the router decide alike for every input where the bank starts from copies. */
export function initialDivisors(
  router: Router,
  geometry: nn.ConvGeometry,
  { bankInitialisation = 'copies', bankSpread = 'effective' }: InitialBankOptions,
): InitialDivisors {
  const asTheyAre = { bank: 1, bias: 1, output: 1 };
  if (bankInitialisation === 'copies') {
    const gains = router.neutralise?.();
    if (!gains) return asTheyAre;
    const { coefficients, spatial, output } = gains;
    return { bank: coefficients * spatial, bias: coefficients, output };
  }
  if (bankSpread === 'perKernel') return asTheyAre;
  const { coefficients, squares, spatial, output } = router.initialGains ?? measuredGains(router, geometry);
  return { bank: Math.sqrt(squares) * spatial, bias: coefficients, output };
}

/** Means over maps as batch norm and ReLU give them, the same for every network. */
function measuredGains(router: Router, { inChannels, kernelSize }: nn.ConvGeometry): InitialGains {
  using _mode = nn.evaluationMode(router);
  const random = defaultGenerator.getState();
  try {
    return scope(() =>
      noGrad(() => {
        const shape = [16, inChannels, ...kernelSize.map(() => 8)];
        const input = randn(shape, { generator: new Generator(0) }).relu();
        const { coefficients, spatial, channel, filter } = attend(router, input);
        // Nothing can be divided by 0, and nothing of what it multiplies shows.
        const mean = (values: Tensor): number => values.mean().item() || 1;
        const size = (attention: Tensor | null): number => (attention ? Math.sqrt(mean(attention.square())) : 1);
        return {
          coefficients: router.sumsToOne ? 1 : mean(coefficients.sum([1])),
          squares: mean(coefficients.square().sum([1])),
          spatial: size(spatial),
          output: size(channel) * size(filter),
        };
      }),
    );
  } finally {
    defaultGenerator.setState(random); // networks start from the same numbers, whatever it draws
  }
}
