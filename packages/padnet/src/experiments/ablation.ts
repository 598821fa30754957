/** An ablation: which keys of a recipe are varied, with which values and seeds. */
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { reasonOf, RecipeError } from '../errors.js';
import { parseFile } from '../recipe/loadRecipe.js';
import { YamlText } from '../recipe/yamlText.js';

/** One key that is varied while the others stay as they are, or two of them as a grid. */
export interface AblationSweep {
  readonly keys: readonly AblationKey[];
}

export interface AblationKey {
  /** A key of the recipe, such as `partition.ratio`. */
  readonly key: string;
  readonly values: readonly AblationValue[];
}

export interface AblationValue {
  /** As in a recipe; null takes the key away. */
  readonly value: unknown;
  /** Where it stands, as messages name it: `ablation.yaml:4`. */
  readonly label: string;
}

/** A value for a key. */
export type AblationSetting = AblationValue & { readonly key: string };

export interface AblationReference {
  /** That of the file without its ending. */
  readonly name: string;
  readonly file: string;
}

/** A recipe with a name: the base, or another one, with values of its own for some keys. */
export interface AblationArm {
  readonly name: string;
  /** The recipe's. */
  readonly file: string;
  readonly settings: readonly AblationSetting[];
  /** Where it stands, as messages name it. */
  readonly label: string;
}

export interface Ablation {
  /** Its own, as messages name it. */
  readonly file: string;
  /** The recipe that is varied. */
  readonly recipe: string;
  readonly seeds: readonly number[];
  /** The difference of scores that would count, a fraction; null: none is given. */
  readonly difference: number | null;
  /** Recipes to measure the others by, such as a static and a fully dynamic one. */
  readonly references: readonly AblationReference[];
  readonly arms: readonly AblationArm[];
  readonly sweeps: readonly AblationSweep[];
  /** Keys that every recipe tries values of before it is trained with all seeds; none: each has its own value. */
  readonly tune: readonly AblationKey[];
  /** The seeds that they are tried with. */
  readonly tuneSeeds: readonly number[];
}

/** The name of the recipe that is varied. */
export const ABLATION_BASE = 'base';

const seedList = z.array(z.int().min(0));

const ablationSchema = z
  .strictObject({
    /** Relative to the ablation's file. */
    recipe: z.string(),
    seeds: seedList.default([1]),
    /** In points: × 100. */
    difference: z.number().positive().max(100).optional(),
    references: z.array(z.string()).default([]),
    /** By name. */
    arms: z
      .record(
        z.string().min(1),
        z.strictObject({
          /** Default: that of the ablation. */
          recipe: z.string().optional(),
          set: z.record(z.string(), z.unknown()).default({}),
        }),
      )
      .default({}),
    sweeps: z.array(z.record(z.string(), z.unknown())).default([]),
    tune: z.record(z.string(), z.unknown()).default({}),
    /** Default: the first of `seeds`. */
    tuneSeeds: seedList.optional(),
  })
  .superRefine((ablation, context) => {
    const report = (path: (string | number)[], message: string): void => {
      context.addIssue({ code: 'custom', path, message });
    };
    const checkKey = (path: (string | number)[], key: string): void => {
      const fixed = fixedKeys[key];
      if (fixed !== undefined) report([...path, key], fixed);
    };
    const checkValues = (path: (string | number)[], section: Readonly<Record<string, unknown>>): void => {
      for (const [key, values] of Object.entries(section)) {
        checkKey(path, key);
        if (!Array.isArray(values) || values.length === 0) report([...path, key], 'expected a list of values');
      }
    };
    const { references, arms, sweeps, tune } = ablation;
    for (const name of ['seeds', 'tuneSeeds'] as const) {
      const seeds = ablation[name];
      if (seeds?.length === 0) report([name], 'expected at least one');
      for (const index of repeated(seeds ?? [])) report([name, index], `${seeds![index]!} is there already`);
    }
    for (const index of repeated(references.map(recipeName)))
      report(['references', index], `there is another recipe of the name ${recipeName(references[index]!)}`);
    const base = references.map(recipeName).indexOf(ABLATION_BASE);
    if (base !== -1) report(['references', base], `${ABLATION_BASE} is what the recipe that is varied is called`);
    for (const [name, { recipe, set }] of Object.entries(arms)) {
      if (name === ABLATION_BASE)
        report(['arms', name], `${ABLATION_BASE} is what the recipe that is varied is called`);
      if (references.map(recipeName).includes(name)) report(['arms', name], 'there is a reference of that name');
      if (recipe === undefined && Object.keys(set).length === 0)
        report(['arms', name], 'expected recipe, set or both, such as `set: { partition.ratio: 0 }`');
      for (const key of Object.keys(set)) checkKey(['arms', name, 'set'], key);
    }
    if (sweeps.length === 0 && Object.keys(arms).length === 0)
      report(['sweeps'], `expected at least one, ${example}, or arms`);
    sweeps.forEach((sweep, index) => {
      const keys = Object.keys(sweep);
      if (keys.length === 0 || keys.length > 2) {
        report(['sweeps', index], `expected one key, ${example}, or two for a grid, got ${keys.length}`);
      }
      checkValues(['sweeps', index], sweep);
    });
    for (const index of repeated(sweeps.map((sweep) => Object.keys(sweep).sort().join())))
      report(['sweeps', index], 'the same keys are swept above; put the values together');
    checkValues(['tune'], tune);
  })
  .meta({ title: 'an ablation' });

const example = 'such as `partition.ratio: [0.1, 0.3]`';

/** Keys that are no factor, and why. */
const fixedKeys: Readonly<Record<string, string>> = {
  'training.seed': '`seeds` decides that for each run',
  modality: 'all runs of an ablation have the same task',
  'data.name': 'all runs of an ablation have the same task',
  'data.task': 'all runs of an ablation have the same task',
  ...Object.fromEntries(
    ['textColumn', 'secondColumn', 'labelColumn', 'target', 'classes', 'metric'].map((key) => [
      `data.${key}`,
      'all runs of an ablation have the same task',
    ]),
  ),
};

/**
 * Whether recipes have the keys and take the values is found by `planAblation`.
 *
 * @param text YAML
 * @param file named in messages; recipes are relative to its folder
 * @throws RecipeError with every problem found
 */
export function parseAblation(text: string, file: string): Ablation {
  const { values, lineOf } = parseFile(ablationSchema, text, file);
  const beside = (path: string): string => (isAbsolute(path) ? path : join(dirname(file), path));
  const labelOf = (...path: (string | number)[]): string => `${file}:${lineOf(path)}`;
  const keysOf = (section: Readonly<Record<string, unknown>>, ...path: (string | number)[]): AblationKey[] =>
    Object.entries(section).map(([key, list]) => ({
      key,
      values: (list as unknown[]).map((value, at) => ({ value, label: labelOf(...path, key, at) })),
    }));
  return {
    file,
    recipe: beside(values.recipe),
    seeds: values.seeds,
    difference: values.difference === undefined ? null : values.difference / 100,
    references: values.references.map((path) => ({ name: recipeName(path), file: beside(path) })),
    arms: Object.entries(values.arms).map(([name, { recipe = values.recipe, set }]) => ({
      name,
      file: beside(recipe),
      settings: Object.entries(set).map(([key, value]) => ({ key, value, label: labelOf('arms', name, 'set', key) })),
      label: labelOf('arms', name),
    })),
    sweeps: values.sweeps.map((sweep, index) => ({ keys: keysOf(sweep, 'sweeps', index) })),
    tune: keysOf(values.tune, 'tune'),
    tuneSeeds: values.tuneSeeds ?? values.seeds.slice(0, 1),
  };
}

/**
 * Values to try for a key, from the command line: `training.learningRate=0.02,0.05`.
 *
 * @param option that it was given by, for messages
 * @throws RecipeError where it is none
 */
export function parseTuning(text: string, option: string): AblationKey {
  const label = `${option} ${text}`;
  const wrong = (message: string): RecipeError => new RecipeError([{ line: null, message: `${label}: ${message}` }]);
  const [, key = '', list = ''] = /^\s*([^=\s]+)\s*=(.*)$/s.exec(text) ?? [];
  if (key === '') throw wrong('expected key=values, such as training.learningRate=0.02,0.05,0.1');
  const fixed = fixedKeys[key];
  if (fixed !== undefined) throw wrong(fixed);
  let values: unknown;
  try {
    ({ value: values } = new YamlText(`[${list}]`));
  } catch (error) {
    throw wrong(`not a list of YAML values: ${reasonOf(error)}`);
  }
  if (!Array.isArray(values) || values.length === 0) throw wrong('expected values with commas between');
  return { key, values: values.map((value: unknown) => ({ value, label })) };
}

function recipeName(file: string): string {
  return basename(file, extname(file));
}

/** Positions of what stands before already. */
function repeated(values: readonly unknown[]): number[] {
  return [...values.keys()].filter((index) => values.indexOf(values[index]) < index);
}
