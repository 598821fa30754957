import { InputError } from '../errors.js';

/**
 * `value` if it is an integer of at least `minimum` (and at most `maximum`); throws InputError naming `name` if not.
 */
export function checkInteger(name: string, value: number, minimum: number, maximum = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum) {
    const range = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new InputError(`${name} must be an integer ${range}, got ${value}`);
  }
  return value;
}
