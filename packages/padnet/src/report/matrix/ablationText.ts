/** An ablation in words and digits: what the terminal prints and the page shows. */
import {
  ABLATION_BASE,
  type AblationResults,
  type AblationRow,
  type AblationTable,
  holds,
  holmCorrected,
  SIGNIFICANCE,
} from '../../experiments/index.js';
import { referenceColours, seriesColours } from '../charts/runColours.js';
import { formatCount, formatPercent, formatSeconds } from '../format.js';
import { isFraction, metricName } from '../scoreText.js';
import { settingDifferences } from '../settingDifferences.js';
import type { Table, TableColumn } from '../table.js';
import {
  differenceCell,
  intervalText,
  meanText,
  outcomes,
  overSeeds,
  probabilityText,
  runNotes,
  scoreCell,
  seedNotes,
  signedHundredfold,
} from './matrixText.js';

/** Digits after the point. */
const digits = 2;

/** A recipe by its name, or by a value for each key. */
type NamedRow = AblationRow & { readonly names: readonly string[] };

export interface AblationTextTable extends Table<NamedRow> {
  /** A sentence on its differences; null: nothing can be said yet. */
  readonly finding: string | null;
}

export interface AblationText {
  /** The result in a sentence or two; null: none yet. */
  readonly lead: string | null;
  /** The base and the references. */
  readonly base: AblationTextTable;
  readonly sweeps: readonly AblationTextTable[];
  /** Notes that are needed to read the tables. */
  readonly notes: readonly string[];
}

/** The colours of the base and the references on the page, by name. */
export function ablationColours({ references }: AblationTable): ReadonlyMap<string, string> {
  const colours = referenceColours(references.length);
  return new Map([
    [ABLATION_BASE, seriesColours(1)[0]!],
    ...references.map(({ name }, index) => [name, colours[index]!] as const),
  ]);
}

export function ablationText(results: AblationResults, table: AblationTable): AblationText {
  const seeds = results.plan.seeds.length;
  const costs: TableColumn<AblationRow>[] = [
    { heading: scoreHeading(table.metric), cell: (row) => scoreCell(row, seeds, digits) },
    {
      heading: 'to the base',
      cell: ({ variant, difference }) => (variant === ABLATION_BASE ? 'base' : differenceCell(difference, digits)),
    },
    {
      heading: 'p',
      detail: '(Holm)',
      cell: ({ difference }) => (difference?.correctedP == null ? '' : probabilityText(difference.correctedP)),
    },
    {
      heading: 'stored',
      cell: ({ parameters }) => formatCount(parameters === null ? null : Math.round(parameters)),
    },
    { heading: 'κ', cell: ({ dynamicRatio }) => formatPercent(dynamicRatio) },
    { heading: 'step', cell: ({ stepSeconds }) => formatSeconds(stepSeconds) },
  ];
  const tableOf = (
    title: string,
    keys: readonly string[],
    rows: readonly NamedRow[],
    colourOf?: ReadonlyMap<string, string>,
  ): AblationTextTable => ({
    title,
    columns: [
      ...keys.map((heading, at): TableColumn<NamedRow> => ({
        heading,
        isName: true,
        cell: ({ names }) => ({ text: names[at]!, colour: at === 0 ? colourOf?.get(names[at]!) : undefined }),
      })),
      ...costs,
    ],
    rows,
    finding: finding(rows),
  });
  const references = table.references.map((row) => ({ ...row, names: [row.name] }));
  return {
    lead: lead(table, seeds),
    base: tableOf(
      references.length === 0 ? 'The base' : 'The base and what to measure it by',
      ['recipe'],
      [{ ...table.base, names: [ABLATION_BASE] }, ...references],
      ablationColours(table),
    ),
    sweeps: table.sweeps.map(({ keys, rows }) =>
      tableOf(
        keys.join(' × '),
        keys.map(shortKey),
        rows.map((row) => ({ ...row, names: row.values })),
      ),
    ),
    notes: notesOf(results, table),
  };
}

/** `test accuracy` */
export function scoreName(metric: string | null): string {
  return `test ${metric === null ? 'score' : metricName(metric)}`;
}

/** `test accuracy, %`; of correlations `test Matthews correlation × 100`. */
export function scoreHeading(metric: string | null): string {
  return `${scoreName(metric)}${metric === null ? '' : isFraction(metric) ? ', %' : ' × 100'}`;
}

/** `partition.ratio` → `ratio`: the whole key is the table's title. */
export function shortKey(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}

/** The values of a row, such as `0.1 · filter` of a grid. */
export function valuesText(values: readonly string[]): string {
  return values.join(' · ');
}

/** Such as `Above the base: 0.5 (+0.31 [0.12, 0.50]).`; null where nothing can be compared. */
function finding(rows: readonly NamedRow[]): string | null {
  const { above, below, corrected, open } = outcomes(rows.map((row) => ({ ...row, label: valuesText(row.names) })));
  const measured = ({ label, difference }: (typeof above)[number]): string =>
    `${label} (${[signedHundredfold(difference!.mean, digits), ...intervalText(difference!, digits)].join(' ')})`;
  const said = [
    ['Above the base', above.map(measured)],
    ['Below the base', below.map(measured)],
    ['Not told apart from the base once corrected for all rows', corrected.map(measured)],
    ['Not told apart from the base', open.map(({ label }) => label)],
  ] as const;
  const sentences = said.flatMap(([text, labels]) => (labels.length === 0 ? [] : `${text}: ${labels.join(', ')}.`));
  return sentences.length === 0 ? null : sentences.join(' ');
}

function lead({ metric, base, sweeps }: AblationTable, seeds: number): string | null {
  if (base.score === null || metric === null) return null;
  const unit = isFraction(metric) ? ' %' : '';
  const only = base.score.count === 1 ? ' (one seed)' : '';
  const first = `The base reaches a ${scoreName(metric)} of ${meanText(base.score, digits)}${unit}${only}.`;
  const rows = new Map(sweeps.flatMap((sweep) => sweep.rows.map((row) => [row.variant, row.difference] as const)));
  // Each once, though it may be in several tables, and all corrected together.
  const compared = holmCorrected([...rows.values()].filter((difference) => difference?.count === seeds)).flatMap(
    (difference) => (difference && holds(difference)) ?? [],
  );
  if (compared.length === 0) return first;
  const count = compared.filter((each) => each).length;
  const others = `${compared.length} other ${compared.length === 1 ? 'recipe' : 'recipes'}`;
  const correction = compared.length === 1 ? '' : ' and Holm’s correction over all of them';
  return (
    `${first} Of ${others} ${count} ${count === 1 ? 'differs' : 'differ'} from it, by a paired t test at ` +
    `${100 * SIGNIFICANCE} %${correction}.`
  );
}

function notesOf(results: AblationResults, { metric, base, references, sweeps }: AblationTable): string[] {
  const { seeds, variants } = results.plan;
  const recipeOf = (name: string) => variants.find((variant) => variant.name === name)!.recipe;
  const settings = references.flatMap(({ name, variant }) => {
    const pair = [ABLATION_BASE, variant].map(recipeOf).map((recipe) => ({ recipe, layer: recipe.model.layer }));
    const differences = settingDifferences(pair).join('; ');
    return differences === ''
      ? []
      : `${name} differs from the base in more than its layers (base, ${name}): ${differences}.`;
  });
  return [
    `${scoreHeading(metric).replace('test ', 'Test ')}: ${overSeeds(seeds)}.`,
    ...seedNotes(seeds, [base, ...references, ...sweeps.flatMap(({ rows }) => rows)], 'the rows of their table'),
    'Stored numbers, κ and step are means over seeds: trained numbers of the compact form, what the masks give, and ' +
      'the median of the steps after the partition.',
    ...settings,
    ...(results.runs.some(({ recipe }) => recipe.training.earlyStopping !== undefined)
      ? ['Early stopping chose epochs on the test data themselves, so these scores are optimistic.']
      : []),
    ...runNotes(results, ({ variant }) => variant),
  ];
}
