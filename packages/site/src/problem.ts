/** The one message of the page about what went wrong. */
import { InputError } from '@padnet/runtime';
import { button, element } from './dom.js';

export class Problem {
  readonly element = element('div', { role: 'alert', class: 'problem', hidden: true });

  show(error: unknown): void {
    const dismiss = button('Dismiss', () => {
      this.clear();
    });
    this.element.replaceChildren(element('p', {}, messageOf(error)), dismiss);
    this.element.hidden = false;
  }

  clear(): void {
    this.element.hidden = true;
    this.element.replaceChildren();
  }
}

function messageOf(error: unknown): string {
  if (error instanceof InputError) return error.message;
  const said = error instanceof Error ? error.message : String(error);
  return `Something is wrong with this page: ${said}. Load it anew.`;
}
