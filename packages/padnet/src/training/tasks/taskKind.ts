/**
 * The contract of a modality, the kind of data that a network takes, with training; `picture.ts` and `text.ts`
 * implement it.
 */
import type { Device } from '@padnet/torch';
import type { CodeOptions } from '../../ownCode/index.js';
import type { Recipe } from '../../recipe/recipe.js';
import type { PreparationEvent } from '../../runs/events.js';
import type { SavedModel } from '../../runs/savedModel.js';
import type { SplitOptions } from '../../runs/splitFile.js';
import type { Task } from '../task.js';
import type { TrainerOptions } from '../trainer.js';

export interface PrepareOptions extends CodeOptions, SplitOptions {
  /** @default 'cpu' */
  readonly device?: Device;
  /** Told what is noteworthy of data and weights; of a picture that is left out, also when it is met later. */
  readonly onRemark?: ((remark: PreparationEvent) => void) | undefined;
  /**
   * Whether the weights of a checkpoint are loaded next: `model.pretrained` of pictures is then not read.
   *
   * @default false
   */
  readonly loadsCheckpoint?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A task that is ready to be trained. */
export interface PreparedTask {
  readonly task: Task;
  /** The settings that a `Trainer` is given. */
  readonly training: TrainerOptions['training'];
  readonly trainSamples: number;
  /** Training samples that are held out. */
  readonly validationSamples: number;
  readonly testSamples: number;
  /** How the samples were divided, where the data did not say so; null: they did. */
  readonly split: NonNullable<SplitOptions['split']> | null;
  /** The description of one sample; for texts the longest. */
  readonly sample: string;
  /** Multiply-accumulates of a forward pass of that sample. */
  countMacs(): number;
  /** Writes the network, and what it needs to be used, at the path of a `model.json`. */
  save(file: string): void;
}

/** The methods take recipes and networks of their own modality alone. */
export interface TaskKind<R extends Recipe = Recipe, Model extends SavedModel = SavedModel> {
  /** Loads the data and makes the network, from the recipe's seed. */
  prepare(recipe: R, options: PrepareOptions): Promise<PreparedTask>;
  /** The task that evaluates or partitions a trained network, on the data of a recipe. */
  savedTask(recipe: R, model: Model, options: PrepareOptions): Promise<Task>;
  /**
   * Makes a dynamic or partial network one whose masks can be searched, in place.
   *
   * @throws RangeError where it cannot
   */
  makeSearchable(model: Model, options: CodeOptions): void;
  /**
   * The name of the weights that training starts from, where they may be on the Hugging Face hub; null: they are not.
   */
  hubName(recipe: R): string | null;
  /** The metric that a network is scored by; several are joined by /. */
  metric(recipe: R): string;
  /** A short name of the network that a recipe trains. */
  networkName(recipe: R): string;
}
