/** The comparison as an HTML table: the value, and beneath it what it is relative to. */
import { compareRuns, type Cell, type Column } from './comparison.js';
import { html, type Html } from './html.js';
import { modelLayerName } from '../analysis/layerNames.js';
import { runColours } from './charts/runColours.js';
import type { RunSummary } from '../analysis/runSummary.js';
import type { RunRecipe } from '../recipe/recipe.js';

export function htmlTable(runs: readonly RunSummary[]): Html {
  const { columns, notes } = compareRuns(runs);
  const colours = runColours(runs);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Comparison of the runs">
      <table>
        <thead>
          <tr>
            <th scope="col">Run</th>
            ${columns.map(({ title }) => html`<th scope="col">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${runs.map(
            (run, index) =>
              html`<tr>
                <th scope="row">${swatch(colours[index]!)}${run.name}${describe(run)}</th>
                ${columns.map((column) => cell(column, column.cells[index]!))}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>
    <ul class="notes">
      ${columns.some(({ cells }) => cells.some(({ best }) => best)) && html`<li>● marks the best value of a column.</li>`}
      ${notes.map((note) => html`<li>${note}</li>`)}
    </ul>`;
}

/** @param colour as `runColours` gives it */
export function swatch(colour: string): Html {
  return html`<span class="swatch" style="--c:${colour}"></span>`;
}

/** Such as `PAD-Net, K = 4` and `MoE, 2 of 8 experts`; nothing where the name says it already. */
function describe(run: RunSummary): Html | false {
  const { name, layer, model } = run;
  const bank = layer === 'static' ? '' : bankText(model);
  return (name !== layer || bank !== '') && html`<small>${modelLayerName(model)}${bank}</small>`;
}

/** Empty of the network of a program, which does not tell. */
function bankText(model: RunRecipe['model']): string {
  if ('numExperts' in model) return `, ${model.k} of ${model.numExperts} experts`;
  return 'numKernels' in model ? `, K = ${model.numKernels}` : '';
}

function cell({ relative }: Column, { text, detail, best, toStatic, toDynamic }: Cell): Html {
  const against = (value: string | null, other: string): Html | false =>
    value !== null && html`<small>${relative === 'points' ? `${value} vs ${other}` : `${value} × ${other}`}</small>`;
  const value = best ? html`<b title="best">${text}</b>` : html`<span class="value">${text}</span>`;
  return html`<td>
    ${value}${detail !== null && html`<small>${detail}</small>`}${against(toStatic, 'static')}${against(
      toDynamic,
      'dynamic',
    )}
  </td>`;
}
