/**
 * Markup that is escaped by construction: whatever is put into an html`…` template is text, unless it is `Html` itself.
 */

export class Html {
  readonly text: string;

  /** @internal Use html`…`, or `trusted` for markup that others made. */
  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** `false` and null give nothing. */
export type HtmlValue = Html | string | number | false | null | readonly HtmlValue[];

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

function render(value: HtmlValue): string {
  if (value instanceof Html) return value.text;
  if (value === null || value === false) return '';
  if (typeof value === 'object') return value.map(render).join('');
  return escapeHtml(String(value));
}

export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(parts.reduce((text, part, index) => text + render(values[index - 1] ?? null) + part));
}

/** Markup as it is, from a source that escapes by itself. */
export function trusted(text: string): Html {
  return new Html(text);
}
