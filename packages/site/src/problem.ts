/** The one message of the page about what went wrong. */
import { InputError } from '@padnet/runtime';
import { button, element } from './dom.js';

export class Problem {
  readonly element = element('div', { role: 'alert', class: 'problem', hidden: true });

  #about: unknown = null;

  /** @param about what goes on without it: a network; else the question */
  show(error: unknown, about: unknown = null): void {
    this.#about = about;
    const dismiss = button('Dismiss', () => {
      this.clear(about);
    });
    this.element.replaceChildren(element('p', {}, messageOf(error)), dismiss);
    this.element.hidden = false;
  }

  /** Takes back what was shown of this, and of nothing else. */
  clear(about: unknown = null): void {
    if (about !== this.#about) return;
    this.element.hidden = true;
    this.element.replaceChildren();
  }
}

function messageOf(error: unknown): string {
  if (error instanceof InputError) return error.message;
  const said = error instanceof Error ? error.message : String(error);
  return `Something is wrong with this page: ${said}. Load it anew.`;
}
