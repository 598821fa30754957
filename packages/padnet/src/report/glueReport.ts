/** GLUE's table as a page: the table, every score, and of each task's first seed how its networks trained and routed. */
import { type GlueTaskName, glueTasks } from '../data/index.js';
import type { GlueNetwork } from '../experiments/index.js';
import { glueScoresChart, type GlueReference } from './charts/glueScores.js';
import { meanDeviation } from '../statistics.js';
import type { GlueOrigin } from './glueDocument.js';
import { glueHeading } from '../experiments/glueResults.js';
import type { GlueResults } from '../experiments/glueTable.js';
import { costHeadings, glueShortNames, type GlueText, type GlueTextCell, type GlueTextRow } from './glueText.js';
import { html, type Html } from './html.js';
import { methodReferences, runFacts } from './htmlReport.js';
import { swatch } from './htmlTable.js';
import { reportPage } from './reportPage.js';
import { runSections } from './runSections.js';
import type { RunSummary } from '../analysis/runSummary.js';

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
const colours: Readonly<Record<GlueNetwork, string>> = {
  static: 'var(--run-0)',
  moe: 'var(--run-1)',
  pad: 'var(--run-2)',
  scratch: 'var(--run-3)',
};

export function glueReport(
  results: GlueResults,
  text: GlueText,
  details: readonly GlueTaskRuns[],
  { command, date }: GlueOrigin,
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

/** So many columns of scores leave room for those of costs. */
const mostWithCosts = 7;

function tableSection({ headings, majority, rows, differences, notes }: GlueText): Html {
  const isWide = headings.length > mostWithCosts;
  const beside = (cells: Html): Html | false => !isWide && cells;
  const noCosts = html`${costHeadings.map(() => html`<td></td>`)}`;
  const row = ({ name, scores }: GlueTextRow, colour: string | null, costs: Html): Html =>
    html`<tr>
      <th scope="row">${colour !== null && swatch(colour)}${name}</th>
      ${scores.map(scoreCell)}${beside(costs)}
    </tr> `;
  return html`<section>
    <h2>The table</h2>
    <p class="sub">Scores × 100 on the development sets, and what each network stores and costs to train.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Scores by network and task">
      <table>
        <thead>
          <tr>
            <th scope="col">Network</th>
            ${headings.map(headingCell)}${beside(html`${costHeadings.map(headingCell)}`)}
          </tr>
        </thead>
        <tbody>
          ${row(majority, null, noCosts)}
          ${rows.map((each) => row(each, colours[each.network], html`${each.costs.map(costCell)}`))}
          ${differences.map((each) => row(each, null, noCosts))}
        </tbody>
      </table>
    </div>
    ${isWide && costTable(rows)}
    <ul class="notes">
      ${rows.some(({ scores }) => scores.some(({ best }) => best)) && html`<li>● marks the best mean of a column.</li>`}
      ${notes.map((note) => html`<li>${note}</li>`)}
    </ul>
  </section>`;
}

function costTable(rows: GlueText['rows']): Html {
  return html`<h3 class="run">What each network costs</h3>
    <div class="scroll" tabindex="0" role="region" aria-label="Costs by network">
      <table>
        <thead>
          <tr>
            <th scope="col">Network</th>
            ${costHeadings.map(headingCell)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ network, name, costs }) =>
              html`<tr>
                <th scope="row">${swatch(colours[network])}${name}</th>
                ${costs.map(costCell)}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>`;
}

function headingCell([name, detail]: readonly [string, string]): Html {
  return html`<th scope="col">${name}<small>${detail}</small></th>`;
}

function costCell(cost: string): Html {
  return html`<td><span class="value">${cost}</span></td>`;
}

function scoreCell({ value, detail, best }: GlueTextCell): Html {
  return html`<td>
    ${best ? html`<b title="best">${value}</b>` : html`<span class="value">${value}</span>`}${
      detail !== null && html`<small>${detail}</small>`
    }
  </td>`;
}

function scoresSection({ matrix, runs, majority }: GlueResults): Html | false {
  const { tasks, networks, seeds } = matrix;
  const shown = tasks.filter((task) => runs.some((run) => run.task === task));
  if (shown.length === 0) return false;
  const scoresOf = (task: GlueTaskName, network: GlueNetwork) =>
    runs
      .filter((run) => run.task === task && run.network === network)
      .map(({ seed, score }) => ({ seed, score: 100 * score }));
  // Fresh weights are far below the others: a measure, as the constant answer is.
  const compared = networks.filter((network) => network !== 'scratch' || networks.length === 1);
  const references = (task: GlueTaskName): GlueReference[] => {
    const scratch = compared.includes('scratch')
      ? null
      : meanDeviation(scoresOf(task, 'scratch').map(({ score }) => score));
    const constant = majority.find((each) => each.task === task)!;
    return [
      ...(scratch ? [{ name: 'from scratch', score: scratch.mean }] : []),
      { name: 'majority class', score: 100 * constant.score },
    ];
  };
  return html`<section>
    <h2>Every score</h2>
    <p class="sub">
      A ring is a run, a bar the mean of a network’s ${seeds.length === 1 ? 'only seed' : `${seeds.length} seeds`}; each
      task has a scale of its own.
    </p>
    <div class="grid small">
      ${shown.map((task) => {
        const [name, metrics] = glueHeading(task);
        const own = compared.map((network) => ({
          name: glueShortNames[network],
          colour: colours[network],
          scores: scoresOf(task, network),
        }));
        return html`<figure>
          <figcaption>${name}<small>${metrics} × 100</small></figcaption>
          ${glueScoresChart({ name, networks: own, references: references(task) })}
        </figure>`;
      })}
    </div>
    <p class="read">
      <b>How to read this.</b> Thin lines join runs of the same seed: where they run alongside, seeds agree on which
      network is better, where they cross, they do not. A dotted line is what the most frequent answer of the training
      set gets (and what the same network gets from fresh weights); where that is far below, only the value is given.
    </p>
  </section>`;
}
