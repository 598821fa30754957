/**
 * A trained network on disk: `model.json` says what it is, `model.safetensors` has its weights, of partial layers those
 * in use.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { decodeSafetensors, encodeSafetensors, scope, type nn } from '@padnet/torch';
import { z } from 'zod';
import { loadMachineRates } from '../compute/index.js';
import {
  glueDefinition,
  glueTaskNames,
  loadTokenizer,
  metricNames,
  tableFormatNames,
  type OwnTableOptions,
  type TextDefinition,
  type TextTokenizer,
} from '../data/index.js';
import { InputError, reasonOf } from '../errors.js';
import { readJson } from '../jsonFile.js';
import {
  createModel,
  createTextShape,
  modelSchema,
  numberedLabels,
  parseTextConfig,
  savePretrained,
  textModelSchema,
  toHuggingFaceConfig,
  type SequenceClassifier,
  type TextConfig,
} from '../models/index.js';
import { compactStateDict, isDynamicLayer, loadCompactStateDict, replaceConstantLayers } from '../layers/index.js';
import { writeFileAtomic } from '../outputFile.js';
import type { CodeOptions } from '../ownCode/index.js';
import { readRegularFile } from '../readRegularFile.js';
import type { Modality } from '../recipe/recipe.js';
import { parseAs } from '../schemaProblems.js';

const format = z.literal('padnet-model-1');

const pictureSide = z
  .int()
  .min(1)
  .max(2 ** 14);

const pictureDescriptionSchema = z.strictObject({
  format,
  modality: z.literal('image'),
  model: modelSchema,
  inChannels: z.int().min(1),
  numClasses: z.int().min(1),
  /** Height and width of the pictures that it was trained on. */
  size: z.tuple([pictureSide, pictureSide]),
  classNames: z.array(z.string()),
  /** In units where black is 0 and white 1, by channel. */
  normalise: z.strictObject({ mean: z.array(z.number()), std: z.array(z.number()) }),
  /** How picture files become of that size; see `centreGeometry`. Absent in files of before it was written down. */
  cropFraction: z.number().gt(0).max(1).optional(),
});

/** As `TextDefinition`. */
const definitionSchema = z.strictObject({
  columns: z.strictObject({ first: z.string(), second: z.string().nullable(), label: z.string() }),
  labels: z.array(z.string()).readonly().nullable(),
  classNames: z.array(z.string()).readonly().nullable(),
  range: z.tuple([z.number(), z.number()]).readonly().nullable(),
  metrics: z.array(z.enum(metricNames)).min(1).readonly(),
});

/** As `OwnTableOptions`. */
const tableSchema = z.strictObject({
  format: z.enum(tableFormatNames).optional(),
  delimiter: z.string().optional(),
  quotes: z.boolean().optional(),
  columns: z.array(z.string()).readonly().optional(),
});

/** The tokenizer's files are beside it. */
const textDescriptionSchema = z.strictObject({
  format,
  modality: z.literal('text'),
  model: textModelSchema,
  /** As Hugging Face's `config.json`. */
  config: z.record(z.string(), z.unknown()),
  /** The task of GLUE that it was trained for. */
  task: z.enum(glueTaskNames).optional(),
  /**
   * The definition of the texts that it was trained for; without this and `task`: converted from a pretrained encoder,
   * not trained yet.
   */
  definition: definitionSchema.optional(),
  /** How the files that it was trained on were written; absent where the run's recipe says so. */
  table: tableSchema.optional(),
  maxLength: z.int().min(1),
});

/** The part that the `config.json` keeps of a trained network that was saved as Hugging Face does. */
const keptSchema = textDescriptionSchema.pick({ task: true, definition: true, table: true, maxLength: true });

/** A network that a program made: its weights can be read, not the network. */
const programDescriptionSchema = z.strictObject({ format, modality: z.literal('program'), name: z.string() });

const descriptionSchema = z.discriminatedUnion('modality', [
  pictureDescriptionSchema,
  textDescriptionSchema,
  programDescriptionSchema,
]);

/** All that is needed to run a network on new data, but its weights and tokenizer. */
export type PictureDescription = Omit<z.infer<typeof pictureDescriptionSchema>, 'format'>;
export type TextDescription = Omit<
  z.infer<typeof textDescriptionSchema>,
  'format' | 'config' | 'definition' | 'table'
> & {
  /** The definition, for tasks of GLUE too. */
  readonly definition?: TextDefinition | undefined;
  readonly table?: OwnTableOptions | undefined;
};

export interface PictureModel {
  readonly modality: 'image';
  readonly network: nn.Layer;
  readonly description: PictureDescription;
}

export interface TextModel {
  readonly modality: 'text';
  readonly network: SequenceClassifier;
  readonly tokenizer: TextTokenizer;
  readonly description: TextDescription;
}

/** The classes that a network for texts answers with; null where it gives a number. */
export function textClassNames({
  network,
  description,
}: Pick<TextModel, 'network' | 'description'>): readonly string[] | null {
  const { labels } = network.config;
  return labels.length === 1 ? null : (description.definition?.classNames ?? labels);
}

export type SavedModel = PictureModel | TextModel;
/** A network of one modality. */
export type ModelOf<M extends Modality> = Extract<SavedModel, { readonly modality: M }>;

/** The name of a network's inputs. */
export const sampleNames: Readonly<Record<Modality, string>> = { image: 'pictures', text: 'texts' };

/**
 * A network that is to be of one modality.
 *
 * @param place what messages name it
 * @throws InputError where it is of another
 */
export function ofModality<M extends Modality>(modality: M, model: SavedModel, place: string): ModelOf<M> {
  if (model.modality === modality) return model as ModelOf<M>;
  throw new InputError(`${place} has a network for ${sampleNames[model.modality]}`);
}

/**
 * Writes the weights, then `model.json` at `file`, which calls a network static in which no layer is dynamic any more.
 */
export function savePictureModel(file: string, network: nn.Layer, description: PictureDescription): void {
  writeModel(file, network, describedPictures(network, description));
}

type Described = WithoutFormat<StoredModel>;

function describedPictures(network: nn.Layer, description: PictureDescription): Described {
  return { ...description, model: pictureOptions(network, description.model) };
}

/** The options of a network as it is, whatever it was before its partition. */
function pictureOptions(network: nn.Module, model: PictureDescription['model']): PictureDescription['model'] {
  if (model.layer === 'static' || hasDynamicLayer(network)) return model;
  const { name, stem, width } = model;
  return modelSchema.parse({ name, stem, width });
}

function textOptions(network: nn.Module, model: TextDescription['model']): TextDescription['model'] {
  if (model.layer === 'static' || hasDynamicLayer(network)) return model;
  const { pretrained, fromScratch } = model;
  return textModelSchema.parse({ pretrained, fromScratch });
}

function hasDynamicLayer(network: nn.Module): boolean {
  for (const [, module] of network.namedModules()) if (isDynamicLayer(module)) return true;
  return false;
}

/** Saves a network that only the program which trained it can make. */
export function saveProgramModel(file: string, network: nn.Module, { name }: { readonly name: string }): void {
  writeModel(file, network, { modality: 'program', name });
}

/** As Hugging Face saves it, with what padnet reads beside. */
export function savePretrainedText(
  folder: string,
  network: SequenceClassifier,
  description: TextDescription,
  files: readonly string[],
): void {
  const { task, table, maxLength } = description;
  const definition = task === undefined ? description.definition : undefined;
  savePretrained(folder, network, { kept: description.definition && { task, definition, table, maxLength }, files });
}

/**
 * The description of what an encoder in Hugging Face's format was trained for, where padnet has saved it.
 *
 * @throws InputError where that is damaged
 */
export function pretrainedDescription(
  folder: string,
  { labels }: Pick<TextConfig, 'labels'>,
): Partial<Pick<TextDescription, 'task' | 'definition' | 'table' | 'maxLength'>> {
  const file = join(folder, 'config.json');
  const { padnet: data } = readJson(file, z.looseObject({ padnet: keptSchema.optional() }), {
    expected: 'a configuration',
    wayOut: 'remove the key padnet',
  });
  if (data === undefined) return {};
  const definition = data.task === undefined ? data.definition : glueDefinition(data.task);
  // Others may have trained it for other classes since.
  const classes = definition?.classNames ?? numberedLabels(1);
  return classes.join('\0') === labels.join('\0') ? { ...data, definition } : {};
}

/** Names of the files that a tokenizer is read from. */
export const tokenizerFiles = ['tokenizer.json', 'tokenizer_config.json', 'vocab.txt', 'vocab.json', 'merges.txt'];

/** As `savePictureModel`. @param tokenizer the folder that its files are copied from */
export function saveTextModel(
  file: string,
  network: SequenceClassifier,
  description: TextDescription,
  tokenizer: string,
): void {
  writeModel(file, network, describedTexts(network, description), readTokenizer(tokenizer));
}

function describedTexts(network: SequenceClassifier, description: TextDescription): Described {
  const model = textOptions(network, description.model);
  const { definition, ...rest } = description;
  const own = rest.task === undefined && definition ? { definition } : {};
  return { ...rest, ...own, model, config: toHuggingFaceConfig(network.config) };
}

/** What `model.json` says of a network. */
export function describedModel(model: SavedModel): StoredModel {
  const description =
    model.modality === 'image'
      ? describedPictures(model.network, model.description)
      : describedTexts(model.network, model.description);
  return { format: 'padnet-model-1', ...description };
}

/** The files that a tokenizer is read from, by name. */
export type TokenizerFiles = ReadonlyMap<string, Uint8Array>;

/** Those of a folder. */
export function readTokenizer(folder: string): TokenizerFiles {
  const names = tokenizerFiles.filter((name) => existsSync(join(folder, name)));
  return new Map(
    names.map((name) => [name, readRegularFile(join(folder, name), { expected: 'a file of a tokenizer' })]),
  );
}

/** Copies the files that a tokenizer is read from to another folder. @returns their names */
export function copyTokenizer(from: string, to: string): string[] {
  const files = readTokenizer(from);
  writeTokenizer(to, files);
  return [...files.keys()];
}

function writeTokenizer(folder: string, files: TokenizerFiles): void {
  for (const [name, bytes] of files) writeFileAtomic(join(folder, name), bytes);
}

export function isTokenizerFile(name: string): boolean {
  return tokenizerFiles.includes(name);
}

/** Whether a network has, or may have, a file of this name. */
export function isModelFile(name: string): boolean {
  return ['model.json', 'model.safetensors', ...tokenizerFiles].includes(name);
}

/** Names of the files that the network at a `model.json` has, as that says; null where it is none. */
export function filesOfModel(file: string): string[] | null {
  try {
    return ['model.json', 'model.safetensors', ...kinds[parseDescription(file).modality].files];
  } catch {
    return null;
  }
}

/** A network as `describedModel` describes it, with its tokenizer's files. */
export function saveDescribedModel(
  file: string,
  network: nn.Module,
  description: StoredModel,
  tokenizer: TokenizerFiles,
): void {
  writeModel(file, network, description, tokenizer);
}

/** `model.json` comes last: where it is, the rest is. */
function writeModel(
  file: string,
  network: nn.Module,
  description: object,
  tokenizer: TokenizerFiles = new Map(),
): void {
  const bytes = scope(() => encodeSafetensors(compactStateDict(network)));
  writeFileAtomic(join(dirname(file), 'model.safetensors'), bytes);
  writeTokenizer(dirname(file), tokenizer);
  writeFileAtomic(file, `${JSON.stringify({ format: 'padnet-model-1', ...description }, null, 2)}\n`);
}

/**
 * The network in evaluation mode, and what it was trained for.
 *
 * @param file the path of `model.json`
 * @throws InputError where a file is missing or damaged, weights and description do not fit, or its router is code of
 * one's own that may not be run or has changed
 */
export function loadModel(file: string, code: CodeOptions = {}): SavedModel {
  loadMachineRates();
  const description = parseDescription(file);
  const kind: ModelKind = kinds[description.modality];
  return kind.load(description, file, code);
}

/** How networks of a modality are read. */
interface ModelKind<Description extends StoredDescription = StoredDescription> {
  /** Names of the files beside description and weights. */
  readonly files: readonly string[];
  load(description: Description, file: string, code: CodeOptions): SavedModel;
}

const kinds: { readonly [M in Stored['modality']]: ModelKind<Extract<StoredDescription, { modality: M }>> } = {
  image: {
    files: [],
    load: (description, file, code) => {
      const network = createPictures(description, code);
      loadWeights(network, file);
      const model = pictureOptions(network, description.model);
      return { modality: 'image', network, description: { ...description, model } };
    },
  },
  text: {
    files: tokenizerFiles,
    load: ({ config, ...rest }, file) => {
      const textConfig = parseTextConfig(config, file);
      const network = made(file, () => createTextShape(rest.model, textConfig));
      loadWeights(network, file);
      const definition = rest.task === undefined ? rest.definition : glueDefinition(rest.task);
      const description = { ...rest, definition, model: textOptions(network, rest.model) };
      return { modality: 'text', network, description, tokenizer: loadTokenizer(dirname(file)) };
    },
  },
  program: {
    files: [],
    load: ({ name }, file) => {
      throw new InputError(
        `${file}: ${name} is a network of a program of your own; only that program can make it; ` +
          'model.safetensors has its weights',
      );
    },
  },
};

function createPictures({ model, inChannels, numClasses }: PictureDescription, code: CodeOptions): nn.Layer {
  return createModel(model, { inChannels, numClasses }, code);
}

/**
 * A network of a description, with fresh weights.
 *
 * @param place what messages name
 * @throws InputError where there is no such network
 */
export function createDescribed(description: StoredModel, place: string): nn.Module {
  if (description.modality === 'image') return made(place, () => createPictures(description, {}));
  const config = parseTextConfig(description.config, place);
  return made(place, () => createTextShape(description.model, config));
}

/** What is made of a description that may ask for anything, such as more numbers than there is memory for. */
function made<Network extends nn.Module>(place: string, make: () => Network): Network {
  try {
    return make();
  } catch (error) {
    if (error instanceof InputError) throw error;
    // The operator that failed says nothing to a reader.
    const reason = reasonOf(error).replace(/^aten::\w+: /, '');
    throw new InputError(`${place}: the network that it describes cannot be made: ${reason}; get the file again`, {
      cause: error,
    });
  }
}

/** @param description the path of its `model.json` */
function loadWeights(network: nn.Module, description: string): void {
  const file = join(dirname(description), 'model.safetensors');
  const bytes = readRegularFile(file, { expected: 'the weights of a network' });
  scope(() => {
    try {
      loadCompactStateDict(network, decodeSafetensors(bytes, file).tensors);
    } catch (error) {
      const reason = reasonOf(error);
      throw new InputError(reason.startsWith(file) ? reason : `${file}: ${reason}`, { cause: error });
    }
  });
  replaceConstantLayers(network);
  network.eval();
}

/** Whether only the program that trained it can make the network. @throws InputError where the file is damaged */
export function isProgramModel(file: string): boolean {
  return parseDescription(file).modality === 'program';
}

type Stored = z.infer<typeof descriptionSchema>;
type WithoutFormat<Description> = Description extends unknown ? Omit<Description, 'format'> : never;
type StoredDescription = WithoutFormat<Stored>;

/** What `model.json` says of a network that can be made here. */
export type StoredModel = z.infer<typeof pictureDescriptionSchema> | z.infer<typeof textDescriptionSchema>;

/**
 * What a `model.json` says that lies elsewhere.
 *
 * @param place what messages name
 * @throws InputError where it is no such description
 */
export function parseStoredModel(json: unknown, place: string): StoredModel {
  const schema = z.discriminatedUnion('modality', [pictureDescriptionSchema, textDescriptionSchema]);
  return parseAs<StoredModel>(schema, json, (problems) => new InputError(`${place}: ${problems}; get the file again`));
}

function parseDescription(file: string): StoredDescription {
  const description: StoredDescription & { format?: string } = readJson<Stored>(file, descriptionSchema, {
    expected: 'the description of a network',
    wayOut: 'restore it from a copy, or train again',
  });
  delete description.format;
  return description;
}
