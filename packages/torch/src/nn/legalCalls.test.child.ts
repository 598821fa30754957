/**
 * Legal calls of what layers are computed with, random in sizes, layouts and dtypes, forward, backward and double
 * backward, for `legalCalls.test.ts`, which runs this file as a process of its own for every instruction set:
 *
 *     node legalCalls.test.child.js KIND DTYPE SEED FROM TO CALL_FILE
 *
 * Each call is written to CALL_FILE before it is made. Prints a JSON line with the largest error of outputs and
 * gradients, relative to the largest number and to what its dtype allows, beside the number of calls. Errors are those
 * to float64.
 */
import { openSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { backward, grad, manualSeed, ops, randn, scope, type DType, type Tensor } from '../index.js';
import { batchNormActivation } from '../nativeOperators.js';
import { convolve, type ConvGeometry } from './convolutions.js';

/** A function of tensors that gradients are taken for. */
interface Call {
  readonly shapes: readonly (readonly number[])[];
  readonly forward: (...inputs: Tensor[]) => Tensor;
}

interface DescribedCall extends Call {
  readonly text: string;
}

/** The calls that `make` gives, with what they were made of in words. */
function callsOf<T>(given: fc.Arbitrary<T>, make: (given: T) => Call): fc.Arbitrary<DescribedCall> {
  return given.map((each) => ({ ...make(each), text: JSON.stringify(each) }));
}

const whole = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const dims = fc.oneof({ weight: 5, arbitrary: fc.constant(2) }, fc.constant(1), fc.constant(3));

/** Sizes of maps: small ones, odd ones, and such as are cut into parts for threads. */
const extent = fc.oneof(whole(1, 9), fc.constantFrom(14, 16, 17, 28, 31, 32, 33, 56, 64));

interface Plane {
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
}

const plane: fc.Arbitrary<Plane> = dims.chain((count) => {
  const each = (value: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
    fc.oneof(
      value.map((one) => new Array<number>(count).fill(one)),
      fc.array(value, { minLength: count, maxLength: count }),
    );
  return fc
    .record({
      size: fc.array(count === 3 ? whole(1, 12) : extent, { minLength: count, maxLength: count }),
      kernel: each(fc.constantFrom(1, 1, 2, 3, 3, 5, 7)),
      stride: each(fc.constantFrom(1, 2, 2, 3)),
      padding: each(whole(0, 3)),
      dilation: each(fc.constantFrom(1, 1, 1, 2)),
    })
    .map((made) => ({ ...made, padding: made.padding.map((value, dim) => Math.min(value, made.kernel[dim]! >> 1)) }))
    .filter(({ size, kernel, padding, dilation }) =>
      size.every((value, dim) => value + 2 * padding[dim]! > dilation[dim]! * (kernel[dim]! - 1)),
    );
});

const batch = fc.constantFrom(1, 1, 2, 3, 8, 16);
const channels = whole(1, 40);
const isSmall = (sizes: readonly number[], most = 60_000): boolean => sizes.reduce((a, b) => a * b, 1) <= most;

/** Groups with the numbers of channels: one group, several, and depth-wise. */
const grouped = fc.oneof(
  { weight: 3, arbitrary: fc.record({ groups: fc.constant(1), input: channels, output: channels }) },
  fc
    .tuple(whole(2, 5), whole(1, 10), whole(1, 10))
    .map(([groups, a, b]) => ({ groups, input: groups * a, output: groups * b })),
  fc.tuple(channels, whole(1, 2)).map(([groups, factor]) => ({ groups, input: groups, output: groups * factor })),
);

interface Convolution {
  readonly plane: Plane;
  readonly batch: number;
  readonly grouped: { readonly groups: number; readonly input: number; readonly output: number };
  readonly hasBias: boolean;
}

function isSmallConvolution({ plane: { size }, batch: count, grouped: { input } }: Convolution): boolean {
  return isSmall([count, input, ...size]);
}

function convolutionCall({
  plane: each,
  batch: count,
  grouped: { groups, input, output },
  hasBias,
}: Convolution): Call {
  const { size, kernel, stride, padding, dilation } = each;
  const channelNumbers = { inChannels: input, outChannels: output, groups };
  const geometry: ConvGeometry = { ...channelNumbers, kernelSize: kernel, stride, padding, dilation };
  return {
    shapes: [[count, input, ...size], [output, input / groups, ...kernel], ...(hasBias ? [[output]] : [])],
    forward: (x: Tensor, weight: Tensor, bias: Tensor | null = null) => convolve(x, weight, bias, geometry),
  };
}

const kinds: Readonly<Record<string, fc.Arbitrary<DescribedCall>>> = {
  convolution: callsOf(
    fc.record({ plane, batch, grouped, hasBias: fc.boolean() }).filter(isSmallConvolution),
    convolutionCall,
  ),

  /** Where oneDNN has overrun its memory: 1×1 with strides, of few channels on large maps. */
  strided1x1: callsOf(
    fc.record({
      plane: fc.record({
        size: fc.constantFrom([64, 64], [32, 64], [33, 31], [56, 28], [16, 16]),
        kernel: fc.constant([1, 1]),
        stride: fc.constantFrom([2, 2], [1, 2], [3, 3]),
        padding: fc.constant([0, 0]),
        dilation: fc.constant([1, 1]),
      }),
      batch: fc.constantFrom(1, 2, 8),
      grouped: fc.record({ groups: fc.constant(1), input: whole(1, 20), output: channels }),
      hasBias: fc.boolean(),
    }),
    convolutionCall,
  ),

  transposedConvolution: callsOf(
    fc
      .record({ plane, batch, grouped, hasBias: fc.boolean() })
      .filter(
        ({ plane: { size, kernel, stride, padding }, batch: count, grouped: { input, output } }) =>
          isSmall([count, Math.max(input, output), ...size.map((value, dim) => value * stride[dim]!)]) &&
          size.every((value, dim) => (value - 1) * stride[dim]! + kernel[dim]! > 2 * padding[dim]!),
      ),
    ({
      plane: { size, kernel, stride, padding, dilation },
      batch: count,
      grouped: { groups, input, output },
      hasBias,
    }) => {
      const operator = [ops.convTranspose1d, ops.convTranspose2d, ops.convTranspose3d][size.length - 1]!;
      return {
        shapes: [[count, input, ...size], [input, output / groups, ...kernel], ...(hasBias ? [[output]] : [])],
        forward: (x: Tensor, weight: Tensor, bias: Tensor | null = null) =>
          operator(x, weight, { bias, stride, padding, dilation, groups }),
      };
    },
  ),

  pooling: callsOf(
    fc
      .record({
        plane,
        batch,
        channels,
        ceilMode: fc.boolean(),
        which: fc.constantFrom('max', 'avg', 'adaptiveAvg', 'adaptiveMax'),
      })
      .filter(({ plane: { size }, batch: count, channels: width }) => isSmall([count, width, ...size])),
    ({ plane: { size, kernel, stride, padding, dilation }, batch: count, channels: width, ceilMode, which }) => {
      const dim = size.length - 1;
      const outputSize = size.map((value, each) => Math.max(1, Math.floor(value / kernel[each]!)));
      const forwards = {
        max: (x: Tensor) =>
          [ops.maxPool1d, ops.maxPool2d, ops.maxPool3d][dim]!(x, kernel, { stride, padding, dilation, ceilMode }),
        avg: (x: Tensor) =>
          [ops.avgPool1d, ops.avgPool2d, ops.avgPool3d][dim]!(x, kernel, { stride, padding, ceilMode }),
        adaptiveAvg: (x: Tensor) =>
          [ops.adaptiveAvgPool1d, ops.adaptiveAvgPool2d, ops.adaptiveAvgPool3d][dim]!(x, outputSize),
        adaptiveMax: (x: Tensor) =>
          [ops.adaptiveMaxPool1d, ops.adaptiveMaxPool2d, ops.adaptiveMaxPool3d][dim]!(x, outputSize)[0],
      };
      const isOverflowing = which === 'avg' && size.some((value, each) => value < kernel[each]!);
      return {
        shapes: [[count, width, ...size]],
        forward: isOverflowing ? forwards.adaptiveAvg : forwards[which],
      };
    },
  ),

  norm: callsOf(
    fc
      .record({
        size: dims.chain((count) =>
          fc.array(count === 3 ? whole(1, 12) : extent, { minLength: count, maxLength: count }),
        ),
        batch: fc.constantFrom(2, 3, 8, 16),
        groups: whole(1, 5),
        width: whole(1, 8),
        training: fc.boolean(),
        which: fc.constantFrom('batchNormActivation', 'plainBatchNorm', 'layerNorm', 'groupNorm'),
      })
      .filter(({ size, batch: count, groups, width }) => isSmall([count, groups * width, ...size]))
      // One or two features are normalised to values that hang on rounding.
      .filter(({ which, groups, width }) => which !== 'layerNorm' || groups * width > 2),
    ({ size, batch: count, groups, width, training, which }) => {
      const numFeatures = groups * width;
      const statistics = (x: Tensor): Tensor[] => [x.newZeros([numFeatures]), x.newOnes([numFeatures])];
      const forwards = {
        batchNormActivation: (x: Tensor, weight: Tensor, bias: Tensor) => {
          const [mean, variance] = statistics(x);
          const map = size.length === 2 ? x : x.reshape([count, numFeatures, 1, -1]);
          return batchNormActivation(map, weight, bias, null, mean!, variance!, training, 0.1, 1e-5, 'none');
        },
        plainBatchNorm: (x: Tensor, weight: Tensor, bias: Tensor) => {
          const [mean, variance] = statistics(x);
          return ops.batchNorm(x, weight, bias, mean!, variance!, training, 0.1, 1e-5, true);
        },
        layerNorm: (x: Tensor, weight: Tensor, bias: Tensor) => {
          const last = x.transpose(1, -1);
          return ops.layerNorm(last, [numFeatures], { weight, bias });
        },
        groupNorm: (x: Tensor, weight: Tensor, bias: Tensor) => ops.groupNorm(x, groups, { weight, bias }),
      };
      return {
        shapes: [[count, numFeatures, ...size], [numFeatures], [numFeatures]],
        forward: forwards[which],
      };
    },
  ),

  linear: callsOf(
    fc
      .record({
        rows: fc.array(fc.constantFrom(1, 2, 3, 7, 16, 33, 128), { minLength: 0, maxLength: 3 }),
        input: fc.oneof(channels, whole(41, 200)),
        output: fc.oneof(channels, whole(41, 200)),
        which: fc.constantFrom('linear', 'linearBias', 'matmul', 'bmm', 'addmm', 'einsum'),
      })
      .filter(({ rows }) => isSmall(rows, 2000)),
    ({ rows, input, output, which }) => {
      const count = rows.reduce<number>((a, b) => a * b, 1);
      const calls: Record<typeof which, Call> = {
        linear: {
          shapes: [
            [...rows, input],
            [output, input],
          ],
          forward: (x, w) => ops.linear(x, w),
        },
        linearBias: {
          shapes: [[...rows, input], [output, input], [output]],
          forward: (x, w, bias) => ops.linear(x, w, { bias: bias }),
        },
        matmul: {
          shapes: [
            [...rows, input],
            [input, output],
          ],
          forward: (x, w) => ops.matmul(x, w),
        },
        bmm: {
          shapes: [
            [3, count, input],
            [3, input, output],
          ],
          forward: (x, w) => ops.bmm(x, w),
        },
        addmm: {
          shapes: [[output], [count, input], [input, output]],
          forward: (bias, x, w) => ops.addmm(bias, x, w),
        },
        einsum: {
          shapes: [
            [count, input],
            [2, output, input],
          ],
          forward: (x, w) => ops.einsum('ti,koi->tko', [x, w]),
        },
      };
      return calls[which];
    },
  ),
};

interface Manner {
  /** By input: whether its channels lie last, where it has maps. */
  readonly channelsLast: readonly boolean[];
  /** By input: whether it is every second column of another tensor. */
  readonly sliced: readonly boolean[];
  readonly order: 'forward' | 'backward' | 'double';
}

const flags = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 });
const manner: fc.Arbitrary<Manner> = fc.record({
  channelsLast: flags,
  sliced: fc.oneof({ weight: 4, arbitrary: fc.constant([false, false, false, false]) }, flags),
  order: fc.constantFrom('forward', 'backward', 'backward', 'double'),
});

function laidOut(value: Tensor, channelsLast: boolean, sliced: boolean): Tensor {
  const memoryFormat = value.dim === 4 ? 'channels_last' : value.dim === 5 ? 'channels_last_3d' : 'contiguous';
  const made = channelsLast ? value.contiguous({ memoryFormat }) : value.contiguous();
  if (!sliced || made.dim < 2) return made;
  return ops.select(ops.stack([made, made], { dim: made.dim }), made.dim, 1);
}

/** Output and gradients, in float64 again. */
function computed(
  forward: Call['forward'],
  values: readonly Tensor[],
  cotangent: Tensor,
  precision: DType,
  given: Manner,
): Tensor[] {
  const inputs = values.map((value, index) => {
    const input = laidOut(
      value.to(precision).detach().clone(),
      given.channelsLast[index]!,
      given.sliced[index]!,
    ).detach();
    input.requiresGrad = given.order !== 'forward';
    return input;
  });
  const output = forward(...inputs);
  const wide = (tensors: readonly (Tensor | null)[]): Tensor[] =>
    tensors.map((tensor) => (tensor ?? output.newZeros([])).detach().to('float64'));
  if (given.order === 'forward') return wide([output]);
  const upstream = laidOut(cotangent.to(output.dtype), given.channelsLast[3]!, given.sliced[3]!).detach();
  if (given.order === 'backward') {
    backward(output, { gradients: [upstream] });
    return wide([output, ...inputs.map((input) => input.grad)]);
  }
  upstream.requiresGrad = true;
  const first = grad([output], inputs, { gradients: [upstream], createGraph: true, allowUnused: true });
  const sum = first.flatMap((gradient) => (gradient?.requiresGrad ? [gradient.mul(gradient).sum()] : []));
  if (sum.length === 0) return wide([output, ...first]);
  const second = grad(
    sum.reduce((a, b) => a.add(b)),
    [...inputs, upstream],
    { allowUnused: true },
  );
  return wide([output, ...first, ...second]);
}

const allowed = { float32: 1e-4, bfloat16: 6e-2 } as const;

const [kind = 'convolution', dtypeName = 'float32', ...numbers] = process.argv.slice(2, 7);
const [seed = 1, from = 0, to = 100] = numbers.map(Number);
const callFile = openSync(process.argv[7] ?? '/dev/null', 'w');
const calls = kinds[kind];
const dtype = (['float32', 'bfloat16'] as const).find((name) => name === dtypeName);
if (!calls || !dtype)
  throw new Error(`expected a kind of ${Object.keys(kinds).join(', ')} and a dtype, got ${kind} ${dtypeName}`);

let worst = 0;

function check(dtype: keyof typeof allowed, { shapes, forward, text }: DescribedCall, given: Manner): void {
  // Rounded beforehand: what is compared is the computation.
  const values = shapes.map((shape) => randn(shape).to(dtype).to('float64'));
  const cotangent = randn(forward(...values).shape)
    .to(dtype)
    .to('float64');
  const plain = { ...given, channelsLast: [false, false, false, false], sliced: [false, false, false, false] };
  const wanted = computed(forward, values, cotangent, 'float64', plain);
  for (const [place, got] of computed(forward, values, cotangent, dtype, given).entries()) {
    const want = wanted[place]!;
    if (want.numel === 0) continue;
    const largest = Math.max(want.abs().max().item(), 1);
    const error = got.sub(want).abs().max().item() / largest / allowed[dtype];
    if (!(error < 1)) throw new Error(`result ${place} is off by ${error} times what is allowed: ${text}`);
    worst = Math.max(worst, error);
  }
}

const anyCall = fc.noBias(fc.tuple(calls, manner));
for (let index = from; index < to; index++) {
  const [[call, given]] = fc.sample(anyCall, { seed: seed * 1_000_003 + index, numRuns: 1 }) as [
    [DescribedCall, Manner],
  ];
  writeSync(callFile, `${index} ${call.text} ${JSON.stringify(given)}\n`);
  scope(() => {
    manualSeed(index);
    check(dtype, call, given);
  });
}
writeSync(1, `${JSON.stringify({ worst, calls: to - from })}\n`);
