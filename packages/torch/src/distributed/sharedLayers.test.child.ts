/** One rank of `sharedLayers.test.ts`: layers under a shared batch beside the same layers in one process. */
import {
  defaultGenerator,
  Generator,
  grad,
  manualSeed,
  nn,
  ones,
  randn,
  setNumThreads,
  tensor,
  type DType,
  type Tensor,
} from '../index.js';
import { ProcessGroup, rankEnvironment, sumOverRanks, withSharedBatch } from './index.js';

setNumThreads(1);
const group = await ProcessGroup.open(rankEnvironment()!);
const { rank, size } = group;

/** The largest difference between tensors, in parts of the largest number of the expected one. */
function error(actual: readonly Tensor[], expected: readonly Tensor[]): number {
  return Math.max(
    ...actual.map((value, index) => {
      const other = expected[index]!;
      return value.sub(other).abs().max().item() / Math.max(other.abs().max().item(), 1e-3);
    }),
  );
}

const sumOfAll = (tensor: Tensor): Tensor => {
  const sum = tensor.contiguous().clone();
  group.allReduce(sum).wait();
  return sum;
};

/** This rank's rows where each rank has the next `rows[rank]` of them. */
const partOf = (tensor: Tensor, rows: readonly number[]): Tensor => {
  const start = rows.slice(0, rank).reduce((a, b) => a + b, 0);
  const part = tensor.narrow(0, start, rows[rank]!).detach().clone();
  part.requiresGrad = true;
  return part;
};

interface BatchNormCase {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly options?: Partial<nn.BatchNormOptions>;
  readonly hasResidual?: boolean;
  readonly channelsLast?: boolean;
  /** Rows of a rank. @default 1, and the last one has the rest */
  readonly rows?: (rank: number, batch: number) => number;
}

const kinds = { 2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d } as const;

/** The running statistics of all cases, which are to be the same bits everywhere. */
const running: number[] = [];

function batchNorm({ dtype, shape, options, hasResidual, channelsLast, rows }: BatchNormCase): number {
  const batch = shape[0]!;
  const share = rows ?? ((r: number) => (r < size - 1 ? 1 : batch - size + 1));
  const parts = Array.from({ length: size }, (_, r) => share(r, batch));
  const made = (): nn.BatchNorm =>
    new kinds[shape.length as 4]({ numFeatures: shape[1]!, eps: 1e-3, ...options }).to(dtype);
  manualSeed(1);
  const layout = (tensor: Tensor): Tensor =>
    channelsLast ? tensor.contiguous({ memoryFormat: 'channels_last' }) : tensor;
  const input = layout(randn(shape, { dtype }).mul(2).add(30));
  const residual = hasResidual ? layout(randn(shape, { dtype })) : null;
  const weights = randn(shape, { dtype });
  const [alone, shared] = [made(), made()];
  const whole = input.clone();
  whole.requiresGrad = true;
  // Two passes, so that running statistics and the cumulative average are seen.
  const expected = alone.forward(whole, residual).mul(weights);
  expected.sum().backward();
  alone.forward(whole.detach().mul(3), residual);
  const own = partOf(input, parts);
  const ownResidual = residual && partOf(residual, parts);
  const body = (): Tensor => {
    const output = shared.forward(own, ownResidual).mul(partOf(weights, parts).detach());
    output.sum().backward();
    shared.forward(own.detach().mul(3), ownResidual);
    return output;
  };
  const output = withSharedBatch({ group, syncBatchNorm: true, ownGenerator: new Generator(0) }, body);
  running.push(...[shared.runningMean, shared.runningVar].flatMap((each) => each?.toArray() ?? []));
  const results =
    parts[rank] === 0
      ? []
      : [
          [output, partOf(expected, parts)],
          [own.grad!, partOf(whole.grad!, parts)],
        ];
  return error(
    [
      ...results.map(([actual]) => actual!),
      ...shared.parameters().map(({ grad }) => sumOfAll(grad!)),
      ...[...shared.stateDict().values()].map((value) => value.to(dtype)),
    ],
    [
      ...results.map(([, other]) => other!),
      ...alone.parameters().map(({ grad }) => grad!),
      ...[...alone.stateDict().values()].map((value) => value.to(dtype)),
    ],
  );
}

const cases: readonly BatchNormCase[] = (['float32', 'float64'] as const).flatMap((dtype) => [
  { dtype, shape: [5, 3, 4, 2] },
  { dtype, shape: [6, 3, 5, 5], options: { activation: 'relu' }, hasResidual: true, channelsLast: true },
  { dtype, shape: [6, 2, 3, 4], options: { activation: 'relu6', momentum: null } },
  { dtype, shape: [4, 3], hasResidual: true },
  { dtype, shape: [4, 3, 7], options: { affine: false, activation: 'relu' } },
  { dtype, shape: [3, 2, 2, 3, 2], options: { trackRunningStats: false } },
  // The first rank has no sample.
  { dtype, shape: [4, 3, 3, 3], rows: (r, batch) => (r === size - 1 ? batch : 0), hasResidual: true },
]);

/** What layers draw, and whether the default generator knows of it. */
function dropout(): unknown {
  const attention = new nn.MultiheadAttention({ embedDim: 4, numHeads: 1, dropout: 0.5 });
  const lstm = new nn.LSTM({ inputSize: 4, hiddenSize: 4, numLayers: 2, dropout: 0.5 });
  const layers: Record<string, (x: Tensor) => Tensor> = {
    dropout: (x) => new nn.Dropout({ p: 0.5 }).forward(x),
    attention: (x) => attention.forward(x, x, x)[1]!,
    lstm: (x) => lstm.forward(x.unsqueeze(1))[0],
  };
  const state = (): string => defaultGenerator.getState().toArray().join();
  return Object.entries(layers).map(([name, layer]) => {
    const draw = (): string =>
      layer(ones([64, 4]))
        .toArray()
        .join();
    const drawn = (seed: number): readonly string[] =>
      withSharedBatch({ group, syncBatchNorm: false, ownGenerator: new Generator(seed) }, () => [draw(), draw()]);
    manualSeed(5);
    const before = state();
    const [first, second] = drawn(100 + rank);
    const isUntouched = state() === before;
    const repeats = drawn(100 + rank).join() === [first, second].join();
    const outside = draw();
    manualSeed(100 + rank);
    return {
      name,
      isUntouched,
      repeats,
      goesOn: first !== second,
      isOfOwnGenerator: first === draw(),
      movesOutside: outside !== first && state() !== before,
    };
  });
}

/** Without `sync` a rank's statistics are its own; in evaluation no rank waits for another. */
function alone(): unknown {
  const shared = { group, syncBatchNorm: true, ownGenerator: new Generator(0) };
  manualSeed(2);
  const input = randn([4, 3, 2, 2]).mul(rank + 1);
  const layer = (): nn.BatchNorm => new nn.BatchNorm2d({ numFeatures: 3 });
  const [own, plain, evaluated] = [layer(), layer(), layer().eval()];
  const output = withSharedBatch({ ...shared, syncBatchNorm: false }, () => own.forward(input));
  const expected = plain.forward(input);
  const evaluatedAlone = evaluated.forward(input);
  return {
    own: error([output, own.runningVar!], [expected, plain.runningVar!]),
    // Rank 0 alone: it would wait for ever.
    evaluated: rank > 0 ? 0 : withSharedBatch(shared, () => error([evaluated.forward(input)], [evaluatedAlone])),
  };
}

/** L = S² with S = Σ x² over the ranks: ∂/∂x Σ (∂L/∂x)² = 96 S² x. */
function secondOrder(): number {
  const x = tensor([rank + 1], { dtype: 'float64', requiresGrad: true });
  const sum = sumOverRanks(group, x.square());
  const [first] = grad(sum.square().div(size).sum(), [x], { createGraph: true });
  first!.square().sum().backward();
  return error([x.grad!], [sum.square().mul(x).mul(96)]);
}

console.log(
  JSON.stringify({
    batchNorm: cases.map((each) => batchNorm(each)),
    running,
    dropout: dropout(),
    alone: alone(),
    secondOrder: secondOrder(),
  }),
);
group.barrier();
group.close();
