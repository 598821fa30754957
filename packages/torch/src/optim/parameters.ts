/** The parameters that optimizers and clipping are given to change. */
import { Module } from '../nn/module.js';
import { Tensor } from '../tensor.js';

/** As `module.namedParameters()` gives them. */
export type NamedParameters = Iterable<readonly [name: string, parameter: Tensor]>;

/** As `module.parameters()` or `module.namedParameters()` give them. */
export type Parameters = Iterable<Tensor | readonly [name: string, parameter: Tensor]>;

/**
 * Each with its name; those that have none are numbered, as PyTorch numbers them.
 *
 * @param user named in errors
 * @param first the number of the first
 * @throws TypeError naming what is given in place of a parameter
 */
export function named(user: string, parameters: Parameters, first = 0): [name: string, parameter: Tensor][] {
  return listed(user, parameters).map((entry, index) => {
    if (entry instanceof Tensor) return [String(first + index), entry];
    const [name, parameter] = Array.isArray(entry) ? (entry as readonly unknown[]) : [];
    if (typeof name === 'string' && parameter instanceof Tensor) return [name, parameter];
    throw new TypeError(
      `${user}: expected parameters, or pairs of a name and a parameter, found ${kindOf(entry)} at position ${index}`,
    );
  });
}

/** The elements of what users give as parameters. @throws TypeError where they can't be gone through */
export function listed(user: string, parameters: unknown): unknown[] {
  if (parameters instanceof Module) {
    throw new TypeError(`${user}: expected parameters, got a module: give its namedParameters()`);
  }
  if (parameters instanceof Tensor) throw new TypeError(`${user}: expected a list of parameters, got one: [parameter]`);
  if (typeof parameters === 'object' && parameters !== null && Symbol.iterator in parameters) {
    return [...(parameters as Iterable<unknown>)];
  }
  throw new TypeError(
    `${user}: expected parameters, as module.namedParameters() gives them, got ${kindOf(parameters)}`,
  );
}

function kindOf(value: unknown): string {
  if (value === null || typeof value !== 'object') return String(value);
  const name = value.constructor.name;
  return name === 'Object' ? `an object with ${Object.keys(value).join(', ') || 'nothing in it'}` : `a ${name}`;
}
