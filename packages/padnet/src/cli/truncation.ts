/** What is said once of each data set with texts that are too long. */
import type { Truncation } from '../data/index.js';
import type { Terminal } from './terminal.js';

export function truncationText({ name, count, longest, maxLength }: Truncation): string {
  const what =
    count === 1
      ? `1 text is longer than ${maxLength} tokens (${longest}) and was truncated`
      : `${count} texts are longer than ${maxLength} tokens (up to ${longest}) and were truncated`;
  return `${name}: ${what}`;
}

export function truncationRemark(terminal: Terminal): (truncation: Truncation) => void {
  return (truncation) => {
    terminal.remark(`padnet: ${truncationText(truncation)}`);
  };
}
