/**
 * GLUE's table as a page: the table, every score, and how the networks of each task's first seed trained and routed.
 */
import type { RunSummary } from '../../analysis/runSummary.js';
import { type GlueTaskName, glueTasks } from '../../data/index.js';
import { glueHeading, type GlueNetwork, type GlueResults } from '../../experiments/index.js';
import { meanDeviation } from '../../statistics.js';
import { seedChart, type SeedPoint, type SeedReference } from '../charts/seedChart.js';
import { html, type Html } from '../html.js';
import { glueColours, glueShortNames, type GlueText } from '../matrix/glueText.js';
import type { MatrixOrigin } from '../matrix/matrixReport.js';
import { runSections } from '../sections/runSections.js';
import { figure, grid, noteList, section } from '../sections/section.js';
import { hasBest, htmlTable } from '../table.js';
import { methodReferences, runFacts } from './comparisonPage.js';
import { reportPage } from './reportPage.js';

/** Finished runs of one task, looked at closely. */
export interface GlueTaskRuns {
  readonly task: GlueTaskName;
  readonly seed: number;
  /** In the order of `glueDetailNetworks`. */
  readonly runs: readonly RunSummary[];
}

/** `scratch` last, so that the others have the colours of their kind. */
export const glueDetailNetworks = ['static', 'moe', 'pad', 'scratch'] as const satisfies readonly GlueNetwork[];

export function gluePage(
  results: GlueResults,
  text: GlueText,
  details: readonly GlueTaskRuns[],
  { command, date }: MatrixOrigin,
): string {
  const { tasks, seeds } = results.matrix;
  const summaries = details.flatMap(({ runs }) => runs);
  const [first, ...others] = details;
  const shown = tasks.length === 1 ? glueTasks[tasks[0]!].folder : `${tasks.length} tasks`;
  return reportPage({
    title: `GLUE, ${shown}: static, dynamic, partial`,
    kicker: `PAD-Net on GLUE: ${results.runs.length} runs`,
    lead: text.findings.length === 0 ? null : text.findings.join(' '),
    facts: [
      ['Tasks', tasks.map((task) => glueTasks[task].folder).join(', ')],
      ['Seeds', seeds.join(', ')],
      ...runFacts(summaries, date),
    ],
    body: html`${tableSection(text)} ${scoresSection(results)} ${first ? taskHeading(first) : false}
    ${first ? runSections(first.runs) : false}
    ${
      others.length > 0 &&
      section(
        { title: 'The other tasks' },
        others.map(
          ({ task, seed, runs }) =>
            html`<details>
              <summary>${glueTasks[task].folder}, seed ${seed}</summary>
              ${runSections(runs)}
            </details>`,
        ),
      )
    }`,
    footer: html`Made by <code>${command}</code>. ${summaries.length > 0 && methodReferences(summaries)} GLUE: Wang et
      al. 2018, arXiv 1804.07461.`,
  });
}

function taskHeading({ task, seed, runs }: GlueTaskRuns): Html {
  const names = runs.map(({ name }) => name).join(', ');
  return section({
    title: `A closer look: ${glueTasks[task].folder}, seed ${seed}`,
    sub: `How ${names} trained, where partial experts stay dynamic, and what the experts do.`,
  });
}

/** So many columns leave room for those of costs. */
const mostColumns = 12;

function tableSection({ scores, costs, whole, notes }: GlueText): Html {
  const isWide = whole.columns.length > mostColumns;
  const wide = html`${htmlTable(scores)}
    <h3 class="run">What each network costs</h3>
    ${htmlTable(costs)}`;
  return section(
    {
      title: 'The table',
      sub: 'Scores × 100 on the development sets, and what each network stores and costs to train.',
    },
    isWide ? wide : htmlTable(whole),
    noteList([...(hasBest(scores) ? ['● marks the best mean of a column.'] : []), ...notes]),
  );
}

function scoresSection({ matrix, runs, majority }: GlueResults): Html | false {
  const { tasks, networks, seeds } = matrix;
  const shown = tasks.filter((task) => runs.some((run) => run.task === task));
  if (shown.length === 0) return false;
  // Fresh weights are far below the others: a measure, as the constant answer is.
  const compared = networks.filter((network) => network !== 'scratch' || networks.length === 1);
  const pointOf = (task: GlueTaskName, network: GlueNetwork): SeedPoint => {
    const scores = runs.filter((run) => run.task === task && run.network === network);
    const score = meanDeviation(scores.map((run) => run.score));
    return { value: glueShortNames[network], colour: glueColours[network], scores, score };
  };
  const referencesOf = (task: GlueTaskName): SeedReference[] => {
    const constant = meanDeviation([majority.find((each) => each.task === task)!.score]);
    const scratch = { name: 'from scratch', colour: glueColours.scratch, score: pointOf(task, 'scratch').score };
    return [
      ...(compared.includes('scratch') ? [] : [scratch]),
      { name: 'majority class', colour: 'var(--muted)', score: constant },
    ];
  };
  return section(
    {
      title: 'Every score',
      sub: html`A ring is a run, a dot the mean of a network’s
      ${seeds.length === 1 ? 'only seed' : `${seeds.length} seeds`}, a bar their standard deviation; each task has a
      scale of its own.`,
      read: html`Thin lines join runs of the same seed: where they run alongside, seeds agree on which network is
      better, where they cross, they do not. A dashed line is what the most frequent answer of the training set gets
      (and what the same network gets from fresh weights); where that is far away, only the value is given.`,
    },
    grid(
      shown.map((task) => {
        const [name, metrics] = glueHeading(task);
        const points = compared.map((network) => pointOf(task, network));
        return figure(
          name,
          seedChart({
            name,
            axis: `${metrics} × 100`,
            values: points.map(({ value }) => value),
            series: [{ name: null, colour: 'var(--muted)', points }],
            references: referencesOf(task),
          }),
        );
      }),
    ),
  );
}
