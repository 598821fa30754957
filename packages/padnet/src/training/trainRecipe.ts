/** A whole run from a recipe: data, network, training, and the folder with everything that comes of it. */
import { setTimeout } from 'node:timers/promises';
import type { Device } from '@padnet/torch';
import { ProcessGroup, type RankEnvironment } from '@padnet/torch/distributed';
import type { DataSplit } from '../data/index.js';
import { InputError, reasonOf } from '../errors.js';
import type { CodeOptions } from '../ownCode/index.js';
import { Ranks } from '../ranks.js';
import { decodePartition, type Partition } from '../partition/index.js';
import { isFolder, isThere, readRegularFile } from '../readRegularFile.js';
import { listCheckpoints } from '../runs/checkpoint.js';
import type { FinishedEvent, PreparationEvent, TrainingEvent } from '../runs/events.js';
import { assertPartitionForeseen } from '../recipe/partitionForesight.js';
import { pinCode } from '../recipe/pinCode.js';
import { prepareTask } from './prepare.js';
import { distributedSchema, type PartitionOptions, type Recipe } from '../recipe/recipe.js';
import { recipeSettings } from '../recipe/recipeSettings.js';
import { RunFolder } from '../runs/runFolder.js';
import { finishedEvent, holdUnfinished, RunWriter } from './runWriter.js';
import { readSplit } from '../runs/splitFile.js';
import { Trainer } from './trainer.js';

export interface TrainRecipeOptions extends CodeOptions {
  /** The run's folder, which is held meanwhile. */
  readonly out: string;
  /** Go on from the folder's last checkpoint. @default false */
  readonly resume?: boolean;
  /** Replace a run that is in the folder. @default false */
  readonly force?: boolean;
  /**
   * Resume also where recipe, data or machine have changed, so that the run does not end as if it had never stopped; a
   * `changed` event says what. @default false
   */
  readonly allowChanges?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** @default 'cpu' */
  readonly device?: Device;
  /**
   * Which of several processes this is that train together (`rankEnvironment`): rank 0 has the run's folder, and goes
   * on with the run in it where the processes were started again. @default null: the only one
   */
  readonly ranks?: RankEnvironment | null;
}

/** What the other ranks need to know of the run that rank 0 has begun or goes on with. */
interface Begun {
  /** How it has ended before. */
  readonly finished: FinishedEvent | null;
  readonly resume: boolean;
  readonly loadsCheckpoint: boolean;
  readonly split: DataSplit | null;
}

/**
 * Trains as the recipe says and tells what happens. Aborted or killed, it goes on with `resume`; a run that has
 * finished only tells so again.
 *
 * @throws InputError where the partition cannot succeed, data are missing, the folder has a run already (and neither
 * resume nor force), a checkpoint is damaged, or what it was made with has changed; FolderHeldError where another
 * process trains there
 */
export async function* trainRecipe(
  given: Recipe,
  options: TrainRecipeOptions,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const { ranks: environment = null, signal } = options;
  if (!environment) {
    yield* writeRun(given, options, null);
    return;
  }
  const { syncBatchNorm, lifeTimeout, timeout } = distributedSchema.parse(given.training.distributed ?? {});
  const group = await ProcessGroup.open(environment, { lifeTimeout, timeout, exitTimeout, signal });
  let reason: string | null = 'the training was left';
  try {
    const ranks = new Ranks(group, { syncBatchNorm, signal });
    const [restarts = 0] = group.max([environment.restarts]);
    const own = { ...options, device: ownDevice(options.device, environment) };
    yield* group.rank === 0 ? writeRun(given, restarted(own, restarts), ranks) : follow(given, own, ranks);
    group.barrier();
    reason = null;
  } catch (error) {
    reason = reasonOf(error);
    throw error;
  } finally {
    if (reason !== null) {
      group.fail(reason);
      if (group.rank === 0) await setTimeout(500 * exitTimeout); // the others read it here meanwhile
    }
    group.close();
  }
}

/** Seconds that a rank which has lost another may go on with what it computes. */
const exitTimeout = 1.5;

/** Each rank of a machine has a device of its own. */
function ownDevice(device: Device = 'cpu', { localRank }: RankEnvironment): Device {
  return device === 'cuda' ? `cuda:${localRank}` : device;
}

/** The options for a run whose processes were started again after one was lost. */
function restarted(options: TrainRecipeOptions, restarts: number): TrainRecipeOptions {
  return restarts > 0 && isThere(new RunFolder(options.out).recipe)
    ? { ...options, resume: true, force: false }
    : options;
}

/** What ranks other than the first do: the same steps, without a folder. */
async function* follow(
  given: Recipe,
  { device = 'cpu', allowCode = false, allowChanges = false, signal }: TrainRecipeOptions,
  ranks: Ranks,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const { finished, resume, loadsCheckpoint, split } = ranks.group.broadcastJson(null) as Begun;
  if (finished) {
    yield finished;
    return;
  }
  const recipe = pinCode(given, { allowCode });
  const { task, training, saliency } = await prepareTask(recipe, {
    ...{ device, signal, allowCode, loadsCheckpoint },
    split: split ?? undefined,
  });
  const masks = readMasks(recipe.partition);
  const trainer = new Trainer({
    task,
    training,
    partition: recipe.partition,
    saliency,
    masks,
    settings: recipe,
    ranks,
  });
  if (resume) trainer.resume({ allowChanges });
  // Rank 0 tells of the steps.
  for await (const event of trainer.run({ signal }))
    if (event.type === 'finished' || event.type === 'interrupted') yield event;
}

async function* writeRun(
  given: Recipe,
  options: TrainRecipeOptions,
  ranks: Ranks | null,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const {
    out,
    resume = false,
    force = false,
    allowChanges = false,
    signal,
    device = 'cpu',
    allowCode = false,
  } = options;
  const folder = new RunFolder(out);
  const named = allowCode ? pinCode(given, { allowCode }) : given;
  const begun = await holdUnfinished(folder, () => {
    if (resume) return finishedEvent(folder, named, allowChanges);
    assertPartitionForeseen(given);
    checkInputs(given, folder);
    folder.checkNew(force);
    return null;
  });
  const loadsCheckpoint = resume && listCheckpoints(folder.checkpoints).length > 0;
  const split = resume && !begun.finished ? readSplit(folder.split) : undefined;
  ranks?.group.broadcastJson({
    ...{ finished: begun.finished, resume, loadsCheckpoint },
    split: split ?? null,
  } satisfies Begun);
  if (begun.finished) {
    yield begun.finished;
    return;
  }
  using _hold = begun.hold;

  // Code that is allowed has been run for its checksum already.
  const recipe = allowCode ? named : pinCode(given, { allowCode });
  const remarks: PreparationEvent[] = [];
  const prepared = await prepareTask(recipe, {
    device,
    signal,
    allowCode,
    onRemark: (remark) => remarks.push(remark),
    loadsCheckpoint,
    split,
  });
  // From here on the folder is changed: all that the recipe names has been found and fits.
  const writer = new RunWriter({
    folder,
    resume,
    force,
    allowChanges,
    recipe,
    split: prepared.split,
    task: prepared.task,
    training: prepared.training,
    partition: recipe.partition,
    saliency: prepared.saliency,
    masks: readMasks(recipe.partition),
    ranks: ranks ?? undefined,
    save: (file) => {
      prepared.save(file);
    },
  });
  yield* remarks.splice(0);
  for await (const event of writer.train({ signal })) {
    yield* remarks.splice(0);
    yield event;
  }
}

const inputKeys = ['data.path', 'data.train', 'data.test', 'data.classIndex', 'model.pretrained', 'partition.masks'];

/** Checks that `force` does not delete files that training reads; a folder of data stays. */
function checkInputs(recipe: Recipe, folder: RunFolder): void {
  const settings = recipeSettings(recipe);
  for (const key of inputKeys) {
    const path = settings.get(key);
    if (path !== undefined && !(key.startsWith('data.') && isFolder(path))) folder.checkInput(path, `${key}: ${path}`);
  }
}

/** Those that a recipe names. @throws InputError where they are missing, damaged, or of another ratio */
export function readMasks(options: PartitionOptions | undefined): Partition | undefined {
  if (options?.masks === undefined) return undefined;
  const { masks } = options;
  let partition: Partition;
  try {
    partition = readPartition(masks);
  } catch (error) {
    throw new InputError(`partition.masks: ${reasonOf(error)}`, { cause: error });
  }
  if (partition.settings.ratio !== options.ratio) {
    throw new InputError(
      `partition.masks: ${masks} was made with ratio ${partition.settings.ratio}, partition.ratio is ${options.ratio}`,
    );
  }
  return partition;
}

/**
 * @param path a file of masks, or the folder of a run or a network that has one
 * @throws InputError where there are none
 */
export function readPartition(path: string): Partition {
  const file = isFolder(path) ? new RunFolder(path).partition : path;
  if (isFolder(path) && !isThere(file))
    throw new InputError(
      `${path} is no partitioned run: it has no partition.safetensors; give a file of masks or a folder with one, ` +
        'as training with a partition section writes it, or `padnet convert --layer partial --ratio`',
    );
  return decodePartition(readRegularFile(file, { expected: 'a partition' }), file);
}
