/**
 * Runs side by side: the columns of the table, what each value is relative to, which are best, and what has to be known to
 * read them. The HTML, terminal and Markdown tables all show this.
 */
import type { LayerKind } from '../models/index.js';
import {
  formatBytes,
  formatCount,
  formatPercent,
  formatPoints,
  formatRatio,
  formatSeconds,
  unknown,
} from './format.js';
import type { RunSummary } from './runSummary.js';

/** How papers write the layer kinds. */
export const layerNames: Record<LayerKind, string> = { static: 'static', dyconv: 'DY-Conv', pad: 'PAD-Net' };

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
  /** `ratio`: how many times the other run's value; `points`: percentage points above it; null: not compared. */
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

interface Metric {
  readonly title: string;
  readonly value: (run: RunSummary) => number | null;
  readonly format: (value: number | null) => string;
  readonly detail?: (run: RunSummary) => string | null;
  readonly better: 'higher' | 'lower' | null;
  readonly relative: Column['relative'];
  /** Whether the values of two runs mean the same. */
  readonly comparable: (a: RunSummary, b: RunSummary) => boolean;
}

const sameNetwork = (a: RunSummary, b: RunSummary): boolean =>
  a.recipe.model.name === b.recipe.model.name &&
  a.recipe.model.stem === b.recipe.model.stem &&
  a.recipe.model.width === b.recipe.model.width;

const sameTest = (a: RunSummary, b: RunSummary): boolean =>
  a.finished && b.finished && sameData(a, b) && a.recipe.data.testLimit === b.recipe.data.testLimit;

const sameData = ({ recipe: a }: RunSummary, { recipe: b }: RunSummary): boolean =>
  a.data.name === b.data.name && a.data.path === b.data.path;

const sameMachine = (a: RunSummary, b: RunSummary): boolean =>
  a.environment?.machine === b.environment?.machine &&
  a.environment?.threads === b.environment?.threads &&
  a.recipe.data.batchSize === b.recipe.data.batchSize;

const metrics: readonly Metric[] = [
  {
    title: 'Test accuracy',
    value: ({ testAccuracy }) => testAccuracy,
    format: (value) => formatPercent(value, 2),
    detail: (run) => (run.finished ? uncertainty(run) : unfinished(run)),
    better: 'higher',
    relative: 'points',
    comparable: sameTest,
  },
  {
    title: 'Stored numbers',
    value: ({ parameters }) => parameters,
    format: formatCount,
    detail: ({ maskBits }) => (maskBits > 0 ? `+ ${formatBytes(Math.ceil(maskBits / 8))} of mask` : null),
    better: 'lower',
    relative: 'ratio',
    comparable: () => true,
  },
  {
    title: 'Dynamic ratio κ',
    value: ({ kappa }) => kappa.reached,
    format: formatPercent,
    detail: ({ kappa: { target, reached } }) =>
      Math.abs(target - reached) > 5e-4 ? `target ${formatPercent(target)}` : null,
    better: null,
    relative: null,
    comparable: () => true,
  },
  {
    title: 'MACs a picture',
    value: ({ macs }) => macs,
    format: formatCount,
    better: 'lower',
    relative: 'ratio',
    comparable: () => true,
  },
  {
    title: 'Training step',
    value: ({ stepSeconds }) => stepSeconds,
    format: formatSeconds,
    detail: ({ imagesPerSecond }) =>
      imagesPerSecond === null ? null : `${formatCount(Math.round(imagesPerSecond))} pictures/s`,
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
    better: null,
    relative: null,
    comparable: sameMachine,
  },
];

export function compareRuns(runs: readonly RunSummary[]): Comparison {
  return { runs, columns: metrics.map((metric) => column(metric, runs)), notes: comparisonNotes(runs) };
}

function column(metric: Metric, runs: readonly RunSummary[]): Column {
  const { title, value, format, detail, relative } = metric;
  const best = bestText(metric, runs);
  const relativeTo = (run: RunSummary, kind: LayerKind): string | null => {
    const base = relative === null ? null : baseline(run, kind, runs);
    if (base === null || base === run || !metric.comparable(run, base)) return null;
    const [mine, other] = [value(run), value(base)];
    if (mine === null || other === null) return null;
    return relative === 'points' ? formatPoints(mine - other) : formatRatio(mine / other);
  };
  const cells = runs.map((run) => {
    const text = format(value(run));
    return {
      text,
      detail: detail?.(run) ?? null,
      best: text === best,
      toStatic: relativeTo(run, 'static'),
      toDynamic: run.layer === 'pad' ? relativeTo(run, 'dyconv') : null,
    };
  });
  return { title, relative, cells };
}

/** The first run of this kind with the same network; a run of that kind is its own baseline. */
export function baseline(run: RunSummary, kind: LayerKind, runs: readonly RunSummary[]): RunSummary | null {
  if (run.layer === kind) return run;
  return runs.find((other) => other.layer === kind && sameNetwork(run, other)) ?? null;
}

/** As shown, so that runs which look the same are all marked. Null where nothing can be called best. */
function bestText({ value, format, better, comparable }: Metric, runs: readonly RunSummary[]): string | null {
  const values = runs.map(value).filter((each) => each !== null);
  const [first] = runs;
  if (better === null || values.length < 2 || !runs.every((run) => comparable(first!, run))) return null;
  const texts = new Set(values.map(format));
  if (texts.size < 2) return null;
  return format(better === 'higher' ? Math.max(...values) : Math.min(...values));
}

/** Half the width of the 95 % interval of a fraction measured on n pictures (normal approximation). */
export function accuracyInterval(accuracy: number, testPictures: number): number {
  return 1.96 * Math.sqrt((accuracy * (1 - accuracy)) / testPictures);
}

function uncertainty({ testAccuracy, testPictures }: RunSummary): string | null {
  if (testAccuracy === null || testPictures === null) return null;
  return `± ${(accuracyInterval(testAccuracy, testPictures) * 100).toFixed(2)}`;
}

function unfinished({ curve, recipe }: RunSummary): string {
  return `after ${curve.length} of ${recipe.training.epochs} epochs`;
}

function comparisonNotes(runs: readonly RunSummary[]): string[] {
  const notes: string[] = [];
  const intervals = runs.flatMap(({ testAccuracy: accuracy, testPictures: pictures }) =>
    accuracy === null || pictures === null ? [] : [{ pictures, interval: accuracyInterval(accuracy, pictures) }],
  );
  if (intervals.length > 0) {
    const { pictures, interval } = intervals.reduce((a, b) => (b.interval > a.interval ? b : a));
    notes.push(
      `${pictures.toLocaleString('en')} test pictures leave an accuracy uncertain by ± ${(100 * interval).toFixed(2)} points ` +
        '(95 %); each is one run, and other seeds differ further.',
    );
  }
  const open = runs.filter(({ finished }) => !finished).map(({ name }) => name);
  if (open.length > 0) notes.push(`Not finished, so not compared by accuracy: ${open.join(', ')}.`);
  if (runs.some((run) => run.layer !== 'static')) {
    notes.push('Stored numbers of a partial layer are those in use: (1 − κ)n static and κn of each of K bank entries.');
  }
  if (!runs.every((run) => sameMachine(runs[0]!, run))) {
    notes.push(
      'Times and memory come from different machines, threads or batch sizes, and are compared only where these agree.',
    );
  }
  const differences = settingDifferences(runs);
  if (differences.length > 0) notes.push(`Settings that differ as well: ${differences.join('; ')}.`);
  return notes;
}

/** Settings that say how a run is made, not what is compared, or that mean nothing to some layer kinds. */
const notCompared = [
  /^model\.(layer|numKernels|bankInitialisation|noise|scaleMode)$/,
  /^partition\./,
  /^training\.(bankFactor|checkpointSteps|temperature\..*)$/,
  /^data\.numWorkers$/,
];

/** Such as `training.epochs 10, 10, 5` (by run). */
function settingDifferences(runs: readonly RunSummary[]): string[] {
  const flat = runs.map(({ recipe }) => new Map(flatten('', recipe)));
  const keys = new Set(flat.flatMap((settings) => [...settings.keys()]));
  return [...keys]
    .filter((key) => !notCompared.some((pattern) => pattern.test(key)))
    .map((key) => ({ key, values: flat.map((settings) => settings.get(key) ?? unknown) }))
    .filter(({ values }) => new Set(values).size > 1)
    .map(({ key, values }) => `${key} ${values.join(', ')}`);
}

function flatten(prefix: string, value: unknown): [key: string, value: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return value === undefined ? [] : [[prefix, typeof value === 'string' ? value : JSON.stringify(value)]];
  }
  return Object.entries(value).flatMap(([key, inner]) => flatten(prefix === '' ? key : `${prefix}.${key}`, inner));
}

/**
 * What the comparison comes to, in one to three sentences; null unless there are a finished partial run and a static or dynamic
 * one to compare it with.
 */
export function summarySentence(runs: readonly RunSummary[]): string | null {
  const pad = runs.find(({ layer, finished }) => layer === 'pad' && finished);
  if (!pad) return null;
  const dynamic = baseline(pad, 'dyconv', runs);
  const others = [dynamic, baseline(pad, 'static', runs)].filter((run) => run !== null && sameTest(pad, run));
  const against = others.flatMap((run) =>
    run === null || pad.testAccuracy === null || run.testAccuracy === null
      ? []
      : [
          `${formatPoints(pad.testAccuracy - run.testAccuracy)} points against ${run.name} (${formatPercent(run.testAccuracy, 2)})`,
        ],
  );
  if (against.length === 0) return null;
  const share = dynamic ? ` (${formatPercent(pad.parameters / dynamic.parameters, 0)} of ${dynamic.name})` : '';
  const chance = chanceDifference(pad);
  return [
    `With ${formatPercent(pad.kappa.reached)} of its entries dynamic, ${pad.name} stores ${formatCount(pad.parameters)} numbers${share}.`,
    `It reaches ${formatPercent(pad.testAccuracy, 2)} test accuracy: ${against.join(', ')}.`,
    ...(chance === null
      ? []
      : [`This test set cannot tell differences below about ${(100 * chance).toFixed(1)} points from chance.`]),
  ].join(' ');
}

/** How far two runs of about this accuracy are apart by chance (95 %), were their test pictures drawn independently. */
function chanceDifference({ testAccuracy, testPictures }: RunSummary): number | null {
  if (testAccuracy === null || testPictures === null) return null;
  return Math.SQRT2 * accuracyInterval(testAccuracy, testPictures);
}
