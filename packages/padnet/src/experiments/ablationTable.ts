/**
 * The numbers of an ablation: mean and deviation of every recipe over seeds, how far it is from the base on the same
 * seeds, and how far it would have to be for these seeds to show it.
 */
import { meanDeviation } from '../statistics.js';
import { ABLATION_BASE } from './ablation.js';
import type { AblationCell, AblationPlan, AblationResults, AblationRun } from './ablationPlan.js';
import { scoresBySeed, seedScores, type SeedScores } from './matrix.js';
import {
  against,
  type AgainstDifference,
  holmCorrected,
  pairedDifference,
  type PairedDifference,
  SIGNIFICANCE,
} from './pairedDifference.js';
import { neededSeeds, pooledDeviation, type PooledDeviation, smallestEffect } from './power.js';
import { type TunedNetwork, tunedNetworks } from './tuning.js';

export interface AblationRow extends SeedScores {
  /** Name of the variant. */
  readonly variant: string;
  /** The values that it has chosen of those tried, one for each key; null: nothing is tuned, or not yet chosen. */
  readonly tuned: readonly string[] | null;
  /** The scores of the seeds that have finished, fractions. */
  readonly scores: readonly { readonly seed: number; readonly score: number }[];
  /**
   * To the base, over the seeds that both have finished, corrected over the rows of the table; null where there are
   * none, and of the base itself.
   */
  readonly difference: PairedDifference | null;
  /** What that says of the difference that would count; null where none is given, or there is no interval. */
  readonly against: AgainstDifference | null;
  /** Means over the seeds; null where there are none, and of times where no step was timed. */
  readonly parameters: number | null;
  readonly dynamicRatio: number | null;
  readonly stepSeconds: number | null;
}

export interface AblationNamedRow extends AblationRow {
  readonly name: string;
}

export interface AblationPointRow extends AblationRow {
  /** One for each key of the sweep. */
  readonly values: readonly string[];
}

/** What the seeds of an ablation can show, with 80 % power and 5 % two-sided. */
export interface AblationPower {
  /** The smallest difference of a row read alone, in its deviations from seed to seed; null of a single seed. */
  readonly effect: number | null;
  /** The recipes of the largest table that are compared with the base. */
  readonly rows: number;
  /** `effect` where Holm's correction over so many rows is strictest: 5 % / rows. */
  readonly correctedEffect: number | null;
  /** The deviation of the differences that are there, from seed to seed, a fraction; null where there are none. */
  readonly measured: PooledDeviation | null;
  /** The difference that would count, a fraction; null: none is given. */
  readonly difference: number | null;
  /** Seeds that show it in a row read alone, by the measured deviation; null: not known, or more than 10,000. */
  readonly neededSeeds: number | null;
  /** The same where the correction is strictest. */
  readonly correctedNeededSeeds: number | null;
}

export interface AblationTable {
  /** The metric of the task; null where no run has finished. */
  readonly metric: string | null;
  readonly power: AblationPower;
  readonly base: AblationRow;
  readonly references: readonly AblationNamedRow[];
  readonly arms: readonly AblationNamedRow[];
  readonly sweeps: readonly { readonly keys: readonly string[]; readonly rows: readonly AblationPointRow[] }[];
  /** What was tried on validation data; null: nothing. */
  readonly tuning: {
    readonly keys: readonly string[];
    readonly seeds: readonly number[];
    readonly networks: readonly TunedNetwork[];
  } | null;
}

export function ablationTable(results: AblationResults): AblationTable {
  const { plan, runs, failed } = results;
  const networks = tunedNetworks(results);
  const row = (variant: string): AblationRow => {
    const network = networks?.find((each) => each.variant === variant);
    /** Of the recipe that it has chosen. */
    const ofVariant = <Cell extends AblationCell>(cells: readonly Cell[], name: string): Cell[] =>
      cells.filter((each) => each.variant === trainedAs(name) && plan.seeds.includes(each.seed));
    const own = ofVariant(runs, variant);
    const meanOf = (value: (run: AblationRun) => number | null): number | null =>
      meanDeviation(own.map(value).filter((each) => each !== null))?.mean ?? null;
    const scores = scoresBySeed(own);
    const difference =
      variant === ABLATION_BASE ? null : pairedDifference(scores, scoresBySeed(ofVariant(runs, ABLATION_BASE)));
    const lost = network?.state === 'failed' ? plan.seeds.map((seed) => ({ seed })) : ofVariant(failed, variant);
    return {
      variant,
      tuned: network?.chosen?.values ?? null,
      scores: own.map(({ seed, score }) => ({ seed, score })),
      ...seedScores(scores, lost),
      difference,
      against: difference && plan.difference !== null ? against(plan.difference, difference) : null,
      parameters: meanOf(({ parameters }) => parameters),
      dynamicRatio: meanOf(({ dynamicRatio }) => dynamicRatio),
      stepSeconds: meanOf(({ stepSeconds }) => stepSeconds),
    };
  };
  const trainedAs = (variant: string): string | undefined =>
    networks ? networks.find((each) => each.variant === variant)?.chosen?.variant : variant;
  const tables = {
    references: corrected(plan.references.map(({ name, variant }) => ({ name, ...row(variant) }))),
    arms: corrected(plan.arms.map(({ name, variant }) => ({ name, ...row(variant) }))),
    sweeps: plan.sweeps.map(({ keys, points }) => ({
      keys,
      rows: corrected(points.map(({ values, variant }) => ({ values, ...row(variant) }))),
    })),
  };
  return {
    metric: runs[0]?.metric ?? null,
    power: powerOf(plan, [tables.references, tables.arms, ...tables.sweeps.map(({ rows }) => rows)]),
    base: row(ABLATION_BASE),
    ...tables,
    tuning: plan.tuning && networks && { keys: plan.tuning.keys, seeds: plan.tuning.seeds, networks },
  };
}

/** The rows of a table, corrected over all of them. */
function corrected<Row extends AblationRow>(rows: readonly Row[]): Row[] {
  const differences = holmCorrected(rows.map(({ difference }) => difference));
  return rows.map((row, index) => ({ ...row, difference: differences[index]! }));
}

function powerOf({ seeds, difference }: AblationPlan, tables: readonly (readonly AblationRow[])[]): AblationPower {
  const compared = tables.map((rows) => rows.filter(({ variant }) => variant !== ABLATION_BASE));
  const rows = Math.max(1, ...compared.map(({ length }) => length));
  const distinct = new Map(compared.flat().map((row) => [row.variant, row.difference]));
  const measured = pooledDeviation([...distinct.values()].filter((each) => each !== null));
  const needed = (alpha: number): number | null =>
    difference === null || !measured ? null : neededSeeds(difference / measured.deviation, alpha);
  return {
    effect: smallestEffect(seeds.length),
    rows,
    correctedEffect: smallestEffect(seeds.length, SIGNIFICANCE / rows),
    measured,
    difference,
    neededSeeds: needed(SIGNIFICANCE),
    correctedNeededSeeds: needed(SIGNIFICANCE / rows),
  };
}
