/**
 * Turns an operator of libtorch's dispatcher into a function. Arguments without a default come first, in the order of
 * the schema; all others by name in one options object: `conv2d(x, weight, { stride: [2, 2] })`. Where an operator has
 * several overloads, the first whose arguments fit is taken. Names are the schema's in camelCase.
 */
import { unsafeReason } from './generate/unsafeOperators.js';
import { misfit } from './misfit.js';
import { native, type NativeArgument, type NativeOperator } from './native.js';
import { acceptsElement, camelCase, fits, isOptions, typeName, type Overload } from './overload.js';
import { preconditionOf } from './preconditions.js';
import { Generator } from './random.js';
import { Tensor } from './tensor.js';

/**
 * The function for `name` (such as `aten::add`). `overloads` gives, by overload name, the positional arguments at the
 * time that the types were generated: a later libtorch that has moved or added arguments is called correctly all the
 * same. Nothing is looked up before the first call.
 */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller states the type
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
  throw refusal(name, overloads, values);
}

function refusal(name: string, overloads: readonly Overload[], values: readonly unknown[]): TypeError {
  const list = overloads.map((overload) => `  ${overload.operator.schema}`).join('\n');
  return new TypeError(`${name}: ${misfit(overloads, values)}; there ${overloads.length > 1 ? 'are' : 'is'}\n${list}`);
}

function invoke(name: string, overload: Overload, values: readonly unknown[]): unknown {
  const { operator, positional, named } = overload;
  const { length } = positional;
  if (values.length < length || values.length > length + 1) throw refusal(name, [overload], values);
  const given = new Array<unknown>(operator.arguments.length);
  for (let i = 0; i < length; i++) given[positional[i]!] = values[i];
  const options = values[length];
  if (options !== undefined) {
    if (!isOptions(options)) throw refusal(name, [overload], values);
    for (const key in options) {
      const index = named.get(key);
      if (index === undefined) throw refusal(name, [overload], values);
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
