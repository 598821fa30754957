/** Comma-separated values, as RFC 4180 has them but for lines, which end as those of text do here. */

/** Fields with a comma, a quote or a line's end are quoted. */
export function csvLine(fields: readonly (string | number)[]): string {
  return fields
    .map((field) => {
      const text = String(field);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(',');
}
