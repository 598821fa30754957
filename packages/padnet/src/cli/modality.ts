/** A modality as commands need to know it; `modalities.ts` has them all. */
import type { GraphInputs } from '../export/modelFolder.js';
import type { ShownSample } from '../export/testSamples.js';
import type { Recipe } from '../recipe/index.js';
import type { SavedModel } from '../runs/index.js';
import type { Evaluation } from '../training/index.js';
import type { Converter } from './converter.js';
import type { Terminal } from './terminal.js';

/** A network that is asked something. */
interface Asked<Model extends SavedModel> {
  /** The folder of the network. */
  readonly run: string;
  readonly model: Model;
  readonly terminal: Terminal;
}

/** A question of `padnet eval`. */
export interface EvalQuestion<Model extends SavedModel = SavedModel> extends Asked<Model> {
  readonly batchSize?: number | undefined;
  /** `mean`: the network's routing has been switched off; absent: it has not. */
  readonly coefficients?: 'mean' | undefined;
  readonly coefficientThreshold?: number | undefined;
  /** Folder of the files to hand in; absent: none are written. */
  readonly submission?: string | undefined;
  readonly json: boolean;
}

/** The score of a network on labelled samples. */
export interface Scored {
  readonly evaluation: Evaluation;
  readonly seconds: number;
  /** Samples that were evaluated. */
  readonly length: number;
  /** How many of what, in words. */
  readonly counted: string;
  /** The class of each sample; null where they have none. */
  readonly classes: { readonly names: readonly string[]; readonly labels: ArrayLike<number> } | null;
  /** The beginning of the result as JSON. */
  readonly json: object;
  /** Files to hand in; absent: none were asked for. */
  readonly files?: readonly string[];
}

/** A question of `padnet predict`, but for its inputs. */
export interface Question<Model extends SavedModel = SavedModel> extends Asked<Model> {
  /** How many classes are shown. */
  readonly top?: number | undefined;
  /** Whether to show what routers decided. */
  readonly detailed: boolean;
  readonly format: 'table' | 'json' | 'csv';
}

export interface Inputs {
  readonly inputs: readonly string[];
  /** A list of pictures, or a file of texts; instead of `inputs`. */
  readonly file?: string | undefined;
}

/** The methods take recipes and networks of their own modality alone. */
export interface ModalityCommands<R extends Recipe = Recipe, Model extends SavedModel = SavedModel> {
  /** The name of samples in the results of `padnet eval` as JSON. */
  readonly sampleKey: 'images' | 'sentences';
  /** Options of `padnet eval` that are not for these networks, and what they are for. */
  readonly evalRefused: Readonly<Record<string, string>>;
  /** On the test data of a recipe. @param folder of the recipe, whose run may have divided its samples */
  evaluate(question: EvalQuestion<Model>, recipe: R, folder: string): Promise<Scored>;
  /** On other data; null where these have no labels, and have been predicted. */
  evaluateOn(question: EvalQuestion<Model>, data: string): Promise<Scored | null>;

  /** Options of `padnet predict` that are not for these networks, and what they are for. */
  readonly predictRefused: Readonly<Record<string, string>>;
  /** The option that shows what routers decided. */
  readonly detail: 'coefficients' | 'experts';
  predict(question: Question<Model> & Inputs): Promise<void>;

  readonly convert: Converter<Model>;

  /**
   * Samples of the test data of a run: `tried` of them as inputs, and `shown` of them for people.
   *
   * @throws InputError where the data cannot be read
   */
  testSamples(
    recipe: R,
    model: Model,
    run: string,
    counts: { readonly tried: number; readonly shown: number },
  ): Promise<{ readonly inputs: readonly GraphInputs[]; readonly shown: readonly ShownSample[] }>;
}
