/** The sections on routers of dynamic convolutions: what they decide by class, and for single pictures. */
import type {
  ClassMeans,
  InputCoefficients,
  LayerAttention,
  LayerCoefficients,
  RouterCoefficients,
} from '../../analysis/coefficients.js';
import { convolutionNames } from '../../analysis/layerNames.js';
import type { RunSummary } from '../../analysis/runSummary.js';
import type { ModelOptions } from '../../models/index.js';
import { codeName } from '../../ownCode/codeReference.js';
import { classHeatMap, inputCoefficientChart, mostNumbers } from '../charts/heatMap.js';
import { runColours } from '../charts/runColours.js';
import { formatPercent } from '../format.js';
import { html, type Html } from '../html.js';
import { swatch } from '../table.js';
import { figure, section, smallGrid } from './section.js';

interface RoutedRun {
  readonly name: string;
  readonly colour: string;
  /** A sentence on the sum of the coefficients of an input. */
  readonly sum: string;
  readonly routed: RouterCoefficients;
}

/** Null where no run has routers. */
export function routerSections(runs: readonly RunSummary[]): Html | null {
  const colours = runColours(runs);
  const routedRuns = runs.flatMap(({ name, coefficients, model }, index): RoutedRun[] =>
    coefficients === null || !('convolution' in model)
      ? []
      : [{ name, colour: colours[index]!, sum: sumText(model, coefficients), routed: coefficients }],
  );
  if (routedRuns.length === 0) return null;
  const coefficients = classMaps(routedRuns, 'α', ({ path, means }) => [
    {
      caption: html`<code>${path}</code>`,
      label: 'Mean coefficients by class and kernel',
      means,
      columnNames: means[0]?.map((_, kernel) => `kernel ${kernel + 1}`) ?? [],
    },
  ]);
  const attentions = classMaps(routedRuns, 'attention', (layer) =>
    layer.attentions.map((attention) => attentionMap(layer, attention)),
  );
  const inputs = routedRuns.flatMap(({ routed }) => routed.inputs);
  const most = Math.max(...inputs.flatMap((input) => input.coefficients.flat()));
  return html`${section(
    {
      title: 'What the routers decide, by class',
      sub: html`Mean coefficient α of each kernel of the bank, over up to ${routedRuns[0]!.routed.perClass} test
      pictures of every class, in the first, middle and last dynamic layer.`,
      read: html`The router of a layer looks at its input x and weighs the K kernels of the bank: θ(x) = Σ
      α<sub>k</sub>(x) Θ<sub>k</sub>. ${[...new Set(routedRuns.map(({ sum }) => sum))].join(' ')} Rows that are alike
      treat every class alike, as a static layer would. Rows that differ show that the layer uses other kernels for
      other classes. In a partial layer the coefficients weigh only the entries under the mask.`,
    },
    coefficients,
  )}
  ${
    attentions !== null &&
    section(
      {
        title: 'Where the routers of ODConv look, by class',
        sub: html`Mean attention on positions of the kernel, on channels of the layer's input and on its filters, over
        the same pictures and in the same layers; of channels and filters the ${mostNumbers} that differ most between
        classes.`,
        read: html`Each attention is from 0 to 1 and multiplies what it is named after: an entry's position in the mixed
        kernel, an input channel, a filter's output. Columns that are alike in all rows are the same for every class, as
        a static scale would be; rows that differ are what the layer does otherwise for another class. A 1×1 layer has
        no attention on positions, a depth-wise layer none on filters.`,
      },
      attentions,
    )
  }
  ${section(
    {
      title: 'What the routers decide, for single pictures',
      sub: 'One test picture of each of some classes, and its coefficients in every dynamic layer.',
      read: html`A column is a layer, from the input on the left to the output on the right; a row is a kernel. An even
      column is an undecided router, a dark cell a kernel that this picture calls for. Beside each name is what the
      network took the picture for.`,
    },
    routedRuns.map((run) => [
      runHeading(run, 'α', most),
      smallGrid(run.routed.inputs.map((input) => picture(input, run, most))),
    ]),
  )}`;
}

interface ClassMap {
  readonly caption: Html;
  readonly label: string;
  readonly means: ClassMeans;
  readonly columnNames: readonly string[];
}

/** The maps of every run, on one scale, so that equal colours are equal values; null where there are none. */
function classMaps(
  runs: readonly RoutedRun[],
  what: string,
  mapsOf: (layer: LayerCoefficients) => readonly ClassMap[],
): Html[] | null {
  const mapped = runs
    .map((run) => ({ run, maps: run.routed.layers.flatMap(mapsOf) }))
    .filter(({ maps }) => maps.length > 0);
  if (mapped.length === 0) return null;
  const most = Math.max(...mapped.flatMap(({ maps }) => maps.flatMap(({ means }) => means.flat())));
  return mapped.map(({ run, maps }) => {
    const { colour, routed } = run;
    const classNames = routed.classes.map((label) => routed.classNames[label] ?? String(label));
    const figures = maps.map(({ caption, ...map }) =>
      figure(caption, classHeatMap({ ...map, classNames, most, colour })),
    );
    return html`${runHeading(run, what, most)} ${smallGrid(figures)}`;
  });
}

function attentionMap({ path }: LayerCoefficients, { name, means }: LayerAttention): ClassMap {
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
  return {
    caption: html`<code>${path}</code> <small>${what[name]}</small>`,
    label: `Mean ${name} attention of ${path} by class`,
    means: means.map((row) => columns.map((column) => row[column]!)),
    columnNames: columns.map((column) =>
      name === 'spatial' && Number.isInteger(side) ? position(column) : String(column + 1),
    ),
  };
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

function runHeading({ name, colour }: RoutedRun, what: string, most: number): Html {
  return html`<h3 class="run">
    ${swatch(colour)}${name}
    <small style="display:inline"
      >${what} from 0<span class="scale" style="--c:${colour}"></span>${most.toFixed(2)}</small
    >
  </h3>`;
}

function sumText({ convolution, router }: ModelOptions, { layers }: RouterCoefficients): string {
  if (router !== undefined) return `What coefficients mean in ${codeName(router)}, its code says.`;
  const { name } = convolutionNames[convolution];
  if (convolution === 'condconv') return `In ${name} each coefficient is from 0 to 1 by itself.`;
  const [first = 0, ...others] = new Set(layers.map(({ means }) => means[0]?.length ?? 0));
  const uniform = others.length === 0 ? `1/K = ${(1 / first).toFixed(2)}` : '1/K';
  return `Coefficients of a row sum to 1 in ${name}; where all are ${uniform} no kernel is preferred.`;
}

function picture(input: InputCoefficients, { routed, colour }: RoutedRun, most: number): Html {
  const [label, predicted] = [input.label, input.predicted].map((each) => routed.classNames[each] ?? String(each));
  const verdict = input.label === input.predicted ? 'recognised' : `taken for ${predicted!}`;
  return html`<figure class="picture">
    <figcaption>${label!} <small>${verdict}, ${formatPercent(input.confidence, 0)}</small></figcaption>
    <img
      src="data:image/png;base64,${input.png}"
      width="${input.width}"
      height="${input.height}"
      alt="test picture of class ${label!}"
    />
    ${inputCoefficientChart({ coefficients: input.coefficients, paths: routed.paths, most, colour })}
  </figure>`;
}
