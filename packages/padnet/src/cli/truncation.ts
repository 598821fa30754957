/** One remark for each data set with texts that are too long. */
import type { Truncation } from '../data/index.js';
import type { Terminal } from './terminal.js';

export function truncationRemark(terminal: Terminal): (truncation: Truncation) => void {
  return ({ name, count, longest, maxLength }) => {
    const what =
      count === 1
        ? `1 text is longer than ${maxLength} tokens (${longest}) and was truncated`
        : `${count} texts are longer than ${maxLength} tokens (up to ${longest}) and were truncated`;
    terminal.remark(`padnet: ${name}: ${what}`);
  };
}
