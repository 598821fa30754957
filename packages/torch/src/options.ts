/** Options objects, which plain JavaScript may get wrong without a word: a number in their place has no properties. */

/**
 * @param user the function or class that is given them
 * @param known the names that it understands
 * @throws TypeError where they are no plain object, or one is unknown
 */
export function checkOptions(user: string, options: unknown, known: readonly string[]): void {
  if (!isPlainObject(options)) {
    const [example = ''] = known;
    throw new TypeError(`${user}: expected options by name, such as { ${example}: … }, got ${nameOf(options)}`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new TypeError(`${user}: unknown option '${unknown}'; known are ${known.join(', ')}`);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function nameOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? `a value of ${value.constructor.name}` : String(value);
}
