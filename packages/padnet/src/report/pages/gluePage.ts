/** GLUE's table as a page: the table, every score, and of each task's first seed how its networks trained and routed. */
import type { RunSummary } from '../../analysis/runSummary.js';
import { type GlueTaskName, glueTasks } from '../../data/index.js';
import { glueHeading, type GlueNetwork, type GlueResults } from '../../experiments/index.js';
import { meanDeviation } from '../../statistics.js';
import { seedChart, type SeedPoint } from '../charts/seedChart.js';
import { html, type Html } from '../html.js';
import { glueShortNames, type GlueText } from '../matrix/glueText.js';
import type { MatrixOrigin } from '../matrix/matrixText.js';
import { runSections } from '../sections/runSections.js';
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

/** As `runColours` gives them in that order. */
export const glueColours: Readonly<Record<GlueNetwork, string>> = {
  static: 'var(--run-0)',
  moe: 'var(--run-1)',
  pad: 'var(--run-2)',
  scratch: 'var(--run-3)',
};

/** @param text with `glueColours` */
export function gluePage(
  results: GlueResults,
  text: GlueText,
  details: readonly GlueTaskRuns[],
  { command, date }: MatrixOrigin,
): string {
  const { tasks, seeds } = results.matrix;
  const summaries = details.flatMap(({ runs }) => runs);
  const [first, ...others] = details;
  return reportPage({
    title: `GLUE, ${tasks.length === 1 ? glueTasks[tasks[0]!].folder : `${tasks.length} tasks`}: static, dynamic, partial`,
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
      html`<section>
        <h2>The other tasks</h2>
        ${others.map(
          (each) =>
            html`<details>
              <summary>${glueTasks[each.task].folder}, seed ${each.seed}</summary>
              ${runSections(each.runs)}
            </details>`,
        )}
      </section>`
    }`,
    footer: html`Made by <code>${command}</code>. ${summaries.length > 0 && methodReferences(summaries)} GLUE: Wang et
      al. 2018, arXiv 1804.07461.`,
  });
}

function taskHeading({ task, seed, runs }: GlueTaskRuns): Html {
  return html`<section>
    <h2>A closer look: ${glueTasks[task].folder}, seed ${seed}</h2>
    <p class="sub">
      How ${runs.map(({ name }) => name).join(', ')} trained, where partial experts stay dynamic, and what the experts
      do.
    </p>
  </section>`;
}

/** So many columns leave room for those of costs. */
const mostColumns = 12;

function tableSection({ scores, costs, whole, notes }: GlueText): Html {
  const isWide = whole.columns.length > mostColumns;
  return html`<section>
    <h2>The table</h2>
    <p class="sub">Scores × 100 on the development sets, and what each network stores and costs to train.</p>
    ${
      isWide
        ? html`${htmlTable(scores)}
            <h3 class="run">What each network costs</h3>
            ${htmlTable(costs)}`
        : htmlTable(whole)
    }
    <ul class="notes">
      ${hasBest(scores) && html`<li>● marks the best mean of a column.</li>`}
      ${notes.map((note) => html`<li>${note}</li>`)}
    </ul>
  </section>`;
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
  return html`<section>
    <h2>Every score</h2>
    <p class="sub">
      A ring is a run, a dot the mean of a network’s ${seeds.length === 1 ? 'only seed' : `${seeds.length} seeds`}, a
      bar their standard deviation; each task has a scale of its own.
    </p>
    <div class="grid">
      ${shown.map((task) => {
        const [name, metrics] = glueHeading(task);
        const constant = meanDeviation([majority.find((each) => each.task === task)!.score]);
        return html`<figure>
          <figcaption>${name}</figcaption>
          ${seedChart({
            name,
            axis: `${metrics} × 100`,
            values: compared.map((network) => glueShortNames[network]),
            series: [{ name: null, colour: 'var(--muted)', points: compared.map((network) => pointOf(task, network)) }],
            references: [
              ...(compared.includes('scratch')
                ? []
                : [{ name: 'from scratch', colour: glueColours.scratch, score: pointOf(task, 'scratch').score }]),
              { name: 'majority class', colour: 'var(--muted)', score: constant },
            ],
          })}
        </figure>`;
      })}
    </div>
    <p class="read">
      <b>How to read this.</b> Thin lines join runs of the same seed: where they run alongside, seeds agree on which
      network is better, where they cross, they do not. A dashed line is what the most frequent answer of the training
      set gets (and what the same network gets from fresh weights); where that is far away, only the value is given.
    </p>
  </section>`;
}
