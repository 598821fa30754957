/** Why arguments fit no schema of an operator, in words that say how to call it. */
import type { NativeArgument } from './native.js';
import { accepts, camelCase, isOptions, typeName, type Overload } from './overload.js';
import { Tensor } from './tensor.js';

/** The fault of `values`, in half a sentence: what comes nearest to a call that would do comes first. */
export function misfit(overloads: readonly Overload[], values: readonly unknown[]): string {
  for (const reason of [givenByName, oneArray]) {
    for (const overload of overloads) {
      const found = reason(overload, values);
      if (found !== null) return found;
    }
  }
  return (
    unknownOption(overloads, values) ??
    wrongArgument(overloads, values) ??
    missing(overloads, values) ??
    `no overload takes (${values.map(typeName).join(', ')})`
  );
}

/** As in PyTorch, where arguments with a default may come by position too: `amax(x, [2, 3])`. */
function givenByName({ operator, positional, named }: Overload, values: readonly unknown[]): string | null {
  const extra = values.slice(positional.length);
  const options = isOptions(extra.at(-1)) ? (extra.pop() as object) : {};
  if (extra.length === 0 || !positional.every((index, i) => accepts(operator.arguments[index]!, values[i])))
    return null;
  const [byPosition, byKeyword] = [false, true].map((keyword) =>
    [...named.values()].map((index) => operator.arguments[index]!).filter(({ keywordOnly }) => keywordOnly === keyword),
  );
  const meant = [...byPosition!, ...byKeyword!].slice(0, extra.length);
  const fitting = meant.length === extra.length && meant.every((argument, i) => accepts(argument, extra[i]));
  const names = meant.map(({ name }) => camelCase(name));
  if (!fitting || names.some((name) => name in options)) return null;
  const given = names.map((name, i) => `${name}: ${literal(extra[i])}`);
  const others = Object.entries(options).map(([name, value]) => `${name}: ${literal(value)}`);
  const quoted = names.map((name) => `'${name}'`).join(', ');
  return `${quoted} ${names.length > 1 ? 'are' : 'is'} given by name: give { ${[...given, ...others].join(', ')} }`;
}

/** `x.reshape(2, 3)`, `x.sum(0, 1)`, `cat(x, y)` */
function oneArray({ operator, positional }: Overload, values: readonly unknown[]): string | null {
  for (const [place, index] of positional.entries()) {
    const argument = operator.arguments[index]!;
    const isLast = place === positional.length - 1;
    const rest = values.slice(place, isLast ? undefined : place + 1);
    if (isOptions(rest.at(-1))) rest.pop();
    const isSpread = rest.length > 1 || !accepts(argument, rest[0]);
    if (argument.kind.endsWith('[]') && rest.length > 0 && isSpread && accepts(argument, rest)) {
      return `'${argument.name}' is one array: give ${literal(rest)}`;
    }
    if (!accepts(argument, values[place])) return null;
  }
  return null;
}

/** An option that no overload knows. */
function unknownOption(overloads: readonly Overload[], values: readonly unknown[]): string | null {
  const options = values.at(-1);
  if (!isOptions(options) || !overloads.some(({ positional }) => values.length === positional.length + 1)) return null;
  const known = new Set(overloads.flatMap(({ named }) => [...named.keys()]));
  const unknown = Object.keys(options).find((key) => !known.has(key));
  return unknown === undefined ? null : `unknown option '${unknown}'; known are ${[...known].join(', ') || 'none'}`;
}

/** The argument that all overloads for so many stumble over. */
function wrongArgument(overloads: readonly Overload[], values: readonly unknown[]): string | null {
  const stumbles = overloads
    .filter(({ positional }) => values.length >= positional.length && values.length <= positional.length + 1)
    .map(({ operator, positional }) => {
      const wrong = positional.findIndex((index, i) => !accepts(operator.arguments[index]!, values[i]));
      return wrong < 0 ? undefined : { position: wrong, argument: operator.arguments[positional[wrong]!]! };
    });
  const [first] = stumbles;
  if (!first || new Set(stumbles.map((stumble) => stumble?.argument.name)).size > 1) return null;
  const kinds = [...new Set(stumbles.map((stumble) => stumble!.argument.kind))].join(' or ');
  return `argument '${first.argument.name}' expects ${kinds}, got ${typeName(values[first.position])}`;
}

function missing(overloads: readonly Overload[], values: readonly unknown[]): string | null {
  const absent = new Set<NativeArgument>();
  for (const { operator, positional } of overloads) {
    const [next] = positional.slice(values.length);
    if (next === undefined) return null;
    absent.add(operator.arguments[next]!);
  }
  const names = [...new Set(Array.from(absent, ({ name }) => `'${name}'`))];
  return `argument ${names.join(' or ')} is missing`;
}

/** A value as one writes it in a program, where that is short. */
function literal(value: unknown): string {
  if (Array.isArray(value)) {
    return value.length > 8 ? '[…]' : `[${(value as readonly unknown[]).map(literal).join(', ')}]`;
  }
  if (value instanceof Tensor) return 'tensor';
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'object' && value !== null ? '…' : String(value);
}
