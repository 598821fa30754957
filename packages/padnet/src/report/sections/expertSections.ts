/**
 * The report's sections on mixtures of experts: how evenly they are used, which tokens they get, and how that came
 * about.
 */
import { expertHeatMap } from '../charts/heatMap.js';
import { entropyNames, routerEntropyChart } from '../charts/curves.js';
import { runColours } from '../charts/runColours.js';
import type { ExpertLoad, TypicalToken, TypicalTokens } from '../../analysis/expertLoad.js';
import { formatPercent } from '../format.js';
import { html, type Html } from '../html.js';
import { swatch } from '../table.js';
import { figure, grid, section, smallGrid } from './section.js';
import { layerLabel } from '../../analysis/layerNames.js';
import type { RunSummary } from '../../analysis/runSummary.js';

interface ExpertRun {
  readonly name: string;
  readonly colour: string;
  readonly load: ExpertLoad;
}

/** Nothing where no run has mixtures of experts. */
export function expertSections(runs: readonly RunSummary[]): Html {
  const colours = runColours(runs);
  const loaded = runs.flatMap(({ name, experts }, index): ExpertRun[] =>
    experts === null || experts.layers.length === 0 ? [] : [{ name, colour: colours[index]!, load: experts }],
  );
  return html`${loaded.length > 0 && [loadSection(loaded), tokenSection(loaded)]} ${entropySection(runs)}`;
}

function loadSection(runs: readonly ExpertRun[]): Html {
  // One scale for all, so that equal colours are equal shares.
  const most = Math.max(...runs.flatMap(({ load }) => load.layers.flatMap(({ shares }) => shares)));
  return section(
    {
      title: 'How evenly the experts are used',
      sub: html`Each expert’s share of the gates in every mixture of experts, over the test sentences; blocks and
      experts count from 0.`,
      read: html`A row is a layer, a column an expert, and a row sums to 100 %. Evenness is the entropy of the row over
      that of equal shares: 1 where all experts get as much, 0 where one gets everything. The auxiliary loss of training
      asks for even rows, but sees the routers with their noise, which evens out what is shown here without; an expert
      with next to nothing is stored for little use.`,
    },
    grid(
      runs.map(({ name, colour, load }) =>
        figure(
          html`${swatch(colour)}${name}
            <small
              >0 %<span class="scale" style="--c:${colour}"></span>${formatPercent(most, 0)}, ${measuredOn(load)}</small
            >`,
          expertHeatMap(load.layers, { most, colour }),
        ),
      ),
    ),
  );
}

function measuredOn({ sentences, tokens }: ExpertLoad): string {
  return `${sentences.toLocaleString('en')} sentences, ${tokens.toLocaleString('en')} tokens`;
}

function tokenSection(runs: readonly ExpertRun[]): Html {
  return section(
    {
      title: 'Which tokens go where',
      sub: html`The tokens most typical of each expert, in the first, middle and last mixture of experts: how many times
      as large as for the average token their gate is.`,
      read: html`× 2.0 says that the expert weighs the token twice as much as it weighs tokens on average; the most that
        there can be is one over the expert’s share. Tokens are pieces of words as the tokenizer cuts them (<code
          >##</code
        >
        goes on with a word). Where all are near × 1 the router does not tell tokens apart, as before training.`,
    },
    runs.map(({ name, colour, load }) => [
      html`<h3 class="run">${swatch(colour)}${name}</h3>`,
      smallGrid(load.typical.map((layer) => tokenTable(layer, load, colour))),
    ]),
  );
}

function tokenTable({ path, experts }: TypicalTokens, { layers }: ExpertLoad, colour: string): Html {
  const shares = layers.find((layer) => layer.path === path)?.shares ?? [];
  const rows = experts.map((tokens, expert) => {
    const share = shares[expert] ?? 0;
    return html`<tr>
      <th scope="row">
        <span class="share" style="--c:${colour};--share:${(100 * share).toFixed(1)}%"></span>
        ${expert} <small>${formatPercent(share, 0)}</small>
      </th>
      <td>${tokens.length === 0 ? html`<small>none</small>` : tokens.map(tokenChip)}</td>
    </tr>`;
  });
  return figure(
    `Layer ${layerLabel(path)}`,
    html`<table class="tokens">
      <tbody>
        ${rows}
      </tbody>
    </table>`,
  );
}

function tokenChip({ token, count, lift }: TypicalToken): Html {
  return html`<span class="token" title="${count} times"
    >${token}<small>× ${lift.toFixed(lift < 9.95 ? 1 : 0)}</small></span
  > `;
}

function entropySection(runs: readonly RunSummary[]): Html | false {
  const routed = runs.filter(({ routing }) => routing.length > 0);
  if (routed.length === 0) return false;
  const partitioned = routed.some(({ partitionEpoch }) => partitionEpoch !== null && partitionEpoch > 0);
  const keys = Object.keys(entropyNames) as (keyof typeof entropyNames)[];
  return section(
    {
      title: 'Router entropy over training',
      sub: 'Means over all mixtures of experts of a run, smoothed over steps; one colour a run, as in the table.',
      read: html`Measured on training batches, with the noise that routers get in training. First chart: 1 where the k
      experts of a token count alike, 0 where one of them counts alone. Second: 1 where a batch uses all experts evenly,
      0 where it uses one alone.${partitioned && ' A ring marks where Iterative Mode Partition set the masks.'}`,
    },
    grid(keys.map((key) => figure(entropyNames[key], routerEntropyChart(runs, key)))),
  );
}
