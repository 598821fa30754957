/**
 * Recipes as text: YAML with `--set` on top → a typed `Recipe`, and back. Every mistake is one line that says where it
 * is (file and line, or the option), which key it is about, what was expected and what came.
 */
import { dirname } from 'node:path';
import { z } from 'zod';
import { reasonOf, RecipeError, type RecipeProblem } from '../errors.js';
import { currentLayerKind, formerNameRemark, hasFreshBank } from '../models/index.js';
import { absoluteCodeReference, isCodeReference } from '../ownCode/codeReference.js';
import {
  described,
  hint,
  isSection,
  keyName,
  problemsOf,
  schemaAt,
  shown,
  unknownKeyMessage,
  type Path,
  type Problem,
  type Schema,
} from '../schemaProblems.js';
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
  type TrainingOptions,
} from './recipe.js';
import { yaml } from './yaml.js';
import { YamlText, YamlTextError } from './yamlText.js';

/** A value that replaces one of the file's, such as an option of the command line. */
export interface RecipeOverride {
  /** Such as `training.epochs`. */
  readonly key: string;
  /** The value as YAML; `null` takes the key away. */
  readonly value: string;
  /** Its name in messages, such as `--seed 3`. @default `--set <key>=<value>` */
  readonly label?: string;
  /** The folder that paths of code of one's own are relative to. @default the working folder */
  readonly folder?: string;
}

export { RecipeError, type RecipeProblem } from '../errors.js';

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
 * @throws RecipeError with every problem found, also where the partition cannot succeed
 */
export function parseRecipe(
  text: string,
  file: string,
  sets: readonly (string | RecipeOverride)[] = [],
  { onRemark }: ParseRecipeOptions = {},
): Recipe {
  const { recipe, source, overrides, input } = parseWhole(text, file, sets);
  const remark = isSection(input.model) ? formerNameRemark(input.model.layer) : null;
  if (remark !== null)
    for (const { message } of source.inOrder([{ path: ['model', 'layer'], message: remark }], overrides))
      onRemark?.(message);
  const failure = foreseenFailure(recipe);
  if (failure) throw new RecipeError(source.inOrder([failure], overrides));
  return recipe;
}

export interface ParseRecipeOptions {
  /** Told that a value has another name now, and where it is. */
  readonly onRemark?: (text: string) => void;
}

interface Parsed {
  readonly recipe: Recipe;
  readonly source: Source;
  readonly overrides: readonly Override[];
  /** The values before they were parsed. */
  readonly input: Readonly<Record<string, unknown>>;
}

/**
 * Whether a recipe means to be partitioned, so that there is something for `partition.…` to change; it need not be
 * complete.
 *
 * @param sets as of `parseRecipe`
 * @throws RecipeError where the file is no YAML, or there is no such key
 */
export function isPartitioned(text: string, file: string, sets: readonly (string | RecipeOverride)[]): boolean {
  const { partition, model } = overridden(text, file, sets).input;
  return isSection(partition) || (isSection(model) && currentLayerKind(model.layer) === 'partial');
}

/** A file's values with what overrides them. */
function overridden(text: string, file: string, sets: readonly (string | RecipeOverride)[]) {
  const recipeOverrides = sets.map((set) => (typeof set === 'string' ? splitSet(set) : set));
  const document = new Source(text, file);
  const modality = modalityOf(document, recipeOverrides);
  const schema = schemas[modality];
  const overrides = recipeOverrides.map((override) => new Override(override, schema));
  return { document, modality, schema, overrides, input: document.values(schema, overrides) };
}

function parseWhole(text: string, file: string, sets: readonly (string | RecipeOverride)[]): Parsed {
  const { document, modality, schema, overrides, input } = overridden(text, file, sets);
  const parsed = recipeSchemas[modality].safeParse(input);
  if (parsed.success) return { recipe: parsed.data, source: document, overrides, input };
  throw new RecipeError(document.inOrder(problemsOf(parsed.error, input, schema), overrides));
}

/**
 * The recipe that a run was trained by, from its folder, or the settings that a program wrote down. Runs that were
 * begun before there was a key are what they were: where `training.scheduleStart` is missing, the schedule began at the
 * first step; where `model.initialScale` is, each kernel of a fresh bank had the spread of a static one; where
 * `training.epochScore` is, early stopping chose by the test data.
 *
 * @param sets as of `parseRecipe`
 * @throws RecipeError with every problem found
 */
export function parseRunRecipe(text: string, file: string, sets: readonly (string | RecipeOverride)[] = []): RunRecipe {
  const source = new Source(text, file);
  const has = (key: string): boolean => source.has(key.split('.'));
  if (source.modality === 'program') {
    const { values } = parseFile(programRecipeSchema, text, file);
    return { ...values, training: { ...values.training, ...formerTraining(values.training, has) } };
  }
  const read = (former: readonly RecipeOverride[]): Recipe => parseWhole(text, file, [...former, ...sets]).recipe;
  // Early stopping needs it for the recipe to be one.
  const chosen = formerTraining({ warmupEpochs: 0 }, has);
  const recipe = read(overridesOf(chosen));
  const former = overridesOf(formerTraining(recipe.training, has));
  if (!has('model.initialScale') && recipe.modality === 'image' && hasFreshBank(recipe.model))
    former.push({ key: 'model.initialScale', value: 'perKernel' });
  return former.length === 0 ? recipe : read(former);
}

/**
 * What training did before there was a key, where that shows.
 *
 * @param has whether there is a key, such as `training.epochScore`
 */
export function formerTraining(
  { warmupEpochs }: Pick<TrainingOptions, 'warmupEpochs'>,
  has: (key: string) => boolean,
): Partial<Pick<TrainingOptions, 'epochScore' | 'scheduleStart'>> {
  const choseByTest = has('training.earlyStopping') && !has('training.epochScore');
  // Without a warm-up the schedule is the same.
  const beganAtOnce = !has('training.scheduleStart') && warmupEpochs > 0;
  return { ...(choseByTest && { epochScore: 'test' }), ...(beganAtOnce && { scheduleStart: 'firstStep' }) };
}

function overridesOf(training: Readonly<Record<string, string>>): RecipeOverride[] {
  return Object.entries(training).map(([key, value]) => ({ key: `training.${key}`, value }));
}

/**
 * A recipe's `partition` section of options that a command takes for its keys, whose own names messages have.
 *
 * @param options keys of the section, with their labels
 * @throws RecipeError with every problem found
 */
export function parsePartition(options: readonly Required<Omit<RecipeOverride, 'folder'>>[]): PartitionOptions {
  const values = Object.fromEntries(options.map(({ key, value, label }) => [key, yamlValue(value, label)]));
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
  return yaml().stringify(recipe);
}

function splitSet(set: string): RecipeOverride {
  const equals = set.indexOf('=');
  if (equals < 1) {
    const message = `--set ${set}: expected key=value, such as training.epochs=5`;
    throw new RecipeError([{ line: null, message }]);
  }
  return { key: set.slice(0, equals).trim(), value: set.slice(equals + 1), label: `--set ${set}` };
}

/**
 * Which kind of recipe is meant: all else is reported against its schema.
 *
 * @throws RecipeError where there is no such kind
 */
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
    this.value = withAbsoluteCode(yamlValue(value, `${label}: ${key}`), this.path, folder);
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
  readonly #text: YamlText;

  constructor(text: string, file: string) {
    this.#file = file;
    try {
      this.#text = new YamlText(text);
    } catch (cause) {
      if (!(cause instanceof YamlTextError)) throw cause;
      const { line, path, message } = cause;
      const key = path.length === 0 ? '' : `${keyName(path)}: `;
      throw new RecipeError([{ line, message: `${file}:${line}: ${key}${message}` }], { cause });
    }
  }

  get modality(): unknown {
    return isSection(this.#text.value) ? this.#text.value.modality : undefined;
  }

  has(path: Path): boolean {
    return this.#text.has(path);
  }

  values(schema: Schema, overrides: readonly Override[]): Record<string, unknown> {
    const values = this.#text.value;
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
      return isOverridden(other.path) || !this.#text.has(path) ? other : problem;
    };
    return problems
      .map(blamed)
      .map(({ path, message }) => {
        const key = path.length === 0 ? '' : `${keyName(path)}: `;
        const override =
          overrides.findLast((candidate) => startsWith(path, candidate.path)) ??
          (this.#text.has(path) ? undefined : overrides.findLast((inner) => startsWith(inner.path, path)));
        if (override) return { line: null, message: `${override.label}: ${key}${message}` };
        const line = this.lineOf(path);
        return { line, message: `${this.#file}:${line}: ${key}${message}` };
      })
      .sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || 0);
  }

  /** The line of the key at `path`, or of the section where it is missing. */
  lineOf(path: Path): number {
    return this.#text.lineOf(path);
  }
}

/** @param label what messages call it. @throws RecipeError where it is no YAML */
function yamlValue(text: string, label: string): unknown {
  try {
    return new YamlText(text).value;
  } catch (cause) {
    const message = `${label}: not a YAML value: ${reasonOf(cause)}`;
    throw new RecipeError([{ line: null, message }], { cause });
  }
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

function startsWith(path: Path, start: Path): boolean {
  return start.every((key, index) => path[index] === key);
}
