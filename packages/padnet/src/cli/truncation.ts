/** One remark for each data set with texts that are too long. */
import type { Truncation } from '../data/index.js';
import type { Terminal } from './terminal.js';

export function truncationRemark(terminal: Terminal): (truncation: Truncation) => void {
  return ({ name, count, longest, maxLength }) => {
    const texts = count === 1 ? '1 text is' : `${count} texts are`;
    terminal.remark(
      `padnet: ${name}: ${texts} longer than ${maxLength} tokens (up to ${longest}) and ` +
        `${count === 1 ? 'was' : 'were'} truncated`,
    );
  };
}
