/** `partition.json`: scores and masks of Iterative Mode Partition, round by round. */
import { nn, noGrad, ops, scope, tensor, type Tensor } from '@padnet/torch';
import {
  DynamicConv2d,
  iterativeModePartition,
  SearchSource,
  type PartitionSchedule,
  type PartitionScope,
  type RoundResult,
  type ScaleMode,
} from 'padnet';
import {
  bounds,
  largestError,
  oracleDTypes,
  readFixture,
  toTensor,
  type Comparison,
  type Numbers,
  type OracleDType,
} from './fixtures.js';
import { buildRouter, type OracleRouter } from './router.js';

type OracleLayer = OracleRouter & Readonly<Record<'bank' | 'static' | 'phi', Numbers>>;

interface PartitionCase {
  readonly schedule: PartitionSchedule;
  readonly scope: PartitionScope;
  readonly target: number;
  readonly rounds: number;
  readonly temperature: number;
  readonly scale: ScaleMode;
  readonly layers: readonly OracleLayer[];
  readonly head: Numbers;
  readonly x: Numbers;
  readonly labels: Numbers;
  readonly steps: readonly {
    readonly round: number;
    readonly keep_ratio: number;
    readonly losses: readonly number[];
    readonly scores: readonly Numbers[];
    readonly masks: readonly Numbers[];
  }[];
}

/** Two partial 3×3 convolutions with ReLU, global pooling, a linear head without bias. */
class OracleNetwork extends nn.Module {
  readonly layers: nn.Sequential;
  readonly head: Tensor;

  constructor(oracle: PartitionCase, dtype: OracleDType) {
    super();
    this.layers = new nn.Sequential(
      ...oracle.layers.flatMap((layer) => [buildLayer(layer, oracle, dtype), new nn.ReLU()]),
    );
    this.head = toTensor(oracle.head, dtype);
  }

  forward(input: Tensor): Tensor {
    return this.layers.forward(input).mean([2, 3]).matmul(this.head.t());
  }
}

function buildLayer(oracle: OracleLayer, { temperature, scale }: PartitionCase, dtype: OracleDType): DynamicConv2d {
  const router = buildRouter(oracle, temperature, dtype);
  const source = new SearchSource({
    bank: toTensor(oracle.bank, dtype),
    staticWeight: toTensor(oracle.static, dtype),
    scaleMode: scale,
  });
  noGrad(() => source.phi?.copy_(toTensor(oracle.phi, dtype)));
  const [, inChannels = 0] = oracle.fc1.shape;
  const outChannels = oracle.bank.shape[1]!;
  return new DynamicConv2d({
    geometry: nn.conv2dGeometry({ inChannels, outChannels, kernelSize: 3, padding: 1 }),
    router,
    source,
  });
}

export async function verifyPartition(): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const dtype of oracleDTypes) {
    for (const oracle of readFixture<PartitionCase[]>('partition.json'))
      comparisons.push(...(await verifyCase(oracle, dtype)));
  }
  return comparisons;
}

async function verifyCase(oracle: PartitionCase, dtype: OracleDType): Promise<Comparison[]> {
  const network = new OracleNetwork(oracle, dtype);
  const images = toTensor(oracle.x, dtype);
  const labels = toTensor(oracle.labels, 'int64');
  const comparisons: Comparison[] = [];
  const compare = (quantity: string, error: number, bound: number): void => {
    comparisons.push({
      file: 'partition.json',
      case: `${oracle.schedule} ${oracle.scope}`,
      dtype,
      quantity,
      error,
      bound,
    });
  };
  let losses: number[] = [];
  const batchLosses = [0, 1].map((index) => () => {
    const loss = ops.crossEntropyLoss(network.forward(images.select(0, index)), labels.select(0, index));
    losses.push(loss.item());
    return loss;
  });
  const onRound = ({ round, keepRatio, scores, masks }: RoundResult): void => {
    const expected = oracle.steps[round - 1]!;
    const named = (quantity: string): string => `round ${round} ${quantity}`;
    compare(named('keep ratio'), Math.abs(keepRatio - expected.keep_ratio), bounds[dtype]);
    compare(
      named('losses'),
      scope(() => largestError(tensor(losses, { dtype: 'float64' }), { shape: [2], data: expected.losses })),
      bounds[dtype],
    );
    losses = [];
    [...scores.values()].forEach((values, index) => {
      const wanted = expected.scores[index]!;
      compare(named(`scores ${index}`), largestError(values.reshape(wanted.shape), wanted), bounds[dtype]);
    });
    [...masks.values()].forEach((mask, index) => {
      const wanted = expected.masks[index]!.data;
      compare(
        named(`mask ${index}`),
        wanted.filter((entry, position) => mask.has(position) !== (entry === 1)).length,
        0,
      );
    });
  };
  const { target: ratio, rounds, schedule, scope: partitionScope } = oracle;
  await iterativeModePartition(network, { ratio, rounds, schedule, scope: partitionScope, batchLosses, onRound });
  const expected = oracle.steps.length * 6;
  if (comparisons.length !== expected) throw new Error(`${comparisons.length} comparisons instead of ${expected}`);
  return comparisons;
}
