/** An ablation: which keys of a recipe are varied, with which values and seeds. */
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { parseFile } from '../recipe/loadRecipe.js';

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
  /** Where it stands in the file. */
  readonly line: number;
}

export interface AblationReference {
  /** That of the file without its ending. */
  readonly name: string;
  readonly file: string;
}

export interface Ablation {
  /** Its own, as messages name it. */
  readonly file: string;
  /** The recipe that is varied. */
  readonly recipe: string;
  readonly seeds: readonly number[];
  /** Recipes to measure the others by, such as a static and a fully dynamic one. */
  readonly references: readonly AblationReference[];
  readonly sweeps: readonly AblationSweep[];
}

/** The name of the recipe that is varied. */
export const ABLATION_BASE = 'base';

const ablationSchema = z
  .strictObject({
    /** Relative to the ablation's file. */
    recipe: z.string(),
    seeds: z.array(z.int().min(0)).default([1]),
    references: z.array(z.string()).default([]),
    sweeps: z.array(z.record(z.string(), z.unknown())),
  })
  .superRefine((ablation, context) => {
    const report = (path: (string | number)[], message: string): void => {
      context.addIssue({ code: 'custom', path, message });
    };
    const { seeds, references, sweeps } = ablation;
    if (seeds.length === 0) report(['seeds'], 'expected at least one');
    for (const index of repeated(seeds)) report(['seeds', index], `${seeds[index]!} is there already`);
    for (const index of repeated(references.map(recipeName)))
      report(['references', index], `there is another recipe of the name ${recipeName(references[index]!)}`);
    const base = references.map(recipeName).indexOf(ABLATION_BASE);
    if (base !== -1) report(['references', base], `${ABLATION_BASE} is what the recipe that is varied is called`);
    if (sweeps.length === 0) report(['sweeps'], `expected at least one, ${example}`);
    sweeps.forEach((sweep, index) => {
      const keys = Object.keys(sweep);
      if (keys.length === 0 || keys.length > 2) {
        report(['sweeps', index], `expected one key, ${example}, or two for a grid, got ${keys.length}`);
      }
      for (const [key, values] of Object.entries(sweep)) {
        const path = ['sweeps', index, key];
        const fixed = fixedKeys[key];
        if (fixed !== undefined) report(path, fixed);
        if (!Array.isArray(values) || values.length === 0) report(path, 'expected a list of values');
      }
    });
    for (const index of repeated(sweeps.map((sweep) => Object.keys(sweep).sort().join())))
      report(['sweeps', index], 'the same keys are swept above; put the values together');
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
 * Whether the recipe has the keys and takes the values is found by `planAblation`.
 *
 * @param text YAML
 * @param file named in messages; recipes are relative to its folder
 * @throws RecipeError with every problem found
 */
export function parseAblation(text: string, file: string): Ablation {
  const { values, lineOf } = parseFile(ablationSchema, text, file);
  const beside = (path: string): string => (isAbsolute(path) ? path : join(dirname(file), path));
  return {
    file,
    recipe: beside(values.recipe),
    seeds: values.seeds,
    references: values.references.map((path) => ({ name: recipeName(path), file: beside(path) })),
    sweeps: values.sweeps.map((sweep, index) => ({
      keys: Object.entries(sweep).map(([key, list]) => ({
        key,
        values: (list as unknown[]).map((value, at) => ({ value, line: lineOf(['sweeps', index, key, at]) })),
      })),
    })),
  };
}

function recipeName(file: string): string {
  return basename(file, extname(file));
}

/** Positions of what stands before already. */
function repeated(values: readonly unknown[]): number[] {
  return [...values.keys()].filter((index) => values.indexOf(values[index]) < index);
}
