/** One schema of an operator, and whether arguments fit it. */
import { Generator } from './random.js';
import type { ArgumentKind, NativeArgument, NativeOperator } from './native.js';
import { Tensor } from './tensor.js';

export type Options = Readonly<Record<string, unknown>>;

export interface Overload {
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

/** Whether an overload can be called with `values`, as far as JavaScript can tell. */
export function fits({ operator, positional, named }: Overload, values: readonly unknown[]): boolean {
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

export function isOptions(value: unknown): value is Options {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !(value instanceof Tensor) && !(value instanceof Generator);
}

export function accepts(argument: NativeArgument, value: unknown): boolean {
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

export function acceptsElement(kind: ArgumentKind, value: unknown): boolean {
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

/** The name of a value in messages. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Tensor) return 'Tensor';
  if (Array.isArray(value)) return `[${value.slice(0, 3).map(typeName).join(', ')}${value.length > 3 ? ', …' : ''}]`;
  return typeof value === 'object' ? 'object' : typeof value === 'number' ? String(value) : typeof value;
}
