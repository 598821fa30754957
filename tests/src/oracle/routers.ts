/** `routers.json`: convolutions of CondConv and ODConv. */
import { noGrad, scope, type nn, type Tensor } from '@padnet/torch';
import { CondRouter, OdAttention, type Router } from 'padnet';
import { verifyConvolution, type ConvolutionCase } from './convolution.js';
import { oracleDTypes, readFixture, toTensor, type Comparison, type Numbers, type OracleDType } from './fixtures.js';

type Named<Names extends string> = Readonly<Record<Names, Numbers>>;

interface CondCase extends ConvolutionCase, Named<'coefficients' | 'route_w' | 'route_b'> {
  readonly router: 'condconv';
  readonly train: boolean;
}

interface OdCase
  extends
    ConvolutionCase,
    Named<
      | 'coefficients'
      | 'fc'
      | 'bn_w'
      | 'bn_b'
      | 'bn_mean'
      | 'bn_var'
      | 'channel_w'
      | 'channel_b'
      | 'kernel_w'
      | 'kernel_b'
    >,
    Partial<Named<'filter_w' | 'filter_b' | 'spatial_w' | 'spatial_b'>> {
  readonly router: 'odconv';
  readonly train: boolean;
}

type RouterCase = CondCase | OdCase;

export function verifyRouters(): Comparison[] {
  const cases = readFixture<RouterCase[]>('routers.json');
  return oracleDTypes.flatMap((dtype) => cases.flatMap((oracle) => scope(() => verifyCase(oracle, dtype))));
}

function verifyCase(oracle: RouterCase, dtype: OracleDType): Comparison[] {
  const { spec, router, kind, train } = oracle;
  return verifyConvolution(
    {
      file: 'routers.json',
      name: [router, spec.name, kind, !train && 'in evaluation'].filter(Boolean).join(' '),
      oracle,
      coefficients: oracle.coefficients,
      buildRouter: (geometry) =>
        filled(
          createRouter(oracle, geometry).to(dtype),
          oracle as unknown as Record<string, Numbers | undefined>,
          dtype,
        ).train(train),
      routerTensors: trainedTensors,
    },
    dtype,
  );
}

function createRouter(oracle: RouterCase, geometry: nn.Conv2dGeometry): CondRouter | OdAttention {
  const { K: numKernels, T: temperature } = oracle.spec;
  if (oracle.router === 'condconv') return new CondRouter({ inChannels: geometry.inChannels, numKernels });
  return new OdAttention({ geometry, numKernels, hiddenChannels: oracle.fc.shape[0]!, temperature });
}

function filled<R extends CondRouter | OdAttention>(
  router: R,
  numbers: Readonly<Record<string, Numbers | undefined>>,
  dtype: OracleDType,
): R {
  const running = router instanceof OdAttention ? { bn_mean: router.bn.runningMean, bn_var: router.bn.runningVar } : {};
  noGrad(() => {
    for (const [name, to] of Object.entries({ ...trainedTensors(router), ...running }))
      if (to) to.copy_(toTensor(numbers[name]!, dtype));
  });
  return router;
}

/** By the oracle's names; null for an attention that the layer has not. */
function trainedTensors(router: Router): Record<string, Tensor | null> {
  if (router instanceof CondRouter) return { route_w: router.fc.weight, route_b: router.fc.bias };
  if (!(router instanceof OdAttention)) throw new Error('the oracle is of CondConv and ODConv');
  const { fc, bn, channel, kernel, filter, spatial } = router;
  return {
    fc: fc.weight,
    bn_w: bn.weight,
    bn_b: bn.bias,
    channel_w: channel.weight,
    channel_b: channel.bias,
    kernel_w: kernel.linear.weight,
    kernel_b: kernel.linear.bias,
    filter_w: filter?.weight ?? null,
    filter_b: filter?.bias ?? null,
    spatial_w: spatial?.weight ?? null,
    spatial_b: spatial?.bias ?? null,
  };
}
