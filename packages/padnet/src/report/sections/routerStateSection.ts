/** The section on routers that decide alike for every input. */
import { layerLabel } from '../../analysis/layerNames.js';
import type { RunSummary } from '../../analysis/runSummary.js';
import { runColours } from '../charts/runColours.js';
import { formatPercent } from '../format.js';
import { html, type Html } from '../html.js';
import { deadReasonTexts, routerSentences, unusedText } from '../routerText.js';
import { samplesOf } from '../sampleWords.js';
import { htmlTable, swatch, type TableCell } from '../table.js';
import { section } from './section.js';

/** Null where no run has routers that were looked at. */
export function routerStateSection(runs: readonly RunSummary[]): Html | null {
  const colours = runColours(runs);
  const routed = runs.flatMap((run, index) => (run.routers.length > 0 ? [{ run, colour: colours[index]! }] : []));
  if (routed.length === 0) return null;
  const paths = [...new Set(routed.flatMap(({ run }) => run.routers.map(({ path }) => path)))];
  const cell = ({ routers }: RunSummary, path: string): TableCell | string => {
    const router = routers.find((each) => each.path === path);
    if (!router) return '';
    const { variation, dead, unusedExperts } = router;
    const details = [
      ...(dead === null ? [] : [`dead: ${deadReasonTexts[dead]}`]),
      ...(unusedExperts.length === 0 ? [] : [unusedText(unusedExperts)]),
    ];
    return { text: formatPercent(variation), details };
  };
  return section(
    {
      title: 'Which routers tell inputs apart',
      sub: html`How far the coefficients of each router, and its other attentions, differ between test
      ${samplesOf(routed.map(({ run }) => run))}.`,
      read: html`The number is the deviation of the coefficients, as a vector, over the length of their mean. Below 0.1
        % a router is dead: its layer computes what a static one would, and stores a bank for it. With no hidden unit
        active there is no gradient either, and it stays dead: see <code>model.routerWidth</code>. An expert that no
        token uses is stored for nothing.`,
    },
    routed.map(
      ({ run, colour }) => html`<p>${swatch(colour)}${run.name}: ${routerSentences(run.routers).join(' ')}</p>`,
    ),
    html`<details>
      <summary>All routers as a table</summary>
      ${htmlTable({
        title: 'All routers',
        columns: [
          { heading: 'Layer', isName: true, cell: (path: string) => layerLabel(path) },
          ...routed.map(({ run }) => ({ heading: run.name, cell: (path: string) => cell(run, path) })),
        ],
        rows: paths,
      })}
    </details>`,
  );
}
