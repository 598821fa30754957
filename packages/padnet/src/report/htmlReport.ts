/**
 * The comparison of runs as one HTML file that needs nothing else: styles and drawings are inline, there is no script, and
 * whatever comes from a run is escaped.
 */
import { dynamicRatioChart } from './charts/dynamicRatioByLayer.js';
import { lossChart, scoreChart } from './charts/learningCurves.js';
import { runColours } from './charts/runColours.js';
import { tradeOffChart } from './charts/tradeOff.js';
import { coefficientSection } from './coefficientSection.js';
import { summarySentence } from './comparison.js';
import { scoreName, scoreTitle } from './comparisonMetrics.js';
import { formatLoss } from './format.js';
import { html, trusted, type Html } from './html.js';
import { htmlTable, swatch } from './htmlTable.js';
import type { RunSummary } from './runSummary.js';
import { formatScore } from './scoreText.js';
import { styleSheet } from './style.js';
import { glueTasks } from '../data/index.js';
import type { Recipe } from '../training/recipe.js';

export interface ReportOptions {
  /** @default the networks and the data */
  readonly title?: string;
  /** Of the report. */
  readonly date: Date;
  /** Such as `Fashion-MNIST: 60,000 training and 10,000 test pictures`. @default what the recipes say */
  readonly data?: string;
  /** The command that made it, so that others can. */
  readonly command?: string;
}

/** @throws RangeError where there is no run */
export function htmlReport(runs: readonly RunSummary[], options: ReportOptions): string {
  if (runs.length === 0) throw new RangeError('a report needs at least one run');
  const networks = unique(runs, ({ network }) => network.name);
  const title = options.title ?? `${networks} on ${unique(runs, ({ recipe }) => dataName(recipe))}`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="generator" content="padnet" />
        <title>${title}</title>
        <style>
          ${trusted(styleSheet)}
        </style>
      </head>
      <body>
        <main>
          ${header(runs, title, options)}
          <section>
            <h2>The runs side by side</h2>
            <p class="sub">What each network reaches, what it stores, and what it costs to run and train.</p>
            ${htmlTable(runs)}
          </section>
          ${trainingSection(runs)} ${sizeSection(runs)} ${coefficientSection(runs)} ${footer(options)}
        </main>
      </body>
    </html> `;
  return page.text;
}

function header(runs: readonly RunSummary[], title: string, { date, data }: ReportOptions): Html {
  const summary = summarySentence(runs);
  const facts: readonly (readonly [name: string, value: string])[] = [
    ['Data', data ?? unique(runs, ({ recipe }) => dataText(recipe))],
    ['Network', unique(runs, ({ network }) => network.text)],
    ['Training', unique(runs, ({ recipe }) => trainingText(recipe))],
    [
      'Machine',
      unique(runs, ({ environment }) => environment && `${environment.machine}, ${environment.threads} threads`),
    ],
    ['Commit', unique(runs, ({ environment }) => environment?.commit?.slice(0, 12) ?? null)],
    ['Date', date.toISOString().slice(0, 16).replace('T', ' ') + ' UTC'],
  ];
  return html`<header>
    <p class="kicker">PAD-Net comparison of ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}</p>
    <h1>${title}</h1>
    ${summary !== null && html`<p class="lead">${keepUnits(summary)}</p>`}
    <dl class="facts">
      ${facts.map(
        ([name, value]) =>
          value !== '' &&
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </header>`;
}

function trainingSection(runs: readonly RunSummary[]): Html {
  const partitioned = runs.some(({ partitionEpoch }) => partitionEpoch !== null && partitionEpoch > 0);
  return html`<section>
    <h2>Learning curves</h2>
    <p class="sub">One colour a run, as in the table; named with the value of the last epoch.</p>
    <div class="grid">
      <figure>
        <figcaption>${scoreTitle(runs)} by epoch</figcaption>
        ${scoreChart(runs)}
      </figure>
      <figure>
        <figcaption>Loss by epoch</figcaption>
        ${lossChart(runs)}
      </figure>
    </div>
    <p class="read">
      <b>How to read this.</b> Training loss is measured as trained, with augmentation, mix-up and label smoothing, so
      it may well lie above the test loss; compare like with
      like.${
        partitioned &&
        ' A ring marks the epoch after which Iterative Mode Partition set the masks: from there on only the entries under the mask depend on the input.'
      }
    </p>
    ${curveTable(runs)}
  </section>`;
}

/** The numbers of the curves, for those who want to read rather than look. */
function curveTable(runs: readonly RunSummary[]): Html {
  const rows = runs.flatMap(({ name, metric, curve }) => curve.map((point) => ({ name, metric, ...point })));
  return html`<details>
    <summary>All epochs as a table</summary>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">Epoch</th>
            <th scope="col">Training loss</th>
            <th scope="col">Test loss</th>
            <th scope="col">${scoreTitle(runs)}</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ name, metric, epoch, trainLoss, testLoss, score }) =>
              html`<tr>
                <th scope="row">${name}</th>
                <td>${epoch}</td>
                <td>${formatLoss(trainLoss, 4)}</td>
                <td>${formatLoss(testLoss, 4)}</td>
                <td>${formatScore(metric, score)}</td>
              </tr> `,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

function sizeSection(runs: readonly RunSummary[]): Html {
  const colours = runColours(runs);
  const hasScore = runs.some(({ score }) => score !== null);
  const score = upperFirst(scoreName(runs));
  const partial = runs.flatMap((run, index) =>
    run.layer === 'pad' && run.layers.length > 0 ? [{ run, colour: colours[index]! }] : [],
  );
  return html`<section>
    <h2>Where it stays dynamic, and what that stores</h2>
    <p class="sub">
      ${score} for the numbers
      stored${partial.length > 0 && ', and the dynamic ratio κ of every layer after Iterative Mode Partition'}.
    </p>
    <div class="grid">
      ${
        hasScore &&
        html`<figure>
          <figcaption>${score} against stored numbers</figcaption>
          ${tradeOffChart(runs)}
        </figure>`
      }
      ${partial.map(
        ({ run, colour }) =>
          html`<figure>
            <figcaption>${swatch(colour)}${run.name}: dynamic ratio by layer</figcaption>
            <p class="settings">${partitionText(run)}</p>
            ${dynamicRatioChart(run.layers, run.kappa.reached, colour)}
          </figure>`,
      )}
    </div>
    <p class="read">
      <b>How to read this.</b> First chart: up is more accurate, left is smaller; where the 95 % intervals overlap
      widely, these test pictures do not tell the runs
      apart.${
        partial.length > 0 &&
        ' By layer, from input to output: on the left the fraction of its entries that still depend on the input (mask M = 1), the rest coming from one static tensor; on the right its size n, with the dynamic part κn in full colour. The dashed line is κ of all layers together. With global scope one threshold on the saliency |∂L/∂M| serves all layers, so layers beyond the line hold more entries that matter to the loss when they are dynamic.'
      }
    </p>
  </section>`;
}

function partitionText({ recipe: { partition } }: RunSummary): string {
  if (!partition) return '';
  const { ratio, rounds, schedule, scope, granularity, saliency } = partition;
  return `κ = ${ratio}, ${rounds} ${schedule} ${rounds === 1 ? 'round' : 'rounds'}, ${scope}, by ${granularity}, ${saliency}`;
}

function footer({ command }: ReportOptions): Html {
  return html`<footer>
    Made by <code>${command ?? 'padnet compare'}</code>. The method: PAD-Net, partially dynamic networks (He et al.
    2022, arXiv 2211.05528); DY-Conv (Chen et al. 2020, arXiv 1912.03458).
  </footer>`;
}

function trainingText({ training, data: { batchSize } }: Recipe): string {
  const optimizer = 'optimizer' in training ? training.optimizer : 'adamw';
  return `${training.epochs} epochs, batch ${batchSize}, ${optimizer}, seed ${training.seed}`;
}

function dataName({ data }: Recipe): string {
  switch (data.name) {
    case 'fashionMnist':
      return 'Fashion-MNIST';
    case 'idx':
      return data.path ?? data.name;
    case 'glue':
      return glueTasks[data.task].folder;
  }
}

/** With its limits. */
function dataText(recipe: Recipe): string {
  const { trainLimit, testLimit } = recipe.data;
  const [kind, samples] = recipe.modality === 'image' ? ['first', 'pictures'] : ['sample of', 'sentences'];
  const limited = (limit: number | undefined, split: string): string[] =>
    limit === undefined ? [] : [`${kind} ${limit.toLocaleString('en')} ${split} ${samples}`];
  return [dataName(recipe), ...limited(trainLimit, 'training'), ...limited(testLimit, 'test')].join(', ');
}

/** Numbers stay on one line with their units. */
function keepUnits(text: string): string {
  return text.replace(/(\d) (?=[%kMGT]( |\)|\.|,|$))/g, '$1\u00a0');
}

/** The different values, `; ` between them. */
function unique(runs: readonly RunSummary[], value: (run: RunSummary) => string | null): string {
  return [...new Set(runs.map(value).filter((each) => each !== null))].join('; ');
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
