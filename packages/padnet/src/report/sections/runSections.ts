/** The sections on runs beneath the table of a report: learning curves, sizes, routers, experts. */
import { dynamicRatioChart, filterShareChart } from '../charts/layerCharts.js';
import { lossChart, scoreChart } from '../charts/curves.js';
import { runColours } from '../charts/runColours.js';
import { tradeOffChart } from '../charts/tradeOff.js';

import { curveTitle, scoredOn, scoreInterval, scoreName } from '../comparisonMetrics.js';
import { expertSections } from './expertSections.js';
import { routerSections } from './routerSections.js';
import { routerStateSection } from './routerStateSection.js';
import { figure, grid, section } from './section.js';
import { formatLoss, upperFirst } from '../format.js';
import { html, type Html } from '../html.js';
import { htmlTable, swatch } from '../table.js';
import type { RunSummary } from '../../analysis/runSummary.js';
import { samplesOf } from '../sampleWords.js';
import * as scoreFormulas from '../scoreFormulas.js';
import { formatScore } from '../scoreText.js';

/** A colour for each run, the same in every figure; sections that no run has anything for are left out. */
export function runSections(runs: readonly RunSummary[]): Html {
  const trained = runs.some(({ recipe }) => recipe !== null);
  const sections = [sizeSection(runs), routerStateSection(runs), routerSections(runs), expertSections(runs)];
  return html`${trained && trainingSection(runs)} ${sections}`;
}

function trainingSection(runs: readonly RunSummary[]): Html {
  const partitioned = runs.flatMap(({ partitionEpoch }) => partitionEpoch ?? []).filter((epoch) => epoch > 0);
  const within = partitioned.every(Number.isInteger) ? '' : 'in or ';
  return section(
    {
      title: 'Learning curves',
      sub: 'One colour a run, as in the table; named with the value of the last epoch.',
      read: html`Training loss is measured as trained, with ${trainedWith(runs)}, so it may well lie above the other;
      compare like with
      like.${
        partitioned.length > 0 &&
        ` A ring marks the epoch ${within}after which Iterative Mode Partition set the masks: from there on only the ` +
          'entries under the mask depend on the input.'
      }`,
    },
    grid(figure(`${curveTitle(runs)} by epoch`, scoreChart(runs)), figure('Loss by epoch', lossChart(runs))),
    curveTable(runs),
  );
}

/** The parts of the training loss that the test loss does not have. */
function trainedWith(runs: readonly RunSummary[]): string {
  const modalities = new Set(runs.map(({ modality }) => modality));
  return [
    ...(modalities.has('image') ? ['augmentation, mix-up and label smoothing'] : []),
    ...(modalities.has('text') ? ['dropout and the auxiliary loss of routers'] : []),
    ...(modalities.has('program') ? ['whatever its program adds'] : []),
  ].join(', ');
}

/** The numbers of the curves, for those who want to read rather than look. */
function curveTable(runs: readonly RunSummary[]): Html {
  const rows = runs.flatMap(({ name, metric, curve }) => curve.map((point) => ({ name, metric, ...point })));
  return html`<details>
    <summary>All epochs as a table</summary>
    ${htmlTable<(typeof rows)[number]>({
      title: 'All epochs',
      columns: [
        { heading: 'Run', isName: true, cell: ({ name }) => name },
        { heading: 'Epoch', cell: ({ epoch }) => String(epoch) },
        { heading: 'Training loss', cell: ({ trainLoss }) => formatLoss(trainLoss, 4) },
        { heading: `${upperFirst(scoredOn(runs))} loss`, cell: ({ loss }) => formatLoss(loss, 4) },
        { heading: curveTitle(runs), cell: ({ metric, score }) => formatScore(metric, score) },
      ],
      rows,
    })}
  </details>`;
}

function sizeSection(runs: readonly RunSummary[]): Html {
  const colours = runColours(runs);
  const hasScore = runs.some(({ score }) => score !== null);
  const hasIntervals = runs.some((run) => scoreInterval(run) !== null);
  const score = upperFirst(scoreName(runs));
  const partial = runs.flatMap((run, index) =>
    run.layer === 'partial' && run.layers.length > 0 ? [{ run, colour: colours[index]! }] : [],
  );
  const isPartial = partial.length > 0;
  const ratios = html` By layer, from input to output: on the left the fraction of its entries that still depend on the
  input (mask M = 1), the rest coming from one static tensor; on the right its size n, with the dynamic part κn in full
  colour. The dashed line is κ of all layers together. By filter (output channel, or neuron of a linear layer): each
  strip has a layer's filters side by side, in fuller colour the more of a filter's entries are dynamic; beside it how
  many have any. Where strips end early, whole filters became static and need no mixing; partition.granularity: filter
  makes it so.`;
  const intervals = hasIntervals
    ? `; where the 95 % intervals overlap widely, these test ${samplesOf(runs)} do not tell the runs apart`
    : '';
  const thresholds = new Set(partial.map(({ run }) => thresholdText(run)));
  return section(
    {
      title: 'Where it stays dynamic, and what that stores',
      sub: html`${score} for the numbers
      stored${isPartial && ', and the dynamic ratio κ of every layer after Iterative Mode Partition'}.`,
      read: [
        `First chart: up is better, left is smaller${intervals}.`,
        isPartial && ratios,
        ...Array.from(thresholds, (text) => ` ${text}`),
      ],
    },
    grid(
      hasScore && figure(`${score} against stored numbers`, tradeOffChart(runs)),
      partial.map(({ run, colour }) =>
        figure(
          html`${swatch(colour)}${run.name}: dynamic ratio by layer`,
          html`<p class="settings">${partitionText(run)}</p>`,
          dynamicRatioChart(run.layers, run.kappa.reached, colour),
        ),
      ),
      partial.map(({ run, colour }) =>
        figure(html`${swatch(colour)}${run.name}: filters that stayed dynamic`, filterShareChart(run.layers, colour)),
      ),
    ),
  );
}

/** The score that decided the masks, and its threshold. */
function thresholdText({ recipe }: RunSummary): string {
  const partition = recipe?.partition;
  if (!partition) return '';
  const score = scoreFormulas.scoreText(partition.saliency);
  return partition.scope === 'global'
    ? `One threshold on the score, ${score}, serves all layers: those beyond the line hold more of the entries that ` +
        'score high.'
    : `The score is ${score}, with a threshold of its own for each layer (local scope).`;
}

function partitionText({ recipe }: RunSummary): string {
  const partition = recipe?.partition;
  if (!partition) return '';
  const { ratio, rounds, schedule, scope, granularity, unitSum, saliency } = partition;
  return (
    `κ = ${ratio}, ${rounds} ${schedule} ${rounds === 1 ? 'round' : 'rounds'}, ${scope}, by ${granularity}, ` +
    `${scoreFormulas.scoreName(saliency)}${unitSum === 'absolute' ? ', absolute values summed' : ''}`
  );
}
