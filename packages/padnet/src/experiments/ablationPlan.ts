/** The recipes that an ablation trains: each once, whatever it is a part of. */
import { createHash } from 'node:crypto';
import { dirname, isAbsolute, relative } from 'node:path';
import { yaml } from '../recipe/yaml.js';
import { InputError } from '../errors.js';
import { isCodeReference, parseCodeReference } from '../ownCode/codeReference.js';
import { ABLATION_BASE, type Ablation, type AblationKey, type AblationSetting } from './ablation.js';
import { RecipeError, type RecipeOverride } from '../recipe/loadRecipe.js';
import type { Recipe } from '../recipe/recipe.js';
import { recipeSettings } from '../recipe/recipeSettings.js';
import type { FinishedRun, MatrixResults, MatrixRun } from './matrix.js';

/** A recipe that is trained once for each seed. */
export interface AblationVariant {
  /**
   * `base`, the name of a reference or arm, or what differs from the base, such as `partition.ratio=0.1`; fit for a
   * folder.
   */
  readonly name: string;
  readonly recipe: Recipe;
}

export interface PlannedPoint {
  /** One for each key of the sweep, as text. */
  readonly values: readonly string[];
  /** Name of the variant that has them. */
  readonly variant: string;
}

export interface PlannedSweep {
  readonly keys: readonly string[];
  readonly points: readonly PlannedPoint[];
}

/** A recipe that is called otherwise than its variant. */
export interface NamedVariant {
  readonly name: string;
  /** Name of the variant. */
  readonly variant: string;
}

/** A variant with values for the keys that are tuned. */
export interface PlannedTry extends AblationVariant {
  /** One for each key, as text. */
  readonly values: readonly string[];
}

/** What is tried on validation data before the variants are trained with all seeds. */
export interface PlannedTuning {
  readonly keys: readonly string[];
  readonly seeds: readonly number[];
  /** The tries of each variant, as many for one as for another. */
  readonly networks: readonly { readonly variant: string; readonly tries: readonly PlannedTry[] }[];
}

export interface AblationPlan {
  readonly seeds: readonly number[];
  /** The difference of scores that would count, a fraction; null: none is given. */
  readonly difference: number | null;
  /** The base first. */
  readonly variants: readonly AblationVariant[];
  readonly references: readonly NamedVariant[];
  readonly arms: readonly NamedVariant[];
  readonly sweeps: readonly PlannedSweep[];
  /** Null: each variant keeps its own values. */
  readonly tuning: PlannedTuning | null;
}

/**
 * @param read a recipe's file with overrides
 * @throws InputError with every key and value that a recipe does not take, at their lines; where recipes are to be
 *   tuned and one has no validation data
 */
export function planAblation(ablation: Ablation, read: ReadRecipe): AblationPlan {
  const { recipe, seeds, difference, references, arms, sweeps, tune, tuneSeeds } = ablation;
  const variants = new Variants(ablation, read);
  const { problems } = variants;
  const named = (name: string, variant: string | null): NamedVariant[] => (variant === null ? [] : [{ name, variant }]);
  const plannedReferences = references.flatMap((each) => named(each.name, variants.add(each.file, [], each.name)));
  const plannedArms: NamedVariant[] = [];
  for (const { name, file: from, settings, label } of arms) {
    const variant = variants.add(from, settings, name);
    const same = plannedArms.find((arm) => arm.variant === variant);
    if (same) problems.add(`${label}: ${name} is the same recipe as ${same.name} above`);
    plannedArms.push(...named(name, variant));
  }
  const plannedSweeps = sweeps.map(({ keys }): PlannedSweep => {
    const points: PlannedPoint[] = [];
    for (const settings of grid(keys)) {
      const variant = variants.add(recipe, settings);
      if (variant === null) continue;
      const same = points.find((point) => point.variant === variant);
      if (same) problems.add(sameRecipe(settings, same.values));
      points.push({ values: valuesOf(settings), variant });
    }
    return { keys: keys.map(({ key }) => key), points };
  });
  for (const problem of tuneProblems(ablation)) problems.add(problem);
  const isTuned = tune.length > 0 && problems.size === 0;
  const tuning = isTuned
    ? { keys: tune.map(({ key }) => key), seeds: tuneSeeds, networks: variants.tries(tune) }
    : null;
  if (problems.size > 0) throw new InputError([...problems]);
  const all = { variants: variants.all(), references: plannedReferences, arms: plannedArms, sweeps: plannedSweeps };
  return { seeds, difference, ...all, tuning };
}

export interface AblationCell {
  /** The name of the recipe that is trained: a variant's, or that of a try. */
  readonly variant: string;
  readonly seed: number;
}

export type AblationRun = AblationCell & FinishedRun;

export interface AblationResults extends MatrixResults<AblationCell> {
  readonly plan: AblationPlan;
}

/** Where runs with a seed of the tuning lie, within the folder of the ablation. */
export const ABLATION_TRIES = 'tune';

/** What is tried before it is chosen: seed by seed, each in a folder as `tune/training.learningRate=0.05-seed1`. */
export function ablationTries({ tuning }: AblationPlan): MatrixRun<AblationCell>[] {
  if (tuning === null) return [];
  return tuning.seeds.flatMap((seed) =>
    Array.from(triesByName(tuning).values(), ({ name, recipe }) => ({
      ...runOf(`${ABLATION_TRIES}/`, name, recipe, seed),
      isTry: true,
    })),
  );
}

/** Networks share those whose recipes are the same. */
export function triesByName({ networks }: PlannedTuning): Map<string, PlannedTry> {
  return new Map(networks.flatMap(({ tries }) => tries.map((each) => [each.name, each] as const)));
}

/**
 * Seed by seed, the base first, so that a table that is not full yet compares variants on the same seeds. Each run's
 * folder is named as in `partition.ratio=0.1-seed1`; a try that was chosen is the run of its seed.
 *
 * @param chosen of the tries of each variant by name; variants that have none are left out. Not needed without tuning
 */
export function ablationRuns(
  { seeds, variants, tuning }: AblationPlan,
  chosen: ReadonlyMap<string, AblationVariant> = new Map<string, AblationVariant>(),
): MatrixRun<AblationCell>[] {
  const trained = tuning ? variants.flatMap(({ name }) => chosen.get(name) ?? []) : variants;
  const distinct = new Map(trained.map(({ name, recipe }) => [name, recipe]));
  return seeds.flatMap((seed) => {
    const folder = tuning?.seeds.includes(seed) ? `${ABLATION_TRIES}/` : '';
    return Array.from(distinct, ([name, recipe]) => runOf(folder, name, recipe, seed));
  });
}

function runOf(folder: string, variant: string, recipe: Recipe, seed: number): MatrixRun<AblationCell> {
  const withSeed = { ...recipe, training: { ...recipe.training, seed } } as Recipe;
  return { name: `${folder}${variant}-seed${seed}`, cell: { variant, seed }, recipe: withSeed };
}

/** Reads the recipe of a file, with other values for some of its keys. */
export type ReadRecipe = (file: string, overrides: readonly RecipeOverride[]) => Recipe;

/** A variant, and how its recipe is read. */
interface VariantSource {
  readonly variant: AblationVariant;
  readonly file: string;
  readonly settings: readonly AblationSetting[];
  /** That of a reference or arm. */
  readonly name: string | undefined;
}

/** The variants of an ablation. Recipes that are the same are one, whichever way they came about. */
class Variants {
  /** With keys and values that a recipe does not take. */
  readonly problems = new Set<string>();
  readonly #ablation: Ablation;
  readonly #read: ReadRecipe;
  readonly #base: Recipe;
  /** Variants and tries by what differs from the base, such as `partition.ratio=0.1,partition.scope=local`. */
  readonly #byDifference = new Map<string, AblationVariant>();
  /** The variants by name. */
  readonly #sources = new Map<string, VariantSource>();
  /** Names that variants and tries have, as a file system sees them that does not tell cases apart. */
  readonly #names = new Set<string>();

  constructor(ablation: Ablation, read: ReadRecipe) {
    this.#ablation = ablation;
    this.#read = read;
    this.#base = this.#readWith(ablation.recipe, []);
    const variant = this.#distinct(this.#base, ABLATION_BASE);
    this.#sources.set(variant.name, { variant, file: ablation.recipe, settings: [], name: undefined });
  }

  all(): AblationVariant[] {
    return Array.from(this.#sources.values(), ({ variant }) => variant);
  }

  /**
   * @param name of the variant, where its recipe is a new one. @default what differs from the base
   * @returns the variant's name; null where the recipe does not take the settings
   */
  add(file: string, settings: readonly AblationSetting[], name?: string): string | null {
    const recipe = this.#collecting(settings, () => this.#readWith(file, settings));
    if (recipe === null) return null;
    if (taskOf(recipe) !== taskOf(this.#base))
      throw new InputError(
        `${file}: expected a recipe of the same task as ${this.#ablation.recipe} (${taskOf(this.#base)})`,
      );
    const variant = this.#distinct(recipe, name);
    if (!this.#sources.has(variant.name)) this.#sources.set(variant.name, { variant, file, settings, name });
    return variant.name;
  }

  /** Every variant with each of the values. @throws InputError where one has no validation data */
  tries(keys: readonly AblationKey[]): PlannedTuning['networks'] {
    const networks = Array.from(this.#sources.values(), ({ variant, file, settings, name }) => {
      const tries: PlannedTry[] = [];
      for (const tried of grid(keys)) {
        const recipe = this.#collecting(tried, () => this.#readWith(file, [...settings, ...tried]));
        if (recipe === null) continue;
        const own = this.#distinct(recipe, name && `${name},${settingsText(tried, ',')}`);
        const same = tries.find((each) => each.name === own.name);
        if (same) this.problems.add(sameRecipe(tried, same.values));
        tries.push({ ...own, values: valuesOf(tried) });
      }
      return { variant: variant.name, tries };
    });
    if (this.problems.size > 0) return networks;
    for (const { variant, tries } of networks)
      for (const { recipe } of tries) checkValidation(recipe, variant, this.#sources.get(variant)!.file);
    return networks;
  }

  #readWith(file: string, settings: readonly AblationSetting[]): Recipe {
    const folder = dirname(this.#ablation.file);
    return this.#read(
      file,
      settings.map(({ key, value, label }) => ({ key, value: yamlValue(value), label, folder })),
    );
  }

  /** What `body` gives; null where it finds problems, which are then told at the settings that make them. */
  #collecting<T>(settings: readonly AblationSetting[], body: () => T): T | null {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof RecipeError) || settings.length === 0) throw error;
      for (const { message } of error.problems) this.problems.add(blamed(message, settings));
      return null;
    }
  }

  #distinct(recipe: Recipe, name?: string): AblationVariant {
    const [ofBase, own] = [this.#base, recipe].map(recipeSettings) as [Map<string, string>, Map<string, string>];
    // A run has the same name wherever its project lies.
    const folder = dirname(this.#ablation.file);
    const difference = [...new Set([...ofBase.keys(), ...own.keys()])]
      .filter((key) => key !== 'training.seed' && own.get(key) !== ofBase.get(key))
      .map((key) => `${key}=${fromFolder(own.get(key) ?? 'null', folder)}`)
      .join(',');
    const known = this.#byDifference.get(difference);
    if (known) return known;
    const variant = { name: this.#unusedName(name ?? difference, difference), recipe };
    this.#byDifference.set(difference, variant);
    return variant;
  }

  /** An arm may be called as what differs elsewhere, such as `partition.ratio=0`; only one of the two has the name. */
  #unusedName(name: string, difference: string): string {
    const wanted = folderName(name);
    const isTaken = this.#names.has(wanted.toLowerCase());
    const unused = isTaken ? withChecksum(wanted, `${name}: ${difference}`) : wanted;
    this.#names.add(unused.toLowerCase());
    return unused;
  }
}

/** @throws InputError where training gives no validation score to choose by */
function checkValidation({ data, training }: Recipe, name: string, file: string): void {
  if (data.validation === undefined)
    throw new InputError(
      `${file}: what is tuned is chosen on validation data, and ${name} has none; give every recipe ` +
        'data.validation.fraction, such as by --set data.validation.fraction=0.1',
    );
  if (training.epochScore === 'test')
    throw new InputError(
      `${file}: what is tuned is chosen on validation data, and the epochs of ${name} are scored on the test data; ` +
        'give every recipe training.epochScore: validation, such as by --set training.epochScore=validation',
    );
}

/** Why keys cannot be tuned that a recipe of the ablation sets itself. */
function tuneProblems({ tune, arms, sweeps }: Ablation): string[] {
  const set = [...arms.flatMap(({ settings }) => settings), ...sweeps.flatMap(({ keys }) => grid(keys).flat())];
  return tune.flatMap(({ key, values }) => {
    const other = set.find((each) => `${each.key}.`.startsWith(`${key}.`) || `${key}.`.startsWith(`${each.key}.`));
    return other ? [`${values[0]!.label}: ${key} is tuned, and ${other.label} sets ${other.key}; take one away`] : [];
  });
}

/** Without a checksum: a run keeps its name where code has changed, and is then refused by its recipe. */
function fromFolder(text: string, folder: string): string {
  const value = isCodeReference(text) ? parseCodeReference(text).file : text;
  return isAbsolute(value) ? relative(folder, value) || '.' : value;
}

/** As it is where any file system takes it; else its beginning and a checksum of the whole. */
function folderName(text: string): string {
  return /^[\w.,=+-]{1,120}$/.test(text) ? text : withChecksum(text, text);
}

function withChecksum(text: string, of: string): string {
  const checksum = createHash('sha256').update(of).digest('hex').slice(0, 8);
  return `${text.slice(0, 80).replaceAll(/[^\w.,=+-]+/g, '_')}-${checksum}`;
}

/** The values of the first key, with each those of the next. */
function grid(keys: readonly AblationKey[]): AblationSetting[][] {
  return keys.reduce<AblationSetting[][]>(
    (rows, { key, values }) => rows.flatMap((row) => values.map((value) => [...row, { key, ...value }])),
    [[]],
  );
}

function valuesOf(settings: readonly AblationSetting[]): string[] {
  return settings.map(({ value }) => valueText(value));
}

function valueText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** On one line; numbers that JSON has not come back as they are, and are refused as such. */
function yamlValue(value: unknown): string {
  const flow = {
    collectionStyle: 'flow',
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'PLAIN',
    lineWidth: 0,
  } as const;
  return yaml().stringify(value, flow).trimEnd();
}

function sameRecipe(settings: readonly AblationSetting[], same: readonly string[]): string {
  return `${settings.at(-1)!.label}: ${settingsText(settings)} is the same recipe as ${same.join(', ')} above`;
}

/** A problem that is not with a value itself is with what the value makes of the recipe. */
function blamed(message: string, settings: readonly AblationSetting[]): string {
  if (settings.some(({ label }) => message.startsWith(`${label}: `))) return message;
  return `${settings.at(-1)!.label}: with ${settingsText(settings)}: ${message}`;
}

function settingsText(settings: readonly AblationSetting[], separator = ', '): string {
  return settings.map(({ key, value }) => `${key}=${valueText(value)}`).join(separator);
}

function taskOf({ modality, data }: Recipe): string {
  return modality === 'text' && data.name === 'glue' ? data.task : data.name;
}
