/** `dyconv.json`: outputs and gradients of dynamic and partially dynamic convolutions. */
import { grad, nn, noGrad, scope, type Tensor } from '@padnet/torch';
import { DynamicConv2d, KernelAttention } from 'padnet';
import {
  oracleDTypes,
  readFixture,
  toTensor,
  type Comparison,
  type Numbers,
  type OracleDType,
  comparer,
  compareGradients,
  type Gradients,
} from './fixtures.js';
import { buildRouter, type OracleRouter } from './router.js';
import {
  buildSearchSource,
  buildSource,
  sourceTensors,
  wholeGradients,
  type AnySource,
  type OracleSource,
} from './source.js';

interface DyconvCase extends OracleRouter, OracleSource {
  readonly spec: {
    readonly name: string;
    readonly B: number;
    readonly I: number;
    readonly O: number;
    readonly k: number;
    readonly K: number;
    readonly stride: number;
    readonly padding: number;
    readonly dilation: number;
    readonly groups: number;
    readonly T: number;
  };
  readonly x: Numbers;
  readonly bias_bank?: Numbers;
  readonly attention: Numbers;
  readonly y: Numbers;
  readonly dy: Numbers;
  readonly grads: Readonly<Record<string, Numbers>>;
}

export function verifyDyconv(): Comparison[] {
  const cases = readFixture<DyconvCase[]>('dyconv.json');
  return oracleDTypes.flatMap((dtype) => cases.flatMap((oracle) => scope(() => verifyCase(oracle, dtype))));
}

function verifyCase(oracle: DyconvCase, dtype: OracleDType): Comparison[] {
  const { spec, kind } = oracle;
  const source = buildSource(oracle, dtype);
  const layer = buildLayer(oracle, source, dtype);
  const input = toTensor(oracle.x, dtype);
  input.requiresGrad = true;
  const trained = run(oracle, layer, source, input);
  const compare = comparer('dyconv.json', [spec.name, kind, oracle.scale].filter(Boolean).join(' '), dtype);
  const comparisons = [
    compare('attention', layer.router.forward(input), oracle.attention),
    compare('y', trained.output, oracle.y),
    compare(
      'y in evaluation',
      noGrad(() => layer.eval().forward(input)),
      oracle.y,
    ),
  ];
  return [
    ...comparisons,
    ...compareGradients(compare, oracle.grads, scoredGradients() ?? trained.gradients, trained.gradients),
  ];

  /** With the mask as a variable. */
  function scoredGradients(): Gradients | null {
    if (kind === 'dynamic') return null;
    const searched = buildSearchSource(oracle, dtype);
    const layer = buildLayer(oracle, searched, dtype);
    return searched.withMaskVariable((mask) => run(oracle, layer, searched, input, mask).gradients);
  }
}

/** Gradients by the oracle's names. */
function run(
  oracle: DyconvCase,
  layer: DynamicConv2d,
  source: AnySource,
  input: Tensor,
  mask: Tensor | null = null,
): { output: Tensor; gradients: Gradients } {
  const { router } = layer;
  if (!(router instanceof KernelAttention)) throw new Error('the oracle is of kernel attention');
  const output = layer.forward(input);
  const tensors: Record<string, Tensor | null> = {
    x: input,
    fc1: router.fc1.weight,
    fc2_w: router.fc2.weight,
    fc2_b: router.fc2.bias,
    bias_bank: layer.biasBank,
    ...sourceTensors(source),
    mask,
  };
  const wanted = Object.entries(tensors).filter((entry): entry is [string, Tensor] => entry[1] !== null);
  const gradients = grad(
    output,
    wanted.map(([, tensor]) => tensor),
    { gradients: [toTensor(oracle.dy, output.dtype)], allowUnused: true },
  );
  return {
    output,
    gradients: wholeGradients(source, new Map(wanted.map(([name], i) => [name, gradients[i] ?? null]))),
  };
}

function buildLayer(oracle: DyconvCase, source: AnySource, dtype: OracleDType): DynamicConv2d {
  const { I: inChannels, O: outChannels, k: kernelSize, T: temperature, ...conv } = oracle.spec;
  const { stride, padding, dilation, groups } = conv;
  const router = buildRouter(oracle, temperature, dtype);
  return new DynamicConv2d({
    geometry: nn.conv2dGeometry({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups }),
    router,
    source,
    biasBank: oracle.bias_bank ? toTensor(oracle.bias_bank, dtype) : null,
  });
}
