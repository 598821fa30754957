/** A whole run from a recipe: data, network, training, and the folder with everything that comes of it. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { Device } from '@padnet/torch';
import { InputError } from '../errors.js';
import type { CodeOptions } from '../ownCode/index.js';
import { decodePartition, encodePartition, type Partition } from '../partition/index.js';
import { appendLine, writeFileAtomic } from './atomicWrite.js';
import { listCheckpoints } from './checkpoint.js';
import { describeEnvironment } from './environment.js';
import {
  isMetric,
  type BadPictureEvent,
  type NewClassifierEvent,
  type TrainingEvent,
  type TruncatedEvent,
  type UnknownKeysEvent,
} from './events.js';
import { serialiseRecipe } from './loadRecipe.js';
import { pinCode } from './pinCode.js';
import { prepareTask } from './prepare.js';
import { readEvents } from './readRun.js';
import type { PartitionOptions, Recipe } from './recipe.js';
import { RunFolder } from './runFolder.js';
import { Trainer } from './trainer.js';

export interface TrainRecipeOptions extends CodeOptions {
  /** The run's folder. */
  readonly out: string;
  /** Go on from the folder's last checkpoint. @default false */
  readonly resume?: boolean;
  /** Replace a run that is in the folder. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** @default 'cpu' */
  readonly device?: Device;
}

/**
 * Trains as the recipe says and tells what happens. Aborted or killed, it goes on with `resume`; a run that has finished only
 * tells so again.
 *
 * @throws InputError where data are missing, the folder has a run already (and neither resume nor force), or a checkpoint is
 * damaged
 */
export async function* trainRecipe(
  given: Recipe,
  options: TrainRecipeOptions,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const { out, resume = false, force = false, signal, device = 'cpu', allowCode } = options;
  const folder = new RunFolder(out);
  if (resume) {
    if (!existsSync(folder.recipe)) throw new InputError(`${out} has no run to resume: it has no recipe.yaml`);
    const finished = readEvents(folder.metrics).find(({ type }) => type === 'finished');
    if (finished && existsSync(folder.model)) {
      yield finished;
      return;
    }
  } else {
    folder.checkNew(force);
  }

  const recipe = pinCode(given, { allowCode });
  const remarks: (TruncatedEvent | BadPictureEvent | NewClassifierEvent | UnknownKeysEvent)[] = [];
  let badPictures = 0;
  const prepared = await prepareTask(recipe, {
    device,
    signal,
    allowCode,
    onTruncate: (truncation) => remarks.push({ type: 'truncated', ...truncation }),
    loadsCheckpoint: resume && listCheckpoints(folder.checkpoints).length > 0,
    onNewClassifier: (classifier) => remarks.push({ type: 'newClassifier', ...classifier }),
    onUnknownKeys: (keys) => {
      if (recipe.modality === 'text') remarks.push({ type: 'unknownKeys', pretrained: recipe.model.pretrained, keys });
    },
    onBadPicture: (picture) => remarks.push({ type: 'badPicture', ...picture, count: ++badPictures }),
  });
  const trainer = new Trainer({
    task: prepared.task,
    training: prepared.training,
    partition: recipe.partition,
    saliency: prepared.saliency,
    masks: readMasks(recipe.partition),
    checkpoints: folder.checkpoints,
    onPartition: (partition) => {
      writeFileAtomic(folder.partition, encodePartition(partition));
    },
  });
  // From here on the folder is changed: all that the recipe names has been found and fits.
  if (resume) {
    folder.clean();
    trainer.resume();
  } else {
    folder.create(force);
    writeFileAtomic(folder.recipe, serialiseRecipe(recipe));
  }
  if (!existsSync(folder.environment))
    writeFileAtomic(folder.environment, `${JSON.stringify(describeEnvironment(), null, 2)}\n`);
  mkdirSync(folder.checkpoints, { recursive: true });
  truncateLines(folder.metrics, trainer.events);

  yield* remarks.splice(0);
  for await (const event of trainer.run({ signal })) {
    yield* remarks.splice(0);
    if (event.type === 'finished') prepared.save(folder.model);
    if (isMetric(event)) appendLine(folder.metrics, JSON.stringify(event));
    yield event;
  }
}

function readMasks(options: PartitionOptions | undefined): Partition | undefined {
  if (options?.masks === undefined) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(options.masks);
  } catch (error) {
    throw new InputError(`partition.masks: ${(error as Error).message}`, { cause: error });
  }
  const partition = decodePartition(bytes, options.masks);
  if (partition.settings.ratio !== options.ratio) {
    throw new InputError(
      `partition.masks: ${options.masks} was made with ratio ${partition.settings.ratio}, partition.ratio is ${options.ratio}`,
    );
  }
  return partition;
}

/** Drops the lines of events that came after the checkpoint: they happen again. */
function truncateLines(file: string, count: number): void {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  writeFileAtomic(
    file,
    lines
      .slice(0, count)
      .map((line) => `${line}\n`)
      .join(''),
  );
}
