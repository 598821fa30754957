/** An ablation as a page: what moves the score and by how much, then every sweep as a plot and a table. */
import { networkFacts } from '../../analysis/networkFacts.js';
import { runEnvironment } from '../../analysis/summariseRun.js';
import {
  ABLATION_BASE,
  type AblationPointRow,
  type AblationResults,
  type AblationRow,
  type AblationTable,
  differenceBySeed,
  scoresBySeed,
} from '../../experiments/index.js';
import { differenceChart, type DifferenceGroup, type DifferenceRow } from '../charts/differenceChart.js';
import { seriesColours } from '../charts/runColours.js';
import { seedChart, type SeedChartOptions } from '../charts/seedChart.js';
import { html, type Html } from '../html.js';
import {
  ablationColours,
  type AblationText,
  type AblationTextTable,
  scoreHeading,
  scoreName,
  shortKey,
  valuesText,
} from '../matrix/ablationText.js';
import { pointsText } from '../matrix/powerText.js';
import type { MatrixOrigin } from '../matrix/matrixReport.js';
import { dataName, dataText, scheduleText } from '../recipeTexts.js';
import { noteList, section } from '../sections/section.js';
import { htmlTable, swatch } from '../table.js';
import { methodReferences, originFacts } from './comparisonPage.js';
import { reportPage } from './reportPage.js';

/** @param file of the ablation */
export function ablationPage(
  file: string,
  results: AblationResults,
  table: AblationTable,
  text: AblationText,
  { command, date }: MatrixOrigin,
): string {
  const { plan, runs } = results;
  const { recipe } = plan.variants[0]!;
  const network = networkFacts(recipe, null);
  return reportPage({
    title: `What matters for ${network.name} on ${dataName(recipe)}`,
    kicker: `PAD-Net ablation of ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}`,
    lead: text.lead,
    facts: [
      ['Ablation', file],
      ['Network', network.text],
      ['Data', dataText(recipe)],
      ['Training', scheduleText(recipe)],
      ['Seeds', plan.seeds.join(', ')],
      ...originFacts(
        runs.map(({ environment }) => ({ environment: runEnvironment(environment) })),
        date,
      ),
    ],
    body: html`${section(
      {
        title: 'What the keys of the recipe change',
        sub: `Each recipe minus the base in ${scoreName(table.metric)}, in points, on the same seeds.`,
        read: html`A ring is a seed, a dot the mean, a bar its 95 % interval. In colour, and with a star, are
        differences that hold after Holm’s correction over their table; what is grey these seeds do not tell apart from
        the
        base.${
          plan.difference !== null &&
          ` The band is the difference that would count, ${pointsText(plan.difference)} to each side.`
        }
        Choosing the best line by these test scores makes its score optimistic.`,
      },
      html`<figure class="scroll wide" tabindex="0" aria-label="Differences to the base">
        ${differenceChart('Differences to the base', differenceGroups(table), plan.difference)}
      </figure>`,
    )}
    ${section({ title: 'What these seeds can show' }, html`<p class="sub">${text.power.join(' ')}</p>`)}
    ${section(
      { title: text.base.title, sub: text.base.finding },
      htmlTable(text.base, 'compact'),
      noteList(text.notes),
    )}
    ${text.arms && armsSection(text.arms, table)}
    ${table.sweeps.map(({ keys, rows }, index) => sweepSection(keys, rows, text.sweeps[index]!, table))}
    ${
      text.tuning &&
      section(
        {
          title: text.tuning.title,
          sub: 'Validation scores × 100; ● is what a recipe has chosen and was trained with.',
        },
        htmlTable(text.tuning, 'compact'),
      )
    }`,
    footer: html`Made by <code>${command}</code>. ${methodReferences([recipe])}`,
  });
}

function differenceGroups({ base, references, arms, sweeps }: AblationTable): DifferenceGroup[] {
  const baseScores = scoresBySeed(base.scores);
  const rowOf = (row: AblationRow, label: string): DifferenceRow => ({
    label,
    difference: row.difference,
    bySeed: differenceBySeed(scoresBySeed(row.scores), baseScores),
    isBase: row.variant === ABLATION_BASE,
  });
  const groups = [
    { title: 'references', rows: references.map((row) => rowOf(row, row.name)) },
    { title: 'arms', rows: arms.map((row) => rowOf(row, row.name)) },
    ...sweeps.map(({ keys, rows }) => ({
      title: keys.join(' × '),
      rows: rows.map((row) => rowOf(row, valuesText(row.values))),
    })),
  ];
  return groups.filter(({ rows }) => rows.length > 0);
}

function armsSection(text: AblationTextTable, table: AblationTable): Html {
  const points = table.arms.map(({ name, ...row }) => ({ ...row, value: name }));
  return chartSection(text, table, {
    isBeside: false, // names are long
    values: points.map(({ value }) => value),
    baseValue: null,
    series: [{ name: null, colour: seriesColours(1)[0]!, points }],
  });
}

function sweepSection(
  keys: readonly string[],
  rows: readonly AblationPointRow[],
  text: AblationTextTable,
  table: AblationTable,
): Html {
  const distinct = (at: number): string[] => [...new Set(rows.flatMap(({ values }) => values[at] ?? []))];
  const names = keys.length === 1 ? [null] : distinct(1);
  const colours = seriesColours(names.length);
  const series = names.map((name, index) => ({
    name: name && `${shortKey(keys[1]!)} ${name}`,
    colour: colours[index]!,
    points: rows
      .filter((row) => name === null || row.values[1] === name)
      .map(({ values: [value], ...row }) => ({ ...row, value: value! })),
  }));
  const base = rows.find(({ variant }) => variant === ABLATION_BASE);
  const isBeside = text.columns.length <= mostBeside;
  return chartSection(text, table, { isBeside, values: distinct(0), baseValue: base?.values[0] ?? null, series });
}

/** So many columns leave room for a plot beside them. */
const mostBeside = 7;

/** A plot and its table, measured by the references, and by the base where it is not a point itself. */
function chartSection(
  text: AblationTextTable,
  table: AblationTable,
  {
    isBeside,
    ...chart
  }: Pick<SeedChartOptions, 'values' | 'series'> & {
    readonly baseValue: string | null;
    /** Whether the table is beside the plot, where there is room; else beneath. */
    readonly isBeside: boolean;
  },
): Html {
  const referenceColour = ablationColours(table);
  const references = [
    ...table.references.map(({ name, score }) => ({ name, colour: referenceColour.get(name)!, score })),
    ...(chart.baseValue === null ? [{ name: ABLATION_BASE, colour: 'var(--ink)', score: table.base.score }] : []),
  ];
  const legend = html`<p class="legend">
    ${chart.series.map(({ name, colour }) => html`<span>${swatch(colour)}${name}</span>`)}
  </p>`;
  const plot = seedChart({ ...chart, name: text.title, axis: `↑ ${scoreHeading(table.metric)}`, references });
  return section(
    { title: text.title, sub: text.finding },
    html`<div class="sweep${isBeside ? '' : ' stacked'}">
      <figure>${chart.series.length > 1 && legend} ${plot}</figure>
      ${htmlTable(text, 'compact')}
    </div>`,
  );
}
