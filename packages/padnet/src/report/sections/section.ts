/** The parts of a section of a page. */
import { html, type Html, type HtmlValue } from '../html.js';

export interface SectionOptions {
  readonly title: string;
  /** Beneath the title. */
  readonly sub?: HtmlValue;
  /** How to read what it shows. */
  readonly read?: HtmlValue;
}

export function section({ title, sub = null, read = null }: SectionOptions, ...content: HtmlValue[]): Html {
  return html`<section>
    <h2>${title}</h2>
    ${sub !== null && html`<p class="sub">${sub}</p>`} ${content}
    ${read !== null && html`<p class="read"><b>How to read this.</b> ${read}</p>`}
  </section>`;
}

export function figure(caption: HtmlValue, ...content: HtmlValue[]): Html {
  return html`<figure>
    <figcaption>${caption}</figcaption>
    ${content}
  </figure>`;
}

/** Figures side by side where there is room. */
export function grid(...figures: HtmlValue[]): Html {
  return html`<div class="grid">${figures}</div>`;
}

export function smallGrid(...figures: HtmlValue[]): Html {
  return html`<div class="grid small">${figures}</div>`;
}

export function noteList(notes: readonly string[]): Html {
  return html`<ul class="notes">
    ${notes.map((note) => html`<li>${note}</li>`)}
  </ul>`;
}
