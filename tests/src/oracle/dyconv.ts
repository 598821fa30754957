/** `dyconv.json`: DY-Conv's convolutions. */
import { scope } from '@padnet/torch';
import { KernelAttention, type Router } from 'padnet';
import { verifyConvolution, type ConvolutionCase } from './convolution.js';
import { oracleDTypes, readFixture, type Comparison, type Numbers, type OracleDType } from './fixtures.js';
import { buildRouter, type OracleRouter } from './router.js';

interface DyconvCase extends OracleRouter, ConvolutionCase {
  readonly attention: Numbers;
}

export function verifyDyconv(): Comparison[] {
  const cases = readFixture<DyconvCase[]>('dyconv.json');
  return [true, false].flatMap((training) =>
    oracleDTypes.flatMap((dtype) => cases.flatMap((oracle) => scope(() => verifyCase(oracle, training, dtype)))),
  );
}

function verifyCase(oracle: DyconvCase, training: boolean, dtype: OracleDType): Comparison[] {
  const { spec, kind, scale } = oracle;
  return verifyConvolution(
    {
      file: 'dyconv.json',
      name: [spec.name, kind, scale, !training && 'in evaluation'].filter(Boolean).join(' '),
      oracle,
      coefficients: oracle.attention,
      buildRouter: () => buildRouter(oracle, spec.T, dtype).train(training),
      routerTensors,
    },
    dtype,
  );
}

function routerTensors(router: Router) {
  if (!(router instanceof KernelAttention)) throw new Error('the oracle is of kernel attention');
  return { fc1: router.fc1.weight, fc2_w: router.fc2.weight, fc2_b: router.fc2.bias };
}
