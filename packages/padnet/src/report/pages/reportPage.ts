/**
 * The frame of a report: one HTML file that needs nothing else. Styles and drawings are inline, there is no script, and
 * whatever comes from a run is escaped.
 */
import type { FileKind } from '../../outputFile.js';
import { html, trusted, type Html } from '../html.js';
import { styleSheet } from '../style.js';

export interface ReportPageOptions {
  readonly title: string;
  /** The line above the title. */
  readonly kicker: string;
  /** The result in one to three sentences; null: none. */
  readonly lead: string | null;
  /** Empty ones are left out. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Sections. */
  readonly body: Html;
  readonly footer: Html;
}

export const reportFile: FileKind = {
  name: 'report of padnet',
  isOne: (beginning) => beginning.includes('<meta name="generator" content="padnet" />'),
};

export function reportPage({ title, kicker, lead, facts, body, footer }: ReportPageOptions): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="generator" content="padnet" />
        <title>${title}</title>
        <style>
          ${trusted(styleSheet)}
        </style>
      </head>
      <body>
        <main>
          <header>
            <p class="kicker">${kicker}</p>
            <h1>${title}</h1>
            ${lead !== null && html`<p class="lead">${keepUnits(lead)}</p>`}
            <dl class="facts">
              ${facts.map(
                ([name, value]) =>
                  value !== '' &&
                  html`<div>
                    <dt>${name}</dt>
                    <dd>${value}</dd>
                  </div>`,
              )}
            </dl>
          </header>
          ${body}
          <footer>${footer}</footer>
        </main>
      </body>
    </html> `;
  return page.text;
}

/** Numbers stay on one line with their units. */
function keepUnits(text: string): string {
  return text.replace(/(\d) (?=[%kMGT]( |\)|\.|,|$))/g, '$1\u00a0');
}
