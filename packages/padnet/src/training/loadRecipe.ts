/**
 * Recipes as text: YAML with `--set` on top → a typed `Recipe`, and back. Every mistake is one line that says where it is (file
 * and line, or the option), which key it is about, what was expected and what came.
 */
import { dirname } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { isMap, isPair, isSeq, LineCounter, parse, parseDocument, stringify, type Document, type Node } from 'yaml';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { absoluteCodeReference, isCodeReference } from '../ownCode/codeReference.js';
import { foreseenFailure } from './partitionForesight.js';
import {
  modalities,
  partitionSchema,
  programRecipeSchema,
  recipeSchemas,
  type Modality,
  type PartitionOptions,
  type Recipe,
  type RunRecipe,
} from './recipe.js';

/** A value that replaces one of the file's, such as an option of the command line. */
export interface RecipeOverride {
  /** Such as `training.epochs`. */
  readonly key: string;
  /** The value as YAML; `null` takes the key away. */
  readonly value: string;
  /** What messages call it, such as `--seed 3`. @default `--set <key>=<value>` */
  readonly label?: string;
  /** What paths of code of one's own are relative to. @default the working folder */
  readonly folder?: string;
}

export interface RecipeProblem {
  /** Line of the file, from 1; null where an override is to blame. */
  readonly line: number | null;
  /** One line, where it is included. */
  readonly message: string;
}

/** All that is wrong with a recipe; the message has one line a problem. */
export class RecipeError extends InputError {
  readonly problems: readonly RecipeProblem[];

  constructor(problems: readonly RecipeProblem[], options?: { cause?: unknown }) {
    super(problems.map(({ message }) => message).join('\n'), options);
    this.name = 'RecipeError';
    this.problems = problems;
  }
}

/** Of a value in a file: keys and, in lists, numbers from 0. */
export type Path = readonly (string | number)[];

/** The parts of a JSON Schema that recipes use. */
interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  /** Of a list of a certain length: what each of its places holds. */
  readonly prefixItems?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
}

const schemas: Record<Modality, Schema> = {
  image: z.toJSONSchema(recipeSchemas.image, { io: 'input' }) as Schema,
  text: z.toJSONSchema(recipeSchemas.text, { io: 'input' }) as Schema,
};

/**
 * A recipe that is to be trained.
 *
 * @param text YAML
 * @param file named in messages; paths of code of one's own are relative to its folder
 * @param sets overrides, the later over the earlier, each as `key=value` or with a label of its own
 * @throws RecipeError with every problem found, also where the partition can not succeed
 */
export function parseRecipe(text: string, file: string, sets: readonly (string | RecipeOverride)[] = []): Recipe {
  const { recipe, source, overrides } = parseWhole(text, file, sets);
  const failure = foreseenFailure(recipe);
  if (failure) throw new RecipeError(source.inOrder([failure], overrides));
  return recipe;
}

interface Parsed {
  readonly recipe: Recipe;
  readonly source: Source;
  readonly overrides: readonly Override[];
}

function parseWhole(text: string, file: string, sets: readonly (string | RecipeOverride)[]): Parsed {
  const recipeOverrides = sets.map((set) => (typeof set === 'string' ? splitSet(set) : set));
  const document = new Source(text, file);
  const modality = modalityOf(document, recipeOverrides);
  const schema = schemas[modality];
  const overrides = recipeOverrides.map((override) => new Override(override, schema));
  const input = document.values(schema, overrides);
  const parsed = recipeSchemas[modality].safeParse(input);
  if (parsed.success) return { recipe: parsed.data, source: document, overrides };
  throw new RecipeError(document.inOrder(problemsOf(parsed.error, input, schema), overrides));
}

/**
 * What a run was trained by, from its folder: a recipe, or what a program wrote down. Runs that were begun before there was a key are
 * what they were: where `training.scheduleStart` is missing, the schedule began at the first step.
 *
 * @param sets as of `parseRecipe`
 * @throws RecipeError with every problem found
 */
export function parseRunRecipe(text: string, file: string, sets: readonly (string | RecipeOverride)[] = []): RunRecipe {
  if (new Source(text, file).modality === 'program') return parseFile(programRecipeSchema, text, file).values;
  const { recipe } = parseWhole(text, file, sets);
  const isOlder = !parseDocument(text).hasIn(['training', 'scheduleStart']);
  if (!isOlder || recipe.training.warmupEpochs === 0) return recipe; // without a warm-up the schedule is the same
  return parseWhole(text, file, [{ key: 'training.scheduleStart', value: 'firstStep' }, ...sets]).recipe;
}

/**
 * A recipe's `partition` section of options that a command takes for its keys, whose own names messages have.
 *
 * @param options keys of the section, with their labels
 * @throws RecipeError with every problem found
 */
export function parsePartition(options: readonly Required<Omit<RecipeOverride, 'folder'>>[]): PartitionOptions {
  const values = Object.fromEntries(
    options.map(({ key, value }) => [key, parse(value, { prettyErrors: false }) as unknown]),
  );
  return parseSection(partitionSchema, values, Object.fromEntries(options.map(({ key, label }) => [key, label])));
}

/**
 * A section of a recipe whose values come from elsewhere.
 *
 * @param labels what messages call a key, where not by its own name
 * @throws RecipeError with every problem found
 */
export function parseSection<T>(schema: z.ZodType<T>, values: unknown, labels: Readonly<Record<string, string>>): T {
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const problems = problemsOf(parsed.error, values, z.toJSONSchema(schema, { io: 'input' }) as Schema);
  throw new RecipeError(
    problems.map(({ path, message }) => ({
      line: null,
      message: `${labels[String(path[0])] ?? keyName(path)}: ${message}`,
    })),
  );
}

export interface ParsedFile<T> {
  readonly values: T;
  /** Line of the value at `path`, from 1; of the section that it would be in where it is missing. */
  readonly lineOf: (path: Path) => number;
}

/**
 * A YAML file that is about recipes, with the same messages.
 *
 * @param schema its title is what messages call the whole, such as `an ablation`
 * @throws RecipeError with every problem found
 */
export function parseFile<T>(schema: z.ZodType<T>, text: string, file: string): ParsedFile<T> {
  const shape = z.toJSONSchema(schema, { io: 'input' }) as Schema;
  const document = new Source(text, file);
  const input = document.values(shape, []);
  const parsed = schema.safeParse(input);
  if (parsed.success) return { values: parsed.data, lineOf: (path) => document.lineOf(path) };
  throw new RecipeError(document.inOrder(problemsOf(parsed.error, input, shape), []));
}

/** Complete YAML that parses back to the same recipe. */
export function serialiseRecipe(recipe: RunRecipe): string {
  return stringify(recipe);
}

function splitSet(set: string): RecipeOverride {
  const equals = set.indexOf('=');
  if (equals < 1) {
    const message = `--set ${set}: expected key=value, such as training.epochs=5`;
    throw new RecipeError([{ line: null, message }]);
  }
  return { key: set.slice(0, equals).trim(), value: set.slice(equals + 1), label: `--set ${set}` };
}

/** Which kind of recipe is meant: all else is reported against its schema. @throws RecipeError where there is no such kind */
function modalityOf(document: Source, recipeOverrides: readonly RecipeOverride[]): Modality {
  const overrides = recipeOverrides
    .filter(({ key }) => key === 'modality')
    .map((override) => new Override(override, schemas.image));
  const last = overrides.at(-1);
  const named = (last ? last.value : document.modality) ?? 'image';
  const found = modalities.find((name) => name === named);
  if (found !== undefined) return found;
  if (named === 'program') {
    const message = 'a program of your own wrote this when it trained; only that program can train it, or has its data';
    throw new RecipeError(document.inOrder([{ path: ['modality'], message }], overrides));
  }
  const expected: Schema = { enum: modalities };
  const message = `expected ${described(expected)}, got ${shown(named)}${hint(expected, named)}`;
  throw new RecipeError(document.inOrder([{ path: ['modality'], message }], overrides));
}

class Override {
  readonly label: string;
  readonly path: Path;
  readonly value: unknown;

  constructor({ key, value, label = `--set ${key}=${value}`, folder = process.cwd() }: RecipeOverride, schema: Schema) {
    this.label = label;
    this.path = key.split('.');
    const unknown = unknownKey(this.path, schema);
    if (unknown !== null) throw this.error(unknown);
    try {
      this.value = withAbsoluteCode(parse(value, { prettyErrors: false }), this.path, folder);
    } catch (error) {
      throw this.error(`${key}: not a YAML value: ${firstLine((error as Error).message)}`);
    }
  }

  /** Leaves a section that is none alone: the file's problem is reported then. */
  apply(values: Record<string, unknown>): void {
    let section = values;
    for (const key of this.path.slice(0, -1)) {
      const next = (section[key] ??= {});
      if (!isSection(next)) return;
      section = next;
    }
    const key = String(this.path.at(-1));
    if (this.value === null) Reflect.deleteProperty(section, key);
    else section[key] = this.value;
  }

  private error(message: string): RecipeError {
    return new RecipeError([{ line: null, message: `${this.label}: ${message}` }]);
  }
}

/** The file and what overrides it: knows where each value comes from. */
class Source {
  readonly #file: string;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();

  constructor(text: string, file: string) {
    this.#file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const [error] = [...this.#document.errors, ...this.#document.warnings];
    if (error) throw this.#unreadable(error.pos[0], error);
  }

  get modality(): unknown {
    return isMap(this.#document.contents) ? this.#document.get('modality') : undefined;
  }

  values(schema: Schema, overrides: readonly Override[]): Record<string, unknown> {
    let values: unknown;
    try {
      values = this.#document.toJS({ maxAliasCount: 100 }) as unknown;
    } catch (error) {
      throw this.#unreadable(0, error as Error);
    }
    if (!isSection(values)) {
      const line = values === null ? 1 : this.lineOf([]);
      const message = `${this.#file}:${line}: expected ${described(schema)}, got ${shown(values)}`;
      throw new RecipeError([{ line, message }]);
    }
    const absolute = withAbsoluteCode(values, [], dirname(this.#file)) as Record<string, unknown>;
    for (const override of overrides) override.apply(absolute);
    return absolute;
  }

  /** The problems with their places, those of the file first, from top to bottom. */
  inOrder(problems: readonly Problem[], overrides: readonly Override[]): RecipeProblem[] {
    const isOverridden = (path: Path): boolean => overrides.some((override) => startsWith(path, override.path));
    const blamed = (problem: Problem): Problem => {
      const { path, other } = problem;
      if (!other || isOverridden(path)) return problem;
      return isOverridden(other.path) || !this.#document.hasIn(path) ? other : problem;
    };
    return problems
      .map(blamed)
      .map(({ path, message }) => {
        const key = path.length === 0 ? '' : `${keyName(path)}: `;
        const override =
          overrides.findLast((candidate) => startsWith(path, candidate.path)) ??
          (this.#document.hasIn(path) ? undefined : overrides.findLast((inner) => startsWith(inner.path, path)));
        if (override) return { line: null, message: `${override.label}: ${key}${message}` };
        const line = this.lineOf(path);
        return { line, message: `${this.#file}:${line}: ${key}${message}` };
      })
      .sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || 0);
  }

  /** Of the key at `path`, or of the section where it is missing. */
  lineOf(path: Path): number {
    let node: unknown = this.#document.contents;
    let found = (node as Node | null)?.range?.[0] ?? 0;
    for (const key of path) {
      if (isMap(node)) {
        const pair = node.items.find((item) => String(item.key) === key);
        if (!isPair<Node, Node | null>(pair)) break;
        found = pair.key.range?.[0] ?? found;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(key)];
        found = (node as Node | undefined)?.range?.[0] ?? found;
      } else break;
    }
    return this.#lines.linePos(found).line;
  }

  #unreadable(position: number, cause: Error): RecipeError {
    const line = this.#lines.linePos(position).line || 1;
    const message = `${this.#file}:${line}: not a YAML file: ${firstLine(cause.message)}`;
    return new RecipeError([{ line, message }], { cause });
  }
}

interface Problem {
  readonly path: Path;
  readonly message: string;
  /** Of two keys that do not go together: the problem in terms of the other one, for those who wrote that one. */
  readonly other?: Problem | undefined;
}

function problemsOf(error: z.ZodError, input: unknown, schema: Schema): Problem[] {
  const problems: Problem[] = [];
  const meant = new Set<string>();
  const issues = error.issues.map((issue) => ({ ...issue, path: issue.path as Path }));
  // What keys have to do with each other says something once each of them is right.
  const isEachRight = issues.every(({ code }) => code === 'custom');
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    for (const key of issue.keys) {
      const path = [...issue.path, key];
      problems.push({ path, message: unknownKeyMessage(path, schema) });
      meant.add(keyName([...issue.path, ...nearest(key, Object.keys(schemaAt(issue.path, schema)?.properties ?? {}))]));
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
    const value = valueAt(input, path);
    const expected = schemaAt(path, schema) ?? {};
    if (value === undefined) {
      // A mistyped key is reported once, not also as the missing one that it was meant to be.
      if (!meant.has(keyName(path))) problems.push({ path, message: `missing; expected ${described(expected)}` });
    } else
      problems.push({ path, message: `expected ${described(expected)}, got ${shown(value)}${hint(expected, value)}` });
  }
  return problems;
}

/** The problem with a path that no recipe has, its key included; null for a known one. */
function unknownKey(path: Path, schema: Schema): string | null {
  for (let length = 1; length <= path.length; length++) {
    const known = path.slice(0, length);
    if (schemaAt(known, schema)) continue;
    return `${keyName(known)}: ${unknownKeyMessage(known, schema)}`;
  }
  return null;
}

function unknownKeyMessage(path: Path, schema: Schema): string {
  const parent = path.slice(0, -1);
  const key = String(path.at(-1));
  const section = schemaAt(parent, schema);
  if (!section?.properties) return `unknown key; ${keyName(parent)} is ${section ? described(section) : 'no section'}`;
  const keys = Object.keys(section.properties);
  const [near = keyOfOtherSection(key, schema)] = nearest(key, keys).map((name) => keyName([...parent, name]));
  if (near !== null) return `unknown key; did you mean ${near}?`;
  const place = parent.length === 0 ? (schema.title ?? 'a recipe') : keyName(parent);
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

function hint({ enum: own, anyOf = [] }: Schema, value: unknown): string {
  const names = own ?? anyOf.flatMap((each) => each.enum ?? []);
  const [near] = typeof value === 'string' ? nearest(value, names) : [];
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** What a value has to be, in words. */
function described(expected: Schema): string {
  if (expected.description !== undefined) return expected.description;
  if (expected.anyOf) return expected.anyOf.map(described).join(' or ');
  if (expected.const !== undefined) return expected.const;
  if (expected.enum) return `one of ${expected.enum.join(', ')}`;
  switch (expected.type) {
    case 'integer':
    case 'number':
      return `a ${expected.type === 'integer' ? 'whole number' : 'number'}${range(expected)}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return expected.minLength === undefined ? 'text' : 'text that is not empty';
    case 'array':
      return describedList(expected);
    default:
      return expected.properties ? `a section with ${Object.keys(expected.properties).join(', ')}` : 'a section';
  }
}

/** Of one kind of thing: places of different kinds are in no recipe. */
function describedList({ items = {}, prefixItems, minItems = 0 }: Schema): string {
  if (prefixItems) return `a list of ${prefixItems.length}, each ${described(prefixItems[0] ?? {})}`;
  return `a list${minItems > 0 ? ` of at least ${minItems}` : ''}, each ${described(items)}`;
}

function range({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Schema): string {
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum !== undefined) return bounded ? ` from ${minimum} to ${maximum}` : ` of at least ${minimum}`;
  if (exclusiveMinimum === undefined) return bounded ? ` of at most ${maximum}` : '';
  const below = exclusiveMaximum === undefined ? '' : ` and below ${exclusiveMaximum}`;
  return ` above ${exclusiveMinimum}${bounded ? ` and at most ${maximum}` : below}`;
}

/** A value in a message. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (isSection(value)) return 'a section';
  const text = Array.isArray(value)
    ? `[${value.map(shown).join(', ')}]`
    : typeof value === 'number'
      ? String(value)
      : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** Keys whose values may be files with code. */
const codeKeys: ReadonlySet<string> = new Set(['model.router', 'partition.saliency']);

/** @param path of `value` @param folder what relative paths of code start from */
function withAbsoluteCode(value: unknown, path: Path, folder: string): unknown {
  if (typeof value === 'string' && codeKeys.has(keyName(path)) && isCodeReference(value))
    return absoluteCodeReference(value, folder);
  if (!isSection(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withAbsoluteCode(inner, [...path, key], folder)]),
  );
}

function schemaAt(path: Path, schema: Schema): Schema | undefined {
  return path.reduce<Schema | undefined>((section, key) => {
    if (typeof key === 'number') return section?.prefixItems?.[key] ?? section?.items;
    return section?.properties && Object.hasOwn(section.properties, key) ? section.properties[key] : undefined;
  }, schema);
}

function valueAt(values: unknown, path: Path): unknown {
  return path.reduce(
    (value, key) => (isSection(value) || Array.isArray(value) ? Reflect.get(value, key) : undefined),
    values,
  );
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((key, index) => path[index] === key);
}

/** `training.milestones[1]` */
function keyName(path: Path): string {
  return path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${key}`)).join('');
}

function firstLine(message: string): string {
  return message.split('\n')[0]!;
}
