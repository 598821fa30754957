/** An ablation in words and digits: what the terminal prints and the page shows. */
import {
  ABLATION_BASE,
  type AblationResults,
  type AblationRow,
  type AblationTable,
  holds,
  holmCorrected,
  SIGNIFICANCE,
  type TunedNetwork,
} from '../../experiments/index.js';
import { referenceColours, seriesColours } from '../charts/runColours.js';
import { formatCount, formatPercent, formatSeconds, unknown } from '../format.js';
import { isFraction, metricName } from '../scoreText.js';
import { settingDifferences } from '../settingDifferences.js';
import type { Table, TableColumn } from '../table.js';
import {
  choseByTest,
  differenceCell,
  hundredfold,
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
import { pointsText, powerText } from './powerText.js';

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
  /** What the seeds can show, in sentences. */
  readonly power: readonly string[];
  /** The base and the references. */
  readonly base: AblationTextTable;
  /** Null: there are none. */
  readonly arms: AblationTextTable | null;
  readonly sweeps: readonly AblationTextTable[];
  /** What was tried on validation data; null: nothing. */
  readonly tuning: Table<TunedNetwork> | null;
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
  const { difference: size } = results.plan;
  const columns = [
    ...(table.tuning?.keys ?? []).map((key, at): TableColumn<AblationRow> => ({
      heading: shortKey(key),
      cell: ({ tuned }) => tuned?.[at] ?? unknown,
    })),
    ...scoreColumns(table.metric, seeds),
    ...(size === null ? [] : [againstColumn(size)]),
    ...costColumns,
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
      ...columns,
    ],
    rows,
    finding: finding(rows, size),
  });
  const named = (rows: AblationTable['arms']): NamedRow[] => rows.map((row) => ({ ...row, names: [row.name] }));
  return {
    lead: lead(table, seeds),
    power: powerText(table.power, seeds),
    base: tableOf(
      table.references.length === 0 ? 'The base' : 'The base and what to measure it by',
      ['recipe'],
      [{ ...table.base, names: [ABLATION_BASE] }, ...named(table.references)],
      ablationColours(table),
    ),
    arms: table.arms.length === 0 ? null : tableOf('The arms', ['arm'], named(table.arms)),
    sweeps: table.sweeps.map(({ keys, rows }) =>
      tableOf(
        keys.join(' × '),
        keys.map(shortKey),
        rows.map((row) => ({ ...row, names: row.values })),
      ),
    ),
    tuning: table.tuning && tuningTable(table.tuning, (variant) => nameOf(results, variant)),
    notes: notesOf(results, table),
  };
}

function scoreColumns(metric: string | null, seeds: number): TableColumn<AblationRow>[] {
  return [
    { heading: scoreHeading(metric), cell: (row) => scoreCell(row, seeds, digits) },
    {
      heading: 'to the base',
      cell: ({ variant, difference }) => (variant === ABLATION_BASE ? 'base' : differenceCell(difference, digits)),
    },
    {
      heading: 'p',
      detail: '(Holm)',
      cell: ({ difference }) => (difference?.correctedP == null ? '' : probabilityText(difference.correctedP)),
    },
  ];
}

/** What a row says of the difference that would count. */
function againstColumn(size: number): TableColumn<AblationRow> {
  const texts = { smaller: 'smaller', larger: 'larger', open: 'open' } as const;
  return { heading: `than ${pointsText(size)}`, cell: ({ against }) => (against === null ? '' : texts[against]) };
}

const costColumns: readonly TableColumn<AblationRow>[] = [
  {
    heading: 'stored',
    cell: ({ parameters }) => formatCount(parameters === null ? null : Math.round(parameters)),
  },
  { heading: 'κ', cell: ({ dynamicRatio }) => formatPercent(dynamicRatio) },
  { heading: 'step', cell: ({ stepSeconds }) => formatSeconds(stepSeconds) },
];

/** What a variant is called in the file, not in the folder. */
function nameOf({ plan }: AblationResults, variant: string): string {
  return [...plan.references, ...plan.arms].find((each) => each.variant === variant)?.name ?? variant;
}

/** A row for each network, a column for each of the values that it was tried with. */
function tuningTable(
  { keys, networks }: NonNullable<AblationTable['tuning']>,
  nameOfVariant: (variant: string) => string,
): Table<TunedNetwork> {
  const tried = networks[0]!.tries.map(({ values }) => valuesText(values));
  return {
    title: `Tried on validation data: ${keys.join(' × ')}`,
    columns: [
      { heading: 'recipe', isName: true, cell: ({ variant }) => nameOfVariant(variant) },
      ...tried.map((heading, at): TableColumn<TunedNetwork> => ({
        heading,
        cell: ({ tries, chosen }) => {
          const own = tries[at]!;
          const { score, diverged } = own;
          if (diverged !== null) return 'diverged';
          return { text: score === null ? unknown : hundredfold(score, digits), best: own === chosen };
        },
      })),
      {
        heading: 'chosen',
        cell: ({ chosen, state }) => (chosen ? valuesText(chosen.values) : state === 'failed' ? 'none' : unknown),
      },
    ],
    rows: networks,
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
function finding(rows: readonly NamedRow[], size: number | null): string | null {
  const labelled = rows.map((row) => ({ ...row, label: valuesText(row.names) }));
  const { above, below, corrected, open } = outcomes(labelled);
  const measured = ({ label, difference }: (typeof above)[number]): string =>
    `${label} (${[signedHundredfold(difference!.mean, digits), ...intervalText(difference!, digits)].join(' ')})`;
  const labelsOf = (of: typeof above): string[] => of.map(({ label }) => label);
  const said = [
    ['Above the base', above.map(measured)],
    ['Below the base', below.map(measured)],
    ['Not told apart from the base once corrected for all rows', corrected.map(measured)],
    ['Not told apart from the base', labelsOf(open)],
    ...(size === null
      ? []
      : ([
          [
            `Less than ${pointsText(size)} from the base`,
            labelsOf(labelled.filter((row) => row.against === 'smaller')),
          ],
          [`More than ${pointsText(size)} from the base`, labelsOf(labelled.filter((row) => row.against === 'larger'))],
        ] as const)),
  ] as const;
  const sentences = said.flatMap(([text, labels]) => (labels.length === 0 ? [] : `${text}: ${labels.join(', ')}.`));
  return sentences.length === 0 ? null : sentences.join(' ');
}

function lead({ metric, base, arms, sweeps }: AblationTable, seeds: number): string | null {
  if (base.score === null || metric === null) return null;
  const unit = isFraction(metric) ? ' %' : '';
  const only = base.score.count === 1 ? ' (one seed)' : '';
  const first = `The base reaches a ${scoreName(metric)} of ${meanText(base.score, digits)}${unit}${only}.`;
  const rows = new Map(
    [...arms, ...sweeps.flatMap((sweep) => sweep.rows)].map((row) => [row.variant, row.difference] as const),
  );
  // Each once, though it may be in several tables, and all corrected together.
  const compared = holmCorrected([...rows.values()].filter((difference) => difference?.count === seeds)).flatMap(
    (difference) => (difference && holds(difference)) ?? [],
  );
  if (compared.length === 0) return first;
  const count = compared.filter((each) => each).length;
  const others = `${compared.length} other ${compared.length === 1 ? 'recipe' : 'recipes'}`;
  const correction = compared.length === 1 ? '' : ' and Holm’s correction over all of them';
  const differing = count > 1 ? `${count} differ` : `${count === 0 ? 'none' : count} differs`;
  const test = `a paired t test at ${100 * SIGNIFICANCE} %${correction}`;
  return `${first} Of ${others} ${differing} from it, by ${test}.`;
}

function notesOf(
  results: AblationResults,
  { metric, base, references, arms, sweeps, tuning }: AblationTable,
): string[] {
  const { seeds, variants, difference } = results.plan;
  const recipeOf = (name: string) => variants.find((variant) => variant.name === name)!.recipe;
  const settings = [...references, ...arms].flatMap(({ name, variant }) => {
    const pair = [ABLATION_BASE, variant].map(recipeOf).map((recipe) => ({ recipe, layer: recipe.model.layer }));
    const differences = settingDifferences(pair, tuning?.keys).join('; ');
    return differences === ''
      ? []
      : `${name} differs from the base in more than its layers (base, ${name}): ${differences}.`;
  });
  return [
    `${scoreHeading(metric).replace('test ', 'Test ')}: ${overSeeds(seeds)}.`,
    ...seedNotes(
      seeds,
      [base, ...references, ...arms, ...sweeps.flatMap(({ rows }) => rows)],
      'the rows of their table',
    ),
    ...(difference === null
      ? []
      : [
          `Than ${pointsText(difference)}: smaller where the interval excludes a difference that large, larger ` +
            'where it excludes a smaller one.',
        ]),
    'Stored numbers, κ and step are means over seeds: trained numbers of the compact form, what the masks give, and ' +
      'the median of the steps after the partition.',
    ...(tuning === null ? [] : tuningNotes(tuning, (variant) => nameOf(results, variant))),
    ...settings,
    ...(results.runs.some(({ recipe }) => choseByTest(recipe))
      ? ['Early stopping chose epochs on the test data themselves, so these scores are optimistic.']
      : []),
    ...runNotes(results, ({ variant }) => nameOf(results, variant)),
  ];
}

function tuningNotes(
  { keys, seeds, networks }: NonNullable<AblationTable['tuning']>,
  nameOfVariant: (variant: string) => string,
): string[] {
  const count = networks[0]!.tries.length;
  const failed = networks.filter(({ state }) => state === 'failed').map(({ variant }) => nameOfVariant(variant));
  return [
    `Every recipe was tried with ${count} values of ${keys.join(' × ')}, seed ${seeds.join(', ')}, and has that of ` +
      'the best validation score; the test data had no part in it.',
    ...(failed.length === 0 ? [] : [`All tries diverged of ${failed.join(', ')}.`]),
  ];
}
