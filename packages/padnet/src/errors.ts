import type { z } from 'zod';

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

/** What a schema does not like, in one line: `settings.ratio: Too big: expected number to be <=1`. */
export function describeIssues({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`)).join('; ');
}
