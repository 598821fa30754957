/** The comparison of runs as a page. */
import { compareRuns, summarySentence } from '../comparison.js';
import { html, type Html } from '../html.js';
import { comparisonTable } from '../comparisonTable.js';
import { hasBest, htmlTable } from '../table.js';
import { convolutionNames } from '../../analysis/layerNames.js';
import { dataName, dataText, trainingText } from '../recipeTexts.js';
import { reportPage } from './reportPage.js';
import { runSections } from '../sections/runSections.js';
import { noteList, section } from '../sections/section.js';
import type { RunSummary } from '../../analysis/runSummary.js';

export interface ReportOptions {
  /** @default the networks and the data */
  readonly title?: string;
  /** The date of the report. */
  readonly date: Date;
  /** Such as `Fashion-MNIST: 60,000 training and 10,000 test pictures`. @default what the recipes say */
  readonly data?: string;
  /** The command that made it, so that others can. */
  readonly command?: string;
}

/** @throws RangeError where there is no run */
export function htmlReport(runs: readonly RunSummary[], { title, date, data, command }: ReportOptions): string {
  if (runs.length === 0) throw new RangeError('a report needs at least one run');
  const { columns, notes } = compareRuns(runs);
  const table = comparisonTable(runs, columns);
  const networks = unique(runs, ({ network }) => network.name);
  return reportPage({
    title: title ?? titleOf(runs, networks),
    kicker: `PAD-Net comparison of ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}`,
    lead: summarySentence(runs),
    facts: [['Data', data ?? unique(runs, ({ recipe }) => recipe && dataText(recipe))], ...runFacts(runs, date)],
    body: html`${section(
      {
        title: 'The runs side by side',
        sub: 'What each network reaches, what it stores, and what it costs to run and train.',
      },
      htmlTable(table),
      noteList([...(hasBest(table) ? ['● marks the best value of a column.'] : []), ...notes]),
    )}
    ${runSections(runs)}`,
    footer: html`Made by <code>${command ?? 'padnet compare'}</code>. ${methodReferences(runs)}`,
  });
}

function titleOf(runs: readonly RunSummary[], networks: string): string {
  const data = unique(runs, ({ recipe }) => recipe && dataName(recipe));
  return data === '' ? networks : `${networks} on ${data}`;
}

/** How and where runs were made. */
export function runFacts(runs: readonly RunSummary[], date: Date): [name: string, value: string][] {
  return [
    ['Network', unique(runs, ({ network }) => network.text)],
    ['Training', unique(runs, ({ recipe }) => recipe && trainingText(recipe))],
    ...originFacts(runs, date),
  ];
}

/** Where runs were made, and when they were looked at. */
export function originFacts(
  runs: readonly Pick<RunSummary, 'environment'>[],
  date: Date,
): [name: string, value: string][] {
  return [
    [
      'Machine',
      unique(
        runs,
        ({ environment: of }) => of && `${of.machine}, ${of.threads} ${of.threads === 1 ? 'thread' : 'threads'}`,
      ),
    ],
    ['Commit', unique(runs, ({ environment }) => environment?.commit?.slice(0, 12) ?? null)],
    ['Date', date.toISOString().slice(0, 16).replace('T', ' ') + ' UTC'],
  ];
}

export function methodReferences(runs: readonly Pick<RunSummary, 'modality' | 'model'>[]): Html {
  const modalities = new Set(runs.map(({ modality }) => modality));
  const dynamic = [
    ...convolutionReferences(runs),
    ...(modalities.has('text') ? ['mixtures of experts (Shazeer et al. 2017, arXiv 1701.06538)'] : []),
  ];
  return html`The method: PAD-Net, partially dynamic networks (He et al. 2022, arXiv
  2211.05528)${dynamic.map((each) => `; ${each}`).join('')}.`;
}

/** Those of the dynamic convolutions that runs have. */
function convolutionReferences(runs: readonly Pick<RunSummary, 'model'>[]): string[] {
  const used = new Set(
    runs.flatMap(({ model }) =>
      model.layer !== 'static' && 'convolution' in model && model.router === undefined ? model.convolution : [],
    ),
  );
  return [...used].map((convolution) => {
    const { name, paper } = convolutionNames[convolution];
    return `${name} (${paper})`;
  });
}

/** The different values, `; ` between them. */
function unique<Run>(runs: readonly Run[], value: (run: Run) => string | null): string {
  return [...new Set(runs.map(value).filter((each) => each !== null))].join('; ');
}
