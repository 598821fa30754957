/**
 * Writes the typed functions of `ops.generated.ts` and the methods of `tensorMethods.generated.ts` from the schemas
 * that libtorch has registered. Pure functions from schemas to text; `main.ts` reads and writes.
 */
import type { ArgumentKind, NativeArgument, NativeOperator } from '../native.js';
import { camelCase, isPositional } from '../overload.js';

/** One registered schema. */
export interface Schema {
  /** `aten` */
  readonly namespace: string;
  /** `add` */
  readonly name: string;
  /** `Tensor`; empty for the overload without a name */
  readonly overload: string;
  readonly operator: NativeOperator;
}

/** A schema that gets no function, and why. */
export interface Skipped {
  readonly schema: string;
  readonly reason: string;
}

const argumentTypes: Record<Exclude<ArgumentKind, 'unsupported'>, string> = {
  Tensor: 'Tensor',
  'Tensor[]': 'readonly Tensor[]',
  'Tensor?[]': 'readonly (Tensor | null)[]',
  int: 'number',
  'int[]': 'readonly number[]',
  float: 'number',
  'float[]': 'readonly number[]',
  bool: 'boolean',
  'bool[]': 'readonly boolean[]',
  Scalar: 'Scalar',
  'Scalar[]': 'readonly Scalar[]',
  string: 'string',
  'string[]': 'readonly string[]',
  ScalarType: 'DType',
  Layout: 'Layout',
  MemoryFormat: 'MemoryFormat',
  Device: 'Device',
  Generator: 'Generator',
};

/** Names that can't be declared (`var`) or would hide something needed here. */
const reserved = new Set(['var', 'import', 'delete', 'operator', 'in', 'new', 'with', 'case', 'default', 'if', 'eval']);

/** Members that `Tensor` writes by hand. */
const ownMembers = new Set(
  (
    'handle kept shape dim numel dtype device stride isContiguous byteLength item data toTypedArray toArray to ' +
    'requiresGrad version isLeaf gradFunction grad keep toString backward requiresGrad_ retainGrad constructor'
  ).split(' '),
);

/** Splits `aten::add.Tensor` out of a printed schema. */
export function parseName(schema: string): { namespace: string; name: string; overload: string } {
  const match = /^(\w+)::([\w.]+?)(?:\.(\w+))?\(/.exec(schema);
  if (!match) throw new Error(`not a schema: ${schema}`);
  return { namespace: match[1]!, name: match[2]!, overload: match[3] ?? '' };
}

/** Why no function can be written for an operator, or null where one can. */
export function skipReason({ arguments: list, returns }: NativeOperator): string | null {
  for (const argument of list) {
    if (
      /^(dim|dims|dim[01]|names|dimension|(start|end|out)_?dim)$/.test(argument.name) &&
      argument.kind.startsWith('string')
    ) {
      return 'named dimensions are not supported';
    }
    if (argument.kind === 'unsupported' && !argument.hasDefault && !argument.optional) {
      return `argument '${argument.name}' has a type that JavaScript has no value for`;
    }
  }
  if (new Set(list.map(({ name }) => camelCase(name))).size < list.length) return 'two of its arguments have one name';
  return returns.some(({ kind }) => kind === 'unsupported') ? 'returns a type that JavaScript has no value for' : null;
}

function argumentType(argument: NativeArgument): string {
  if (argument.kind === 'unsupported') throw new Error('skipped before');
  let type = argumentTypes[argument.kind];
  if (argument.listSize > 0 && argument.kind !== 'Tensor[]')
    type += ` | ${argumentTypes[argument.kind].replace(/^readonly (.*)\[\]$/, '$1')}`;
  return argument.optional ? `${type} | null` : type;
}

function returnType({ returns }: NativeOperator): string {
  const types = returns.map(({ kind }) =>
    kind === 'Tensor[]' ? 'Tensor[]' : kind === 'unsupported' ? 'never' : argumentTypes[kind],
  );
  if (types.length === 0) return 'void';
  return types.length === 1 ? types[0]! : `[${types.join(', ')}]`;
}

/** The parameters of one overload: positional ones, then an options object with the rest. */
export function parameters(list: readonly NativeArgument[]): string {
  const usable = list.filter(({ kind }) => kind !== 'unsupported');
  const named = usable.filter((argument) => !isPositional(argument));
  const parts = usable
    .filter(isPositional)
    .map((argument) => `${parameterName(argument.name)}: ${argumentType(argument)}`);
  if (named.length > 0) {
    const isRequired = (argument: NativeArgument): boolean => !argument.hasDefault;
    const fields = named.map(
      (argument) => `${camelCase(argument.name)}${isRequired(argument) ? '' : '?'}: ${argumentType(argument)}`,
    );
    parts.push(`options${named.some(isRequired) ? '' : '?'}: { ${fields.join('; ')} }`);
  }
  return parts.join(', ');
}

function parameterName(name: string): string {
  const camel = camelCase(name);
  return reserved.has(camel) || camel === 'options' ? `${camel}_` : camel;
}

/**
 * PyTorch's order of preference, as far as it can be told from schemas: tensors before scalars, functional before
 * `out`, short before long.
 */
function byPreference(a: Schema, b: Schema): number {
  const rank = ({ operator, overload }: Schema): number =>
    (operator.arguments.some(
      ({ keywordOnly, hasDefault, kind }) => keywordOnly && !hasDefault && kind.startsWith('Tensor'),
    )
      ? 1000
      : 0) +
    operator.arguments.filter((argument) => isPositional(argument) && argument.kind === 'Scalar').length * 100 +
    operator.arguments.filter((argument) => argument.kind === 'string' && argument.optional).length * 10 +
    (overload === '' ? 0 : 1);
  return rank(a) - rank(b) || (a.overload < b.overload ? -1 : 1);
}

function grouped(schemas: readonly Schema[]): Map<string, Schema[]> {
  const groups = new Map<string, Schema[]>();
  for (const schema of schemas) {
    const key = `${schema.namespace}::${schema.name}`;
    groups.set(key, [...(groups.get(key) ?? []), schema]);
  }
  for (const group of groups.values()) group.sort(byPreference);
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function functionType(group: readonly Schema[], method: boolean): string[] {
  return group.flatMap(({ operator }) => [
    `  /** \`${operator.schema.replace(/\*\//g, '*\\/')}\` */`,
    `  (${parameters(method ? operator.arguments.slice(1) : operator.arguments)}): ${returnType(operator)};`,
  ]);
}

function definition(group: readonly Schema[]): string[] {
  const { namespace, name } = group[0]!;
  const overloads = group.map(({ overload, operator }) => {
    const names = operator.arguments
      .filter((argument) => argument.kind !== 'unsupported' && isPositional(argument))
      .map((argument) => `'${argument.name}'`);
    return `${overload === '' ? "''" : overload}: [${names.join(', ')}]`;
  });
  return [`operator<{`, ...functionType(group, false), `}>('${namespace}::${name}', { ${overloads.join(', ')} })`];
}

function header(by: string): string[] {
  return [`// Generated by ${by}. Do not edit.`, '/* eslint-disable */'];
}

function libtorchHeader(version: string): string[] {
  return header(`\`npm run generate -w @padnet/torch\` (src/generate/) from the schemas of libtorch ${version}`);
}

/** `export const conv2d = …`, under another name where a declaration cannot have this one. */
function exported(group: readonly Schema[]): string[] {
  const name = camelCase(group[0]!.name);
  const [first, ...rest] = definition(group);
  return reserved.has(name)
    ? [`const ${name}_op = ${first!}`, ...rest, `export { ${name}_op as ${name} };`]
    : [`export const ${name} = ${first!}`, ...rest];
}

/**
 * The text of a file that exports the operators of a library, those of `schemas`, as functions of tensors and numbers.
 */
export function writeLibrary(schemas: readonly Schema[], command: string, from = '@padnet/torch'): string {
  const lines = [
    ...header(`\`${command}\` from the schemas of the library's operators`),
    ...(from === '@padnet/torch'
      ? [`import { operator, type Tensor } from '${from}';`]
      : [`import { operator } from '${from}/operator.js';`, `import type { Tensor } from '${from}/tensor.js';`]),
    '',
    ...[...grouped(schemas).values()].flatMap(exported),
  ];
  return lines.join('\n') + '\n';
}

/**
 * The text of `ops.generated.ts`. Operators of `aten` are exported by name, those of another namespace in an object.
 */
export function writeOperators(schemas: readonly Schema[], version: string): string {
  const lines = [
    ...libtorchHeader(version),
    "import type { Device } from './device.js';",
    "import type { DType } from './dtype.js';",
    "import { operator } from './operator.js';",
    "import type { Generator } from './random.js';",
    "import type { Scalar, Tensor } from './tensor.js';",
    "import type { Layout, MemoryFormat } from './layout.js';",
    '',
  ];
  const namespaces = new Map<string, string[]>();
  for (const group of grouped(schemas).values()) {
    const { namespace, name } = group[0]!;
    if (namespace === 'aten') {
      lines.push(...exported(group));
    } else {
      const members = namespaces.get(namespace) ?? [];
      const [first, ...rest] = definition(group);
      members.push(`  ${JSON.stringify(camelCase(name))}: ${first!}`, ...rest.slice(0, -1), `${rest.at(-1)!},`);
      namespaces.set(namespace, members);
    }
  }
  for (const [namespace, members] of namespaces)
    lines.push(`export const ${camelCase(namespace)} = {`, ...members, '};');
  return lines.join('\n') + '\n';
}

function isMethod({ namespace, name, operator }: Schema): boolean {
  const first = operator.arguments[0];
  return (
    namespace === 'aten' &&
    first?.name === 'self' &&
    first.kind === 'Tensor' &&
    !name.startsWith('_') &&
    !/_(backward|copy|out)$/.test(name) &&
    !ownMembers.has(camelCase(name)) &&
    !operator.arguments.some(
      ({ name: argument, keywordOnly, hasDefault }) => argument === 'out' && keywordOnly && !hasDefault,
    )
  );
}

/** The text of `tensorMethods.generated.ts`: their types, and their names for `operatorMethods.ts` to install. */
export function writeMethods(schemas: readonly Schema[], version: string): string {
  const groups = [...grouped(schemas.filter(isMethod)).values()];
  const toCopy = grouped(
    schemas.filter(({ namespace, name, overload }) => namespace === 'aten' && name === '_to_copy' && overload === ''),
  );
  const methods = [...groups, ...toCopy.values()];
  const nameOf = (group: readonly Schema[]): string => camelCase(group[0]!.name.replace(/^_/, ''));
  return (
    [
      ...libtorchHeader(version),
      "import type { Device } from './device.js';",
      "import type { DType } from './dtype.js';",
      "import type { Generator } from './random.js';",
      "import type { Scalar, Tensor } from './tensor.js';",
      "import type { Layout, MemoryFormat } from './layout.js';",
      '',
      'export interface TensorMethods {',
      ...methods.flatMap((group) =>
        functionType(group, true).map((line) =>
          line.startsWith('  (') ? `  ${JSON.stringify(nameOf(group))}${line.trimStart()}` : line,
        ),
      ),
      '}',
      '',
      '/** The method name of each operator that is a method. */',
      'export const methodNames: Readonly<Record<string, string>> = {',
      ...methods.map((group) => `  ${JSON.stringify(nameOf(group))}: ${JSON.stringify(camelCase(group[0]!.name))},`),
      '};',
    ].join('\n') + '\n'
  );
}
