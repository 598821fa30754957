/** `moe.json`: gates, auxiliary loss, outputs and gradients of MoE and partial MoE linear layers. */
import { grad, noGrad, scope, type Tensor } from '@padnet/torch';
import { MoELinear, NoisyTopK, Routing, type Gating } from 'padnet';
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
import {
  buildSource,
  namedGradients,
  scoredGradients,
  sourceTensors,
  type AnySource,
  type OracleSource,
} from './source.js';

interface MoECase extends OracleSource {
  readonly spec: {
    readonly name: string;
    readonly N: number;
    readonly I: number;
    readonly O: number;
    readonly E: number;
    readonly k: number;
    readonly train: boolean;
  };
  readonly noise: Numbers | null;
  readonly x: Numbers;
  readonly w_gate: Numbers;
  readonly w_noise: Numbers;
  readonly bias_bank: Numbers;
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
  const source = buildSource(oracle, dtype);
  const layer = buildLayer(oracle, source, dtype);
  const input = toTensor(oracle.x, dtype);
  input.requiresGrad = true;
  const trained = run(oracle, layer, source, input);
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
  const scored = scoredGradients(
    oracle,
    dtype,
    (searched, mask) => run(oracle, buildLayer(oracle, searched, dtype), searched, input, mask).gradients,
  );
  return [...comparisons, ...compareGradients(compare, oracle.grads, scored ?? trained.gradients, trained.gradients)];
}

/** Gradients by the oracle's names. */
function run(
  oracle: MoECase,
  layer: MoELinear,
  source: AnySource,
  input: Tensor,
  mask: Tensor | null = null,
): { output: Tensor; decision: Gating; gradients: Gradients } {
  const { router, biasBank } = layer;
  const routing = new Routing();
  const output = layer.forward(input, routing);
  const decision = routing.decisions[0]!;
  const tensors: Record<string, Tensor | null> = {
    x: input,
    w_gate: router.wGate,
    w_noise: router.wNoise,
    bias_bank: biasBank,
    ...sourceTensors(source),
    mask,
  };
  const loss = output.mul(toTensor(oracle.dy, output.dtype)).sum().add(routing.auxiliaryLoss()!);
  const gradients = namedGradients(source, tensors, (wanted) => grad(loss, wanted, { allowUnused: true }));
  return { output, decision, gradients };
}

function buildLayer(oracle: MoECase, source: AnySource, dtype: OracleDType): MoELinear {
  const { I: inFeatures, E: numExperts, k } = oracle.spec;
  const router = new FixedNoise({ inFeatures, numExperts, k }).to(dtype);
  noGrad(() => {
    router.wGate.copy_(toTensor(oracle.w_gate, dtype));
    router.wNoise.copy_(toTensor(oracle.w_noise, dtype));
  });
  router.noise = oracle.noise && toTensor(oracle.noise, dtype);
  return new MoELinear({ router, source, biasBank: toTensor(oracle.bias_bank, dtype) });
}
