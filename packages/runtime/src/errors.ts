/**
 * Bad input from the user: a file, a picture or a text. The message is one line that names what was wrong, what was
 * expected, and the way out. `cause` keeps the original error.
 */
export class InputError extends Error {
  override name = 'InputError';
}
