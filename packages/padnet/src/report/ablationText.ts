/** An ablation in words and digits: what the terminal prints and the page shows. */
import { ABLATION_BASE } from '../experiments/index.js';
import type { MeanDeviation } from '../statistics.js';
import type { AblationResults, AblationRow, AblationTable } from '../experiments/ablationTable.js';
import { originNotes } from '../experiments/finishedRun.js';
import { formatCount, formatPercent, formatPoints, formatSeconds, unknown } from './format.js';
import { alignGrid } from './grid.js';
import { isFraction, metricName } from './scoreText.js';
import { chanceBeyondSpread, isBeyondSpread, spreadNote } from '../experiments/seedSpread.js';
import { settingDifferences } from './settingDifferences.js';

export interface AblationTextCell {
  readonly value: string;
  /** Deviation and remarks; null: none. */
  readonly detail: string | null;
}

export interface AblationTextRow {
  readonly variant: string;
  /** Of the recipe, or a value for each key. */
  readonly names: readonly string[];
  readonly isBase: boolean;
  /** As the headings that follow the names. */
  readonly cells: readonly AblationTextCell[];
}

export interface AblationTextTable {
  readonly title: string;
  /** Of the names, then of the cells. */
  readonly headings: readonly string[];
  readonly rows: readonly AblationTextRow[];
  /** What it says; null: nothing yet. */
  readonly finding: string | null;
}

export interface AblationText {
  /** What it comes to; null: nothing yet. */
  readonly lead: string | null;
  /** The base and the references. */
  readonly base: AblationTextTable;
  readonly sweeps: readonly AblationTextTable[];
  /** What has to be known to read the tables. */
  readonly notes: readonly string[];
}

export function ablationText(results: AblationResults, table: AblationTable): AblationText {
  const { plan } = results;
  const seeds = plan.seeds.length;
  const headings = [scoreHeading(table.metric), 'to the base', 'stored', 'κ', 'step'];
  const textRow = (names: readonly string[], row: AblationRow): AblationTextRow => ({
    variant: row.variant,
    names,
    isBase: row.variant === ABLATION_BASE,
    cells: [
      scoreCell(row, seeds),
      row.variant === ABLATION_BASE ? { value: 'base', detail: null } : differenceCell(row.difference),
      ...[
        formatCount(row.parameters === null ? null : Math.round(row.parameters)),
        formatPercent(row.dynamicRatio),
        formatSeconds(row.stepSeconds),
      ].map((value) => ({ value, detail: null })),
    ],
  });
  return {
    lead: lead(table, seeds),
    base: {
      title: table.references.length === 0 ? 'The base' : 'The base and what to measure it by',
      headings: ['recipe', ...headings],
      rows: [textRow([ABLATION_BASE], table.base), ...table.references.map((row) => textRow([row.name], row))],
      finding: finding(table.references.map((row) => ({ ...row, label: row.name }))),
    },
    sweeps: table.sweeps.map(({ keys, rows }) => ({
      title: keys.join(' × '),
      headings: [...keys.map(shortKey), ...headings],
      rows: rows.map((row) => textRow(row.values, row)),
      finding: finding(rows.map((row) => ({ ...row, label: valuesText(row.values) }))),
    })),
    notes: notesOf(results, table),
  };
}

/** Every table, aligned, and beneath them what they say. */
export function ablationTextTables({ lead: comesTo, base, sweeps, notes }: AblationText): string {
  const cellText = ({ value, detail }: AblationTextCell): string => (detail === null ? value : `${value} ${detail}`);
  const grids = [base, ...sweeps].flatMap(({ title, headings, rows, finding: says }) => [
    title,
    alignGrid({
      heading: headings,
      rows: rows.map(({ names, cells }) => [...names, ...cells.map(cellText)]),
      leftColumns: rows[0]!.names.length,
    }),
    ...(says === null ? [] : [says]),
    '',
  ]);
  return [...grids, ...(comesTo === null ? [] : [comesTo]), ...notes].join('\n');
}

/** `test accuracy, %`; of correlations `test Matthews correlation × 100`. */
function scoreHeading(metric: string | null): string {
  if (metric === null) return 'test score';
  return `test ${metricName(metric)}${isFraction(metric) ? ', %' : ' × 100'}`;
}

/** `partition.ratio` → `ratio`: the whole key is the table's title. */
export function shortKey(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}

/** Of a row; of a grid such as `0.1 · filter`. */
export function valuesText(values: readonly string[]): string {
  return values.join(' · ');
}

function scoreCell({ score, failed }: AblationRow, seeds: number): AblationTextCell {
  const lost = failed.length === 0 ? [] : [seeds === 1 ? 'failed' : `${failed.length} failed`];
  if (score === null) return { value: lost[0] ?? unknown, detail: null };
  const remarks = [...(score.count < seeds ? [String(score.count)] : []), ...lost].join(', ');
  const details = [...spreadText(score), ...(remarks === '' ? [] : [`(${remarks})`])];
  return { value: hundredths(score.mean), detail: details.length === 0 ? null : details.join(' ') };
}

function differenceCell(difference: MeanDeviation | null): AblationTextCell {
  if (difference === null) return { value: unknown, detail: null };
  const star = isBeyondSpread(difference) === true ? ' *' : '';
  const [spread] = spreadText(difference);
  return {
    value: formatPoints(difference.mean).replace('±', ''),
    detail: spread === undefined ? null : `${spread}${star}`,
  };
}

function spreadText({ deviation }: MeanDeviation): string[] {
  return deviation === null ? [] : [`± ${hundredths(deviation)}`];
}

/** Such as `Above the base: 0.5 (+0.31 ± 0.10). Within the spread: 0.7.`; null where nothing can be compared. */
function finding(rows: readonly (AblationRow & { readonly label: string })[]): string | null {
  const groups = { Above: [], Below: [], Within: [] } as Record<'Above' | 'Below' | 'Within', string[]>;
  for (const { label, difference } of rows) {
    const beyond = difference && isBeyondSpread(difference);
    if (difference === null || beyond === null) continue;
    const { value, detail } = differenceCell(difference);
    if (!beyond) groups.Within.push(label);
    else groups[difference.mean > 0 ? 'Above' : 'Below'].push(`${label} (${value} ${detail!.replace(' *', '')})`);
  }
  const said = [
    ['Above the base', groups.Above],
    ['Below the base', groups.Below],
    ['Within the spread of seeds', groups.Within],
  ] as const;
  const sentences = said
    .filter(([, labels]) => labels.length > 0)
    .map(([text, labels]) => `${text}: ${labels.join(', ')}.`);
  return sentences.length === 0 ? null : sentences.join(' ');
}

function lead({ metric, base, sweeps }: AblationTable, seeds: number): string | null {
  if (base.score === null || metric === null) return null;
  const unit = isFraction(metric) ? ' %' : '';
  const scored = [hundredths(base.score.mean), ...spreadText(base.score)].join(' ');
  const first = `The base reaches a test ${metricName(metric)} of ${scored}${unit}${base.score.count === 1 ? ' (one seed)' : ''}.`;
  const rows = new Map(sweeps.flatMap(({ rows: own }) => own.map((row) => [row.variant, row.difference] as const)));
  const compared = [...rows.values()].filter((difference) => difference !== null && difference.count === seeds);
  const beyond = compared.map((difference) => isBeyondSpread(difference!)).filter((each) => each !== null);
  if (beyond.length === 0) return first;
  const count = beyond.filter((each) => each).length;
  const chance = chanceBeyondSpread[seeds];
  const expected = chance === undefined ? null : (chance / 100) * beyond.length;
  return (
    `${first} Of ${beyond.length} other ${beyond.length === 1 ? 'recipe' : 'recipes'} ${count} ${count === 1 ? 'differs' : 'differ'} ` +
    `from it by more than the difference varies between seeds` +
    (expected === null
      ? '.'
      : `; by chance alone ${expected < 0.5 ? 'less than 1' : `about ${Math.round(expected)}`} would.`)
  );
}

function notesOf(
  { plan, runs, failed }: AblationResults,
  { metric, base, references, sweeps }: AblationTable,
): string[] {
  const { seeds, variants } = plan;
  const score = scoreHeading(metric).replace('test ', 'Test ');
  const over =
    seeds.length === 1 ? `seed ${seeds[0]!}` : `mean ± standard deviation (n − 1) over seeds ${seeds.join(', ')}`;
  const notes = [`${score}: ${over}.`];
  if (seeds.length > 1) {
    const rows = [base, ...references, ...sweeps.flatMap(({ rows: own }) => own)];
    if (rows.some((row) => row.score !== null && row.score.count < seeds.length))
      notes.push(`In parentheses: how many of ${seeds.length} seeds have finished, where not all.`);
    notes.push(spreadNote(seeds.length));
  }
  notes.push(
    'Stored numbers, κ and step are means over seeds: trained numbers of the compact form, what the masks give, and the median ' +
      'of the steps after the partition.',
  );
  const recipeOf = (name: string) => variants.find((variant) => variant.name === name)!.recipe;
  const baseRecipe = recipeOf(ABLATION_BASE);
  for (const { name, variant } of references) {
    const pair = [baseRecipe, recipeOf(variant)].map((recipe) => ({ recipe, layer: recipe.model.layer }));
    const differences = settingDifferences(pair);
    if (differences.length > 0)
      notes.push(`${name} differs from the base in more than its layers (base, ${name}): ${differences.join('; ')}.`);
  }
  if (runs.some(({ recipe }) => recipe.training.earlyStopping !== undefined))
    notes.push('Early stopping chose epochs on the test data themselves, so these scores are optimistic.');
  notes.push(...originNotes(runs));
  for (const { variant, seed, message } of failed) notes.push(`Failed: ${variant}, seed ${seed}: ${message}`);
  return notes;
}

/** × 100 */
function hundredths(fraction: number): string {
  return (100 * fraction)
    .toFixed(2)
    .replace(/^-(?=0\.00$)/, '')
    .replace('-', '−');
}
