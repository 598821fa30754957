/** What commands need to know of a modality: `pictures.ts` and `texts.ts` are such. */
import type { Recipe } from '../recipe/index.js';
import type { SavedModel } from '../runs/index.js';
import type { Evaluation } from '../training/index.js';
import type { ClassAccuracy } from './classTable.js';
import type { Converter } from './converter.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

/** What `padnet eval` is asked. */
export interface EvalQuestion<Model extends SavedModel = SavedModel> {
  /** The folder of the network. */
  readonly run: string;
  readonly model: Model;
  readonly batchSize?: number | undefined;
  readonly coefficientThreshold?: number | undefined;
  /** Folder of the files to hand in; absent: none are written. */
  readonly submission?: string | undefined;
  readonly json: boolean;
  readonly terminal: Terminal;
}

/** What a network reaches on labelled samples. */
export interface Scored {
  readonly evaluation: Evaluation;
  readonly seconds: number;
  /** Samples that were evaluated. */
  readonly length: number;
  /** How many of what, in words. */
  readonly counted: string;
  /** null where they are no classes. */
  readonly classes: readonly ClassAccuracy[] | null;
  /** The beginning of the result as JSON. */
  readonly json: object;
  /** Files to hand in; absent: none were asked for. */
  readonly files?: readonly string[];
}

/** What `padnet predict` is asked. */
export interface Question<Model extends SavedModel = SavedModel> {
  readonly run: string;
  readonly model: Model;
  readonly inputs: readonly string[];
  /** A list of pictures, or a file of texts; instead of `inputs`. */
  readonly file?: string | undefined;
  /** How many classes are shown. */
  readonly top?: number | undefined;
  /** Whether to show what routers decided. */
  readonly detailed: boolean;
  readonly format: 'table' | 'json' | 'csv';
}

/** The methods take recipes and networks of their own modality alone. */
export interface ModalityCommands<R extends Recipe = Recipe, Model extends SavedModel = SavedModel> {
  /** What samples are called in the results of `padnet eval`: as JSON, and in words. */
  readonly sampleKey: 'images' | 'sentences';
  readonly sampleWord: string;
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
  predict(question: Question<Model>, terminal: Terminal): Promise<void>;

  readonly convert: Converter<Model>;
}

/** @throws UsageError naming the first option that is given and refused */
export function refuseOptions(
  options: object,
  refused: Readonly<Record<string, string>>,
  message: (option: string, purpose: string) => string,
): void {
  for (const [name, purpose] of Object.entries(refused)) {
    if ((options as Readonly<Record<string, unknown>>)[name] === undefined) continue;
    throw new UsageError(message(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, purpose));
  }
}
