/**
 * Random dynamic and partial convolutions, by the native kernels and by libtorch's operators, for
 * `fusedConv2d.test.ts`, which runs this file once for every instruction set:
 *
 *     PADNET_ISA=avx2 node fusedConv2d.test.child.js RUNS
 *
 * Prints a JSON line with the largest error of outputs (in training, in evaluation, with an epilogue) and gradients by
 * dtype, relative to what is allowed: a fraction of the largest number, or, where a sum cancels, twice the error of
 * libtorch's own operators. Errors are those to float64.
 */
import { grad, manualSeed, nn, noGrad, ops, rand, randn, scope, type DType, type Tensor } from '@padnet/torch';
import fc from 'fast-check';
import { Bank } from '../dynamic/index.js';
import { Mask, numEntries, PartialSource, scaleModes, type ScaleMode, type ParameterSource } from '../partial/index.js';
import type { Router } from '../dynamic/index.js';
import type { ConvolutionPlan } from './convolutionPlan.js';
import { definedConvolution } from '../layers/definedConvolution.test.fixture.js';
import { DynamicConv2d } from '../layers/dynamicConvolutions.js';

/** Coefficients given from outside, that do not sum to 1. */
class Coefficients extends nn.Module implements Router {
  readonly sumsToOne = false;
  constructor(
    readonly value: Tensor,
    readonly numKernels: number,
  ) {
    super();
  }
  forward(): Tensor {
    return this.value;
  }
  countMacs(): number {
    return 0;
  }
}

const cases = fc.record({
  seed: fc.nat(),
  batch: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(64)),
  groups: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 2, arbitrary: fc.integer({ min: 2, max: 5 }) }),
  inPerGroup: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 30, max: 70 })),
  outPerGroup: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 30, max: 70 })),
  kernelHeight: fc.integer({ min: 1, max: 4 }),
  kernelWidth: fc.integer({ min: 1, max: 4 }),
  stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  padding: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
  dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  numKernels: fc.integer({ min: 1, max: 6 }),
  height: fc.integer({ min: 7, max: 12 }),
  width: fc.integer({ min: 7, max: 12 }),
  source: fc.oneof(
    fc.constant(null),
    fc.record({
      ratio: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
      ofFilters: fc.boolean(),
      scaleMode: fc.constantFrom<ScaleMode>(...scaleModes),
    }),
  ),
  channelsLast: fc.boolean(),
  /** Half of the coefficients are 0. */
  isSparse: fc.boolean(),
  activation: fc.constantFrom<nn.Activation>('none', 'relu', 'relu6'),
  hasResidual: fc.boolean(),
});

type Given = typeof cases extends fc.Arbitrary<infer T> ? T : never;

const allowed = { float32: 1e-5, float64: 1e-10 } as const;

function compare(dtype: keyof typeof allowed, numRuns: number): number {
  let worst = 0;
  fc.assert(
    fc.property(cases, (given) => {
      const { batch, groups, inPerGroup, outPerGroup, kernelHeight, kernelWidth, numKernels, height, width } = given;
      if (batch === 64 && inPerGroup * outPerGroup > 600) return;
      scope(() => {
        manualSeed(given.seed % 2 ** 31);
        const geometry = nn.conv2dGeometry({
          inChannels: groups * inPerGroup,
          outChannels: groups * outPerGroup,
          kernelSize: [kernelHeight, kernelWidth],
          stride: given.stride,
          padding: given.padding,
          dilation: given.dilation,
          groups,
        });
        const coefficients = randn([batch, numKernels]);
        if (given.isSparse) coefficients.mul_(rand([batch, numKernels]).lt(0.5));
        const source = sourceOf(nn.convWeightShape(geometry), numKernels, given.source);
        const memoryFormat = given.channelsLast ? 'channels_last' : 'contiguous';
        const input = randn([batch, geometry.inChannels, height, width]).contiguous({ memoryFormat });
        let gradient: Tensor | null = null;
        const results = (plan: ConvolutionPlan | 'defined', type: DType): (Tensor | null)[] => {
          const [x, alpha] = [input, coefficients].map((tensor) => tensor.to(type).clone()) as [Tensor, Tensor];
          x.requiresGrad = true;
          alpha.requiresGrad = true;
          source.to(type);
          const layer = new DynamicConv2d({ geometry, router: new Coefficients(alpha, numKernels), source });
          layer.plan = plan === 'defined' ? 'perSample' : plan;
          const forward = (given: Tensor): Tensor =>
            plan === 'defined' ? definedConvolution(layer, given) : layer.forward(given);
          const output = forward(x);
          gradient ??= randn(output.shape);
          const loss = output.mul(gradient.to(type)).sum();
          // Without gradients the weights are packed once, and mixed from there.
          layer.eval();
          const evaluated = noGrad(() => forward(x));
          const ended = noGrad(() => end(layer, forward, x, given));
          return [output, evaluated, ended, ...grad(loss, [x, alpha, ...source.parameters()], { allowUnused: true })];
        };
        const fused = results('fused', dtype);
        const composed = results('perSample', dtype);
        for (const [index, expected] of results('defined', 'float64').entries()) {
          if (expected === null || expected.numel === 0) continue;
          const errorOf = (found: Tensor): number => found.to('float64').sub(expected).abs().max().item();
          const size = expected.abs().max().item();
          const most = Math.max(allowed[dtype] * size, 2 * errorOf(composed[index]!), 1e-30);
          worst = Math.max(worst, errorOf(fused[index]!) / most);
        }
      });
    }),
    { numRuns, seed: 1 },
  );
  return worst;
}

/** With numbers that follow from the sizes, the same for every plan. */
function end(
  layer: DynamicConv2d,
  forward: (x: Tensor) => Tensor,
  x: Tensor,
  { activation, hasResidual }: Pick<Given, 'activation' | 'hasResidual'>,
): Tensor {
  const { outChannels } = layer.geometry;
  const waves = (shape: readonly number[], phase: number): Tensor =>
    ops.arange(numEntries(shape), { dtype: x.dtype }).add(phase).sin().reshape(shape);
  const [scale, shift] = [waves([outChannels], 1), waves([outChannels], 2)];
  const output = forward(x);
  const residual = hasResidual ? waves(output.shape, 3) : null;
  if (layer.takesEpilogue(x)) return layer.forwardWithEpilogue(x, scale, { shift, residual, activation });
  const eachMap = (values: Tensor): Tensor => values.reshape([-1, 1, 1]);
  const sum = output.mul(eachMap(scale)).add(eachMap(shift));
  const ended = residual ? sum.add(residual) : sum;
  return activation === 'none'
    ? ended
    : activation === 'relu'
      ? ended.relu()
      : ops.hardtanh(ended, { minVal: 0, maxVal: 6 });
}

type GivenSource = { ratio: number; ofFilters: boolean; scaleMode: ScaleMode } | null;

function sourceOf(shape: number[], numKernels: number, given: GivenSource): ParameterSource {
  const bank = randn([numKernels, ...shape]);
  if (given === null) return new Bank(bank);
  const { ratio, ofFilters, scaleMode } = given;
  const chosen = (ofFilters ? rand([shape[0]!, 1, 1, 1]) : rand(shape)).lt(ratio).expand(shape);
  const phi = scaleMode === 'none' ? null : randn([]);
  return new PartialSource({ bank, staticWeight: randn(shape), mask: Mask.fromTensor(chosen), scaleMode, phi });
}

const numRuns = Number(process.argv[2]);
process.stdout.write(
  `${JSON.stringify({ float64: compare('float64', numRuns), float32: compare('float32', numRuns) })}\n`,
);
