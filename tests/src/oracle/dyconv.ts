/** `dyconv.json`: outputs and gradients of dynamic and partially dynamic convolutions. */
import { grad, nn, noGrad, scope, type Tensor } from '@padnet/torch';
import { Bank, DynamicConv2d, KernelAttention, Mask, PartialSource, type ScaleMode } from 'padnet';
import {
  oracleDTypes,
  readFixture,
  toTensor,
  type Comparison,
  type Numbers,
  type OracleDType,
  comparer,
  compareGradients,
} from './fixtures.js';
import { buildRouter, type OracleRouter } from './router.js';

interface DyconvCase extends OracleRouter {
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
  readonly kind: 'dynamic' | 'partial';
  readonly scale?: ScaleMode;
  readonly x: Numbers;
  readonly bank: Numbers;
  readonly bias_bank?: Numbers;
  readonly static?: Numbers;
  readonly phi?: Numbers;
  readonly mask?: Numbers;
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
  const layer = buildLayer(oracle, dtype);
  const input = toTensor(oracle.x, dtype);
  input.requiresGrad = true;
  const { router, source } = layer;
  if (!(router instanceof KernelAttention)) throw new Error('the oracle is of kernel attention');

  const parameters: Record<string, Tensor | null> = {
    x: input,
    fc1: router.fc1.weight,
    fc2_w: router.fc2.weight,
    fc2_b: router.fc2.bias,
    bank: (source as Bank | PartialSource).bank,
    bias_bank: layer.biasBank,
    ...(source instanceof PartialSource && { static: source.staticWeight, phi: source.phi }),
  };
  const named = Object.entries(parameters).filter((entry): entry is [string, Tensor] => entry[1] !== null);
  const run = (mask?: Tensor): { output: Tensor; gradients: Map<string, Tensor | null> } => {
    const output = layer.forward(input);
    const wanted: [string, Tensor][] = mask ? [...named, ['mask', mask]] : named;
    const gradients = grad(
      output,
      wanted.map(([, tensor]) => tensor),
      { gradients: [toTensor(oracle.dy, dtype)], allowUnused: true },
    );
    return { output, gradients: new Map(wanted.map(([name], index) => [name, gradients[index] ?? null])) };
  };

  const trained = run();
  const compare = comparer('dyconv.json', [spec.name, kind, oracle.scale].filter(Boolean).join(' '), dtype);
  const comparisons = [
    compare('attention', router.forward(input), oracle.attention),
    compare('y', trained.output, oracle.y),
    compare(
      'y in evaluation',
      noGrad(() => layer.eval().forward(input)),
      oracle.y,
    ),
  ];
  const scored = source instanceof PartialSource ? source.withMaskVariable((mask) => run(mask)) : trained;
  return [...comparisons, ...compareGradients(compare, oracle.grads, scored.gradients, trained.gradients)];
}

function buildLayer(oracle: DyconvCase, dtype: OracleDType): DynamicConv2d {
  const { I: inChannels, O: outChannels, k: kernelSize, T: temperature, ...conv } = oracle.spec;
  const { stride, padding, dilation, groups } = conv;
  const router = buildRouter(oracle, temperature, dtype);
  return new DynamicConv2d({
    geometry: nn.conv2dGeometry({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups }),
    router,
    source: buildSource(oracle, dtype),
    biasBank: oracle.bias_bank ? toTensor(oracle.bias_bank, dtype) : null,
  });
}

function buildSource(oracle: DyconvCase, dtype: OracleDType): Bank | PartialSource {
  const bank = toTensor(oracle.bank, dtype);
  if (oracle.kind === 'dynamic') return new Bank(bank);
  const { static: staticWeight, mask, phi, scale } = oracle;
  if (!staticWeight || !mask || !phi || !scale) throw new Error('a partial case needs static, mask, phi and scale');
  const source = new PartialSource({
    bank,
    staticWeight: toTensor(staticWeight, dtype),
    mask: Mask.fromTensor(toTensor(mask, dtype)),
    scaleMode: scale,
  });
  noGrad(() => source.phi?.copy_(toTensor(phi, dtype)));
  return source;
}
