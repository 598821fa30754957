/** The matrix of GLUE's table: tasks × networks × seeds, each run from its task's one recipe. */
import { join } from 'node:path';
import { type GlueTaskName, glueTaskNames, glueTasks } from '../data/text/glueTasks.js';
import { InputError } from '../errors.js';
import type { LayerKind } from '../models/index.js';
import type { GlueRecipe, Recipe, RecipeOverride } from '../recipe/index.js';
import type { MatrixRun } from './matrix.js';

/** The rows of the table; `scratch` is static with fresh weights. */
export const glueNetworks = ['scratch', 'static', 'moe', 'pad'] as const;
export type GlueNetwork = (typeof glueNetworks)[number];

export interface GlueCell {
  readonly task: GlueTaskName;
  readonly network: GlueNetwork;
  readonly seed: number;
}

export interface GlueMatrix {
  readonly tasks: readonly GlueTaskName[];
  readonly networks: readonly GlueNetwork[];
  readonly seeds: readonly number[];
}

/** Each once: tasks as GLUE lists them, networks from the plainest to partial, seeds ascending. */
export function glueMatrix({ tasks, networks, seeds }: GlueMatrix): GlueMatrix {
  return {
    tasks: glueTaskNames.filter((name) => tasks.includes(name)),
    networks: glueNetworks.filter((name) => networks.includes(name)),
    seeds: [...new Set(seeds)].sort((a, b) => a - b),
  };
}

/**
 * Seed by seed, then task by task, so that a table that is not full yet compares networks on the same seeds. Each run's
 * folder is named as in `rte-pad-seed1`.
 *
 * @param recipes the folder with `<task>-pad50.yaml`, the recipe of a partial network, for each task
 * @param read a file of it with overrides
 * @throws InputError where the file is for another task
 */
export function glueRuns(
  { tasks, networks, seeds }: GlueMatrix,
  recipes: string,
  read: (file: string, overrides: readonly RecipeOverride[]) => Recipe,
): MatrixRun<GlueCell, GlueRecipe>[] {
  const cells = seeds.flatMap((seed) =>
    tasks.flatMap((task) => networks.map((network): GlueCell => ({ task, network, seed }))),
  );
  return cells.map((cell) => {
    const { task, network, seed } = cell;
    const file = join(recipes, `${task}-pad50.yaml`);
    const recipe = read(file, overridesOf(cell));
    if (recipe.modality !== 'text' || recipe.data.name !== 'glue' || recipe.data.task !== task)
      throw new InputError(`${file}: expected a recipe with modality: text and data.task: ${task}`);
    return { name: `${task}-${network}-seed${seed}`, cell, recipe: { ...recipe, data: recipe.data } };
  });
}

/** The kind of layers that each network has. */
const layers: Readonly<Record<GlueNetwork, LayerKind>> = {
  scratch: 'static',
  static: 'static',
  moe: 'dynamic',
  pad: 'partial',
};

/** The overrides that make the recipe of a partial network that of the cell. */
function overridesOf({ network, seed }: GlueCell): RecipeOverride[] {
  const label = `--networks ${network}`;
  return [
    { key: 'model.layer', value: layers[network], label },
    ...(network === 'pad' ? [] : [{ key: 'partition', value: 'null', label }]),
    ...(network === 'scratch' ? [{ key: 'model.fromScratch', value: 'true', label }] : []),
    { key: 'training.seed', value: String(seed), label: `--seeds ${seed}` },
  ];
}

const metricAbbreviations: Readonly<Record<string, string>> = {
  matthews: 'Mcc',
  accuracy: 'Acc',
  f1: 'F1',
  pearson: 'P',
  spearman: 'S',
};

/** As GLUE's tables head a task: `RTE Acc`, `MRPC (F1+Acc)/2`. */
export function glueHeading(task: GlueTaskName): readonly [name: string, metrics: string] {
  const { folder, metrics } = glueTasks[task];
  const short = metrics.map((name) => metricAbbreviations[name] ?? name);
  return [folder, short.length === 1 ? short[0]! : `(${short.join('+')})/${short.length}`];
}
