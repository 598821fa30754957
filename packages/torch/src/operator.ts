/**
 * Turns an operator of libtorch's dispatcher into a function. Arguments without a default come first, in the order of the
 * schema; all others by name in one options object: `conv2d(x, weight, { stride: [2, 2] })`. Where an operator has several
 * overloads, the first whose arguments fit is taken. Names are the schema's in camelCase.
 */
import { unsafeReason } from './generate/unsafeOperators.js';
import { Generator } from './random.js';
import { native, type ArgumentKind, type NativeArgument, type NativeOperator } from './native.js';
import { preconditionOf } from './preconditions.js';
import { Tensor } from './tensor.js';

export type Options = Readonly<Record<string, unknown>>;

interface Overload {
  readonly operator: NativeOperator;
  /** Where each positional argument goes in the schema. */
  readonly positional: readonly number[];
  /** Where each named argument goes, by its name in camelCase. */
  readonly named: ReadonlyMap<string, number>;
  /** Throws where the values, in the schema's order, are such that libtorch would end the process. */
  readonly precondition: ((values: readonly unknown[]) => void) | undefined;
}

/** `max_pool2d` → `maxPool2d`; leading and trailing underscores stay (`relu_` works in place). */
export function camelCase(name: string): string {
  return name.replace(/(?<=[A-Za-z0-9])_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Whether an argument is given by position: it has no default, and the schema does not want it by keyword. */
export function isPositional(argument: NativeArgument): boolean {
  return !argument.hasDefault && !argument.keywordOnly;
}

/**
 * The function for `name` (such as `aten::add`). `overloads` gives, by overload name, the positional arguments at the time
 * that the types were generated: a later libtorch that has moved or added arguments is called correctly all the same.
 * Nothing is looked up before the first call.
 */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller states the type of the operator
export function operator<F>(name: string, overloads: Readonly<Record<string, readonly string[]>>): F {
  let bound: readonly Overload[] | undefined;
  const call = (...values: unknown[]): unknown => {
    bound ??= bindAll(name, overloads);
    const first = bound[0];
    if (first === undefined) throw new Error(`libtorch ${native.buildInfo().version} has no operator ${name}`);
    const overload = bound.length === 1 ? first : choose(name, bound, values);
    return invoke(name, overload, values);
  };
  return call as F;
}

function bindAll(name: string, overloads: Readonly<Record<string, readonly string[]>>): Overload[] {
  const unsafe = unsafeReason(name);
  if (unsafe !== null) throw new Error(`${name} is not offered: ${unsafe}`);
  const all: Overload[] = [];
  for (const [overloadName, positionalNames] of Object.entries(overloads)) {
    const bound = native.bind(name, overloadName);
    if (bound === null) continue;
    const position = new Map(bound.arguments.map((argument, index) => [argument.name, index]));
    const positional = positionalNames.map((argument) => {
      const index = position.get(argument);
      if (index === undefined)
        throw new Error(`${bound.schema} has no argument '${argument}': generate the operators again`);
      return index;
    });
    const named = new Map<string, number>();
    for (const [argument, index] of position) if (!positional.includes(index)) named.set(camelCase(argument), index);
    all.push({ operator: bound, positional, named, precondition: preconditionOf(name, bound) });
  }
  return all;
}

function choose(name: string, overloads: readonly Overload[], values: readonly unknown[]): Overload {
  for (const overload of overloads) if (fits(overload, values)) return overload;
  const list = overloads.map((overload) => `  ${overload.operator.schema}`).join('\n');
  throw new TypeError(`${name}: ${misfit(overloads, values)}; there are\n${list}`);
}

/** Why no overload takes `values`: the option that none knows, or the argument that all stumble over. */
function misfit(overloads: readonly Overload[], values: readonly unknown[]): string {
  const last = values.at(-1);
  if (isOptions(last)) {
    const known = new Set(overloads.flatMap(({ named }) => [...named.keys()]));
    const unknown = Object.keys(last).find((key) => !known.has(key));
    if (unknown !== undefined) return `unknown option '${unknown}'; known are ${[...known].join(', ') || 'none'}`;
  }
  const stumbles = overloads
    .filter(({ positional }) => values.length >= positional.length && values.length <= positional.length + 1)
    .map(({ operator, positional }) => {
      const wrong = positional.findIndex((index, i) => !accepts(operator.arguments[index]!, values[i]));
      return wrong < 0 ? undefined : { position: wrong, argument: operator.arguments[positional[wrong]!]! };
    });
  const names = new Set(stumbles.map((stumble) => stumble?.argument.name));
  const [first] = stumbles;
  if (names.size === 1 && first) {
    const kinds = [...new Set(stumbles.map((stumble) => stumble!.argument.kind))].join(' or ');
    return `argument '${first.argument.name}' expects ${kinds}, got ${typeName(values[first.position])}`;
  }
  return `no overload takes (${values.map(typeName).join(', ')})`;
}

function fits({ operator, positional, named }: Overload, values: readonly unknown[]): boolean {
  const { length } = positional;
  if (values.length < length || values.length > length + 1) return false;
  for (let i = 0; i < length; i++) {
    if (!accepts(operator.arguments[positional[i]!]!, values[i])) return false;
  }
  const options = values[length];
  if (options !== undefined && !isOptions(options)) return false;
  const required = operator.arguments.some(
    (argument) => argument.keywordOnly && !argument.hasDefault && !argument.optional,
  );
  if (options === undefined) return !required;
  for (const key in options) {
    const index = named.get(key);
    if (index === undefined || (options[key] !== undefined && !accepts(operator.arguments[index]!, options[key]))) {
      return false;
    }
  }
  return (
    !required ||
    operator.arguments.every(
      (argument) =>
        !argument.keywordOnly || argument.hasDefault || argument.optional || camelCase(argument.name) in options,
    )
  );
}

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Tensor);
}

function accepts(argument: NativeArgument, value: unknown): boolean {
  if (value === null || value === undefined) return argument.optional;
  const { kind } = argument;
  switch (kind) {
    case 'Tensor':
      return value instanceof Tensor;
    case 'Generator':
      return value instanceof Generator;
    case 'int':
      return typeof value === 'number' ? Number.isInteger(value) : typeof value === 'bigint';
    case 'float':
      return typeof value === 'number';
    case 'Scalar':
      return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
    case 'bool':
      return typeof value === 'boolean';
    case 'string':
    case 'ScalarType':
    case 'Layout':
    case 'MemoryFormat':
    case 'Device':
      return typeof value === 'string';
    case 'Tensor[]':
    case 'Tensor?[]':
    case 'int[]':
    case 'float[]':
    case 'bool[]':
    case 'Scalar[]':
    case 'string[]':
      if (Array.isArray(value)) return value.every((element) => acceptsElement(kind, element));
      return argument.listSize > 0 && acceptsElement(kind, value);
    case 'unsupported':
      return false;
  }
}

function acceptsElement(kind: ArgumentKind, value: unknown): boolean {
  switch (kind) {
    case 'Tensor[]':
      return value instanceof Tensor;
    case 'Tensor?[]':
      return value instanceof Tensor || value === null;
    case 'bool[]':
      return typeof value === 'boolean';
    case 'string[]':
      return typeof value === 'string';
    default:
      return typeof value === 'number' || typeof value === 'bigint';
  }
}

function invoke(name: string, overload: Overload, values: readonly unknown[]): unknown {
  const { operator, positional, named } = overload;
  const { length } = positional;
  if (values.length < length || values.length > length + 1) {
    throw new TypeError(`${name}: expected ${length} arguments and options, got ${values.length}: ${operator.schema}`);
  }
  const given = new Array<unknown>(operator.arguments.length);
  for (let i = 0; i < length; i++) given[positional[i]!] = values[i];
  const options = values[length];
  if (options !== undefined) {
    if (!isOptions(options)) throw new TypeError(`${name}: expected an options object, got ${typeName(options)}`);
    for (const key in options) {
      const index = named.get(key);
      if (index === undefined) {
        throw new TypeError(`${name}: unknown option '${key}'; known are ${[...named.keys()].join(', ') || 'none'}`);
      }
      given[index] = options[key];
    }
  }
  overload.precondition?.(given);
  const crossing = given.map((value, index) => marshal(name, operator.arguments[index]!, value));
  return wrapResult(operator, callNative(name, operator, crossing), given);
}

function callNative(name: string, operator: NativeOperator, crossing: readonly unknown[]): unknown {
  try {
    return native.call(operator.index, crossing);
  } catch (error) {
    if (error instanceof Error && !error.message.startsWith(name)) error.message = `${name}: ${error.message}`;
    throw error;
  }
}

/** Tensors and generators cross as handles; C++ checks everything else. */
function marshal(name: string, argument: NativeArgument, value: unknown): unknown {
  if (value === undefined || (value === null && argument.optional)) return value;
  switch (argument.kind) {
    case 'Tensor':
      if (value instanceof Tensor) return value.handle;
      break;
    case 'Tensor[]':
    case 'Tensor?[]':
      if (Array.isArray(value) && value.every((element) => acceptsElement(argument.kind, element))) {
        return value.map((element: Tensor | null) => element?.handle ?? null);
      }
      break;
    case 'Generator':
      if (value instanceof Generator) return value.handle;
      break;
    default:
      return value;
  }
  throw new TypeError(`${name}: argument '${argument.name}' expects ${argument.kind}, got ${typeName(value)}`);
}

function wrapResult({ returns }: NativeOperator, result: unknown, given: readonly unknown[]): unknown {
  const wrapOne = (value: unknown, position: number): unknown => {
    const { kind, alias } = returns[position]!;
    if (alias >= 0) return given[alias]; // written in place: the caller gets the same Tensor back
    if (kind === 'Tensor') return typeof value === 'number' ? new Tensor(value) : null;
    if (kind === 'Tensor[]') return (value as number[]).map((handle) => new Tensor(handle));
    return value;
  };
  if (returns.length === 1) return wrapOne(result, 0);
  if (returns.length === 0) return undefined;
  return (result as unknown[]).map(wrapOne);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Tensor) return 'Tensor';
  if (Array.isArray(value)) return `[${value.slice(0, 3).map(typeName).join(', ')}${value.length > 3 ? ', …' : ''}]`;
  return typeof value === 'object' ? 'object' : typeof value === 'number' ? String(value) : typeof value;
}
