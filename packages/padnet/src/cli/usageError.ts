import { InputError } from '../errors.js';

/** A command line that makes no sense: exit code 2. */
export class UsageError extends InputError {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'UsageError';
  }
}
