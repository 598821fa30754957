/** The values that runs are compared by, and which two runs can be compared by each of them. */
import { formatBytes, formatCount, formatPercent, formatPoints, formatSeconds, upperFirst } from './format.js';
import type { RunRecipe } from '../recipe/recipe.js';
import type { RunSummary } from '../analysis/runSummary.js';
import { samplesOf } from './sampleWords.js';
import { accuracyInterval, formatScore, isFraction, metricName, metricsText } from './scoreText.js';

export interface Metric {
  readonly title: string;
  readonly value: (run: RunSummary) => number | null;
  readonly format: (value: number | null, run: RunSummary) => string;
  readonly detail?: (run: RunSummary) => string | null;
  /** Absent: neither is. */
  readonly better?: 'higher' | 'lower';
  /** `ratio`: how many times the other run's value; `points`: percentage points above it. @default not compared */
  readonly relative?: 'ratio' | 'points';
  /** Whether the values of two runs mean the same. @default always */
  readonly comparable?: (a: RunSummary, b: RunSummary) => boolean;
}

export function sameNetwork({ model: a }: RunSummary, { model: b }: RunSummary): boolean {
  if ('fromScratch' in a) return 'fromScratch' in b && a.pretrained === b.pretrained && a.fromScratch === b.fromScratch;
  if (!('name' in b) || a.name !== b.name) return false;
  if ('stem' in a && 'stem' in b) return a.pretrained === b.pretrained && a.stem === b.stem && a.width === b.width;
  return 'stem' in a === 'stem' in b; // of programs the name says it all
}

export function sameTest(a: RunSummary, b: RunSummary): boolean {
  if (!(a.finished && b.finished && a.recipe && b.recipe)) return false;
  return sameData(a.recipe, b.recipe);
}

function sameData(left: RunRecipe, right: RunRecipe): boolean {
  if (left.modality === 'program' && right.modality === 'program') return left.data.name === right.data.name;
  if (left.modality === 'program' || right.modality === 'program') return false;
  const [a, b] = [left.data, right.data];
  return a.name === b.name && JSON.stringify(whatIsAsked(a)) === JSON.stringify(whatIsAsked(b));
}

/** The keys that decide which samples are tested on, and what is asked of them. */
const askedKeys = [
  ...['path', 'testLimit', 'domains', 'task', 'train', 'test', 'format', 'delimiter', 'quotes', 'columns'],
  ...['textColumn', 'secondColumn', 'labelColumn', 'target', 'classes', 'metric', 'testFraction', 'splitSeed'],
];

function whatIsAsked(data: object): unknown[] {
  return askedKeys.map((key) => (Reflect.get(data, key) as unknown) ?? null);
}

export function sameMachine(a: RunSummary, b: RunSummary): boolean {
  return (
    a.environment?.machine === b.environment?.machine &&
    a.environment?.threads === b.environment?.threads &&
    batchSize(a) === batchSize(b)
  );
}

/** The batch size; of a program's run the samples of its first step. */
function batchSize({ recipe, stepSamples }: RunSummary): number | null {
  return recipe && recipe.modality !== 'program' ? recipe.data.batchSize : stepSamples;
}

export function metricsOf(runs: readonly RunSummary[]): readonly Metric[] {
  return [
    {
      title: scoreTitle(runs),
      value: ({ score }) => score,
      format: (value, { metric }) => formatScore(metric, value),
      detail: (run) => (run.finished ? scoreDetail(run, runs) : unfinished(run)),
      better: 'higher',
      relative: 'points',
      comparable: sameTest,
    },
    ...(runs.some(({ meanCoefficients }) => meanCoefficients) ? [meanCoefficientsMetric()] : []),
    {
      title: 'Stored numbers',
      value: ({ parameters }) => parameters,
      format: formatCount,
      detail: ({ maskBits }) => (maskBits > 0 ? `+ ${formatBytes(Math.ceil(maskBits / 8))} of mask` : null),
      better: 'lower',
      relative: 'ratio',
    },
    {
      title: 'Dynamic ratio κ',
      value: ({ kappa }) => kappa.reached,
      format: (value) => formatPercent(value),
      detail: ({ kappa: { target, reached } }) =>
        Math.abs(target - reached) > 5e-4 ? `target ${formatPercent(target)}` : null,
    },
    {
      title: macsTitle(runs),
      value: ({ macs }) => macs,
      format: formatCount,
      better: 'lower',
      relative: 'ratio',
      comparable: (a, b) => a.sample === b.sample,
    },
    {
      title: 'Training step',
      value: ({ stepSeconds }) => stepSeconds,
      format: formatSeconds,
      detail: (run) =>
        run.samplesPerSecond === null ? null : `${formatCount(Math.round(run.samplesPerSecond))} ${samplesOf([run])}/s`,
      better: 'lower',
      relative: 'ratio',
      comparable: sameMachine,
    },
    {
      title: 'Peak memory',
      value: ({ peakMemoryBytes }) => peakMemoryBytes,
      format: formatBytes,
      better: 'lower',
      relative: 'ratio',
      comparable: sameMachine,
    },
    {
      title: 'Training time',
      value: ({ trainingSeconds }) => trainingSeconds,
      format: formatSeconds,
      detail: ({ curve }) => (curve.length === 1 ? '1 epoch' : `${curve.length} epochs`),
    },
  ];
}

/** The score at mean coefficients. */
function meanCoefficientsMetric(): Metric {
  return {
    title: 'Without routing',
    value: ({ meanCoefficients }) => meanCoefficients?.score ?? null,
    format: (value, { metric }) => formatScore(metric, value),
    detail: ({ meanCoefficients, score }) =>
      meanCoefficients && score !== null ? `${formatPoints(meanCoefficients.score - score)} by that` : null,
  };
}

function macsTitle(runs: readonly RunSummary[]): string {
  const sample = only(runs, (run) => run.sample);
  return sample === '1 picture' ? 'MACs a picture' : `MACs for ${sample ?? 'a sample'}`;
}

/** Such as `accuracy` and `Matthews correlation`; of runs with different metrics `score`. */
export function scoreName(runs: readonly RunSummary[]): string {
  return metricName(only(scored(runs), ({ metric }) => metric) ?? 'score');
}

/** Such as `Test accuracy`, `Test Matthews correlation (× 100)`. */
export function scoreTitle(runs: readonly RunSummary[]): string {
  return `Test ${scoreName(runs)}${allFractions(runs) ? '' : ' (× 100)'}`;
}

/** Such as `↑ test accuracy (%)`. */
export function scoreAxis(runs: readonly RunSummary[]): string {
  return `↑ test ${scoreName(runs)} ${allFractions(runs) ? '(%)' : '(× 100)'}`;
}

/** The data that epochs were scored on, in words; of runs that differ in that `validation or test`. */
export function scoredOn(runs: readonly RunSummary[]): string {
  const names = new Set(runs.flatMap(({ curve }) => curve.flatMap(({ on }) => on ?? [])));
  return names.size === 0 ? 'validation' : [...names].sort().reverse().join(' or ');
}

/** Such as `validation accuracy`: what a curve over epochs shows. */
export function curveName(runs: readonly RunSummary[]): string {
  return `${scoredOn(runs)} ${scoreName(runs)}`;
}

/** Such as `Validation accuracy`, `Validation Matthews correlation (× 100)`. */
export function curveTitle(runs: readonly RunSummary[]): string {
  return `${upperFirst(curveName(runs))}${allFractions(runs) ? '' : ' (× 100)'}`;
}

/** Such as `↑ validation accuracy (%)`. */
export function curveAxis(runs: readonly RunSummary[]): string {
  return `↑ ${curveName(runs)} ${allFractions(runs) ? '(%)' : '(× 100)'}`;
}

function allFractions(runs: readonly RunSummary[]): boolean {
  return scored(runs).every(({ metric }) => isFraction(metric));
}

/** A network that is no run has no metric. */
function scored(runs: readonly RunSummary[]): readonly RunSummary[] {
  return runs.filter(({ recipe }) => recipe !== null);
}

/** Which metric it is, where runs differ in it; the parts of a mean; the uncertainty of an accuracy. */
function scoreDetail(run: RunSummary, runs: readonly RunSummary[]): string | null {
  const { metric, metrics } = run;
  const others = Object.entries(metrics).filter(([name]) => name !== metric);
  if (others.length > 0) return metricsText(Object.fromEntries(others));
  const interval = scoreInterval(run);
  const name = only(runs, (each) => each.metric) === null ? [metricName(metric)] : [];
  const details = [...name, ...(interval === null ? [] : [`± ${(100 * interval).toFixed(2)}`])];
  return details.length === 0 ? null : details.join(' ');
}

/** Half the width of the score's 95 % interval; null where it is no accuracy, or not known. */
export function scoreInterval({ metric, score, testSamples }: RunSummary): number | null {
  return metric !== 'accuracy' || score === null || testSamples === null ? null : accuracyInterval(score, testSamples);
}

function unfinished({ curve, recipe, scoredOn: on }: RunSummary): string {
  if (!recipe) return 'no run';
  return `${on === 'test' ? '' : `${on}, `}after ${curve.length} of ${recipe.training.epochs} epochs`;
}

/** The value that all runs have; null where they differ. */
function only(runs: readonly RunSummary[], value: (run: RunSummary) => string): string | null {
  const [first = null, ...others] = new Set(runs.map(value));
  return others.length === 0 ? first : null;
}
