/** Tables as data, and their outputs: aligned text, Markdown and HTML. JSON has the rows as they are. */
import { alignGrid } from './grid.js';
import { html, trusted, type Html } from './html.js';

export interface TableCell {
  readonly text: string;
  /** Smaller, behind the text or beneath it: uncertainty, remarks, what it is relative to. */
  readonly details?: readonly string[];
  /** Best of its column. */
  readonly best?: boolean;
  /** The colour of a swatch before a name, as `runColours` gives it. */
  readonly colour?: string | undefined;
}

export interface TableColumn<Row> {
  readonly heading: string;
  /** Smaller, with the heading: a unit, a metric. */
  readonly detail?: string;
  /** Names are on the left of a table and align left, numbers align right. */
  readonly isName?: boolean;
  /** Nothing where the row has nothing to say. */
  readonly cell: (row: Row) => TableCell | string | undefined;
}

export interface Table<Row> {
  /** A name for those who do not see the table. */
  readonly title: string;
  readonly columns: readonly TableColumn<Row>[];
  readonly rows: readonly Row[];
}

/** Rows as a command lists them, without a title: aligned, with a rule beneath the headings. */
export function listing<Row>(rows: readonly Row[], columns: readonly TableColumn<Row>[]): string {
  return textTable({ columns, rows });
}

/** The table aligned, with a rule beneath its headings; a `*` behind what is best. */
export function textTable<Row>(table: Omit<Table<Row>, 'title'>, { best: marks = false } = {}): string {
  const grid = stringsOf(table, (text, { best, isName }) => (marks && !isName ? `${text} ${best ? '*' : ' '}` : text));
  return alignGrid({ ...grid, leftColumns: table.columns.filter(({ isName }) => isName).length });
}

/** A Markdown table; bold is what is best. */
export function markdownTable<Row>(table: Table<Row>, { best: marks = false } = {}): string {
  const { heading, rows } = stringsOf(table, (text, { best }) =>
    marks && best ? `**${escapeMarkdown(text)}**` : escapeMarkdown(text),
  );
  const rule = table.columns.map(({ isName }) => (isName ? ':--' : '--:'));
  return [heading, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function escapeMarkdown(text: string): string {
  return text
    .replace(/[|\\*]/g, '\\$&')
    .replaceAll('\n', ' ')
    .trim();
}

/** `compact`: details behind the value instead of beneath it. */
export function htmlTable<Row>({ title, columns, rows }: Table<Row>, style?: 'compact'): Html {
  const nameClass = (column: TableColumn<Row>): Html | false => column.isName === true && trusted(' class="name"');
  const small = (texts: readonly string[]): Html[] => texts.map((text) => html`<small>${text}</small>`);
  const shown = (row: Row, column: TableColumn<Row>): Html => {
    const { text, details = [], best, colour } = cellOf(row, column);
    if (column.isName) {
      return html`<th scope="row" ${nameClass(column)}>
        ${colour !== undefined && swatch(colour)}${text}${small(details)}
      </th>`;
    }
    const value = best ? html`<b title="best">${text}</b>` : html`<span class="value">${text}</span>`;
    return html`<td>${text !== '' && value}${small(details)}</td>`;
  };
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${title}">
    <table ${style !== undefined && trusted(` class="${style}"`)}>
      <thead>
        <tr>
          ${columns.map(
            (column) =>
              html`<th scope="col" ${nameClass(column)}>
                ${column.heading}${column.detail !== undefined && small([column.detail])}
              </th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${columns.map((column) => shown(row, column))}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

/** A dot of a run's colour. @param colour as `runColours` gives it */
export function swatch(colour: string): Html {
  return html`<span class="swatch" style="--c:${colour}"></span>`;
}

export function hasBest<Row>({ columns, rows }: Table<Row>): boolean {
  return rows.some((row) => columns.some((column) => cellOf(row, column).best));
}

/** @param mark what becomes of a text: of the best of a column, of a name */
function stringsOf<Row>(
  { columns, rows }: Omit<Table<Row>, 'title'>,
  mark: (text: string, where: { readonly best: boolean; readonly isName: boolean }) => string,
) {
  return {
    heading: columns.map(({ heading, detail, isName = false }) =>
      mark(detail === undefined ? heading : `${heading} ${detail}`, { best: false, isName }),
    ),
    rows: rows.map((row) =>
      columns.map((column) => {
        const { text, details = [], best = false } = cellOf(row, column);
        return mark([text, ...details].join(' '), { best, isName: column.isName ?? false });
      }),
    ),
  };
}

function cellOf<Row>(row: Row, column: TableColumn<Row>): TableCell {
  const cell = column.cell(row) ?? '';
  return typeof cell === 'string' ? { text: cell } : cell;
}
