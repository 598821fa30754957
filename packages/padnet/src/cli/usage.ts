/** Command lines that make no sense. */
import { InputError } from '../errors.js';

/** A command line that makes no sense: exit code 2. */
export class UsageError extends InputError {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'UsageError';
  }
}

/** @param wrongs by what is said of them. @throws UsageError saying the first that is true */
export function refuseUsage(wrongs: Readonly<Record<string, boolean>>): void {
  for (const [message, isWrong] of Object.entries(wrongs)) if (isWrong) throw new UsageError(message);
}

/** @param refused names of options, and their purposes. @throws UsageError on the first of them that is given */
export function refuseOptions(
  options: object,
  refused: Readonly<Record<string, string>>,
  message: (option: string, purpose: string) => string,
): void {
  for (const [name, purpose] of Object.entries(refused)) {
    if ((options as Readonly<Record<string, unknown>>)[name] === undefined) continue;
    throw new UsageError(message(optionName(name), purpose));
  }
}

/** `--router-width` for `routerWidth`. */
export function optionName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
