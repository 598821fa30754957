/** Which experts each token of a sentence went to: the sentence in colours, a layer at a time, and all as a table. */
import type { LayerExperts } from '@padnet/runtime';
import { element, newId } from './dom.js';

/** Colours of the style sheet; further experts have the same again, told apart by their numbers. */
const NUM_COLOURS = 8;

/** Special tokens of every family: they frame the sentence. */
const special = /^(\[[A-Z]+\]|<\/?[a-z]+>)$/;

/** `encoder.layers.3.feed_forward.output` → `layer 3 output`; other paths as they are. */
export function layerName(path: string): string {
  return path.replace(/^encoder\.layers\.(\d+)\.feed_forward\.(\w+)$/, 'layer $1 $2');
}

export class ExpertTokens {
  readonly element: HTMLElement;
  readonly #select = element('select', { id: newId() });
  readonly #tokens = element('ol', { class: 'tokens', role: 'list', 'aria-label': 'Tokens and their experts' });
  readonly #all = element('div', {
    class: 'scroll',
    tabindex: 0,
    role: 'group',
    'aria-label': 'Experts in all layers',
  });
  #answer: { readonly tokens: readonly string[]; readonly layers: readonly LayerExperts[] } | null = null;

  /** @param onLayer what is done when another layer is chosen, so that all networks show the same */
  constructor(onLayer: (index: number) => void) {
    this.#select.addEventListener('change', () => {
      onLayer(this.#select.selectedIndex);
    });
    this.element = element(
      'div',
      { class: 'experts' },
      element('p', { class: 'choose' }, element('label', { for: this.#select.id }, 'Experts of'), this.#select),
      this.#tokens,
      element('details', {}, element('summary', {}, 'All layers'), this.#all),
    );
  }

  update(tokens: readonly string[], layers: readonly LayerExperts[]): void {
    const chosen = Math.max(0, this.#select.selectedIndex);
    this.#answer = { tokens, layers };
    this.#select.replaceChildren(...layers.map(({ layer }) => element('option', {}, layerName(layer))));
    this.#all.replaceChildren(allLayers(tokens, layers));
    this.showLayer(Math.min(chosen, layers.length - 1));
  }

  showLayer(index: number): void {
    const layer = this.#answer?.layers[index];
    if (!this.#answer || !layer) return;
    this.#select.selectedIndex = index;
    this.#tokens.replaceChildren(
      ...this.#answer.tokens.map((token, at) => tokenChip(token, layer.experts[at] ?? [], layer.gates[at] ?? [])),
    );
  }
}

function colour(expert: number | undefined): string {
  return `var(--run-${(expert ?? 0) % NUM_COLOURS})`;
}

function tokenChip(token: string, experts: readonly number[], gates: readonly number[]): HTMLElement {
  const badges = experts.map((expert, index) =>
    element(
      'span',
      { class: 'badge', '--c': colour(expert) },
      String(expert),
      hidden(index < experts.length - 1 ? ', ' : ''),
    ),
  );
  const described = experts.map((expert, index) => `expert ${expert}: ${(gates[index] ?? 0).toFixed(2)}`);
  return element(
    'li',
    { class: special.test(token) ? 'token special' : 'token', '--c': colour(experts[0]), title: described.join(', ') },
    element('span', { class: 'word' }, token),
    hidden(experts.length === 1 ? ' expert ' : ' experts '),
    ...badges,
  );
}

/** For those who listen. */
function hidden(text: string): HTMLElement {
  return element('span', { class: 'visually-hidden' }, text);
}

/** A row for each layer, a column for each token. */
function allLayers(tokens: readonly string[], layers: readonly LayerExperts[]): HTMLElement {
  const heads = tokens.map((token) => element('th', { scope: 'col' }, token));
  const rows = layers.map(({ layer, experts, gates }) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, layerName(layer).replace(/^layer /, '')),
      ...tokens.map((_, at) => {
        const title = (gates[at] ?? []).map((gate) => gate.toFixed(2)).join(', ');
        return element(
          'td',
          { '--c': colour(experts[at]?.[0]), title: `gates ${title}` },
          (experts[at] ?? []).join('·'),
        );
      }),
    ),
  );
  return element(
    'table',
    { class: 'all-experts' },
    element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'layer'), ...heads)),
    element('tbody', {}, ...rows),
  );
}
