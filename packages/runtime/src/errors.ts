import { printable } from './printable.js';

/**
 * Bad input from the user: a file, a recipe key, a picture, a text or an argument. The message is one line that names
 * what was wrong, what was expected, what came, and the way out; programs print it without a stack. `cause` keeps the
 * original error.
 */
export class InputError extends Error {
  /** @param message one line: names in it may hold ends of lines, which are shown as codes; or a line a problem */
  constructor(message: string | readonly string[], options?: { cause?: unknown }) {
    super([message].flat().map(printable).join('\n'), options);
    this.name = 'InputError';
  }
}
