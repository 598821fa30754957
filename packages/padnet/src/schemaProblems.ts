/** The problems that a schema finds, in words: which key, what was expected and what came. */
import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';

/** The place of a value in a file: keys and, in lists, numbers from 0. */
export type Path = readonly (string | number)[];

/** The parts of a JSON Schema that are used here. */
export interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly const?: string | number;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  /** The contents of each place, for a list of a certain length. */
  readonly prefixItems?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  /** The schema of keys that are not named. */
  readonly additionalProperties?: Schema | boolean;
}

export interface Problem {
  readonly path: Path;
  readonly message: string;
  /** Where two keys do not go together: the problem in terms of the other one, for those who wrote that one. */
  readonly other?: Problem | undefined;
}

/**
 * @param refuse makes an error of all problems, in one line
 * @throws that error where the schema does not like the value
 */
export function parseAs<T>(schema: z.ZodType<T>, value: unknown, refuse: (problems: string) => Error): T {
  const { data, error } = schema.safeParse(value);
  if (!error) return data;
  const problems = problemsOf(error, value, z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema);
  const told = problems
    .slice(0, 3)
    .map(({ path, message }) => [...(path.length === 0 ? [] : [keyName(path)]), message].join(': '));
  throw refuse(told.join('; ') + (problems.length > 3 ? `; and ${problems.length - 3} more` : ''));
}

export function problemsOf(error: z.ZodError, input: unknown, schema: Schema): Problem[] {
  const problems: Problem[] = [];
  const meant = new Set<string>();
  const told = new Set<string>();
  const issues = error.issues.map((issue) => ({ ...issue, path: issue.path as Path }));
  // A rule between keys says something once each of them is right.
  const isEachRight = issues.every(({ code }) => code === 'custom');
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    for (const key of issue.keys) {
      const path = [...issue.path, key];
      problems.push({ path, message: unknownKeyMessage(path, schema) });
      meant.add(keyName([...issue.path, ...nearest(key, Object.keys(keysOf(schemaAt(issue.path, schema)) ?? {}))]));
    }
  }
  for (const issue of issues) {
    const { code, path } = issue;
    if (code === 'unrecognized_keys') continue;
    if (code === 'custom') {
      const other = issue.params?.other as Problem | undefined;
      if (isEachRight) problems.push({ path, message: issue.message, other });
      continue;
    }
    const name = keyName(path);
    if (told.has(name)) continue; // a value of another kind may be wrong in other ways too
    told.add(name);
    const value = valueAt(input, path);
    const expected = schemaAt(path, schema) ?? {};
    if (value === undefined) {
      // A mistyped key is reported once, not also as the missing one that it was meant to be.
      if (!meant.has(name)) problems.push({ path, message: `missing; expected ${described(expected)}` });
    } else
      problems.push({ path, message: `expected ${described(expected)}, got ${shown(value)}${hint(expected, value)}` });
  }
  return problems;
}

export function unknownKeyMessage(path: Path, schema: Schema): string {
  const parent = path.slice(0, -1);
  const key = String(path.at(-1));
  const section = schemaAt(parent, schema);
  const properties = keysOf(section);
  if (!properties) return `unknown key; ${keyName(parent)} is ${section ? described(section) : 'no section'}`;
  const keys = Object.keys(properties);
  const [near = keyOfOtherSection(key, schema)] = nearest(key, keys).map((name) => keyName([...parent, name]));
  if (near !== null) return `unknown key; did you mean ${near}?`;
  const place = parent.length === 0 ? (schema.title ?? schema.description ?? 'a recipe') : keyName(parent);
  return `unknown key; ${place} has ${keys.join(', ')}`;
}

/** The full name of a key that exists, but in another section; null where it does not. */
function keyOfOtherSection(key: string, schema: Schema): string | null {
  for (const [name, section] of Object.entries(schema.properties ?? {})) {
    if (section.properties && Object.hasOwn(section.properties, key)) return keyName([name, key]);
  }
  return null;
}

/** At most one of `names`: the nearest, where it is near enough to be meant. */
function nearest(word: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const name = closest(
    word.toLowerCase(),
    names.map((known) => known.toLowerCase()),
  );
  const found = names.find((known) => known.toLowerCase() === name)!;
  return distance(word.toLowerCase(), name) <= Math.max(2, word.length / 3) ? [found] : [];
}

export function hint({ enum: own, anyOf = [] }: Schema, value: unknown): string {
  const names = own ?? anyOf.flatMap((each) => each.enum ?? []);
  const [near] = typeof value === 'string' ? nearest(value, names) : [];
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** The values that a schema takes, in words. */
export function described(expected: Schema): string {
  if (expected.description !== undefined) return expected.description;
  const kinds = expected.anyOf ?? expected.oneOf;
  if (kinds) return [...new Set(kinds.map(described))].join(' or ');
  if (expected.const !== undefined) return String(expected.const);
  if (expected.enum) return `one of ${expected.enum.join(', ')}`;
  switch (expected.type) {
    case 'integer':
    case 'number':
      return `a ${expected.type === 'integer' ? 'whole number' : 'number'}${range(expected)}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return expected.minLength === undefined ? 'text' : 'text that is not empty';
    case 'null':
      return 'null';
    case 'array':
      return describedList(expected);
    default:
      return expected.properties ? `a section with ${Object.keys(expected.properties).join(', ')}` : 'a section';
  }
}

/** A list of one kind of thing, in words: places of different kinds are in no recipe. */
function describedList({ items = {}, prefixItems, minItems = 0 }: Schema): string {
  if (prefixItems) return `a list of ${prefixItems.length}, each ${described(prefixItems[0] ?? {})}`;
  return `a list${minItems > 0 ? ` of at least ${minItems}` : ''}, each ${described(items)}`;
}

function range({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Schema): string {
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER)
    return bounded ? ` from ${minimum} to ${maximum}` : ` of at least ${minimum}`;
  if (exclusiveMinimum === undefined) return bounded ? ` of at most ${maximum}` : '';
  const below = exclusiveMaximum === undefined ? '' : ` and below ${exclusiveMaximum}`;
  return ` above ${exclusiveMinimum}${bounded ? ` and at most ${maximum}` : below}`;
}

/** A value in a message. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (isSection(value)) return 'a section';
  const text = Array.isArray(value)
    ? `[${value.map(shown).join(', ')}]`
    : typeof value === 'number'
      ? String(value)
      : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

export function schemaAt(path: Path, schema: Schema): Schema | undefined {
  return path.reduce<Schema | undefined>((section, key) => {
    if (typeof key === 'number') return section?.prefixItems?.[key] ?? section?.items;
    const properties = keysOf(section) ?? {};
    if (Object.hasOwn(properties, key)) return properties[key];
    return typeof section?.additionalProperties === 'object' ? section.additionalProperties : undefined;
  }, schema);
}

/** The keys of a section, whichever of its kinds it is; undefined where it has none of its own. */
function keysOf(section: Schema | undefined): Readonly<Record<string, Schema>> | undefined {
  const kinds = section?.oneOf ?? section?.anyOf?.filter(({ properties }) => properties);
  if (!kinds || kinds.length === 0) return section?.properties;
  const keys: Record<string, Schema> = {};
  for (const { properties = {} } of kinds)
    for (const [key, schema] of Object.entries(properties))
      keys[key] = Object.hasOwn(keys, key) ? { anyOf: [keys[key]!, schema] } : schema;
  return keys;
}

function valueAt(values: unknown, path: Path): unknown {
  return path.reduce(
    (value, key) => (isSection(value) || Array.isArray(value) ? Reflect.get(value, key) : undefined),
    values,
  );
}

export function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `training.milestones[1]` */
export function keyName(path: Path): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${key === '' ? '""' : key}`))
    .join('');
}
