/** The report's pages on routers: coefficients by class, and of single pictures. */
import { attentionSection } from './attentionSection.js';
import { classHeatMap, inputCoefficientChart } from '../charts/heatMap.js';
import { runColours } from '../charts/runColours.js';
import { codeName } from '../../ownCode/codeReference.js';
import type { ModelOptions } from '../../models/index.js';
import type { InputCoefficients, RouterCoefficients } from '../../analysis/coefficients.js';
import { formatPercent } from '../format.js';
import { html, type Html } from '../html.js';
import { swatch } from '../table.js';
import { convolutionNames } from '../../analysis/layerNames.js';
import type { RunSummary } from '../../analysis/runSummary.js';

interface Routed {
  readonly name: string;
  readonly colour: string;
  /** Whose coefficients they are: the dynamic convolution, or the file of a router of one's own. */
  readonly router: string;
  /** What coefficients of an input come to: 1, anything, or what a router of one's own makes of them. */
  readonly sum: 'one' | 'any' | 'own';
  readonly routed: RouterCoefficients;
}

/** Null where no run has routers. */
export function coefficientSection(runs: readonly RunSummary[]): Html | null {
  const colours = runColours(runs);
  const routedRuns = runs.flatMap(({ name, coefficients, model }, index): Routed[] =>
    coefficients === null || !('convolution' in model)
      ? []
      : [{ name, colour: colours[index]!, ...routerOf(model), routed: coefficients }],
  );
  if (routedRuns.length === 0) return null;
  // One scale for all, so that equal colours are equal coefficients.
  const most = Math.max(...routedRuns.flatMap(({ routed }) => routed.layers.flatMap(({ means }) => means.flat())));
  const mostOfInputs = Math.max(
    ...routedRuns.flatMap(({ routed }) => routed.inputs.flatMap(({ coefficients }) => coefficients.flat())),
  );
  return html`<section>
      <h2>What the routers decide, by class</h2>
      <p class="sub">
        Mean coefficient α of each kernel of the bank, over up to ${routedRuns[0]!.routed.perClass} test pictures of
        every class, in the first, middle and last dynamic layer.
      </p>
      ${routedRuns.map(
        ({ name, colour, routed }) =>
          html`${runHeading(name, colour, most)}
            <div class="grid small">
              ${routed.layers.map(
                ({ path, means }) =>
                  html`<figure>
                    <figcaption><code>${path}</code></figcaption>
                    ${classHeatMap({
                      label: 'Mean coefficients by class and kernel',
                      means,
                      columnNames: means[0]?.map((_, kernel) => `kernel ${kernel + 1}`) ?? [],
                      classNames: routed.classes.map((label) => routed.classNames[label] ?? String(label)),
                      most,
                      colour,
                    })}
                  </figure>`,
              )}
            </div>`,
      )}
      <p class="read">
        <b>How to read this.</b> The router of a layer looks at its input x and weighs the K kernels of the bank: θ(x) =
        Σ α<sub>k</sub>(x) Θ<sub>k</sub>. ${sumText(routedRuns)} Rows that are alike treat every class alike, as a
        static layer would. Rows that differ show that the layer uses other kernels for other classes. In a partial
        layer the coefficients weigh only the entries under the mask.
      </p>
    </section>
    ${attentionSection(
      routedRuns.map(({ name, colour, routed }) => ({
        colour,
        routed,
        heading: (most) => runHeading(name, colour, most, 'attention'),
      })),
    )}
    <section>
      <h2>What the routers decide, for single pictures</h2>
      <p class="sub">One test picture of each of some classes, and its coefficients in every dynamic layer.</p>
      ${routedRuns.map(
        ({ name, colour, routed }) =>
          html`${runHeading(name, colour, mostOfInputs)}
            <div class="grid small">
              ${routed.inputs.map((input) => picture(input, routed, colour, mostOfInputs))}
            </div>`,
      )}
      <p class="read">
        <b>How to read this.</b> A column is a layer, from the input on the left to the output on the right; a row is a
        kernel. An even column is an undecided router, a dark cell a kernel that this picture calls for. Beside each
        name is what the network took the picture for.
      </p>
    </section>`;
}

function runHeading(name: string, colour: string, most: number, what = 'α'): Html {
  return html`<h3 class="run">
    ${swatch(colour)}${name}
    <small style="display:inline"
      >${what} from 0<span class="scale" style="--c:${colour}"></span>${most.toFixed(2)}</small
    >
  </h3>`;
}

function routerOf({ convolution, router }: ModelOptions): Pick<Routed, 'router' | 'sum'> {
  if (router !== undefined) return { router: codeName(router), sum: 'own' };
  return { router: convolutionNames[convolution].name, sum: convolution === 'condconv' ? 'any' : 'one' };
}

/** What the coefficients of a row add up to. */
function sumText(routed: readonly Routed[]): string {
  const names = (sum: Routed['sum']): string =>
    [...new Set(routed.filter((each) => each.sum === sum).map(({ router }) => router))].join(' and ');
  const [one, any, own] = [names('one'), names('any'), names('own')];
  return [
    ...(one === ''
      ? []
      : [`Coefficients of a row sum to 1 in ${one}; where all are ${uniform(routed)} no kernel is preferred.`]),
    ...(any === '' ? [] : [`In ${any} each coefficient is from 0 to 1 by itself.`]),
    ...(own === '' ? [] : [`What coefficients mean in ${own}, its code says.`]),
  ].join(' ');
}

/** 1/K as text, where all layers agree on K. */
function uniform(routed: readonly Routed[]): string {
  const numKernels = new Set(
    routed.flatMap(({ routed: { layers } }) => layers.map(({ means }) => means[0]?.length ?? 0)),
  );
  const [first = 0] = numKernels;
  return numKernels.size === 1 ? `1/K = ${(1 / first).toFixed(2)}` : '1/K';
}

function picture(input: InputCoefficients, routed: RouterCoefficients, colour: string, most: number): Html {
  const [label, predicted] = [input.label, input.predicted].map((each) => routed.classNames[each] ?? String(each));
  const verdict =
    input.label === input.predicted
      ? `recognised, ${formatPercent(input.confidence, 0)}`
      : `taken for ${predicted!}, ${formatPercent(input.confidence, 0)}`;
  return html`<figure class="picture">
    <figcaption>${label!} <small>${verdict}</small></figcaption>
    <img
      src="data:image/png;base64,${input.png}"
      width="${input.width}"
      height="${input.height}"
      alt="test picture of class ${label!}"
    />
    ${inputCoefficientChart({ coefficients: input.coefficients, paths: routed.paths, most, colour })}
  </figure>`;
}
