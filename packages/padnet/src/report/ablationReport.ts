/** An ablation as a page: what moves the score and by how much, then every sweep as a plot and a table. */
import { ABLATION_BASE } from '../experiments/index.js';
import type { AblationOrigin } from './ablationDocument.js';
import type { AblationPointRow, AblationResults, AblationRow, AblationTable } from '../experiments/ablationTable.js';
import {
  shortKey,
  valuesText,
  type AblationText,
  type AblationTextCell,
  type AblationTextTable,
} from './ablationText.js';
import { differenceChart, type DifferenceGroup, type DifferenceRow } from './charts/differenceChart.js';
import { referenceColours, seriesColours } from './charts/runColours.js';
import { sweepChart, type SweepReference } from './charts/sweepChart.js';
import { html, trusted, type Html } from './html.js';
import { methodReferences, originFacts } from './htmlReport.js';
import { swatch } from './htmlTable.js';
import { networkFacts } from '../analysis/networkFacts.js';
import { dataName, dataText, scheduleText } from './recipeTexts.js';
import { reportPage } from './reportPage.js';
import { isFraction, metricName } from './scoreText.js';
import { runEnvironment } from '../analysis/summariseRun.js';

/** @param file of the ablation */
export function ablationReport(
  file: string,
  results: AblationResults,
  table: AblationTable,
  text: AblationText,
  { command, date }: AblationOrigin,
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
    body: html`<section>
        <h2>What the keys of the recipe change</h2>
        <p class="sub">${scoreName(table)} of each recipe minus that of the base, in points, on the same seeds.</p>
        <figure class="scroll wide" tabindex="0" aria-label="Differences to the base">
          ${differenceChart('Differences to the base', differenceGroups(table))}
        </figure>
        <p class="read">
          <b>How to read this.</b> A ring is a seed, a dot the mean, a bar the standard deviation of the difference over
          seeds. Grey where the mean is no larger than that. Choosing the best line by these test scores makes its score
          optimistic.
        </p>
      </section>
      <section>
        <h2>${text.base.title}</h2>
        ${text.base.finding !== null && html`<p class="sub">${text.base.finding}</p>`}
        ${tableOf(text.base, referenceColourOf(table))}
        <ul class="notes">
          ${text.notes.map((note) => html`<li>${note}</li>`)}
        </ul>
      </section>
      ${table.sweeps.map(({ keys, rows }, index) => sweepSection(keys, rows, text.sweeps[index]!, table))}`,
    footer: html`Made by <code>${command}</code>. ${methodReferences([recipe])}`,
  });
}

function scoreName({ metric }: AblationTable): string {
  return `Test ${metric === null ? 'score' : metricName(metric)}`;
}

function differenceGroups({ base, references, sweeps }: AblationTable): DifferenceGroup[] {
  const baseScores = new Map(base.scores.map(({ seed, score }) => [seed, score]));
  const rowOf = (row: AblationRow, label: string): DifferenceRow => ({
    label,
    difference: row.difference && hundredfold(row.difference),
    bySeed:
      row.variant === ABLATION_BASE
        ? []
        : row.scores.flatMap(({ seed, score }) => {
            const other = baseScores.get(seed);
            return other === undefined ? [] : [{ seed, difference: 100 * (score - other) }];
          }),
    isBase: row.variant === ABLATION_BASE,
  });
  return [
    ...(references.length === 0 ? [] : [{ title: 'references', rows: references.map((row) => rowOf(row, row.name)) }]),
    ...sweeps.map(({ keys, rows }) => ({
      title: keys.join(' × '),
      rows: rows.map((row) => rowOf(row, valuesText(row.values))),
    })),
  ];
}

/** By name of the recipe. */
function referenceColourOf({ references }: AblationTable): ReadonlyMap<string, string> {
  const colours = referenceColours(references.length);
  return new Map([
    [ABLATION_BASE, seriesColours(1)[0]!],
    ...references.map(({ name }, index) => [name, colours[index]!] as const),
  ]);
}

function sweepSection(
  keys: readonly string[],
  rows: readonly AblationPointRow[],
  text: AblationTextTable,
  table: AblationTable,
): Html {
  const distinct = (at: number): string[] => [...new Set(rows.flatMap(({ values }) => values[at] ?? []))];
  const values = distinct(0);
  const names = keys.length === 1 ? [null] : distinct(1);
  const colours = seriesColours(names.length);
  const series = names.map((name, index) => ({
    name: name === null ? null : `${shortKey(keys[1]!)} ${name}`,
    colour: colours[index]!,
    points: rows
      .filter((row) => name === null || row.values[1] === name)
      .map(({ values: own, scores, score }) => ({
        value: own[0]!,
        scores: scores.map(({ seed, score: each }) => ({ seed, score: 100 * each })),
        mean: score && hundredfold(score),
      })),
  }));
  const base = rows.find(({ variant }) => variant === ABLATION_BASE);
  const referenceColoursOf = referenceColours(table.references.length);
  const references = [
    ...table.references.map(({ name, score }, index) => ({ name, colour: referenceColoursOf[index]!, score })),
    ...(base ? [] : [{ name: ABLATION_BASE, colour: 'var(--ink)', score: table.base.score }]),
  ].flatMap(({ score, ...reference }): SweepReference[] =>
    score === null ? [] : [{ ...reference, mean: hundredfold(score) }],
  );
  const unit = table.metric === null || isFraction(table.metric) ? ', %' : ' × 100';
  return html`<section>
    <h2>${text.title}</h2>
    ${text.finding !== null && html`<p class="sub">${text.finding}</p>`}
    <div class="sweep">
      <figure>
        ${
          names.length > 1 &&
          html`<p class="legend">${series.map(({ name, colour }) => html`<span>${swatch(colour)}${name}</span>`)}</p>`
        }
        ${sweepChart({
          name: text.title,
          axis: `↑ ${scoreName(table).toLowerCase()}${unit}`,
          values,
          baseValue: base?.values[0] ?? null,
          series,
          references,
        })}
      </figure>
      ${tableOf(text)}
    </div>
  </section>`;
}

/** @param colours by the first name of a row */
function tableOf({ title, headings, rows }: AblationTextTable, colours?: ReadonlyMap<string, string>): Html {
  const keys = rows[0]!.names.length;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${title}">
    <table class="compact">
      <thead>
        <tr>
          ${headings.map((heading, at) => html`<th scope="col" ${at < keys && trusted(' class="name"')}>${heading}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(({ names, cells }) => {
          const colour = colours?.get(names[0]!);
          return html`<tr>
            ${names.map((name, at) => html`<th scope="row" class="name">${at === 0 && colour !== undefined && swatch(colour)}${name}</th>`)}
            ${cells.map(cell)}
          </tr> `;
        })}
      </tbody>
    </table>
  </div>`;
}

function cell({ value, detail }: AblationTextCell): Html {
  return html`<td><span class="value">${value}</span>${detail !== null && html`<small>${detail}</small>`}</td>`;
}

function hundredfold<T extends { readonly mean: number; readonly deviation: number | null }>(fractions: T): T {
  const { mean, deviation } = fractions;
  return { ...fractions, mean: 100 * mean, deviation: deviation === null ? null : 100 * deviation };
}
