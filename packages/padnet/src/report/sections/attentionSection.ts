/** The report's page on what ODConv's routers decide beside the coefficients: where, in which channels and for which filters. */
import { classHeatMap, mostNumbers } from '../charts/heatMap.js';
import type { ClassMeans, LayerAttention, LayerCoefficients, RouterCoefficients } from '../../analysis/coefficients.js';
import { html, type Html } from '../html.js';

export interface AttentiveRun {
  readonly colour: string;
  readonly routed: RouterCoefficients;
  /** What stands above its figures. */
  readonly heading: (most: number) => Html;
}

/** Null where no router has attentions beside the coefficients. */
export function attentionSection(runs: readonly AttentiveRun[]): Html | null {
  const attentive = runs.filter(({ routed }) => routed.layers.some(({ attentions }) => attentions.length > 0));
  if (attentive.length === 0) return null;
  const most = Math.max(
    ...attentive.flatMap(({ routed }) =>
      routed.layers.flatMap(({ attentions }) => attentions.flatMap(({ means }) => means.flat())),
    ),
  );
  return html`<section>
    <h2>Where the routers of ODConv look, by class</h2>
    <p class="sub">
      Mean attention on positions of the kernel, on channels of the layer's input and on its filters, over the same
      pictures and in the same layers; of channels and filters the ${mostNumbers} that differ most between classes.
    </p>
    ${attentive.map(
      ({ heading, colour, routed }) =>
        html`${heading(most)}
          <div class="grid small">
            ${routed.layers.map((layer) => layer.attentions.map((each) => figure(layer, each, { routed, colour, most })))}
          </div>`,
    )}
    <p class="read">
      <b>How to read this.</b> Each attention is from 0 to 1 and multiplies what it is named after: an entry's position
      in the mixed kernel, an input channel, a filter's output. Columns that are alike in all rows are the same for
      every class, as a static scale would be; rows that differ are what the layer does otherwise for another class. A
      1×1 layer has no attention on positions, a depth-wise layer none on filters.
    </p>
  </section>`;
}

function figure(
  { path }: LayerCoefficients,
  { name, means }: LayerAttention,
  { routed, colour, most }: { readonly routed: RouterCoefficients; readonly colour: string; readonly most: number },
): Html {
  const count = means[0]?.length ?? 0;
  const columns = name === 'spatial' ? [...Array(count).keys()] : mostDiffering(means, mostNumbers);
  const side = Math.sqrt(count);
  const position = (index: number): string => `${Math.floor(index / side) + 1},${(index % side) + 1}`;
  const shown = columns.length === count ? count : `${columns.length} of ${count}`;
  const what = {
    spatial: 'positions: row, column',
    channel: `${shown} input channels`,
    filter: `${shown} filters`,
  };
  return html`<figure>
    <figcaption><code>${path}</code> <small>${what[name]}</small></figcaption>
    ${classHeatMap({
      label: `Mean ${name} attention of ${path} by class`,
      means: means.map((row) => columns.map((column) => row[column]!)),
      classNames: routed.classes.map((label) => routed.classNames[label] ?? String(label)),
      columnNames: columns.map((column) =>
        name === 'spatial' && Number.isInteger(side) ? position(column) : String(column + 1),
      ),
      most,
      colour,
    })}
  </figure>`;
}

/** Columns with the largest range between classes, in ascending order. */
function mostDiffering(means: ClassMeans, count: number): number[] {
  const ranges = (means[0] ?? []).map((_, column) => {
    const values = means.map((row) => row[column]!);
    return { column, range: Math.max(...values) - Math.min(...values) };
  });
  return ranges
    .sort((a, b) => b.range - a.range)
    .slice(0, count)
    .map(({ column }) => column)
    .sort((a, b) => a - b);
}
