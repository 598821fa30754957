/**
 * Random mixtures of experts, by the native kernels and by libtorch's operators in float64, for `fusedExperts.test.ts`,
 * which runs this file once for every instruction set:
 *
 *     PADNET_ISA=avx2 node fusedExperts.test.child.js RUNS
 *
 * Prints a JSON line with the largest relative differences of outputs and gradients.
 */
import { grad, manualSeed, noGrad, rand, randn, scope, type DType, type Tensor } from '@padnet/torch';
import fc from 'fast-check';
import { Bank, NoisyTopK } from '../dynamic/index.js';
import { Mask, PartialSource, scaleModes, type ScaleMode, type ParameterSource } from '../partial/index.js';
import { MoELinear } from '../layers/moeLinear.js';
import type { ExpertPlan } from './expertMixture.js';
import { Routing } from '../layers/routing.js';

const features = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 180, max: 450 }) },
);

const cases = fc.record({
  seed: fc.nat(),
  numTokens: fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 40 }) },
    { weight: 1, arbitrary: fc.integer({ min: 400, max: 600 }) },
  ),
  inFeatures: features,
  outFeatures: features,
  numExperts: fc.integer({ min: 1, max: 6 }),
  chosen: fc.integer({ min: 1, max: 6 }),
  biased: fc.boolean(),
  /** All tokens to the same experts. */
  isTied: fc.boolean(),
  source: fc.oneof(
    fc.constant(null),
    fc.record({
      ratio: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
      units: fc.constantFrom<Units>('entries', 'rows', 'columns'),
      scaleMode: fc.constantFrom<ScaleMode>(...scaleModes),
    }),
  ),
});

type Units = 'entries' | 'rows' | 'columns';
type GivenSource = { ratio: number; units: Units; scaleMode: ScaleMode } | null;

function compare(dtype: DType, numRuns: number): number {
  let worst = 0;
  fc.assert(
    fc.property(cases, ({ seed, numTokens, inFeatures, outFeatures, numExperts, chosen, biased, isTied, source }) => {
      scope(() => {
        manualSeed(seed % 2 ** 31);
        const k = Math.min(chosen, numExperts);
        const router = new NoisyTopK({ inFeatures, numExperts, k });
        if (!isTied) noGrad(() => router.wGate.copy_(randn([inFeatures, numExperts]).div(Math.sqrt(inFeatures))));
        const layer = new MoELinear({
          router,
          source: sourceOf([outFeatures, inFeatures], numExperts, source),
          biasBank: biased ? randn([numExperts, outFeatures]) : null,
        }).eval();
        const tokens = randn([numTokens, inFeatures]);
        const outputGradient = randn([numTokens, outFeatures]);
        const run = (plan: ExpertPlan, precision: DType): { experts: number[]; results: (Tensor | null)[] } => {
          layer.to(precision).plan = plan;
          const input = tokens.to(precision).detach();
          input.requiresGrad = true;
          const routing = new Routing();
          const output = layer.forward(input, routing);
          const inputs = [input, ...layer.parameters()];
          const gradients = grad(output.mul(outputGradient.to(precision)).sum(), inputs, { allowUnused: true });
          return { experts: routing.decisions[0]!.experts.toArray(), results: [output, ...gradients] };
        };
        const fused = run('fused', dtype);
        const composed = run('composed', 'float64');
        if (fused.experts.join() !== composed.experts.join()) return; // a near tie that rounding decides
        for (const [index, expected] of composed.results.entries()) {
          const found = fused.results[index];
          if (!expected || !found || expected.numel === 0) continue;
          const size = Math.max(expected.abs().max().item(), 1);
          worst = Math.max(worst, found.to('float64').sub(expected).abs().max().item() / size);
        }
      });
    }),
    { numRuns, seed: 1 },
  );
  return worst;
}

function sourceOf(shape: number[], numExperts: number, given: GivenSource): ParameterSource {
  const bank = randn([numExperts, ...shape]);
  if (given === null) return new Bank(bank);
  const { ratio, units, scaleMode } = given;
  const chosen = rand({ entries: shape, rows: [shape[0]!, 1], columns: [1, shape[1]!] }[units])
    .lt(ratio)
    .expand(shape);
  const phi = scaleMode === 'none' ? null : randn([]);
  return new PartialSource({ bank, staticWeight: randn(shape), mask: Mask.fromTensor(chosen), scaleMode, phi });
}

const numRuns = Number(process.argv[2]);
process.stdout.write(
  `${JSON.stringify({ float64: compare('float64', numRuns), float32: compare('float32', numRuns) })}\n`,
);
