import { inspect } from 'node:util';
import { InputError } from '@padnet/runtime/shared';
import { systemErrorText } from '@padnet/torch/files';

export { InputError };

export interface RecipeProblem {
  /** Line of the file, from 1; null where an override is to blame. */
  readonly line: number | null;
  /** One line, where it is included. */
  readonly message: string;
}

/** All that is wrong with a recipe; the message has one line a problem. */
export class RecipeError extends InputError {
  readonly problems: readonly RecipeProblem[];

  constructor(problems: readonly RecipeProblem[], options?: { cause?: unknown }) {
    super(
      problems.map(({ message }) => message),
      options,
    );
    this.name = 'RecipeError';
    this.problems = problems;
  }
}

/**
 * A number that is NaN or infinite, and where that came from. The message is one line: `<what> is not finite: <where>`.
 */
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

/**
 * Why something failed, in one line: what the system refused, or what the error says itself. Code of others throws
 * anything.
 */
export function reasonOf(error: unknown): string {
  const said = error instanceof Error ? error.message || error.name : `it threw ${inspect(error)}`;
  return (systemErrorText(error) ?? said)
    .trim()
    .split(/\s*\n\s*/)
    .join('; ');
}

/** The attempt in words, by the system's name for it. */
const attempts: Readonly<Record<string, string>> = {
  open: 'opened',
  read: 'read',
  scandir: 'listed',
  stat: 'looked at',
  lstat: 'looked at',
  mkdir: 'made',
  rmdir: 'removed',
  unlink: 'removed',
};

/**
 * An error of the file system that nobody has explained yet as one line: the path, what was tried, and why it was
 * refused. Any other error comes back as it is.
 */
export function explained(error: unknown): unknown {
  const reason = systemErrorText(error);
  if (reason === null) return error;
  const { path, syscall = '' } = error as NodeJS.ErrnoException;
  const attempt = `could not be ${attempts[syscall] ?? 'written'}`;
  return new InputError(path === undefined ? `a file ${attempt}: ${reason}` : `${path} ${attempt}: ${reason}`, {
    cause: error,
  });
}
