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

/** A number that is NaN or infinite, and where that came from. The message is one line: `<what> is not finite: <where>`. */
export class NonFiniteError extends Error {
  override readonly name = 'NonFiniteError';
  /** Such as `the loss on CIFAR-10, test`. */
  readonly what: string;
  /** Such as `layer layer3.0.conv1 (Conv2d) is the first whose output is not finite`. */
  readonly where: string;

  constructor(what: string, where: string) {
    super(`${what} is not finite: ${where}`);
    this.what = what;
    this.where = where;
  }
}

/** What a schema does not like, in one line: `settings.ratio: Too big: expected number to be <=1`. */
export function describeIssues({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`)).join('; ');
}
