/** Where a sentence is written, or a pair of them. */
import { button, element, newId } from './dom.js';
import type { Ask } from './question.js';
import type { TextSample } from './site.js';

export class TextPanel {
  readonly element: HTMLElement;
  readonly #fields: readonly HTMLTextAreaElement[];

  constructor(
    samples: readonly TextSample[],
    isPair: boolean,
    private readonly ask: Ask,
  ) {
    const names = isPair ? ['First sentence', 'Second sentence'] : ['Sentence'];
    this.#fields = names.map(() => element('textarea', { rows: 2, id: newId(), spellcheck: 'false' }));
    const labelled = this.#fields.map((field, index) =>
      element('div', { class: 'field' }, element('label', { for: field.id }, names[index]!), field),
    );
    for (const field of this.#fields)
      field.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        this.#askFields(null);
      });
    const submit = button(
      'Ask the networks',
      () => {
        this.#askFields(null);
      },
      { class: 'primary' },
    );
    this.element = element(
      'div',
      { class: 'panel texts' },
      element('div', { class: 'fields' }, ...labelled, element('div', { class: 'buttons' }, submit)),
      this.#samples(samples),
    );
  }

  #samples(samples: readonly TextSample[]): HTMLElement | null {
    if (samples.length === 0) return null;
    const buttons = samples.map(({ text, second, label }) => {
      const words = second === null ? text : `${text} — ${second}`;
      const choose = button(words, () => {
        this.#fields[0]!.value = text;
        if (this.#fields[1]) this.#fields[1].value = second ?? '';
        this.#askFields(label);
      });
      return element('li', {}, choose);
    });
    const title = element('h3', {}, 'Or one that no network was trained on');
    return element('div', {}, title, element('ul', { class: 'sentences', role: 'list' }, ...buttons));
  }

  #askFields(label: string | null): void {
    const [first, second] = this.#fields.map(({ value }) => value.trim());
    const empty = this.#fields.find(({ value }) => value.trim() === '');
    if (empty) {
      empty.focus();
      return;
    }
    void this.ask({ kind: 'text', first: first!, second: second ?? null, label, isLive: false });
  }
}
