/**
 * All that decides the bits of a run: kept with each checkpoint, so that a run that would not end as if it had never
 * been interrupted is not gone on with unawares.
 */
import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { getNumThreads, libtorchVersion, type nn } from '@padnet/torch';
import { z } from 'zod';
import { InputError, RecipeError } from '../errors.js';
import { loadMachineRates, thisMachine } from '../compute/index.js';
import type { InitialGains } from '../dynamic/index.js';
import { DynamicConv, isDynamicConvolution } from '../layers/index.js';
import { encodePartition, type Partition } from '../partition/index.js';
import { allowChangesText, changesText } from './changes.js';
import type { Change } from './events.js';
import { formerTraining, parseRunRecipe } from '../recipe/loadRecipe.js';
import { partitionSchema, trainingSchema } from '../recipe/recipe.js';
import { recipeSettings } from '../recipe/recipeSettings.js';
import { yaml } from '../recipe/yaml.js';

export const fingerprintSchema = z.strictObject({
  /** As in a recipe, complete; of a `Trainer` that has none `training` and `partition` alone. */
  settings: z.record(z.string(), z.unknown()),
  /** The parts that they are carried out with, by name: data, libtorch, threads … */
  parts: z.record(z.string(), z.string()),
});
export type Fingerprint = z.infer<typeof fingerprintSchema>;

/**
 * Settings that decide no bit of a run that goes on: where data lie that are told apart by what is in them, who
 * prepares them, and what the checkpoint says itself.
 */
const withoutEffect = [
  'data.path',
  'data.classIndex',
  'data.numWorkers',
  'model.pretrained',
  'partition.masks',
  'training.checkpointSteps',
  'training.scheduleStart',
  'training.distributed.lifeTimeout',
  'training.distributed.timeout',
];

export interface FingerprintParts {
  readonly network: nn.Module;
  /** The fingerprints of the data, by name. */
  readonly parts: Readonly<Record<string, string>> | undefined;
  readonly masks: Partition | null;
}

export function fingerprintOf(
  settings: Readonly<Record<string, unknown>>,
  { network, parts, masks }: FingerprintParts,
): Fingerprint {
  return {
    settings,
    parts: {
      ...parts,
      ...(masks && { masks: sha256(encodePartition(masks)) }),
      ...engineParts(network),
    },
  };
}

/** The fingerprint of the parameters and buffers that a network starts from. */
export function weightsFingerprint(network: nn.Module): string {
  const hash = createHash('sha256');
  for (const [name, tensor] of network.stateDict()) hash.update(name).update(tensor.toTypedArray());
  return hash.digest('hex').slice(0, 16);
}

function engineParts(network: nn.Module): Record<string, string> {
  const { version, configuration } = libtorchVersion();
  const [, capability = 'unknown'] = /CPU capability usage: (.*)/.exec(configuration) ?? [];
  const { ONEDNN_MAX_CPU_ISA, DNNL_MAX_CPU_ISA } = process.env;
  const oneDnn = ONEDNN_MAX_CPU_ISA ?? DNNL_MAX_CPU_ISA; // as oneDNN looks for them
  const gains = measuredGains(network);
  return {
    libtorch: version,
    threads: String(getNumThreads()),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    'instruction set': `${thisMachine().instructions}, libtorch ${capability}`,
    'OpenBLAS kernels': process.env.OPENBLAS_CORETYPE ?? 'its choice',
    ...(oneDnn !== undefined && { 'oneDNN instruction set': oneDnn.toUpperCase() }),
    ...(hasPlans(network) && { 'rates of plans': ratesText() }),
    ...(gains.length > 0 && { 'gains of routers': sha256(JSON.stringify(gains)) }),
  };
}

/** Of routers of one's own that do not say theirs, and decide the learning rate of their banks. */
function measuredGains(network: nn.Module): InitialGains[] {
  return Array.from(network.namedModules(), ([, module]) => module).flatMap((module) =>
    module instanceof DynamicConv && module.initialGains && !module.router.initialGains ? [module.initialGains] : [],
  );
}

function hasPlans(network: nn.Module): boolean {
  return [...network.namedModules()].some(([, module]) => isDynamicConvolution(module));
}

function ratesText(): string {
  const { file, rates } = loadMachineRates();
  return file === null ? 'the defaults' : `measured, ${sha256(JSON.stringify(rates))}`;
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 16);
}

/**
 * The changes since `before`. Settings that an older version did not know are what they are by default, or were then
 * (`parseRunRecipe`).
 */
export function changesSince(before: Fingerprint, now: Fingerprint): Change[] {
  const settings = differences(recipeSettings(completed(before.settings)), recipeSettings(completed(now.settings)));
  return [
    ...settings.filter(({ what }) => !withoutEffect.includes(what)),
    ...differences(new Map(Object.entries(before.parts)), new Map(Object.entries(now.parts))),
  ];
}

function differences(old: ReadonlyMap<string, string>, current: ReadonlyMap<string, string>): Change[] {
  return [...new Set([...old.keys(), ...current.keys()])]
    .filter((what) => old.get(what) !== current.get(what))
    .map((what) => ({ what, before: old.get(what) ?? null, now: current.get(what) ?? null }));
}

const bareSchema = z.object({ training: trainingSchema, partition: partitionSchema.optional() });

function completed(settings: Fingerprint['settings']): object {
  if (!('model' in settings)) {
    const { data } = bareSchema.safeParse(settings);
    if (!data) return settings;
    const keys = [...recipeSettings(settings).keys()];
    const has = (key: string): boolean => keys.some((each) => `${each}.`.startsWith(`${key}.`));
    return { ...data, training: { ...data.training, ...formerTraining(data.training, has) } };
  }
  try {
    return parseRunRecipe(yaml().stringify(settings), 'the settings');
  } catch (error) {
    if (error instanceof RecipeError) return settings;
    throw error;
  }
}

/** @param place what was changed, as messages name it. @throws InputError naming the changes, where there are any */
export function assertUnchanged(changes: readonly Change[], place: string): void {
  if (changes.length === 0) return;
  throw new InputError(
    `${place}: the run would not end as if it had never stopped: ${changesText(changes)}; ` +
      `put that back, or go on all the same by ${allowChangesText}`,
  );
}
