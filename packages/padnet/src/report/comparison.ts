/**
 * Runs side by side: the columns of the table, what each value is relative to, which are best, and what has to be known
 * to read them. The HTML, terminal and Markdown tables all show this.
 */
import { changeNotes } from '../analysis/changeNotes.js';
import { metricsOf, sameMachine, sameNetwork, sameTest, scoreInterval, type Metric } from './comparisonMetrics.js';
import { formatCount, formatPercent, formatPoints, formatRatio } from './format.js';
import { hasFreshBank } from '../models/index.js';
import type { LayerKind } from '../models/layerKind.js';
import type { RunSummary } from '../analysis/runSummary.js';
import { routerSentences } from './routerText.js';
import { samplesOf } from './sampleWords.js';
import { formatScore, isFraction, metricName } from './scoreText.js';
import { settingDifferences } from './settingDifferences.js';

export interface Cell {
  readonly text: string;
  /** A second, smaller line: uncertainty, target, epochs. */
  readonly detail: string | null;
  /** Best of all runs as shown, ties included. */
  readonly best: boolean;
  /** Relative to the static run and, of a partial run, to the dynamic one; null where there is none to compare with. */
  readonly toStatic: string | null;
  readonly toDynamic: string | null;
}

export interface Column {
  readonly title: string;
  readonly relative: 'ratio' | 'points' | null;
  /** One for each run. */
  readonly cells: readonly Cell[];
}

export interface Comparison {
  readonly runs: readonly RunSummary[];
  readonly columns: readonly Column[];
  /** Whole sentences. */
  readonly notes: readonly string[];
}

export function compareRuns(runs: readonly RunSummary[]): Comparison {
  return { runs, columns: metricsOf(runs).map((metric) => column(metric, runs)), notes: comparisonNotes(runs) };
}

function column(metric: Metric, runs: readonly RunSummary[]): Column {
  const { title, value, format, detail, relative = null, comparable = always } = metric;
  const best = bestText(metric, runs);
  const relativeTo = (run: RunSummary, kind: LayerKind): string | null => {
    const base = relative === null ? null : baseline(run, kind, runs);
    if (base === null || base === run || !comparable(run, base)) return null;
    const [mine, other] = [value(run), value(base)];
    if (mine === null || other === null) return null;
    return relative === 'points' ? formatPoints(mine - other) : formatRatio(mine / other);
  };
  const cells = runs.map((run) => {
    const text = format(value(run), run);
    return {
      text,
      detail: detail?.(run) ?? null,
      best: text === best,
      toStatic: relativeTo(run, 'static'),
      toDynamic: run.layer === 'partial' ? relativeTo(run, 'dynamic') : null,
    };
  });
  return { title, relative, cells };
}

const always = (): boolean => true;

/** The first run of this kind with the same network; a run of that kind is its own baseline. */
function baseline(run: RunSummary, kind: LayerKind, runs: readonly RunSummary[]): RunSummary | null {
  if (run.layer === kind) return run;
  return runs.find((other) => other.layer === kind && sameNetwork(run, other)) ?? null;
}

/** As shown, so that runs which look the same are all marked. Null where nothing can be called best. */
function bestText({ value, format, better, comparable = always }: Metric, runs: readonly RunSummary[]): string | null {
  const [first] = runs;
  const values = runs.map(value).filter((each) => each !== null);
  if (!first || better === undefined || values.length < 2 || !runs.every((run) => comparable(first, run))) return null;
  const texts = new Set(values.map((each) => format(each, first)));
  if (texts.size < 2) return null;
  return format(better === 'higher' ? Math.max(...values) : Math.min(...values), first);
}

function comparisonNotes(runs: readonly RunSummary[]): string[] {
  const notes: string[] = [];
  const uncertain = runs.flatMap((run) => {
    const interval = scoreInterval(run);
    return interval === null ? [] : [{ run, interval }];
  });
  if (uncertain.length > 0) {
    const { run, interval } = uncertain.reduce((a, b) => (b.interval > a.interval ? b : a));
    notes.push(
      `${run.testSamples!.toLocaleString('en')} test ${samplesOf([run])} leave an accuracy uncertain by ± ` +
        `${(100 * interval).toFixed(2)} points (95 %); each is one run, and other seeds differ further.`,
    );
  }
  if (runs.some(({ metric }) => metric.includes('/'))) {
    notes.push('A score of two metrics is their mean, as GLUE counts a task.');
  }
  const trained = runs.filter(({ recipe }) => recipe !== null);
  const others = runs.filter(({ recipe }) => recipe === null);
  if (others.length > 0)
    notes.push(`Not a run, so without scores, times and memory: ${others.map(({ name }) => name).join(', ')}.`);
  const open = trained.filter(({ finished }) => !finished);
  if (open.length > 0) {
    const [metric, ...more] = new Set(trained.map((run) => run.metric));
    const by = metric !== undefined && more.length === 0 ? metricName(metric) : 'score';
    notes.push(`Not finished, so not compared by ${by}: ${open.map(({ name }) => name).join(', ')}.`);
  }
  if (runs.some(({ meanCoefficients }) => meanCoefficients)) {
    notes.push(
      'Without routing every input gets the same weights, those that routers mix on average over training ' +
        'data: what the score loses by it is the routing’s, the rest it has without.',
    );
  }
  if (runs.some((run) => run.layer !== 'static')) {
    notes.push('Stored numbers of a partial layer are those in use: (1 − κ)n static and κn of each of K bank entries.');
  }
  if (runs.some(({ layer }) => layer === 'static') && runs.some(startsSmaller)) {
    notes.push(
      'With model.initialScale: perKernel a static network and a fresh bank have different effective learning rates: ' +
        'points to static are not what dynamic layers gain (docs/method.md §6).',
    );
  }
  if (!trained.every((run) => sameMachine(trained[0]!, run))) {
    notes.push(
      'Times and memory come from different machines, threads or batch sizes, and are compared only where these agree.',
    );
  }
  for (const { name, routers } of runs)
    if (routers.some(({ dead, unusedExperts }) => dead !== null || unusedExperts.length > 0))
      notes.push(`${name}: ${routerSentences(routers).join(' ')}`);
  notes.push(...changeNotes(runs));
  const differences = settingDifferences(runs);
  if (differences.length > 0) notes.push(`Settings that differ as well: ${differences.join('; ')}.`);
  return notes;
}

/** Kernels that are drawn independently, with a mixture of less spread than a static one. */
function startsSmaller({ recipe }: RunSummary): boolean {
  return recipe?.modality === 'image' && recipe.model.initialScale === 'perKernel' && hasFreshBank(recipe.model);
}

/**
 * The result of the comparison, in one to three sentences; null unless there are a finished partial run and a static or
 * dynamic one to compare it with.
 */
export function summarySentence(runs: readonly RunSummary[]): string | null {
  const pad = runs.find(({ layer, finished }) => layer === 'partial' && finished);
  if (!pad) return null;
  const { score, metric } = pad;
  const dynamic = baseline(pad, 'dynamic', runs);
  const others = [dynamic, baseline(pad, 'static', runs)].filter((run) => run !== null && sameTest(pad, run));
  const against = others.flatMap((run) =>
    run === null || score === null || run.score === null
      ? []
      : [`${formatPoints(score - run.score)} points against ${run.name} (${formatScore(metric, run.score)})`],
  );
  if (against.length === 0) return null;
  const share = dynamic ? ` (${formatPercent(pad.parameters / dynamic.parameters, 0)} of ${dynamic.name})` : '';
  const interval = scoreInterval(pad);
  const scale = isFraction(metric) ? '' : ' (× 100)';
  return [
    `With ${formatPercent(pad.kappa.reached)} of its entries dynamic, ${pad.name} stores ` +
      `${formatCount(pad.parameters)} numbers${share}.`,
    `It reaches ${formatScore(metric, score)} test ${metricName(metric)}${scale}: ${against.join(', ')}.`,
    // How far two runs of about this accuracy are apart by chance, were their test samples drawn independently.
    ...(interval === null
      ? []
      : [
          `This test set cannot tell differences below about ${(100 * Math.SQRT2 * interval).toFixed(1)} points from ` +
            'chance.',
        ]),
  ].join(' ');
}
