/** What a fresh router multiplies a layer by, where it does not say. */
import { defaultGenerator, Generator, nn, noGrad, randn, scope, type Tensor } from '@padnet/torch';
import { attend, type InitialGains, type Router } from '../dynamic/index.js';

/** Means over maps as batch norm and ReLU give them, the same for every network. */
export function measuredGains(router: Router, { inChannels, kernelSize }: nn.ConvGeometry): InitialGains {
  using _mode = nn.evaluationMode(router);
  const random = defaultGenerator.getState();
  try {
    return scope(() =>
      noGrad(() => {
        const shape = [16, inChannels, ...kernelSize.map(() => 8)];
        const normal = randn(shape, { generator: new Generator(0) }).relu();
        const [own] = router.parameters();
        const input = own ? normal.to(own.device).to(own.dtype) : normal;
        const { coefficients, spatial, channel, filter } = attend(router, input);
        // Nothing can be divided by 0, and nothing of what it multiplies shows.
        const mean = (values: Tensor): number => values.mean().item() || 1;
        const size = (attention: Tensor | null): number => (attention ? Math.sqrt(mean(attention.square())) : 1);
        return {
          coefficients: router.sumsToOne ? 1 : mean(coefficients.abs().sum([1])),
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
