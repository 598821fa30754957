/**
 * Iterative Mode Partition (PAD-Net §3.3; method.md §3): for t = 1..T score all entries with the current mask, keep the
 * ratio κ_t, make the rest static. An entry that became static can return in a later round. T = 1 is the one-shot
 * partition.
 */
import { nn, noGrad, scope, type Tensor } from '@padnet/torch';
import { assertWholeExperts } from '../layers/index.js';
import { Mask, type SearchSource } from '../partial/index.js';
import { InputError } from '../errors.js';
import type { UnitSum } from './granularity.js';
import {
  overallDynamicRatio,
  partitionSettings,
  searchLayers,
  type Partition,
  type PartitionRound,
  type PartitionSettings,
} from './partition.js';
import { partitionUnits, sumUnits, unitMasks } from './partitionUnits.js';
import type { Ranks } from '../ranks.js';
import {
  checkScores,
  checkUnitScores,
  maskGradient,
  normalised,
  unitSaliency,
  type Saliency,
  type ScoredRound,
} from './saliency/index.js';
import { keepRatio } from './schedule.js';
import { type LayerScores, selectDynamic } from './selectDynamic.js';

export interface IterativeModePartitionOptions {
  /** κ, from 0 to 1. */
  readonly ratio: number;
  /** T. @default 3 */
  readonly rounds?: number;
  /** @default 'exponential' */
  readonly schedule?: PartitionSettings['schedule'];
  /** @default 'global' */
  readonly scope?: PartitionSettings['scope'];
  /** @default 'entry' */
  readonly granularity?: PartitionSettings['granularity'];
  /** @default 'signed' */
  readonly unitSum?: UnitSum;
  /** @default maskGradient */
  readonly saliency?: Saliency;
  /** For random scores. @default 0 */
  readonly seed?: number;
  /** The loss of each batch of the partition set, computed anew at every call. */
  readonly batchLosses: readonly (() => Tensor)[];
  /** [channels, height, width] of an input, for scores without data. @default null: an input is more than a tensor */
  readonly sampleShape?: readonly number[] | null;
  /** Called after every round. */
  readonly onRound?: (round: RoundResult) => void;
  readonly signal?: AbortSignal;
  /** Those that share the batches of the partition set, and get the same masks. */
  readonly ranks?: Ranks | undefined;
}

export interface RoundResult extends PartitionRound {
  readonly masks: ReadonlyMap<string, Mask>;
  /**
   * Saliency of every unit [units] by layer, normalised so that absolute values sum to 1 over all layers; freed after
   * `onRound`. Units that span two layers stand under the first. None where κ is 0.
   */
  readonly scores: ReadonlyMap<string, Tensor>;
}

/**
 * Partitions a network whose layers are partial and have no masks for good. It is put in evaluation mode meanwhile and
 * is left as it was: `applyPartition` sets the masks.
 *
 * κ = 0 leaves nothing to choose, so that nothing is scored.
 *
 * @throws RangeError where κ is outside [0, 1], rounds < 1, or there is no such layer; InputError where the granularity
 *   does not fit a layer, units are summed without signs that the score needs, or all scores are 0; NonFiniteError
 *   naming a layer whose scores are not finite
 */
export async function iterativeModePartition(
  network: nn.Module,
  options: IterativeModePartitionOptions,
): Promise<Partition> {
  const {
    ratio,
    rounds = 3,
    schedule = 'exponential',
    granularity = 'entry',
    unitSum = 'signed',
    saliency = maskGradient,
    seed = 0,
  } = options;
  const { scope: partitionScope = 'global', batchLosses, sampleShape = null, onRound, signal, ranks } = options;
  if (!(ratio >= 0 && ratio <= 1)) throw new RangeError(`the dynamic ratio κ must be from 0 to 1, got ${ratio}`);
  if (!(Number.isInteger(rounds) && rounds >= 1))
    throw new RangeError(`rounds must be a whole number of at least 1, got ${rounds}`);
  assertSumFits(unitSum, saliency);
  assertWholeExperts(network, 'the partition');
  const sources = searchLayers(network);
  if (sources.size === 0)
    throw new RangeError(
      'the network has no partial layer to search; convertToPartial and convertToPartialMoE make them',
    );
  const groups = partitionUnits(network, granularity);

  const before = new Map(Array.from(sources, ([path, { mask }]) => [path, mask]));
  using _mode = nn.evaluationMode(network);
  const done: PartitionRound[] = [];
  let masks: ReadonlyMap<string, Mask> = before;
  let scores = new Map<string, Float32Array>();
  const finish = (round: number, keep: number, found: ScoredMasks): void => {
    masks = found.masks;
    const result = { round, keepRatio: keep, dynamicRatio: overallDynamicRatio(masks.values()) };
    done.push(result);
    onRound?.({ ...result, ...found });
  };
  try {
    for (let round = 1; round <= rounds; round++) {
      if (ratio === 0) {
        finish(round, 0, { masks: emptyMasks(sources), scores: new Map() });
        continue;
      }
      const raw = await saliency.score({ network, sources, batchLosses, sampleShape, seed, signal, ranks });
      ranks?.copyFromFirst(raw.values()); // where other processors have rounded otherwise
      checkScores(raw, sources, `the saliency ${saliency.name}`);
      const keep = keepRatio(ratio, round, rounds, schedule);
      try {
        scores = scope(() => {
          const units = noGrad(() =>
            groups.map((group): LayerScores => {
              const { unitSize } = group;
              return { scores: unitSaliency(sumUnits(group, raw, unitSum), saliency), unitSize };
            }),
          );
          const ofUnits = normalised(
            finalScores(saliency, units, { seed, isLast: round === rounds }),
            saliency.name,
            keep,
          );
          const selected = selectDynamic(
            units.map(({ unitSize }, index) => ({ scores: ofUnits[index]!, unitSize })),
            keep,
            partitionScope,
          );
          const found = new Map(groups.flatMap((group, index) => unitMasks(group, selected[index]!)));
          const roundMasks = new Map(Array.from(sources.keys(), (path) => [path, found.get(path)!]));
          const roundScores = new Map(groups.map(({ parts }, index) => [parts[0]!.path, ofUnits[index]!]));
          finish(round, keep, { masks: roundMasks, scores: roundScores });
          return toFloat32(roundScores);
        });
      } finally {
        for (const tensor of raw.values()) tensor[Symbol.dispose]();
      }
      setMasks(sources, masks);
    }
  } finally {
    setMasks(sources, before);
  }
  const settings = partitionSettings({
    ratio,
    rounds,
    schedule,
    scope: partitionScope,
    granularity,
    unitSum,
    saliency: saliency.name,
    batches: batchLosses.length,
    seed,
  });
  return { settings, rounds: done, masks, scores };
}

/** @throws InputError where a score says by its sign what becomes static, and signs are not to count */
function assertSumFits(unitSum: UnitSum, { name, isSigned }: Saliency): void {
  if (unitSum === 'absolute' && isSigned)
    throw new InputError(`${name} says by its sign what becomes static: expected unitSum signed, got absolute`);
}

/** The scores that units are chosen by. @throws as `checkUnitScores` */
function finalScores(saliency: Saliency, units: readonly LayerScores[], round: ScoredRound): readonly Tensor[] {
  if (!saliency.ofUnits) return units.map(({ scores }) => scores);
  const scores: unknown = noGrad(() => saliency.ofUnits!(units, round));
  checkUnitScores(scores, units, `the saliency ${saliency.name}`);
  return scores;
}

type ScoredMasks = Pick<RoundResult, 'masks' | 'scores'>;

/** Every entry static. */
function emptyMasks(sources: ReadonlyMap<string, SearchSource>): Map<string, Mask> {
  return new Map(Array.from(sources, ([path, { shape }]) => [path, Mask.empty(shape)]));
}

function setMasks(sources: ReadonlyMap<string, SearchSource>, masks: ReadonlyMap<string, Mask>): void {
  for (const [path, source] of sources) source.mask = masks.get(path)!;
}

function toFloat32(scores: ReadonlyMap<string, Tensor>): Map<string, Float32Array> {
  return new Map(Array.from(scores, ([path, tensor]) => [path, tensor.to('float32').toTypedArray() as Float32Array]));
}
