/** The runs of GLUE's table: tasks × networks × seeds, each from its task's one recipe and in a folder of its own. */
import { glueTaskNames, type GlueTaskName } from '../data/text/glueTasks.js';
import type { RecipeOverride } from '../recipe/loadRecipe.js';

/** Rows of the table; `scratch` is static with fresh weights. */
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

/** Seed by seed, then task by task, so that a table that is not full yet compares networks on the same seeds. */
export function glueCells({ tasks, networks, seeds }: GlueMatrix): GlueCell[] {
  return seeds.flatMap((seed) => tasks.flatMap((task) => networks.map((network) => ({ task, network, seed }))));
}

/** The name of a cell's run, a folder within that of the table: `rte-pad-seed1`. */
export function glueRunName({ task, network, seed }: GlueCell): string {
  return `${task}-${network}-seed${seed}`;
}

/** The file of a task's recipe, of a partial network. */
export function glueRecipeName(task: GlueTaskName): string {
  return `${task}-pad50.yaml`;
}

/** What makes the recipe of a partial network that of the cell. */
export function glueOverrides({ network, seed }: Omit<GlueCell, 'task'>): RecipeOverride[] {
  const label = `--networks ${network}`;
  const layer = network === 'scratch' ? 'static' : network;
  return [
    { key: 'model.layer', value: layer, label },
    ...(network === 'pad' ? [] : [{ key: 'partition', value: 'null', label }]),
    ...(network === 'scratch' ? [{ key: 'model.fromScratch', value: 'true', label }] : []),
    { key: 'training.seed', value: String(seed), label: `--seeds ${seed}` },
  ];
}
