/** `moe.json`: gates, auxiliary loss, outputs and gradients of MoE and partial MoE linear layers. */
import { grad, noGrad, scope, type Tensor } from '@padnet/torch';
import { Bank, Mask, MoELinear, NoisyTopK, PartialSource, Routing, type Gating, type ScaleMode } from 'padnet';
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

interface MoECase {
  readonly spec: {
    readonly name: string;
    readonly N: number;
    readonly I: number;
    readonly O: number;
    readonly E: number;
    readonly k: number;
    readonly train: boolean;
  };
  readonly kind: 'dynamic' | 'partial';
  readonly scale: ScaleMode | null;
  readonly noise: Numbers | null;
  readonly x: Numbers;
  readonly w_gate: Numbers;
  readonly w_noise: Numbers;
  readonly bank: Numbers;
  readonly bias_bank: Numbers;
  readonly static?: Numbers;
  readonly phi?: Numbers;
  readonly mask?: Numbers;
  readonly gates: Numbers;
  readonly load: Numbers;
  readonly aux_loss: Numbers;
  readonly y: Numbers;
  readonly dy: Numbers;
  readonly grads: Readonly<Record<string, Numbers>>;
}

export function verifyMoE(): Comparison[] {
  const cases = readFixture<MoECase[]>('moe.json');
  return oracleDTypes.flatMap((dtype) => cases.flatMap((oracle) => scope(() => verifyCase(oracle, dtype))));
}

/** Noisy top-k with the oracle's noise in place of random numbers. */
class FixedNoise extends NoisyTopK {
  noise: Tensor | null = null;

  override forward(input: Tensor): Gating {
    return super.forward(input, this.noise);
  }
}

function verifyCase(oracle: MoECase, dtype: OracleDType): Comparison[] {
  const { spec, kind, scale } = oracle;
  const layer = buildLayer(oracle, dtype);
  const { router, source } = layer;
  const input = toTensor(oracle.x, dtype);
  input.requiresGrad = true;
  const parameters: Record<string, Tensor | null> = {
    x: input,
    w_gate: router.wGate,
    w_noise: router.wNoise,
    bank: (source as Bank | PartialSource).bank,
    bias_bank: layer.biasBank,
    ...(source instanceof PartialSource && { static: source.staticWeight, phi: source.phi }),
  };
  const named = Object.entries(parameters).filter((entry): entry is [string, Tensor] => entry[1] !== null);
  const run = (mask?: Tensor): { output: Tensor; decision: Gating; gradients: Map<string, Tensor | null> } => {
    const routing = new Routing();
    const output = layer.forward(input, routing);
    const decision = routing.decisions[0]!;
    const wanted: [string, Tensor][] = mask ? [...named, ['mask', mask]] : named;
    const gradients = grad(
      output.mul(toTensor(oracle.dy, dtype)).sum().add(routing.auxiliaryLoss()!),
      wanted.map(([, tensor]) => tensor),
      { allowUnused: true },
    );
    return { output, decision, gradients: new Map(wanted.map(([name], index) => [name, gradients[index] ?? null])) };
  };

  const trained = run();
  const compare = comparer('moe.json', [spec.name, kind, scale].filter(Boolean).join(' '), dtype);
  const comparisons = [
    compare('gates', trained.decision.gates, oracle.gates),
    compare('load', trained.decision.load, oracle.load),
    compare('auxiliary loss', trained.decision.auxiliaryLoss, oracle.aux_loss),
    compare('y', trained.output, oracle.y),
    compare(
      'y without gradients',
      noGrad(() => layer.eval().forward(input)),
      oracle.y,
    ),
  ];
  const scored = source instanceof PartialSource ? source.withMaskVariable((mask) => run(mask)) : trained;
  return [...comparisons, ...compareGradients(compare, oracle.grads, scored.gradients, trained.gradients)];
}

function buildLayer(oracle: MoECase, dtype: OracleDType): MoELinear {
  const { I: inFeatures, E: numExperts, k } = oracle.spec;
  const router = new FixedNoise({ inFeatures, numExperts, k }).to(dtype);
  noGrad(() => {
    router.wGate.copy_(toTensor(oracle.w_gate, dtype));
    router.wNoise.copy_(toTensor(oracle.w_noise, dtype));
  });
  router.noise = oracle.noise && toTensor(oracle.noise, dtype);
  return new MoELinear({ router, source: buildSource(oracle, dtype), biasBank: toTensor(oracle.bias_bank, dtype) });
}

function buildSource(oracle: MoECase, dtype: OracleDType): Bank | PartialSource {
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
