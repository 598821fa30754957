/**
 * Bad input from the user: a file, a recipe key or an argument. The message is one line that names the file or key, what
 * was expected, what came, and the way out; programs print it without a stack. `cause` keeps the original error.
 */
export class InputError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'InputError';
  }
}
